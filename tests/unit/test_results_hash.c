/* Hashes of results: every column counts that says what was found, and no other. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tests/fixtures/scratch.h"
#include "tests/unit/store_files.h"

TestSuite(results_hash, .init = scratch_enter, .fini = scratch_leave);

enum { CELLS = 2 };

typedef struct {
    uint64_t of_cells[CELLS], of_all;
} hashes;

static hashes hash(const store_data *d) {
    hashes h = {0};
    err    e = {0};
    cr_assert_leq(d->n_cells, CELLS);
    cr_assert_eq(store_results_hash(d, h.of_cells, &h.of_all, &e), 0, "%s", e.text);
    return h;
}

/* ---- columns -------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    field_kind  kind;
    size_t      offset;
    bool        counts;
} seen;

enum { SETUP_COUNTS = true, RULE_COUNTS = true, POLICY_COUNTS = true, DIGEST_COUNTS = false };

static const seen of_cells[] = {
#define CELL_FIELDS
#define INDEX(kind, name)
#define VARIES(kind, name)             {#name, FIELD_##kind, offsetof(cell_row, name), false},
#define SETTING(kind, name, role, csv) {#name, FIELD_##kind, offsetof(cell_row, name), role##_COUNTS},
#define FIELD(kind, name)              {#name, FIELD_##kind, offsetof(cell_row, name), true},
#include "store/fields.def"
#undef CELL_FIELDS
};

static const seen of_samples[] = {
#define SAMPLE_FIELDS
#define INDEX(kind, name)
#define FIELD(kind, name) {#name, FIELD_##kind, offsetof(sample_row, name), true},
#include "store/fields.def"
#undef SAMPLE_FIELDS
};

static const seen of_trials[] = {
#define TRIAL_FIELDS
#define INDEX(kind, name)
#define VARIES(kind, name) {#name, FIELD_##kind, offsetof(trial_row, name), false},
#define FIELD(kind, name)  {#name, FIELD_##kind, offsetof(trial_row, name), true},
#include "store/fields.def"
#undef TRIAL_FIELDS
};

static const seen of_steps[] = {
#define STEP_FIELDS
#define INDEX(kind, name)
#define VARIES(kind, name) {#name, FIELD_##kind, offsetof(step_row, name), false},
#define FIELD(kind, name)  {#name, FIELD_##kind, offsetof(step_row, name), true},
#include "store/fields.def"
#undef STEP_FIELDS
};

/* Another value: of a text other letters, of a number its lowest bit, of a NaN a number. */
static void change(char *at, field_kind kind) {
    double x;
    if (kind == FIELD_STR || kind == FIELD_ID) {
        *(char **)at = (char *)"another text";
    } else if (kind != FIELD_F64) {
        *at ^= 1;
    } else {
        memcpy(&x, at, sizeof x);
        x = x < 1 ? x + 1 : 0.125;
        memcpy(at, &x, sizeof x);
    }
}

static size_t size_of(field_kind kind) {
    return kind == FIELD_U8 ? 1 : kind == FIELD_U16 ? 2 : kind == FIELD_U32 || kind == FIELD_I32 ? 4 : 8;
}

/* Changes each column of one row in turn. */
static void try_columns(store_data *d, void *row, const seen *columns, size_t n) {
    hashes before = hash(d);
    for (size_t i = 0; i < n; i++) {
        char  *at = (char *)row + columns[i].offset, kept[8];
        size_t size = size_of(columns[i].kind);
        memcpy(kept, at, size);
        change(at, columns[i].kind);
        hashes after = hash(d);
        memcpy(at, kept, size);
        cr_expect_eq(after.of_cells[0] != before.of_cells[0], columns[i].counts, "%s", columns[i].name);
        cr_expect_eq(after.of_all != before.of_all, columns[i].counts, "%s", columns[i].name);
    }
}

#define TRY(d, row, columns) try_columns(d, row, columns, sizeof(columns) / sizeof *(columns))

Test(results_hash, columns_count_that_say_what_was_found) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 2);
    err        e = {0};
    size_t     last = d.n_steps - 1;
    /* Room for the trial that claims one more. */
    cr_assert_eq(mem_reserve(&d.steps, &d.cap_steps, d.n_steps + 1, &e), 0);
    cr_assert_eq(mem_reserve(&d.ids, &d.cap_ids, d.n_ids + 1, &e), 0);
    d.steps[d.n_steps++] = d.steps[last];
    d.ids[d.n_ids++] = 7;
    TRY(&d, &d.cells[0], of_cells);
    TRY(&d, &d.samples[d.n_samples - 1], of_samples);
    TRY(&d, &d.trials[d.n_trials - 1], of_trials);
    TRY(&d, &d.steps[0], of_steps);
    TRY(&d, &d.steps[last], of_steps);
    store_free(&d);
}

Test(results_hash, outputs_count) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 2);
    hashes     before = hash(&d);
    d.ids[d.n_ids - 1] ^= 1;
    cr_assert_neq(hash(&d).of_cells[0], before.of_cells[0]);
    store_free(&d);
}

/* ---- what else is in the file --------------------------------------------------------------------------- */

Test(results_hash, a_cell_has_one_hash_alone_and_among_others) {
    const char *paths[] = {"a.h5", "b.h5"};
    err         e = {0};
    store_data  a = some_results("00000000000000aa", "llma", 1, 20, 2), all = {0};
    store_data  b = some_results("00000000000000bb", "none", -1, -1, 2);
    cr_assert_eq(store_write(paths[0], &a, false, &e), 0, "%s", e.text);
    cr_assert_eq(store_write(paths[1], &b, false, &e), 0, "%s", e.text);
    cr_assert_eq(collect_whole(paths, 2, NULL, &all, &e), 0, "%s", e.text);
    hashes alone[] = {hash(&a), hash(&b)}, together = hash(&all);
    cr_assert_str_eq(all.cells[0].policy, "none");
    cr_assert_eq(together.of_cells[0], alone[1].of_cells[0]);
    cr_assert_eq(together.of_cells[1], alone[0].of_cells[0]);
    cr_assert_neq(together.of_cells[0], together.of_cells[1]);
    store_free(&a);
    store_free(&b);
    store_free(&all);
}

Test(results_hash, nothing_has_a_hash_too) {
    store_data d = {0};
    cr_assert_eq(hash(&d).of_all, hash(&d).of_all);
}

Test(results_hash, a_nan_is_a_nan) {
    static const uint64_t nans[] = {0x7ff8000000000000, 0xfff8000000000001};
    store_data            d = some_results("0123456789abcdef", "llma", 1, 20, 1);
    hashes                h[2];
    for (int i = 0; i < 2; i++) {
        memcpy(&d.trials[0].min_margin, &nans[i], sizeof nans[i]);
        h[i] = hash(&d);
    }
    cr_assert_eq(h[0].of_all, h[1].of_all);
    store_free(&d);
}
