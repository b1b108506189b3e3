/* store_files.h - results to write, and a count of the files on disk: for the tests of the store and its commands. */
#ifndef TESTS_UNIT_STORE_FILES_H
#define TESTS_UNIT_STORE_FILES_H

#include "store/store.h"

process_row some_process(const char *id, const char *cpu);               /* texts are borrowed */
cell_row    some_cell(const char *id, const char *policy, int n, int k); /* texts are borrowed */

/* A trial of n_steps steps, 2 drafted and 1 accepted in each, with extreme values where they are allowed. */
int add_some_trial(store_data *d, uint32_t cell, uint32_t sample, uint32_t repeat, size_t n_steps, bool hashed, err *e);

/* A cell file's content: two repeats of `samples` samples, the i-th with 3 + i steps, with logits. The second
 * form aborts the test on failure. */
int        fill_results(store_data *d, const char *id, const char *policy, int n, int k, size_t samples, err *e);
store_data some_results(const char *id, const char *policy, int n, int k, size_t samples);

bool same_results(const store_data *a, const store_data *b); /* bit for bit; NULL is "" */

/* store_collect, and the whole file in memory; the file is removed. */
int collect_whole(const char *const *paths, size_t n, const kept_text *config, store_data *out, err *e);

size_t files_here(void); /* in the working directory */
char  *file_bytes(const char *path, size_t *n);

#endif
