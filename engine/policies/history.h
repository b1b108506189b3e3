/* history.h - the prompt and the output so far as one text H, for policies that copy from it what followed earlier.
 *
 *     H    7 3 9 3 5 7 3        its last two tokens occurred before, at 0; what followed them begins at 2
 *          ─── ^        ───
 *
 * An earlier place may overlap the last tokens: in 4 4 4, a 4 follows both the first token and the first two.
 */
#ifndef ENGINE_POLICIES_HISTORY_H
#define ENGINE_POLICIES_HISTORY_H

#include "engine/policies/index/ngram_index.h"
#include "engine/policies/policy.h"

typedef struct {
    ngram_index index; /* one sequence: H */
    size_t      n_prompt;
} history;

/* Which place of a suffix counts. */
typedef enum { HISTORY_FIRST, HISTORY_LATEST } history_place;

/* Indexes the prompt, for suffixes of min_n to max_n tokens (1 to NGRAM_MAX); observe adds what a step emitted. Places
 * that end in the last `lag` tokens do not count. Free it afterwards, also after an error. */
int  history_begin(history *h, size_t min_n, size_t max_n, history_place place, size_t lag, const policy_input *in,
                   err *e);
int  history_observe(history *h, const step_view *step, err *e);
void history_free(history *h);

const int32_t *history_ids(const history *h, size_t *n);

/* Where H's last min_n, min_n + 1, ... tokens occurred first, or last: ends[i] is the index after that place of the
 * last min_n + i. Returns how many have one; with no lag the suffix itself counts, and its end is |H|. */
size_t history_suffixes(const history *h, size_t ends[NGRAM_MAX]);

/* Of first places: the longest suffix, of min_n tokens or more, that something follows earlier in H: its length, and in
 * *from the index after its first place. 0: none. */
size_t history_longest(const history *h, size_t *from);

/* Drafts up to `count` tokens of H from `from` on, for a match of n tokens. */
void history_copy(const history *h, size_t from, size_t count, size_t n, draft *d);

#endif
