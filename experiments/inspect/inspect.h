/* inspect.h - prints the content of a file to stdout: one function for each kind of file. 0, or -1 with the error. */
#ifndef EXPERIMENTS_INSPECT_H
#define EXPERIMENTS_INSPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "datasets/dataset.h"
#include "engine/base/err.h"

int inspect_gguf(const char *path, err *e);
int inspect_results(const char *path, err *e);  /* HDF5 of a sweep */
int inspect_hashes(const char *path, err *e);   /* the hashes of its results */
int inspect_training(const char *path, err *e); /* HDF5 of a training */
int inspect_folder(const char *path, err *e);   /* of a sweep */

/* JSONL; format "auto" or a name. With skip_bad bad lines are reported and left out. */
int inspect_dataset(const char *path, const dataset_options *o, err *e);

/* Parts of inspect_dataset: the number of distinct records if some repeat; keys that are not read, if there are any. */
int  inspect_distinct(const dataset *d, err *e);
void inspect_unread(const dataset *d);

/* Prints n bytes of a file's text: line ends and tabs as the caller wants them, and '?' for each byte that is not UTF-8
 * and each character that a terminal would act on or hide. */
void inspect_text(const char *s, size_t n, const char *line_end, const char *tab);

/* The same with every line indented. */
void inspect_lines(const char *text);

/* The same on one line, at most `most` bytes of it in whole characters. */
void inspect_cut(const char *s, size_t n, size_t most);

#endif
