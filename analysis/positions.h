/* positions.h - acceptance by position in the draft, one array per cell. */
#ifndef ANALYSIS_POSITIONS_H
#define ANALYSIS_POSITIONS_H

#include "store/store.h"

/* What happened at one draft position, in steps. */
typedef struct {
    size_t reached;  /* drafts with a path of at least this many testable tokens */
    size_t tested;   /* of those, with everything before this position accepted */
    size_t accepted; /* of those, with this position accepted */
} position_count;

typedef struct {
    position_count *at; /* [n], at[0] is the first draft token of a path */
    size_t          n;  /* longest such path in the cell */
    size_t          cap;
} cell_positions;

/* New array of d->n_cells entries, in the order of d->cells. d's rows name cells and trials that are there. */
int  positions_make(const store_data *d, cell_positions **out, err *e);
void positions_free(cell_positions *p, size_t n_cells); /* NULL is fine */

#endif
