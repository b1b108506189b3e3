/* `harness collect`, and `harness inspect` on its result, called as main calls them. */
#include <criterion/criterion.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "experiments/commands/commands.h"
#include "experiments/inspect/inspect.h"
#include "tests/fixtures/scratch.h"
#include "tests/unit/store_files.h"

static void enter_quietly(void) {
    scratch_enter();
    cr_assert_not_null(freopen("/dev/null", "w", stdout));
}

TestSuite(cmd_collect, .init = enter_quietly, .fini = scratch_leave);

static void write_cell(const char *path, const char *id, const char *policy) {
    store_data d = some_results(id, policy, 1, 20, 2);
    err        e = {0};
    cr_assert_eq(store_write(path, &d, true, &e), 0, "%s", e.text);
    store_free(&d);
}

static void write_cells(void) {
    cr_assert_eq(mkdir("quick", 0777), 0);
    cr_assert_eq(mkdir("quick/cells", 0777), 0);
    write_cell("quick/cells/a.h5", "000000000000000a", "llma");
    write_cell("quick/cells/b.h5", "000000000000000b", "none");
    scratch_write("quick/cells/.1-2.part", "half a cell");
    scratch_write("quick/cells/.c.h5", "hidden");
    scratch_write("quick/cells/notes.txt", "of ours");
}

static int run(const char *dir, const char *option, const char *output, err *e) {
    char *argv[] = {(char *)"collect", (char *)dir, (char *)option, (char *)output, NULL};
    int   argc = option == NULL ? 2 : output == NULL ? 3 : 4;
    return command_run(&command_collect, argc, argv, e);
}

static void assert_collected(const char *path) {
    store_data d;
    err        e = {0};
    cr_assert_eq(store_read(path, &d, &e), 0, "%s", e.text);
    cr_assert_eq(d.n_cells, 2);
    cr_assert_str_eq(d.cells[0].policy, "none");
    cr_assert_eq(d.n_trials, 8);
    store_free(&d);
}

/* Runs f with stdout redirected to a file, and returns the file's text. */
static char *shown(int (*f)(err *e)) {
    size_t n;
    err    e = {0};
    fflush(stdout);
    cr_assert_not_null(freopen("shown.txt", "w", stdout));
    cr_assert_eq(f(&e), 0, "%s", e.text);
    cr_assert_eq(fflush(stdout), 0);
    char *text = file_bytes("shown.txt", &n);
    text[n] = '\0';
    return text;
}

static int collect_quick(err *e) {
    return run("quick/", NULL, NULL, e);
}

static int inspect_quick(err *e) {
    return inspect_results("quick.h5", e);
}

Test(cmd_collect, a_sweep_folder_becomes_a_file_beside_it) {
    write_cells();
    char *text = shown(collect_quick);
    cr_assert_str_eq(text, "quick.h5: 2 cells, 2 samples, 8 trials, 28 steps, 56 tokens\n");
    free(text);
    assert_collected("quick.h5");
}

Test(cmd_collect, takes_a_folder_of_cells_and_a_name) {
    err e = {0};
    write_cells();
    cr_assert_eq(run("quick/cells", "-o", "all.h5", &e), 0, "%s", e.text);
    assert_collected("all.h5");
    cr_assert_eq(run("quick", "--output=all.h5", NULL, &e), 0, "%s", e.text);
    assert_collected("all.h5");
}

Test(cmd_collect, refuses_what_it_cannot_do) {
    const struct {
        const char *dir, *option, *output, *why;
    } cases[] = {
        {"missing", NULL, NULL, "missing: cannot open"},
        {"empty", NULL, NULL, "empty: no cell files (*.h5)"},
        {".", NULL, NULL, ".: has no name"},
        {"quick/..", NULL, NULL, "has no name"},
        {"/", NULL, NULL, "has no name"},
        {"quick", "-o", "quick/cells/../cells/a.h5", "lies among cell files"},
        {"quick", "-o", "elsewhere/x.h5", "lies among cell files"},
        {"quick/cells", "-o", "linked/x.h5", "lies among cell files"},
        {"quick", "-o", "way/in", "lies among cell files"},
        {"quick", "-o", "notes.txt", "notes.txt: is not a results file"},
        {"quick", "-o", "loss.h5", "loss.h5: is not a results file: lacks /cells or /trials"},
        {"quick", "-x", NULL, "unknown option"},
        {"quick", "-o", NULL, "no value after option"},
        {"quick", "quick", NULL, "unexpected argument"},
        {"broken", NULL, NULL, "broken/a.h5: is not a results file"},
    };
    write_cells();
    cr_assert_eq(mkdir("empty", 0777), 0);
    scratch_write("broken/a.h5", "no");
    scratch_write("notes.txt", "notes");
    cr_assert_eq(symlink("quick/cells", "linked"), 0);
    cr_assert(mkdir("way", 0777) == 0 && symlink("../quick/cells/not-yet.h5", "way/in") == 0);
    scratch_write("elsewhere/0123456789abcdef.h5", "a cell");
    const int32_t version = 1; /* another program may have its own versions */
    hid_t         other = H5Fcreate("loss.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t         space = H5Screate(H5S_SCALAR);
    hid_t         attribute = H5Acreate2(other, "schema_version", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert(H5Awrite(attribute, H5T_NATIVE_INT32, &version) >= 0 && H5Aclose(attribute) >= 0);
    cr_assert(H5Sclose(space) >= 0 && H5Fclose(other) >= 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err e = {0};
        cr_assert_eq(run(cases[i].dir, cases[i].option, cases[i].output, &e), -1, "case %zu", i);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_not_null(strstr(e.text, cases[i].why), "%s", e.text);
    }
    err e = {0};
    cr_assert_eq(run("quick", "-o", "missing/x.h5", &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert_eq(access("broken.h5", F_OK), -1);
}

Test(cmd_collect, inspect_shows_origin_counts_and_configs) {
    err e = {0};
    write_cells();
    cr_assert_eq(run("quick", NULL, NULL, &e), 0, "%s", e.text);
    char       *text = shown(inspect_quick);
    const char *want[] = {"sweep    quick\n",
                          "cpu      Intel(R) Xeon(R)\n",
                          "        2 cells\n        2 samples\n        8 trials\n       28 steps\n       56 tokens\n",
                          "     1        4        4  no logits                 0  none, greedy, rag, bytes (replay)\n",
                          "     1        4        4  no logits                 0  llma, greedy, rag, bytes (replay)\n",
                          "config   quick.ini\n    [sweep]\n    name = quick"};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) cr_assert_not_null(strstr(text, want[i]), "%s", text);
    free(text);
}
