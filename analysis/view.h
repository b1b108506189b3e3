/* view.h - the cells of one or several results files that somebody asks about. */
#ifndef ANALYSIS_VIEW_H
#define ANALYSIS_VIEW_H

#include <stdbool.h>

#include "store/store.h"

typedef struct {
    store_data d;
    size_t    *file; /* [d.n_cells] which of the files each cell came from */
} view;

/* What may be in several files. */
typedef enum {
    TWINS_REFUSED, /* no cell but plain decoding's, which comes from the first file that has it */
    TWINS_KEPT     /* any: the files are two runs */
} view_twins;

/* As store_read. */
typedef int view_reader(const char *path, store_data *out, err *e);

/* Reads n > 0 files into one view. ERR_INPUT for a file that `read` refuses, and for twins. */
int  view_read(const char *const *paths, size_t n, view_twins twins, view_reader *read, view *out, err *e);
void view_free(view *v);

/* Leaves the cells that fit all of n conditions "KEY=VALUE" or "KEY=VALUE,VALUE...": KEY is "id", the column of a
 * setting that some cell has in `harness tables --format csv`, or what cell_keys_name() knows. ERR_INPUT for another
 * key, which lists those there are, and when no cell is left. */
int view_where(view *v, const char *const *conditions, size_t n, err *e);

#endif
