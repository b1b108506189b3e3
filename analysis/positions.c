#include "analysis/positions.h"

#include <stdlib.h>

#include "engine/base/mem.h"

int positions_make(const store_data *d, cell_positions **out, err *e) {
    *out = NULL;
    cell_positions *p = mem_new(d->n_cells, sizeof *p, e);
    if (p == NULL) return -1;
    for (size_t i = 0; i < d->n_steps; i++) {
        cell_positions *c = &p[d->trials[d->steps[i].trial].cell];
        if (d->steps[i].depth > c->n) c->n = d->steps[i].depth;
    }
    for (size_t c = 0; c < d->n_cells; c++)
        if ((p[c].at = mem_new(p[c].n, sizeof *p[c].at, e)) == NULL) {
            positions_free(p, d->n_cells);
            return -1;
        }
    for (size_t i = 0; i < d->n_steps; i++) {
        const step_row *s = &d->steps[i];
        position_count *at = p[d->trials[s->trial].cell].at;
        for (size_t j = 0; j < s->depth; j++) {
            at[j].reached++;
            at[j].tested += s->accepted >= j;
            at[j].accepted += s->accepted > j;
        }
    }
    *out = p;
    return 0;
}

void positions_free(cell_positions *p, size_t n_cells) {
    if (p == NULL) return;
    for (size_t c = 0; c < n_cells; c++) free(p[c].at);
    free(p);
}
