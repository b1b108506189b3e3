/* drafts.h - a generation step by step, on stdout: what was drafted, from where, and what stood.
 *
 *     step 3, token 17: from reference.txt at 41, 2 tokens matched; 3 of 5 drafted stand
 *       + " quick" + " brown"
 *       ├─ + " fox" - " jumps"
 *       └─ - " dog"
 *       = " ran"
 *
 * Under a chain of policies each step names the stage that drafted: "by llma, stage 2".
 *
 * Each line is a run of nodes without a branch; + stands, - does not, and = is the target's own token. On a terminal
 * control characters are escaped.
 */
#ifndef EXPERIMENTS_DRAFTS_H
#define EXPERIMENTS_DRAFTS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

typedef struct {
    const tokenizer    *tok;
    const char *const  *names; /* [n_references], borrowed */
    size_t              n_references;
    bool                colours;
    const policy_stage *stages; /* of a chain of policies, borrowed; else NULL */
    size_t              steps;
} drafts_view;

/* A decode_sink's step; `ctx` is the drafts_view. */
int drafts_step(void *ctx, const step_trace *step, const step_view *view, err *e);

#endif
