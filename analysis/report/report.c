#include "analysis/report/report.h"

#include <stdlib.h>

#include "analysis/captions.h"
#include "analysis/report/assets.h"
#include "analysis/report/report_parts.h"
#include "engine/base/mem.h"

static void data_free(report_data *r) {
    cell_keys_free(&r->keys);
    free(r->group);
    free(r->counts);
    free(r->spreads);
    positions_free(r->positions, r->d->n_cells);
    free(r->sums);
    scenario_sums_free(&r->scenarios);
    free(r->passes);
    shown_trials_free(&r->choice);
}

/* Numbers the groups in the order of their first cells. */
static int find_groups(report_data *r, err *e) {
    size_t n = r->d->n_cells, *first = mem_new(n, sizeof *first, e); /* of each group */
    if (first == NULL || (r->group = mem_new(n, sizeof *r->group, e)) == NULL) {
        free(first);
        return -1;
    }
    for (size_t c = 0; c < n; c++) {
        size_t g = 0;
        while (g < r->n_groups && !cell_keys_same_but_policy(&r->keys, first[g], c)) g++;
        if (g == r->n_groups) first[r->n_groups++] = c;
        r->group[c] = g;
    }
    free(first);
    return 0;
}

static int data_make(report_data *r, err *e) {
    const store_data *d = r->d;
    if (cell_keys_make(d, &r->keys, e) != 0 || find_groups(r, e) != 0) return -1;
    if (counts_make(d, &r->counts, e) != 0 || spreads_make(d, r->counts, r->pattern, &r->spreads, e) != 0) return -1;
    if (positions_make(d, &r->positions, e) != 0 || (r->sums = cell_sums_make(d, e)) == NULL) return -1;
    if (scenario_sums_make(d, &r->scenarios, e) != 0) return -1;
    if (pass_times_make(d, r->group, &r->passes, &r->n_passes, e) != 0) return -1;
    return shown_trials_make(d, r->group, r->n_groups, REPORT_TRIAL_BYTES, &r->choice, e);
}

/* What a reader must know before the numbers, as the tables say it. */
static int put_notes(const report_data *r, json_out *j, err *e) {
    table *t = table_new(e);
    if (t == NULL) return -1;
    int ret = caption_records(t, r->d, e);
    caption_unfinished(t, r->d, r->counts);
    caption_speedups(t, r->d, r->counts, r->spreads);
    if (ret == 0 && t->error.kind != ERR_NONE) {
        *e = t->error;
        ret = -1;
    }
    json_out_begin(j, "notes", '[');
    for (size_t i = 0; ret == 0 && i < t->n_captions; i++) json_out_text(j, NULL, t->captions[i]);
    json_out_end(j, ']');
    table_free(t);
    return ret;
}

static int put_data(const report_data *r, const char *name, json_out *j, err *e) {
    json_out_begin(j, NULL, '{');
    json_out_text(j, "file", name);
    json_out_text(j, "sweep", r->d->sweep);
    json_out_text(j, "created", r->d->created);
    json_out_text(j, "drawn_by", r->pattern);
    json_out_count(j, "schema", STORE_SCHEMA_VERSION);
    json_out_count(j, "n_trials", r->d->n_trials);
    json_out_count(j, "n_steps", r->d->n_steps);
    json_out_count(j, "n_samples", r->d->n_samples);
    int ret = put_notes(r, j, e);
    if (ret == 0) report_cells(r, j);
    if (ret == 0) ret = report_trials(r, j, e);
    json_out_end(j, '}');
    return ret;
}

static void put_asset(FILE *out, asset a) {
    fwrite(a.at, 1, a.n, out);
}

int report_write(FILE *out, const char *name, const store_data *d, const char *group, const report_texts *texts,
                 err *e) {
    report_data r = {.d = d, .texts = texts, .pattern = group};
    json_out    j = {.out = out};
    int         ret = data_make(&r, e);
    if (ret == 0) {
        put_asset(out, asset_head());
        ret = put_data(&r, name, &j, e);
        put_asset(out, asset_tail());
    }
    data_free(&r);
    return ret;
}
