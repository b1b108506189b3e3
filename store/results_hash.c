/* results_hash.c - one number for what a cell found, so that two people can compare results without exchanging files.
 *
 * A cell's hash is over its row, and each trial with its sample, steps and output, column by column. Left out are rows'
 * numbers, what VARIES in fields.def, and the versions of things (settings of role DIGEST): so the same results have
 * the same hash whatever else is in the file, and whichever program, processor or machine they come from.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/digest.h"
#include "engine/base/mem.h"
#include "store/store.h"

typedef struct {
    field_kind kind;
    size_t     offset; /* in the row struct */
} part;

#define INDEX(kind, name)
#define VARIES(kind, name)
#define PART_SETUP(row, kind, name)  {FIELD_##kind, offsetof(row, name)},
#define PART_RULE(row, kind, name)   {FIELD_##kind, offsetof(row, name)},
#define PART_POLICY(row, kind, name) {FIELD_##kind, offsetof(row, name)},
#define PART_DIGEST(row, kind, name)
static const part cell_parts[] = {
#define CELL_FIELDS
#define FIELD(kind, name)              {FIELD_##kind, offsetof(cell_row, name)},
#define SETTING(kind, name, role, csv) PART_##role(cell_row, kind, name)
#include "store/fields.def"
#undef CELL_FIELDS
};

#define INDEX(kind, name)
#define VARIES(kind, name)
static const part sample_parts[] = {
#define SAMPLE_FIELDS
#define FIELD(kind, name) {FIELD_##kind, offsetof(sample_row, name)},
#include "store/fields.def"
#undef SAMPLE_FIELDS
};

#define INDEX(kind, name)
#define VARIES(kind, name)
static const part trial_parts[] = {
#define TRIAL_FIELDS
#define FIELD(kind, name) {FIELD_##kind, offsetof(trial_row, name)},
#include "store/fields.def"
#undef TRIAL_FIELDS
};

#define INDEX(kind, name)
#define VARIES(kind, name)
static const part step_parts[] = {
#define STEP_FIELDS
#define FIELD(kind, name) {FIELD_##kind, offsetof(step_row, name)},
#include "store/fields.def"
#undef STEP_FIELDS
};

#define COUNT(parts) (sizeof(parts) / sizeof *(parts))

/* A text with its length before it. */
static void add_text(digest64_state *b, const char *text) {
    uint64_t n = text != NULL ? strlen(text) : 0;
    digest64_add(b, &n, sizeof n);
    digest64_add(b, text, n);
}

/* Every NaN has the same bits: which one an operation gives is not specified. */
static void add_real(digest64_state *b, const void *from) {
    static const uint64_t missing = 0x7ff8000000000000;
    double                x;
    memcpy(&x, from, sizeof x);
    digest64_add(b, isnan(x) ? (const void *)&missing : from, sizeof x);
}

static void add_row(digest64_state *b, const part *parts, size_t n, const void *row) {
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)row + parts[i].offset;
        switch (parts[i].kind) {
        case FIELD_U8:
            digest64_add(b, at, 1);
            break;
        case FIELD_U16:
            digest64_add(b, at, 2);
            break;
        case FIELD_U32:
        case FIELD_I32:
            digest64_add(b, at, 4);
            break;
        case FIELD_U64:
        case FIELD_I64:
            digest64_add(b, at, 8);
            break;
        case FIELD_F64:
            add_real(b, at);
            break;
        case FIELD_STR:
        case FIELD_ID:
            add_text(b, *(char *const *)at);
            break;
        }
    }
}

typedef struct {
    const store_data *d;
    digest64_state   *b;
} hashing;

static int add_trial(const store_trial *at, void *ctx, err *e) {
    const hashing   *h = ctx;
    const trial_row *t = at->trial;
    (void)e;
    add_row(h->b, sample_parts, COUNT(sample_parts), &h->d->samples[t->sample]);
    add_row(h->b, trial_parts, COUNT(trial_parts), t);
    for (uint32_t i = 0; i < t->steps; i++) add_row(h->b, step_parts, COUNT(step_parts), &at->steps[i]);
    digest64_add(h->b, at->ids, t->tokens * sizeof *at->ids);
    return 0;
}

int store_results_hash(const store_data *d, uint64_t *of_cells, uint64_t *of_all, err *e) {
    hashing h = {d, digest64_new(e)};
    int     ret = h.b != NULL ? 0 : -1;
    for (size_t i = 0; ret == 0 && i < d->n_cells; i++) {
        add_row(h.b, cell_parts, COUNT(cell_parts), &d->cells[i]);
        ret = store_visit_cell(d, i, VISIT_STEPS | VISIT_OUTPUTS, add_trial, &h, e);
        of_cells[i] = digest64_take(h.b);
    }
    if (ret == 0) *of_all = digest64(of_cells, d->n_cells * sizeof *of_cells);
    digest64_free(h.b);
    return ret;
}
