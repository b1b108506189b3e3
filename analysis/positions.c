#include "analysis/positions.h"

#include <stdlib.h>

#include "engine/base/mem.h"

static int add_trial(const store_trial *t, void *ctx, err *e) {
    cell_positions *p = (cell_positions *)ctx + t->trial->cell;
    for (size_t i = 0; i < t->trial->steps; i++) {
        const step_row *s = &t->steps[i];
        if (mem_reserve(&p->at, &p->cap, s->depth, e) != 0) return -1;
        for (; p->n < s->depth; p->n++) p->at[p->n] = (position_count){0};
        for (size_t j = 0; j < s->depth; j++) {
            p->at[j].reached++;
            p->at[j].tested += s->accepted >= j;
            p->at[j].accepted += s->accepted > j;
        }
    }
    return 0;
}

int positions_make(const store_data *d, cell_positions **out, err *e) {
    *out = mem_new(d->n_cells, sizeof **out, e);
    if (*out == NULL) return -1;
    if (store_visit(d, VISIT_STEPS, add_trial, *out, e) == 0) return 0;
    positions_free(*out, d->n_cells);
    *out = NULL;
    return -1;
}

void positions_free(cell_positions *p, size_t n_cells) {
    if (p == NULL) return;
    for (size_t c = 0; c < n_cells; c++) free(p[c].at);
    free(p);
}
