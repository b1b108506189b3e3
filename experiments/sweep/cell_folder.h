/* cell_folder.h - where a sweep keeps its finished cells: OUTPUT/NAME/cells/ID.h5. */
#ifndef EXPERIMENTS_CELL_FOLDER_H
#define EXPERIMENTS_CELL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

enum { CELL_ID_DIGITS = 16 /* hexadecimal */ };

/* DIR/cells if that folder exists, else DIR, in new memory. */
char *cell_folder_of(const char *dir, err *e);

/* Whether a name is that of a cell file, ID.h5. */
bool cell_folder_is_file(const char *name);

/* The number of unfinished cells with finished trials in a sweep's folder, OUTPUT/NAME. */
size_t cell_folder_unfinished(const char *sweep);

#endif
