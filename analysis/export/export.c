#include "analysis/export/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/formats/table_format.h"
#include "engine/base/number.h"

typedef struct {
    const char *name;
    field_kind  kind;
    size_t      offset; /* in the row */
} field;

#define COLUMN(row, kind, name) {#name, FIELD_##kind, offsetof(row, name)},

/* What no key has: the settings come from cell_keys. */
static const field cell_fields[] = {
#define SETTING(kind, name, role, csv)
#define FIELD(kind, name) COLUMN(cell_row, kind, name)
#define CELL_FIELDS
#include "store/fields.def"
#undef CELL_FIELDS
};

static const field process_fields[] = {
#define FIELD(kind, name) COLUMN(process_row, kind, name)
#define PROCESS_FIELDS
#include "store/fields.def"
#undef PROCESS_FIELDS
};

static const field sample_fields[] = {
#define FIELD(kind, name) COLUMN(sample_row, kind, name)
#define SAMPLE_FIELDS
#include "store/fields.def"
#undef SAMPLE_FIELDS
};

static const field skipped_fields[] = {
#define FIELD(kind, name) COLUMN(skipped_row, kind, name)
#define SKIPPED_FIELDS
#include "store/fields.def"
#undef SKIPPED_FIELDS
};

static const field trial_fields[] = {
#define FIELD(kind, name) COLUMN(trial_row, kind, name)
#define TRIAL_FIELDS
#include "store/fields.def"
#undef TRIAL_FIELDS
};

static const field step_fields[] = {
#define FIELD(kind, name) COLUMN(step_row, kind, name)
#define STEP_FIELDS
#include "store/fields.def"
#undef STEP_FIELDS
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- values -------------------------------------------------------------------------------------------- */

/* Quoted where it must be. */
static int put_text(const char *s, FILE *out, err *e) {
    const table_format *csv = registry_find(&table_format_registry, "csv");
    char               *escaped = csv->escape(s != NULL ? s : "", e);
    if (escaped == NULL) return -1;
    fputs(escaped, out);
    free(escaped);
    return 0;
}

static void put_real(double x, FILE *out) {
    if (!isnan(x)) fprintf(out, "%.*g", real_digits(x), x);
}

static int put_value(const field *f, const void *row, FILE *out, err *e) {
    const void *at = (const char *)row + f->offset;
    switch (f->kind) {
    case FIELD_U8:
        fprintf(out, "%u", *(const uint8_t *)at);
        return 0;
    case FIELD_U16:
        fprintf(out, "%u", *(const uint16_t *)at);
        return 0;
    case FIELD_U32:
        fprintf(out, "%" PRIu32, *(const uint32_t *)at);
        return 0;
    case FIELD_U64:
        fprintf(out, "%" PRIu64, *(const uint64_t *)at);
        return 0;
    case FIELD_I32:
        fprintf(out, "%" PRId32, *(const int32_t *)at);
        return 0;
    case FIELD_I64:
        fprintf(out, "%" PRId64, *(const int64_t *)at);
        return 0;
    case FIELD_F64:
        put_real(*(const double *)at, out);
        return 0;
    case FIELD_STR:
    case FIELD_ID:
        return put_text(*(char *const *)at, out, e);
    }
    return 0;
}

static void put_names(const field *f, size_t n, FILE *out) {
    for (size_t i = 0; i < n; i++) fprintf(out, "%s%s", i > 0 ? "," : "", f[i].name);
}

static int put_fields(const field *f, size_t n, const void *row, FILE *out, err *e) {
    for (size_t i = 0; i < n; i++) {
        if (i > 0) fputc(',', out);
        if (put_value(&f[i], row, out, e) != 0) return -1;
    }
    return 0;
}

/* A table without anything from another one. */
static int put_rows(const field *f, size_t n, const void *rows, size_t n_rows, size_t size, FILE *out, err *e) {
    put_names(f, n, out);
    fputc('\n', out);
    for (size_t i = 0; i < n_rows; i++) {
        if (put_fields(f, n, (const char *)rows + i * size, out, e) != 0) return -1;
        fputc('\n', out);
    }
    return 0;
}

static void put_key_names(const cell_keys *keys, FILE *out) {
    for (size_t i = 0; i < keys->n; i++) fprintf(out, ",%s", keys->csv[i]->column);
}

static int put_keys(const cell_keys *keys, size_t cell, FILE *out, err *e) {
    for (size_t i = 0; i < keys->n; i++) {
        fputc(',', out);
        if (put_text(keys->csv[i]->at[cell], out, e) != 0) return -1;
    }
    return 0;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

static int print_cells(const store_data *d, const cell_keys *keys, FILE *out, err *e) {
    put_names(cell_fields, COUNT(cell_fields), out);
    put_key_names(keys, out);
    fputc('\n', out);
    for (size_t c = 0; c < d->n_cells; c++) {
        if (put_fields(cell_fields, COUNT(cell_fields), &d->cells[c], out, e) != 0) return -1;
        if (put_keys(keys, c, out, e) != 0) return -1;
        fputc('\n', out);
    }
    return 0;
}

typedef struct {
    const store_data *d;
    const cell_keys  *keys;
    FILE             *out;
} exporting;

static int put_trial(const store_trial *at, void *ctx, err *e) {
    const exporting  *x = ctx;
    const trial_row  *t = at->trial;
    const sample_row *s = &x->d->samples[t->sample];
    if (put_fields(trial_fields, COUNT(trial_fields), t, x->out, e) != 0) return -1;
    fputc(',', x->out);
    if (put_text(s->id, x->out, e) != 0) return -1;
    fputc(',', x->out);
    if (put_text(s->scenario, x->out, e) != 0 || put_keys(x->keys, t->cell, x->out, e) != 0) return -1;
    fputc('\n', x->out);
    return 0;
}

static int print_trials(const store_data *d, const cell_keys *keys, FILE *out, err *e) {
    put_names(trial_fields, COUNT(trial_fields), out);
    fputs(",sample_id,scenario", out);
    put_key_names(keys, out);
    fputc('\n', out);
    return store_visit(d, 0, put_trial, &(exporting){d, keys, out}, e);
}

static int put_steps(const store_trial *t, void *ctx, err *e) {
    FILE            *out = ctx;
    const trial_row *of = t->trial;
    for (size_t i = 0; i < of->steps; i++) {
        if (put_fields(step_fields, COUNT(step_fields), &t->steps[i], out, e) != 0) return -1;
        fprintf(out, ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "\n", of->cell, of->sample, of->repeat);
    }
    return 0;
}

static int print_steps(const store_data *d, const cell_keys *keys, FILE *out, err *e) {
    (void)keys;
    put_names(step_fields, COUNT(step_fields), out);
    fputs(",cell,sample,repeat\n", out);
    return store_visit(d, VISIT_STEPS, put_steps, out, e);
}

static int put_tokens(const store_trial *t, void *ctx, err *e) {
    FILE            *out = ctx;
    const trial_row *of = t->trial;
    (void)e;
    for (size_t k = 0; k < of->tokens; k++)
        fprintf(out, "%" PRIu32 ",%zu,%" PRId32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "\n", of->trial, k, t->ids[k],
                of->cell, of->sample, of->repeat);
    return 0;
}

static int print_tokens(const store_data *d, const cell_keys *keys, FILE *out, err *e) {
    (void)keys;
    fputs("trial,position,id,cell,sample,repeat\n", out);
    return store_visit(d, VISIT_OUTPUTS, put_tokens, out, e);
}

#define PLAIN(table, array, row)                                                                                       \
    static int print_##table(const store_data *d, const cell_keys *keys, FILE *out, err *e) {                          \
        (void)keys;                                                                                                    \
        return put_rows(array, COUNT(array), d->table, d->n_##table, sizeof(row), out, e);                             \
    }
PLAIN(processes, process_fields, process_row)
PLAIN(samples, sample_fields, sample_row)
PLAIN(skipped, skipped_fields, skipped_row)

#define ROWS(table)                                                                                                    \
    static size_t rows_of_##table(const store_data *d) {                                                               \
        return d->n_##table;                                                                                           \
    }
ROWS(cells)
ROWS(processes)
ROWS(samples)
ROWS(skipped)
ROWS(trials)
ROWS(steps)

static size_t rows_of_tokens(const store_data *d) {
    return d->n_ids;
}

static const export_kind cells = {"cells", "settings and parameters", print_cells, rows_of_cells};
static const export_kind processes = {"processes", "what trials ran on", print_processes, rows_of_processes};
static const export_kind samples = {"samples", "records", print_samples, rows_of_samples};
static const export_kind skipped = {"skipped", "records that were left out", print_skipped, rows_of_skipped};
static const export_kind trials = {"trials", "one sample in one cell, with all settings", print_trials, rows_of_trials};
static const export_kind steps = {"steps", "forward passes", print_steps, rows_of_steps};
static const export_kind tokens = {"tokens", "outputs", print_tokens, rows_of_tokens};

static const void *const all[] = {&cells, &processes, &samples, &skipped, &trials, &steps, &tokens};

const registry export_registry = REGISTRY("exported table", all);
