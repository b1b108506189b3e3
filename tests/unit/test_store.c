/* Results files: round trips, failing writes, failing memory. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/atomic.h"
#include "engine/base/mem.h"
#include "tests/fixtures/scratch.h"
#include "tests/unit/store_files.h"

static void assert_round_trip(const store_data *d) {
    err         e = {0};
    store_data  back;
    const char *path = "round.h5";
    cr_assert_eq(store_write(path, d, false, &e), 0, "%s", e.text);
    cr_assert_eq(store_read(path, &back, &e), 0, "%s", e.text);
    cr_assert(same_results(d, &back));
    store_free(&back);
}

TestSuite(store, .init = scratch_enter, .fini = scratch_leave);

/* ---- writing and reading -------------------------------------------------------------------------------- */

Test(store, what_is_written_is_read) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 3);
    assert_round_trip(&d);
    cr_assert_eq(files_here(), 1);
    store_free(&d);
}

Test(store, empty_tables_are_there) {
    store_data d = {0};
    assert_round_trip(&d);
}

Test(store, a_trial_without_tokens_keeps_its_place) {
    store_data d = some_results("0123456789abcdef", "none", -1, -1, 1);
    err        e = {0};
    trial_row  empty = {.repeat = 2, .min_margin = NAN};
    cr_assert_eq(store_add_trial(&d, &empty, NULL, 0, NULL, 0, NULL, &e), 0);
    d.cells->trials++;
    cr_assert_eq(add_some_trial(&d, 0, 0, 3, 1, true, &e), 0);
    assert_round_trip(&d);
    store_free(&d);
}

Test(store, long_texts_and_many_steps) {
    enum { LONG = 300000 };
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 1);
    err        e = {0};
    char      *text = malloc(LONG + 1);
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    sample_row sample = {.dataset = "rag", .id = text, .scenario = "a"};
    cr_assert_eq(store_add_sample(&d, &sample, &e), 0);
    cr_assert_eq(store_keep_text(&d.configs, "long.ini", text, NULL, &e), 0);
    cr_assert_eq(store_keep_text(&d.configs, "empty.ini", "", NULL, &e), 0);
    cr_assert_eq(add_some_trial(&d, 0, 1, 0, 100000, true, &e), 0);
    /* Read back in the order of names. */
    kept_text first = d.configs.at[0];
    d.configs.at[0] = d.configs.at[2];
    d.configs.at[2] = first;
    first = d.configs.at[1];
    assert_round_trip(&d);
    cr_assert_eq(strlen(first.text), LONG);
    free(text);
    store_free(&d);
}

Test(store, the_same_data_give_the_same_bytes) {
    size_t n, m;
    err    e = {0};
    for (int i = 0; i < 2; i++) {
        store_data d = some_results("0123456789abcdef", "llma", 1, 20, 40);
        cr_assert_eq(store_write(i == 0 ? "a.h5" : "b.h5", &d, i == 1, &e), 0);
        store_free(&d);
    }
    char *a = file_bytes("a.h5", &n), *b = file_bytes("b.h5", &m);
    cr_assert_eq(n, m);
    cr_assert(memcmp(a, b, n) == 0);
    free(a);
    free(b);
}

Test(store, exclusive_keeps_what_is_there) {
    store_data old = some_results("0123456789abcdef", "llma", 1, 20, 1),
               new = some_results("fedcba9876543210", "llma", 1, 20, 2);
    store_data  back;
    err         e = {0};
    const char *path = "cell.h5";
    cr_assert_eq(store_write(path, &old, true, &e), 0, "%s", e.text);
    cr_assert_eq(store_write(path, &new, true, &e), 0, "%s", e.text);
    cr_assert_eq(store_read(path, &back, &e), 0);
    cr_assert(same_results(&old, &back));
    store_free(&back);
    cr_assert_eq(store_write(path, &new, false, &e), 0);
    cr_assert_eq(store_read(path, &back, &e), 0);
    cr_assert(same_results(&new, &back));
    store_free(&back);
    cr_assert_eq(files_here(), 1);
    store_free(&old);
    store_free(&new);
}

Test(store, configs_of_one_name_are_kept_apart) {
    store_data d = {0};
    err        e = {0};
    cr_assert_eq(store_keep_text(&d.configs, "a.ini", "1", NULL, &e), 0);
    cr_assert_eq(store_keep_text(&d.configs, "a.ini", "2", NULL, &e), 0);
    cr_assert_eq(store_keep_text(&d.configs, "a.ini", "1", NULL, &e), 0);
    cr_assert_eq(store_keep_text(&d.configs, "a.ini", "2", NULL, &e), 0);
    cr_assert_eq(d.configs.n, 2);
    cr_assert_str_eq(d.configs.at[1].name, "a.ini (2)");
    const char *bad[] = {"", ".", "a/b"};
    for (size_t i = 0; i < 3; i++) cr_assert_eq(store_keep_text(&d.configs, bad[i], "", NULL, &e), -1);
    store_free(&d);
}

Test(store, logits_are_there_for_all_trials_or_none) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 1);
    err        e = {0};
    cr_assert_eq(add_some_trial(&d, 0, 0, 2, 1, false, &e), -1);
    cr_assert_eq(d.n_trials, 2);
    store_free(&d);
}

/* ---- writing that fails --------------------------------------------------------------------------------- */

static void assert_write_fails(const char *path, bool exclusive, err_kind kind, const char *why) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 1);
    err        e = {0};
    char       start[300];
    size_t     before = files_here();
    snprintf(start, sizeof start, "%s: cannot write: ", path);
    cr_assert_eq(store_write(path, &d, exclusive, &e), -1);
    cr_assert_eq(e.kind, kind, "%s", e.text);
    cr_assert_eq(e.code != 0, kind == ERR_RUN, "%s", e.text);
    cr_assert_eq(strncmp(e.text, start, strlen(start)), 0, "%s", e.text);
    cr_assert_not_null(strstr(e.text, why), "%s", e.text);
    cr_assert_eq(files_here(), before);
    cr_assert(atomic_check(path, &e) == -1 && e.kind == kind, "%s", e.text);
    store_free(&d);
}

Test(store, write_failures_leave_nothing) {
    cr_assert_eq(mkdir("dir", 0777), 0);
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        assert_write_fails("dir", exclusive, ERR_INPUT, "not a regular file");
        assert_write_fails("missing/x.h5", exclusive, ERR_RUN, "No such file");
        assert_write_fails("/proc/x.h5", exclusive, ERR_RUN, "");
    }
    char name[257] = "";
    memset(name, 'n', 256);
    assert_write_fails(name, false, ERR_RUN, "too long");
}

Test(store, links_stay_and_what_they_lead_to_is_written) {
    size_t n;
    err    e = {0};
    cr_assert_eq(mkdir("dir", 0777), 0);
    cr_assert_eq(symlink("dir/f", "link"), 0);
    cr_assert_eq(symlink("link", "chain"), 0);
    cr_assert_eq(atomic_write("chain", "old", 3, true, &e), 0, "%s", e.text);
    cr_assert_eq(atomic_write("link", "newer", 5, false, &e), 0, "%s", e.text);
    struct stat st;
    cr_assert(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
    char *bytes = file_bytes("dir/f", &n);
    cr_assert(n == 5 && memcmp(bytes, "newer", 5) == 0);
    free(bytes);
    cr_assert_eq(symlink("dir", "folder"), 0);
    assert_write_fails("folder", false, ERR_INPUT, "not a regular file");
    cr_assert_eq(symlink("missing/f", "nowhere"), 0);
    assert_write_fails("nowhere", false, ERR_RUN, "No such file");
    cr_assert_eq(symlink("round", "round"), 0);
    assert_write_fails("round", false, ERR_RUN, "symbolic links");
    cr_assert_eq(symlink("../x", "dir/up"), 0);
    cr_assert_eq(atomic_write("folder/up", "up", 2, false, &e), 0, "%s", e.text);
    bytes = file_bytes("x", &n);
    cr_assert(n == 2 && memcmp(bytes, "up", 2) == 0);
    free(bytes);
}

/* A reader of that stream would go on with a file that no longer has a name. */
Test(store, standard_streams_are_not_replaced) {
    cr_assert_not_null(freopen("stream", "w", stdout));
    cr_assert_eq(symlink("stream", "link"), 0);
    assert_write_fails("stream", false, ERR_INPUT, "open as standard input, output or error");
    assert_write_fails("link", false, ERR_INPUT, "open as standard input, output or error");
}

Test(store, names_as_long_as_the_system_takes) {
    char name[256] = "";
    err  e = {0};
    memset(name, 'n', 255);
    cr_assert_eq(atomic_write(name, "x", 1, true, &e), 0, "%s", e.text);
    cr_assert_eq(files_here(), 1);
}

/* A file size limit makes write(2) fail in the middle, as a full disk does. */
Test(store, a_write_that_fails_midway_keeps_the_old_file) {
    size_t n;
    err    e = {0};
    char  *zeros = calloc(1, 1 << 16);
    cr_assert_eq(atomic_write("f", "old", 3, false, &e), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1 << 12, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int ret = atomic_write("f", zeros, 1 << 16, false, &e);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(ret, -1);
    cr_assert_not_null(strstr(e.text, "cannot write: File too large"), "%s", e.text);
    char *bytes = file_bytes("f", &n);
    cr_assert(n == 3 && memcmp(bytes, "old", 3) == 0);
    cr_assert_eq(files_here(), 1);
    free(bytes);
    free(zeros);
}

Test(store, broken_data_are_not_written) {
    const char *path = "x.h5";
    for (int i = 0; i < 24; i++) {
        store_data d = some_results("0123456789abcdef", "llma", 1, 20, 2);
        err        e = {0};
        switch (i) {
        case 0:
            d.cells[0].cell = 1;
            break;
        case 1:
            d.cells[0].id[15] = '\0';
            break;
        case 2:
            d.samples[1].sample = 0;
            break;
        case 3:
            d.trials[1].trial = 0;
            break;
        case 4:
            d.trials[3].cell = 1;
            break;
        case 5:
            d.trials[3].sample = 2;
            break;
        case 6:
            d.trials[1].repeat = 0;
            break;
        case 7:
            d.trials[2].sample = 0;
            break;
        case 8:
            d.trials[0].tokens++;
            break;
        case 9:
            d.trials[0].drafted++;
            break;
        case 10:
            d.trials[0].accepted--;
            break;
        case 11:
            d.trials[3].steps++;
            break;
        case 12:
            d.trials[3].steps--;
            break;
        case 13:
            d.steps[1].step = 0;
            break;
        case 14:
            d.steps[4].trial = 0;
            break;
        case 15:
            d.steps[2].position--;
            break;
        case 16:
            d.steps[2].emitted++;
            break;
        case 17:
            d.offset[1]--;
            break;
        case 18:
            d.trials[0].logits_equal = 3;
            break;
        case 19:
            d.steps[1].equal = 2;
            break;
        case 20:
            d.steps[1].equal = 0;
            break;
        case 21: /* equal again after a difference */
            d.trials[0].equal = d.steps[0].equal = 0;
            break;
        case 22:
            d.steps[1].logits_equal = 1;
            break;
        case 23:
            d.steps[1].margin = -INFINITY;
            break;
        }
        cr_assert_eq(store_write(path, &d, false, &e), -1, "case %d was written", i);
        cr_assert_eq(e.kind, ERR_RUN);
        cr_assert_eq(access(path, F_OK), -1);
        store_free(&d);
    }
}

/* ---- memory that fails ---------------------------------------------------------------------------------- */

static int whole_way(err *e) {
    store_data  d = {0}, back = {0};
    const char *path = "mem.h5";
    int         ret = fill_results(&d, "0123456789abcdef", "llma", 1, 20, 2, e);
    if (ret == 0) ret = store_write(path, &d, false, e);
    if (ret == 0) ret = store_read(path, &back, e);
    store_free(&back);
    if (ret == 0) ret = collect_whole(&path, 1, NULL, &back, e);
    if (ret == 0) cr_assert_eq(back.n_trials, d.n_trials);
    store_free(&back);
    store_free(&d);
    return ret;
}

Test(store, every_failing_allocation_is_an_error) {
    size_t n = 1;
    for (;; n++) {
        err e = {0};
        mem_fail_at(n);
        int ret = whole_way(&e);
        mem_fail_at(0);
        if (ret == 0) break;
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", n, e.text);
        cr_assert_not_null(strstr(e.text, "out of memory"), "allocation %zu: %s", n, e.text);
    }
    cr_assert_gt(n, 100);
}
