/* target.h - what scores tokens: real weights (`transformer`) or a recorded output (`replay`).
 *
 * To add one: see targets.def. No other code knows a target by its name: its needs and gives decide which keys a config
 * must have, which rules may run on it, and whether its times are reported.
 *
 * A context is the prompt and the emitted tokens. Between passes the target has seen all of it except the last token,
 * the pending one (at first, the whole prompt is pending). A pass sees the pending tokens and a draft below them;
 * afterwards `keep` says which path of the draft stands, and the rest of the draft is forgotten (decode.h has a
 * picture).
 */
#ifndef ENGINE_TARGET_TARGET_H
#define ENGINE_TARGET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/registry.h"
#include "engine/draft.h"
#include "engine/target/rows.h"

/* What a target requires. */
enum {
    NEEDS_WEIGHTS = 1,  /* a model: a config names it as `path`, and may bound its `context`. Without this it needs only
                         * the vocabulary: a config names a `tokenizer` */
    NEEDS_RECORDING = 2 /* a recorded output to follow: decoding must be forced */
};

/* What multiplies with the weights: our kernels, bit-exact however tokens are split into passes, or OpenBLAS. */
typedef enum { GEMM_EXACT, GEMM_BLAS, GEMMS } gemm;

/* Its name in configs and results. */
const char *gemm_name(gemm g);

/* What a target is opened with; each takes what it needs. */
typedef struct {
    struct model *weights; /* must outlive the target; NULL when there is none */
    size_t        vocab;   /* ids are 0 to vocab - 1 */
    size_t        context; /* tokens; with weights 1 to the model's own */
    int           threads; /* of a pass, at least 1 */
    gemm          gemm;
} target_spec;

typedef struct target target;

typedef struct {
    const char *name, *help;
    const char *source; /* the file it is in: __FILE__ */
    unsigned    needs;  /* NEEDS_* */
    unsigned    gives;  /* GIVES_* */
    bool        timed;  /* a pass takes the time that decoding takes */
    /* Prepares what the spec holds and processes may share: called once, before targets are opened and processes
     * forked. NULL: nothing to do. */
    int (*prepare)(const target_spec *spec, err *e);
    target *(*open)(const target_spec *spec, err *e);
    /* Starts a new context. `forced` (n_forced ids) is the recorded output to follow, or NULL;
     * it must live as long as the context. */
    int (*begin)(target *t, const int32_t *forced, size_t n_forced, err *e);
    /* One pass over n_pending tokens (at least 1 for a target that gives logits) and a draft. Logits that are not
     * finite are an ERR_RUN. */
    int (*verify)(target *t, const int32_t *pending, size_t n_pending, const draft *d, rows *out, err *e);
    /* Keeps the last pass's pending tokens and the n nodes of a path from the root, and forgets the rest. */
    int (*keep)(target *t, const int32_t *path, size_t n, err *e);
    /* How many more tokens fit into the context; SIZE_MAX when there is no limit. */
    size_t (*room)(const target *t);
    void (*close)(target *t);
} target_ops;

/* Every target begins with this. */
struct target {
    const target_ops *ops;
};

int     target_prepare(const target_ops *ops, const target_spec *spec, err *e);
target *target_open(const target_ops *ops, const target_spec *spec, err *e);
void    target_close(target *t); /* NULL is allowed */

/* As in target_ops. begin refuses a target that NEEDS_RECORDING and gets none. */
int    target_begin(target *t, const int32_t *forced, size_t n_forced, err *e);
int    target_verify(target *t, const int32_t *pending, size_t n_pending, const draft *d, rows *out, err *e);
int    target_keep(target *t, const int32_t *path, size_t n, err *e);
size_t target_room(const target *t);

extern const target_ops target_transformer; /* the default of commands that run a model */
extern const registry   target_registry;    /* Every target in targets.def. */

#endif
