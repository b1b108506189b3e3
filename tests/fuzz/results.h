/* results.h - small results in memory, and every use that the program makes of results. */
#ifndef TESTS_FUZZ_RESULTS_H
#define TESTS_FUZZ_RESULTS_H

#include "store/store.h"
#include "tests/fuzz/fuzz.h"

/* A results file of three cells, or a cell file of one with hashes of logits. */
store_data results_some(bool one_cell);

/* A table, an export, a comparison, a report, hashes, or a part: the bytes choose which, in what format and with what
 * options. `d` has passed store_check. An error is fine where it says why. */
void results_use(const store_data *d, fuzz_input *choices);

/* Reads a file into memory, and once more leaving its rows there: both succeed or both fail, and hold the same. */
int results_read_both(const char *path, store_data *out, err *e);

#endif
