/* results.h - results files as commands read them: store's functions, whose errors about a file that is none say what
 * it is: "X.gguf: is a GGUF file, not a results file (...)". */
#ifndef EXPERIMENTS_RESULTS_H
#define EXPERIMENTS_RESULTS_H

#include "store/store.h"

int results_open(const char *path, store_data *out, err *e);
int results_open_trials(const char *path, store_data *out, err *e);
int results_version(const char *path, int64_t *version, err *e);

/* Shows its progress on stderr, unless `quiet`. */
int results_collect(const char *const *paths, size_t n, const kept_text *config, const char *to, bool quiet,
                    store_data *out, err *e);

#endif
