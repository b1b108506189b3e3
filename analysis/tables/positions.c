/* positions.c - one row for each cell and draft position. */
#include "analysis/tables/table_kind.h"

static int print(const table_source *x, err *e) {
    table *t = table_begin(x, e);
    if (t == NULL) return -1;
    table_role(t, COLUMN_LABEL);
    table_column(t, COLUMN_RIGHT, "position", "position");
    table_role(t, COLUMN_VALUE);
    table_column(t, COLUMN_RIGHT, "reached", "reached");
    table_column(t, COLUMN_RIGHT, "tested", "tested");
    table_column(t, COLUMN_RIGHT, "accepted", "accepted");
    table_column(t, COLUMN_RIGHT, "accepted/reached", "share_of_reached");
    table_column(t, COLUMN_RIGHT, "accepted/tested", "share_of_tested");
    for (size_t c = 0; c < x->d->n_cells; c++)
        for (size_t i = 0; i < x->positions[c].n; i++) {
            const position_count *at = &x->positions[c].at[i];
            table_begin_row(x, c, t);
            table_put_count(t, i + 1);
            table_put_count(t, at->reached);
            table_put_count(t, at->tested);
            table_put_count(t, at->accepted);
            table_put_share(t, at->accepted, at->reached);
            table_put_share(t, at->accepted, at->tested);
        }
    return table_finish(x, t, e);
}

const table_kind table_positions = {
    .name = "positions",
    .help = "acceptance by position in the draft",
    .needs = NEEDS_POSITIONS,
    .print = print,
};
