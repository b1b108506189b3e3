/* score.h - what a model's exact logits say of a text that something else wrote: was each token the likeliest? */
#ifndef ENGINE_SCORE_H
#define ENGINE_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/model/transformer.h"

/* One token of a text, by the logits after all tokens before it. */
typedef struct {
    int32_t likeliest;   /* ties: the lowest id */
    double  top, second; /* the two largest logits; equal when they tie */
    double  logit;       /* of the token itself */
    size_t  rank;        /* of the token, from 1: tokens with a larger logit, plus one */
} token_score;

/* Scores over one model; not shared between threads. */
typedef struct scorer scorer;

/* For texts of at most `context` tokens, of a packed model (model_pack). */
scorer *scorer_new(const model *m, size_t context, int threads, err *e);
void    scorer_free(scorer *s); /* NULL is fine */

/* Scores ids[from..n), 1 <= from <= n <= context, into out[n - from]. Where the ids begin like those of the last call,
 * the cache is used: a text with another ending costs a pass over that. ERR_RUN when a logit is not finite. */
int scorer_run(scorer *s, const int32_t *ids, size_t n, size_t from, token_score *out, err *e);

#endif
