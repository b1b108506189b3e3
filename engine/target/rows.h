/* rows.h - the result of one pass of a target.
 *
 * Row 0 belongs to the pending token and predicts the next one, which gives the verdict on the draft's first tokens.
 * Row i + 1 belongs to node i of the draft and predicts the token after it, which gives the verdict on node i's
 * children.
 *
 *     token   pending   d[0]    d[1]    d[2]
 *     row        0        1       2       3
 *                └─ on d[0]  └─ on d[1], when its parent is d[0]
 */
#ifndef ENGINE_TARGET_ROWS_H
#define ENGINE_TARGET_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/draft.h"

/* What a target's rows hold. A rule that needs more than its target gives is refused beforehand. */
enum { GIVES_CHOICES = 1, GIVES_LOGITS = 2 };

/* Owned by the target; valid until its next verify or begin. */
typedef struct rows {
    size_t         n; /* nodes of the draft + 1 */
    size_t         vocab;
    const float   *logits; /* [n, vocab]; NULL when the target gives none */
    const int32_t *forced; /* [n] the recorded token at each row, -1 past its end; NULL when decoding is free */
} rows;

/* The row of a node of the draft; for DRAFT_ROOT, that of the pending token. */
size_t rows_of(int32_t node);

/* The row that decided the i-th token emitted by a step: the verdict's path, then its own token. */
size_t rows_deciding(const verdict *v, size_t i);

/* Fills out[0..d->n] with what a recording says at each row, whatever was drafted before it: row 0's token is at output
 * position `position`, a node's row has the one after the node; -1 past the recording's end. */
void rows_forced(const int32_t *forced, size_t n_forced, size_t position, const draft *d, int32_t *out);

#endif
