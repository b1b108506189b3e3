/* One cell from memory and from files: order, what is there twice, processes, and what is refused. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "tests/fixtures/scratch.h"
#include "tests/unit/store_files.h"

TestSuite(store_join, .init = scratch_enter, .fini = scratch_leave);

#define ID "000000000000000a"
#define AT "2024-01-02T03:04:05Z"
enum { SAMPLES = 20, TRIALS = 2 * SAMPLES };

static store_data whole_cell(void) {
    return some_results(ID, "llma", 1, 20, SAMPLES);
}

typedef bool choice(const trial_row *t);

static bool is_any(const trial_row *t) {
    return t != NULL;
}

static bool is_odd(const trial_row *t) {
    return (t->sample + t->repeat) % 2 == 1;
}

static bool is_even(const trial_row *t) {
    return !is_odd(t);
}

static bool is_none(const trial_row *t) {
    return t == NULL;
}

typedef struct {
    store_data *to;
    choice     *keep;
    uint32_t    repeat;
} taking;

static int take(const store_trial *t, void *ctx, err *e) {
    const taking    *x = ctx;
    const trial_row *row = t->trial;
    if (row->repeat != x->repeat || !x->keep(row)) return 0;
    return store_add_trial(x->to, row, t->steps, row->steps, t->ids, row->tokens, t->hash, e);
}

/* The cell with some of its trials in memory, the later repeat of all samples first. */
static store_data some_of_it(choice *keep) {
    store_data whole = whole_cell(), part = whole_cell();
    err        e = {0};
    store_drop_trials(&part);
    for (uint32_t repeat = 2; repeat-- > 0;) {
        taking x = {&part, keep, repeat};
        cr_assert_eq(store_visit(&whole, VISIT_ALL, take, &x, &e), 0, "%s", e.text);
    }
    store_free(&whole);
    return part;
}

static void put_part(const char *path, choice *keep) {
    store_data part = some_of_it(keep);
    err        e = {0};
    cr_assert_eq(store_write_cell(path, &part, NULL, 0, "x", false, &e), 0, "%s", e.text);
    store_free(&part);
}

/* Joins what is in memory and in files; it must be the whole cell. */
static void expect_whole(choice *in_memory, const char *const *files, size_t n) {
    store_data part = some_of_it(in_memory), whole = whole_cell(), back;
    err        e = {0};
    cr_assert_eq(store_write_cell("joined.h5", &part, files, n, AT, true, &e), 0, "%s", e.text);
    cr_assert_eq(store_read("joined.h5", &back, &e), 0, "%s", e.text);
    cr_assert_str_eq(back.created, AT);
    cr_assert_str_eq(back.cells->created, AT);
    cr_assert(same_results(&whole, &back));
    store_free(&back);
    store_free(&part);
    store_free(&whole);
    unlink("joined.h5");
}

Test(store_join, trials_are_sorted_and_each_is_there_once) {
    static const char *const both[] = {"even.h5", "odd.h5"}, *const turned[] = {"odd.h5", "even.h5", "odd.h5"};
    put_part("odd.h5", is_odd);
    put_part("even.h5", is_even);
    expect_whole(is_any, NULL, 0);
    expect_whole(is_none, both, 2);
    expect_whole(is_odd, both, 1);
    expect_whole(is_any, turned, 3);
    expect_whole(is_none, turned, 3);
}

Test(store_join, as_many_files_as_are_open_together) {
    const char *files[STORE_JOINED];
    put_part("odd.h5", is_odd);
    put_part("all.h5", is_any);
    for (size_t i = 0; i < STORE_JOINED; i++) files[i] = i + 1 < STORE_JOINED ? "odd.h5" : "all.h5";
    expect_whole(is_none, files, STORE_JOINED);
}

Test(store_join, processes_are_named_as_trials_have_them) {
    static const char *const files[] = {"odd.h5"};
    store_data               part = some_of_it(is_odd), rest = some_of_it(is_even), back;
    process_row              other = some_process("00000000000000ff", "another CPU");
    err                      e = {0};
    uint32_t                 at;
    cr_assert_eq(store_add_process(&part, &other, &at, &e), 0);
    for (size_t i = 0; i < part.n_trials; i++) part.trials[i].process = at;
    cr_assert_eq(store_write_cell("odd.h5", &part, NULL, 0, "x", false, &e), 0, "%s", e.text);
    cr_assert_eq(store_write_cell("joined.h5", &rest, files, 1, AT, true, &e), 0, "%s", e.text);
    cr_assert_eq(store_read("joined.h5", &back, &e), 0, "%s", e.text);
    cr_assert_eq(back.n_processes, 2);
    cr_assert_str_eq(back.processes[1].id, other.id);
    cr_assert(strstr(back.cells->cpu, ", another CPU") != NULL, "%s", back.cells->cpu);
    for (size_t i = 0; i < back.n_trials; i++) cr_assert_eq(back.trials[i].process, is_odd(&back.trials[i]));
    store_free(&part);
    store_free(&rest);
    store_free(&back);
}

Test(store_join, a_finished_cell_has_all_its_trials_and_stays) {
    static const char *const odd[] = {"odd.h5"};
    store_data               none = some_of_it(is_none), some = some_of_it(is_even);
    err                      e = {0};
    put_part("odd.h5", is_odd);
    cr_assert_eq(store_write_cell("joined.h5", &none, odd, 1, AT, true, &e), -1);
    cr_assert_str_eq(e.text, "joined.h5: cannot write: 20 of 40 trials are there");
    cr_assert_eq(access("joined.h5", F_OK), -1);
    cr_assert_eq(store_write_cell("joined.h5", &none, odd, 1, AT, false, &e), 0, "%s", e.text);
    cr_assert_eq(store_write_cell("joined.h5", &some, odd, 1, AT, true, &e), 0, "it is there");
    store_data back;
    cr_assert_eq(store_read("joined.h5", &back, &e), 0, "%s", e.text);
    cr_assert_eq(back.n_trials, 20);
    store_free(&back);
    store_free(&none);
    store_free(&some);
}

Test(store_join, what_does_not_belong_together_is_refused) {
    static const char *const other[] = {"other.h5"}, *const missing[] = {"missing.h5"}, *const plain[] = {"plain.h5"};
    store_data some = some_of_it(is_any), cell = some_results("000000000000000b", "llma", 1, 20, SAMPLES);
    err        e = {0};
    cr_assert_eq(store_write("other.h5", &cell, true, &e), 0, "%s", e.text);
    store_free(&cell);
    cr_assert_eq(store_write_cell("joined.h5", &some, other, 1, AT, true, &e), -1);
    cr_assert(strstr(e.text, "other.h5: does not hold trials of the cell " ID) == e.text, "%s", e.text);
    cr_assert_eq(store_write_cell("joined.h5", &some, missing, 1, AT, true, &e), -1);
    cr_assert(strstr(e.text, "missing.h5: ") == e.text, "%s", e.text);

    uint64_t *hash = some.logits_hash;
    some.logits_hash = NULL;
    cr_assert_eq(store_write_cell("plain.h5", &some, NULL, 0, "x", false, &e), 0, "%s", e.text);
    some.logits_hash = hash;
    cr_assert_eq(store_write_cell("joined.h5", &some, plain, 1, AT, true, &e), -1);
    cr_assert_str_eq(e.text, "plain.h5: has no list logits_hash, unlike other trials of the cell");
    store_free(&some);

    store_data bare = whole_cell();
    bare.n_steps = 0;
    cr_assert_eq(store_write_cell("joined.h5", &bare, NULL, 0, AT, true, &e), -1);
    cr_assert_eq(access("joined.h5", F_OK), -1);
    store_free(&bare);
}
