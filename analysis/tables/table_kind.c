#include "analysis/tables/table_kind.h"

#include <stdlib.h>

#include "analysis/captions.h"

#define TABLE(name) extern const table_kind table_##name;
#include "analysis/tables/tables.def"
#undef TABLE

static const void *const all[] = {
#define TABLE(name) &table_##name,
#include "analysis/tables/tables.def"
#undef TABLE
};

const registry table_registry = REGISTRY("table", all);

table *table_heading(const table_source *x, err *e) {
    table *t = table_new(e);
    char  *constant = cell_keys_constant(&x->keys, e);
    if (t == NULL || constant == NULL) {
        table_free(t);
        free(constant);
        return NULL;
    }
    caption_settings(t, x->d->sweep != NULL ? x->d->sweep : "", constant);
    free(constant);
    caption_unfinished(t, x->d, x->counts);
    if (x->o != NULL) caption_groups(t, x->o->pattern);
    if (caption_records(t, x->d, e) != 0) {
        table_free(t);
        return NULL;
    }
    return t;
}

table *table_begin(const table_source *x, err *e) {
    table *t = table_heading(x, e);
    if (t == NULL) return NULL;
    table_role(t, COLUMN_CELL);
    table_column(t, COLUMN_RIGHT, NULL, "cell");
    table_column(t, COLUMN_LEFT, x->keys.need_ids ? "id" : NULL, "id");
    cell_keys_columns(&x->keys, t);
    return t;
}

void table_begin_row(const table_source *x, size_t cell, table *t) {
    if (cell > 0 && !cell_keys_same_but_policy(&x->keys, cell - 1, cell)) table_group(t);
    table_put_count(t, cell);
    table_put_text(t, x->d->cells[cell].id);
    cell_keys_put(&x->keys, cell, t);
}

int table_finish(const table_source *x, table *t, err *e) {
    int status = table_write(t, x->format, x->out, e);
    table_free(t);
    return status;
}

static int make_source(const table_kind *kind, const store_data *d, table_source *x, err *e) {
    if (counts_make(d, &x->counts, e) != 0) return -1;
    if (cell_keys_make(d, &x->keys, e) != 0) return -1;
    if ((kind->needs & NEEDS_SPREADS) != 0 && spreads_make(d, x->counts, x->o->pattern, &x->spreads, e) != 0) return -1;
    if ((kind->needs & NEEDS_POSITIONS) != 0 && positions_make(d, &x->positions, e) != 0) return -1;
    return 0;
}

int table_print(const table_kind *kind, const store_data *d, const table_options *o, FILE *out, err *e) {
    table_source x = {.d = d, .o = o, .format = o->format, .out = out};
    int          status = make_source(kind, d, &x, e);
    if (status == 0) status = kind->print(&x, e);
    if (status == 0 && fflush(out) != 0) status = err_errno(e, kind->name, "cannot write the table");
    positions_free(x.positions, d->n_cells);
    cell_keys_free(&x.keys);
    free(x.spreads);
    free(x.counts);
    return status;
}
