/* results_sample.h - a small results file in memory, written by hand, with statistics that can be checked by hand. */
#ifndef TESTS_UNIT_RESULTS_SAMPLE_H
#define TESTS_UNIT_RESULTS_SAMPLE_H

#include "store/store.h"

/* Cells: 0 none (baseline), 1 llma n=1 k=4, 2 llma n=2 k=4. Samples: 0 "a" (rag), 1 "b" (edit).
 * Two repeats. Cell 2 never drafts. Cell 1's second repeat of sample b has no speed-up and diverges at 3.
 *
 *   cell 1   sample a: 6 tokens in 2 steps (drafts 3+3, testable 3+1, accepted 3+1), both repeats; speed-up 2 and 3
 *            sample b: 4 tokens in 3 steps (drafts 2+0+1, accepted 0+0+1), both repeats; speed-up 1 and NaN
 */
void results_sample(store_data *d);

#endif
