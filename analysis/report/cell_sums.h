/* cell_sums.h - what the steps of each cell add up to: by where drafts came from, by the length of the match, by the
 * tokens of a pass; and where the time went.
 *
 *  S1  Step 0, the prompt's pass, is in none of these sums. Where time goes, its draft is: an index may be built there.
 *  S2  A time is 0 where nothing was timed, and then `timed` is 0: the page shows none.
 */
#ifndef ANALYSIS_REPORT_CELL_SUMS_H
#define ANALYSIS_REPORT_CELL_SUMS_H

#include "store/store.h"

/* Where a step's draft came from: nowhere when there is none. */
typedef enum { FROM_REFERENCE, FROM_PROMPT, FROM_OUTPUT, FROM_ELSEWHERE, FROM_NOWHERE, FROM_KINDS } draft_from;

extern const char *const draft_from_names[FROM_KINDS];

draft_from draft_from_of(const step_row *s);

/* Steps by the length of the match: 1, 2, 3, 4, 5 to 8, 9 to 16, 17 to 32, and longer ones. 0 (no match) is in none. */
enum { MATCH_BINS = 8 };
size_t                   match_bin(size_t match_length);
extern const char *const match_bin_names[MATCH_BINS];

typedef struct {
    size_t   steps, drafted, testable, accepted, emitted;
    size_t   compared; /* of the steps after the prompt's, those with a time of plain decoding for what they emitted */
    uint64_t ns, plain_ns; /* of these: drafting and the pass, and plain decoding's */
} step_sum;

typedef struct {
    step_sum from[FROM_KINDS], match[MATCH_BINS];
    /* Of trials whose passes take time: nanoseconds after the prompt's pass, and tokens after the first. */
    size_t   timed;                                 /* trials */
    uint64_t tokens, draft_ns, verify_ns, other_ns; /* other: accepting, rewinding, observing */
    uint64_t plain_ns, plain_tokens;                /* plain decoding's; 0 unless every timed trial has a time */
} cell_sums;

/* New array of d->n_cells entries. d has passed store_check. */
cell_sums *cell_sums_make(const store_data *d, err *e);

/* Times of passes after the prompt's, by how many tokens went through. */
typedef struct {
    size_t group, tokens, n;
    double q1, median, q3; /* ns */
} pass_time;

/* Of each group of cells, by tokens, in new memory. group: [d->n_cells] */
int pass_times_make(const store_data *d, const size_t *group, pass_time **out, size_t *n, err *e);

#endif
