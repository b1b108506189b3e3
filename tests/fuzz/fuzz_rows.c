/* fuzz_rows.c - results that are sound but for some numbers and texts, which may be anything; then a use of them.
 *
 * A byte for the kind of results and the number of edits, then these: a byte each for table, row and column, and the
 * value, which is a number or a line of text; then what chooses the use. Steps that a trial needs are not made to fit:
 * store_check refuses most edits of what is counted. What passes is used, and every few inputs written, read again,
 * resumed and collected.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "experiments/sweep/cell.h"
#include "store/tables.h"
#include "tests/fuzz/results.h"

enum { EDITS = 12 };

static void put(void *at, uint64_t x, size_t bytes) {
    memcpy(at, &x, bytes);
}

static void set(void *at, field_kind kind, fuzz_input *in) {
    static const size_t bytes[] = {[FIELD_U8] = 1,  [FIELD_U16] = 2, [FIELD_U32] = 4, [FIELD_U64] = 8,
                                   [FIELD_I32] = 4, [FIELD_I64] = 8, [FIELD_F64] = 8};
    if (kind != FIELD_STR && kind != FIELD_ID) {
        put(at, fuzz_number(in, bytes[kind]), bytes[kind]);
        return;
    }
    char **text = at;
    free(*text);
    *text = fuzz_text(fuzz_line(in));
}

static void edit(store_data *d, fuzz_input *in) {
    const store_table *t = &store_tables[fuzz_below(in, TABLES)];
    size_t             n = *(size_t *)((char *)d + t->n), row = fuzz_below(in, n);
    const column      *c = &t->form.columns[fuzz_below(in, t->form.n_columns)];
    char              *rows = *(char **)((char *)d + t->rows);
    if (n > 0) set(rows + row * t->form.row_size + c->offset, c->kind, in);
}

/* What is written is what is read; a cell's file also goes on from where it was, and is collected. */
static void write_and_read(const store_data *d) {
    char       path[128], to[128], unfinished[96], folder[96];
    store_data again, collected;
    err        e = {0};
    snprintf(folder, sizeof folder, "%s/unfinished", fuzz_folder());
    snprintf(unfinished, sizeof unfinished, "%s/cell", folder);
    snprintf(path, sizeof path, "%s/part.h5", unfinished);
    mkdir(folder, 0777);
    mkdir(unfinished, 0777);
    if (store_write(path, d, false, &e) != 0) return; /* a text holds what HDF5 does not take */
    if (store_read(path, &again, &e) != 0) fuzz_fail(__FILE__, __LINE__, e.text);
    FUZZ_EXPECT(again.n_trials == d->n_trials && again.n_steps == d->n_steps);
    store_free(&again);
    const char *const paths[] = {path};
    snprintf(to, sizeof to, "%s/collected.h5", fuzz_folder());
    if (store_collect(paths, 1, NULL, to, NULL, NULL, &collected, &e) == 0)
        store_free(&collected);
    else
        fuzz_expect_error(&e);
    config       cfg = {.repeats = 2};
    plan_cell    cell = {.id = "cell"};
    plan_samples set = {.set.n = 2};
    plan         p = {.cfg = &cfg, .cells = &cell, .n_cells = 1, .samples = &set, .n_samples = 1};
    cell_trials  t;
    FUZZ_EXPECT(cell_trials_init(&t, &p, 0, &e) == 0);
    if (d->n_cells == 1) snprintf(cell.id, sizeof cell.id, "%.16s", d->cells[0].id);
    if (cell_trials_load(&t, &p, fuzz_folder(), 0, VISIT_ALL, NULL, NULL, &e) != 0) fuzz_expect_error(&e);
    cell_trials_free(&t);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    static unsigned count;
    fuzz_input      in = {bytes, n};
    unsigned        kind = fuzz_byte(&in);
    store_data      d = results_some((kind & 1) != 0);
    err             e = {0};
    for (size_t i = 0; i < kind / 2 % EDITS && in.n > 3; i++) edit(&d, &in);
    if (store_check(&d, &e) == 0) {
        results_use(&d, &in);
        if (count++ % 16 == 0) write_and_read(&d);
    } else {
        fuzz_expect_error(&e);
    }
    store_free(&d);
    return 0;
}
