/* writing.h - writes a model whose matrices are made while its file is written, and shows the progress. */
#ifndef EXPERIMENTS_WRITING_H
#define EXPERIMENTS_WRITING_H

#include "engine/gguf/gguf_write.h"
#include "engine/kernels/dtype.h"
#include "experiments/commands/options.h"
#include "experiments/terminal/progress.h"

/* A type of weights or a mixture of them, by name: const type_mix *. */
extern const option_type option_mix;

/* Zeroed before the first matrix. */
typedef struct {
    progress bar;
    size_t   matrices, bytes; /* of all */
    size_t   matrices_done, bytes_done;
} writing;

/* A matrix passed to gguf_put_rows. */
void writing_add(writing *x, dtype type, size_t rows, size_t cols);

/* Rows of one that have been made; `last`: with these it is complete. */
void writing_rows(writing *x, dtype type, size_t rows, size_t cols, bool last);

/* Writes the file, with progress on stderr unless `quiet`. */
int writing_save(writing *x, gguf_writer *w, const char *path, bool quiet, err *e);

#endif
