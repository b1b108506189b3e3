#include "tests/fuzz/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/compare/compare.h"
#include "analysis/export/export.h"
#include "analysis/report/report.h"
#include "experiments/sweep/results.h"
#include "tests/unit/results_sample.h"

/* ---- some results --------------------------------------------------------------------------------------------- */

static int add_trial(store_data *to, const store_data *from, size_t i, const step_row *steps, bool hashed, err *e) {
    int32_t  ids[16] = {0};
    uint64_t hash[16] = {0};
    return store_add_trial(to, &from->trials[i], steps, from->trials[i].steps, ids, from->trials[i].tokens,
                           hashed ? hash : NULL, e);
}

static int fill(store_data *to, const store_data *from, bool one_cell, err *e) {
    static const skipped_row skipped = {
        .dataset = "demo", .dataset_sha256 = "", .model = "bytes", .line = 7, .id = "", .reason = "not JSON"};
    size_t step = 0;
    if ((to->sweep = strdup(from->sweep)) == NULL || (to->created = strdup("")) == NULL) abort();
    if (store_keep_text(&to->configs, "quick.ini", "[sweep]\nname = demo\n", NULL, e) != 0 ||
        store_keep_text(&to->costs, "cost.ini", "[T]\n1 = 5\n", NULL, e) != 0 ||
        store_add_skipped(to, &skipped, e) != 0)
        return -1;
    for (size_t i = 0; i < (one_cell ? 1 : from->n_cells); i++)
        if (store_add_cell(to, &from->cells[i], e) != 0) return -1;
    for (size_t i = 0; i < from->n_processes; i++)
        if (store_add_process(to, &from->processes[i], NULL, e) != 0) return -1;
    for (size_t i = 0; i < from->n_samples; i++)
        if (store_add_sample(to, &from->samples[i], e) != 0) return -1;
    for (size_t i = 0; i < from->n_trials && from->trials[i].cell < to->n_cells; i++) {
        if (add_trial(to, from, i, &from->steps[step], one_cell, e) != 0) return -1;
        step += from->trials[i].steps;
    }
    return store_check(to, e);
}

store_data results_some(bool one_cell) {
    store_data from, to = {0};
    err        e = {0};
    results_sample(&from);
    if (fill(&to, &from, one_cell, &e) != 0) fuzz_fail(__FILE__, __LINE__, e.text);
    return to;
}

/* ---- uses of them --------------------------------------------------------------------------------------------- */

static void expect(int status, err *e) {
    if (status != 0) fuzz_expect_error(e);
    *e = (err){0};
}

static const store_data *at_hand; /* what read_copy gives */

static int read_copy(const char *path, store_data *out, err *e) {
    (void)path;
    return store_unite(at_hand, 1, NULL, out, NULL, e);
}

static const char *group_of(fuzz_input *choices) {
    static const char *const groups[] = {NULL, NULL, "conversation", "documents", "^(.*)_[0-9]+$", "[ab]"};
    return groups[fuzz_below(choices, sizeof groups / sizeof *groups)];
}

static void print_table(const store_data *d, fuzz_input *choices, err *e) {
    const table_format *format = table_format_registry.at[fuzz_below(choices, table_format_registry.n)];
    const table_options how = {.format = format, .pattern = group_of(choices), .by = "k"};
    const size_t        kind = fuzz_below(choices, table_registry.n);
    expect(table_print(table_registry.at[kind], d, &how, fuzz_nowhere(), e), e);
}

static void export_all(const store_data *d, fuzz_input *choices, err *e) {
    (void)choices;
    cell_keys keys;
    int       status = cell_keys_make(d, &keys, e);
    for (size_t i = 0; status == 0 && i < export_registry.n; i++) {
        const export_kind *k = export_registry.at[i];
        expect(k->print(d, &keys, fuzz_nowhere(), e), e);
        (void)k->rows(d);
    }
    expect(status, e);
    cell_keys_free(&keys);
}

static void compare_all(const store_data *d, fuzz_input *choices, err *e) {
    static const char *const paths[] = {"a.h5", "b.h5"}, *const where[] = {"policy=llma,none"};
    const size_t    n = 1 + fuzz_below(choices, 2), metric = fuzz_below(choices, metric_registry.n + 1);
    compare_verdict verdict = {0};
    view            v;
    at_hand = d;
    const compare_options how = {.files = paths,
                                 .n_files = n,
                                 .metric = metric > 0 ? metric_registry.at[metric - 1] : NULL,
                                 .base = fuzz_below(choices, 2) ? "llma:n=1" : NULL,
                                 .pattern = group_of(choices),
                                 .least = 0.9,
                                 .format = table_format_registry.at[0]};
    int                   status = view_read(paths, n, n == 2 ? TWINS_KEPT : TWINS_REFUSED, read_copy, &v, e);
    if (status != 0) {
        expect(status, e);
        return;
    }
    expect(compare_print(&v, &how, fuzz_nowhere(), &verdict, e), e);
    status = view_where(&v, where, fuzz_below(choices, 2), e);
    expect(status, e);
    view_free(&v);
}

static void report(const store_data *d, fuzz_input *choices, err *e) {
    static const report_texts none = {.missing = "none here"};
    expect(report_write(fuzz_nowhere(), "a.h5", d, group_of(choices), &none, e), e);
}

/* One cell from memory, and then from files that hold the same trials. */
static void join(const store_data *d, fuzz_input *choices, err *e) {
    char from[2][128], to[128];
    (void)choices;
    if (d->n_cells != 1 || d->places != NULL) return;
    snprintf(to, sizeof to, "%s/joined.h5", fuzz_folder());
    for (size_t i = 0; i < 2; i++) snprintf(from[i], sizeof from[i], "%s/part%zu.h5", fuzz_folder(), i);
    const char *const files[] = {from[0], from[1]};
    store_data        none = *d, joined;
    none.n_trials = none.n_steps = none.n_ids = 0;
    int status = store_write_cell(from[0], d, NULL, 0, "now", false, e);
    if (status == 0) status = store_write_cell(from[1], d, NULL, 0, "now", false, e);
    if (status == 0) {
        FUZZ_EXPECT(store_write_cell(to, &none, files, 2, "now", false, e) == 0);
        FUZZ_EXPECT(store_read(to, &joined, e) == 0 && joined.n_trials == d->n_trials && joined.n_ids == d->n_ids);
        store_free(&joined);
    }
    if (status != 0 && e->kind == ERR_RUN) e->kind = ERR_INPUT; /* texts that HDF5 does not take */
    expect(status, e);
}

static void hash(const store_data *d, fuzz_input *choices, err *e) {
    uint64_t *hashes = calloc(d->n_cells + 1, sizeof *hashes), all;
    (void)choices;
    if (hashes == NULL) abort();
    expect(store_results_hash(d, hashes, &all, e), e);
    free(hashes);
}

void results_use(const store_data *d, fuzz_input *choices) {
    static void (*const uses[])(const store_data *d, fuzz_input *choices, err *e) = {
        print_table, print_table, print_table, export_all, compare_all, report, join, hash};
    err e = {0};
    uses[fuzz_below(choices, sizeof uses / sizeof *uses)](d, choices, &e);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static int touch_hashes(const store_trial *t, void *ctx, err *e) {
    (void)ctx, (void)e;
    if (t->hash != NULL) fuzz_touch(t->hash, t->trial->tokens * sizeof *t->hash);
    return 0;
}

/* Reads all that `d` holds. */
static int hash_of(const store_data *d, uint64_t *all, err *e) {
    uint64_t *cells = calloc(d->n_cells + 1, sizeof *cells);
    if (cells == NULL) abort();
    int status = store_results_hash(d, cells, all, e);
    if (status == 0) status = store_visit(d, VISIT_HASHES, touch_hashes, NULL, e);
    free(cells);
    return status;
}

/* Outputs that stay in the file are read when they are needed: what store_read refuses, reading all of them refuses. */
int results_read_both(const char *path, store_data *out, err *e) {
    store_data opened;
    err        why = {0};
    uint64_t   of_whole = 0, of_left = 0;
    int        whole = store_read(path, out, e), left = results_open(path, &opened, &why);
    if (left == 0) left = hash_of(&opened, &of_left, &why);
    if (left != 0) fuzz_expect_error(&why);
    if (whole == 0 && hash_of(out, &of_whole, &why) != 0) fuzz_fail(__FILE__, __LINE__, why.text);
    if (whole != left) fuzz_fail(__FILE__, __LINE__, whole != 0 ? e->text : why.text);
    FUZZ_EXPECT(of_whole == of_left || whole != 0);
    store_free(&opened);
    return whole;
}
