/* target.h - what scores tokens: real weights (`transformer`) or a recorded output (`replay`).
 *
 * A context is the prompt and the emitted tokens. Between steps the target has seen all of it but the
 * last token, the pending one:
 *
 *     begin:       seen = nothing               pending = the whole prompt
 *     verify:      one pass over pending, then the draft d[0..m)
 *                  row 0 says what follows the last pending token, the verdict on d[0];
 *                  row i says what follows d[i-1]; row m yields the next token when all of d stands
 *     rollback(L): keeps the first L tokens of the context: those that stood, less the new last one
 */
#ifndef ENGINE_TARGET_TARGET_H
#define ENGINE_TARGET_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/registry.h"
#include "engine/draft.h"
#include "engine/model/model.h"

/* What a target's rows hold. A rule that needs more than its target gives is refused beforehand. */
enum { GIVES_CHOICES = 1, GIVES_LOGITS = 2 };

/* The verdicts of one pass; owned by the target, valid until its next call. */
typedef struct {
    size_t         n; /* draft length + 1 */
    size_t         vocab;
    const float   *logits; /* [n, vocab]; NULL when the target gives none */
    const int32_t *forced; /* [n] the recorded token at each row, -1 past its end; NULL when decoding is free */
} rows;

typedef struct target target;

typedef struct {
    const char *name, *help;
    const char *source; /* the file it is in: __FILE__ */
    unsigned    gives;
    /* Starts a new context. `forced` (n_forced ids ending in EOS) is the recorded output to follow, or NULL;
     * it must live as long as the context. Replay needs it. */
    int (*begin)(target *t, const int32_t *forced, size_t n_forced, err *e);
    /* n_pending >= 1 for a target that gives logits. Logits that are not finite are an ERR_RUN. */
    int (*verify)(target *t, const int32_t *pending, size_t n_pending, const draft *d, rows *out, err *e);
    int (*rollback)(target *t, size_t length, err *e);
    /* How many more tokens fit into the context; SIZE_MAX when there is no limit. */
    size_t (*room)(const target *t);
    void (*close)(target *t);
} target_ops;

/* Every target begins with this. */
struct target {
    const target_ops *ops;
};

/* Over shared weights, which are packed, with a context of `context` tokens. `m` must outlive the target. */
target *target_transformer_open(const model *m, size_t context, int threads, err *e);

/* The same with products through BLAS (engine/model/blas.h), for a model that has been through model_decode: its logits
 * depend on the passes. */
target *target_blas_open(const model *m, size_t context, int threads, err *e);

/* Over recorded outputs; `vocab` bounds the ids. */
target *target_replay_open(size_t vocab, err *e);

void target_close(target *t); /* NULL is fine */

extern const registry target_registry; /* Every target, of targets.def. */

#endif
