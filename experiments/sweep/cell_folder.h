/* cell_folder.h - where a sweep keeps its finished cells: OUTPUT/NAME/cells/ID.h5. */
#ifndef EXPERIMENTS_CELL_FOLDER_H
#define EXPERIMENTS_CELL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

enum { CELL_ID_DIGITS = 16 /* hexadecimal */ };

/* DIR/cells where there is such a folder, else DIR, in new memory. */
char *cell_folder_of(const char *dir, err *e);

/* Whether a name is that of a cell file, ID.h5. */
bool cell_folder_is_file(const char *name);

/* How many cells of a sweep, whose folder is OUTPUT/NAME, have finished trials and are not finished. */
size_t cell_folder_unfinished(const char *sweep);

#endif
