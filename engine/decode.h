/* decode.h - the decode loop: propose, verify, accept, keep, observe, record.
 *
 * One step, of a prompt p and outputs a b so far, where b is pending and the draft is c d e f:
 *
 *                           tokens of the context
 *     KV cache before       p p p p a                       all but the pending token
 *     one pass over                   b   c   d   e   f     the pending token, then the draft
 *     its rows                        0   1   2   3   4     row 0 gives the verdict on c, ..., row 4 what follows f
 *     the rule              row 0 says c, row 1 says d, row 2 says x: path = nodes 0 1, next = x
 *     emitted                             c   d   x
 *     keep(path)            p p p p a b   c   d             e and f are forgotten: the cache is rewound to d
 *     the next step                               x         is pending
 *
 * At first the whole prompt is pending and the cache is empty. In a tree of drafts each node has a row in the same way,
 * and keep puts the path's entries into the cache; for a chain, that is just rewinding.
 *
 * Invariants:
 *  D1  emitted = accepted + 1 in every step: the last emitted token is the target's own word.
 *  D2  A stop token (stops.h) ends the output, and is its last token. A draft token at or after an emitted one is never
 *      accepted, but counts as drafted.
 *  D3  At most max_new_tokens are emitted, and the context never overflows; either end sets `truncated`.
 *  D4  Only propose, verify, accept, keep and observe happen inside the timed windows.
 *  D5  A draft token is testable when its output position is before the output's last token, which is always the
 *      target's own word (D1). Where the output ends (a stop token, max_new_tokens, a recording, the context), the
 *      rest of a draft is neither right nor wrong: it was drafted and is not testable.
 */
#ifndef ENGINE_DECODE_H
#define ENGINE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"
#include "engine/policies/policy.h"
#include "engine/rules/rule.h"
#include "engine/target/target.h"
#include "engine/tokenizer/stops.h"

/* One step, as written to /steps. */
typedef struct {
    uint32_t position; /* index in the output of the first token this step emits */
    uint16_t match_length;
    int32_t  source, source_position;
    uint16_t drafted, accepted, emitted;
    uint16_t testable;  /* of `drafted` (D5); known when the trial has ended, and so is depth */
    uint16_t depth;     /* of the testable ones: their longest path, the most that could be accepted */
    uint64_t draft_ns;  /* propose and observe; in step 0 also the policy's begin */
    uint64_t verify_ns; /* the target's pass; in step 0 the prompt's */
    double   margin;    /* smallest gap between the two best logits over the emitted positions; NaN without logits */
} step_trace;

typedef struct {
    tokens      output; /* the stop token included when one was reached */
    step_trace *steps;
    size_t      n_steps, cap_steps;
    uint16_t   *levels; /* of each draft that branches, one after the other: its nodes on level 0, 1, ..., depth - 1 */
    size_t      n_levels, cap_levels;
    uint64_t   *logits_hash; /* [output.n] digest64 of each emitted position's logits; NULL without logits */
    size_t      cap_hash;
    double      min_margin; /* the steps' smallest margin; NaN without logits */
    /* Sum over the output of log p(token) at temperature 1, nothing cut off; NaN without logits. */
    double   log_likelihood;
    bool     truncated;           /* max_new_tokens or the context's end was reached before a stop token */
    uint64_t prefill_ns;          /* step 0's verify_ns */
    uint64_t decode_ns;           /* all timed windows except prefill: begin, propose, verify, accept, keep, observe */
    uint64_t draft_ns, verify_ns; /* sums over the steps */
} trial_trace;

/* A zeroed struct is an empty trace; decode_run reuses its memory. */
void trial_trace_free(trial_trace *t);

/* One hash over all of logits_hash; 0 without logits. */
uint64_t trial_trace_hash(const trial_trace *t);

/* Called after each step, outside the timed windows. May be NULL. */
typedef struct {
    int (*step)(void *ctx, const step_trace *s, const step_view *view, err *e);
    void *ctx;
} decode_sink;

typedef struct {
    target        *target;
    policy        *policy;
    rule          *rule;
    policy_input   input;  /* prompt, references, truth, noise of the policy */
    const int32_t *forced; /* recorded output, or NULL; it ends where it has a stop token, or with its last token */
    size_t         n_forced;
    stops          stops; /* what ends the output */
    size_t         max_new_tokens;
    noise          noise; /* of the rule */
    decode_sink    sink;
} decode_setup;

/* Runs one trial. On failure `out` holds what was recorded so far. */
int decode_run(const decode_setup *s, trial_trace *out, err *e);

#endif
