/* `harness tables`, called as main calls it. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/tables/table_kind.h"
#include "experiments/commands/commands.h"
#include "tests/unit/results_sample.h"

/* What the store checks but the statistics do not need: outputs, and sums that match. */
static void write_results(const char *path) {
    store_data d, all = {0};
    err        e = {0};
    results_sample(&d);
    for (size_t i = 0; i < d.n_cells; i++) cr_assert_eq(store_add_cell(&all, &d.cells[i], &e), 0, "%s", e.text);
    for (size_t i = 0; i < d.n_samples; i++) cr_assert_eq(store_add_sample(&all, &d.samples[i], &e), 0, "%s", e.text);
    cr_assert_eq(store_add_process(&all, d.processes, NULL, &e), 0, "%s", e.text);
    cr_assert_not_null(all.sweep = strdup("demo"));
    const int32_t   ids[6] = {1, 2, 3, 4, 5, 6};
    const step_row *steps = d.steps;
    for (size_t i = 0; i < d.n_trials; steps += d.trials[i++].steps)
        cr_assert_eq(store_add_trial(&all, &d.trials[i], steps, d.trials[i].steps, ids, d.trials[i].tokens, NULL, &e),
                     0, "%s", e.text);
    cr_assert_eq(store_write(path, &all, false, &e), 0, "%s", e.text);
    store_free(&all);
}

static int run(err *e, int argc, const char **argv) {
    char *args[8];
    for (int i = 0; i < argc; i++) args[i] = strdup(argv[i]);
    args[argc] = NULL;
    int status = command_run(&command_tables, argc, args, e);
    for (int i = 0; i < argc; i++) free(args[i]);
    return status;
}
#define RUN(e, ...) run(e, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static void refused(const char *want, const err *e, int status) {
    cr_assert_eq(status, -1);
    cr_assert_eq(e->kind, ERR_INPUT);
    cr_assert(strstr(e->text, want) != NULL, "%s", e->text);
}

Test(cmd_tables, writes_the_named_table_to_a_file) {
    char dir[] = "/tmp/cmd_tables-XXXXXX", in[64], out[64], text[4096] = "";
    err  e = {0};
    cr_assert_not_null(mkdtemp(dir));
    snprintf(in, sizeof in, "%s/r.h5", dir);
    snprintf(out, sizeof out, "%s/t.csv", dir);
    write_results(in);
    cr_assert_eq(RUN(&e, "tables", "scenarios", in, "--format", "csv", "-o", out), 0, "%s", e.text);
    FILE *f = fopen(out, "r");
    cr_assert_not_null(f);
    cr_assert_gt(fread(text, 1, sizeof text - 1, f), 0);
    fclose(f);
    cr_assert(strstr(text, "\n1,1111111111111111,llma,1,4,5,") != NULL, "%s", text);
    cr_assert(strstr(text, ",rag,2,12,4,3\n") != NULL, "%s", text);

    /* A refused table leaves the old file alone. */
    refused("unknown table", &e, RUN(&e, "tables", "nonsense", in, "-o", out));
    cr_assert_eq(access(out, F_OK), 0);
    unlink(out);
    refused("unknown table", &e, RUN(&e, "tables", "nonsense", in, "-o", out));
    refused("is the same file as the input", &e, RUN(&e, "tables", in, "-o", in));
    cr_assert_eq(RUN(&e, "tables", in, "-o", out), 0, "the results are still there: %s", e.text);
    unlink(out);
    cr_assert_neq(access(out, F_OK), 0);
    unlink(in);
    rmdir(dir);
}

Test(cmd_tables, prints_the_summary_when_none_is_named, .init = cr_redirect_stdout) {
    char in[] = "/tmp/cmd_tables-XXXXXX";
    err  e = {0};
    cr_assert_neq(mkstemp(in), -1);
    write_results(in);
    cr_assert_eq(RUN(&e, "tables", in), 0, "%s", e.text);
    unlink(in);
    FILE *out = cr_get_redirected_stdout();
    char  line[512];
    cr_assert_not_null(fgets(line, sizeof line, out));
    cr_assert_eq(strncmp(line, "demo: config = quick.ini, ", 26), 0, "%s", line);
}

Test(cmd_tables, refuses_bad_use) {
    err e = {0};
    refused("needs [NAME] FILE.h5", &e, RUN(&e, "tables"));
    refused("needs [NAME] FILE.h5", &e, RUN(&e, "tables", "grid"));
    refused("unknown table \"summery\"", &e, RUN(&e, "tables", "summery", "a.h5"));
    refused("a.h5: cannot open", &e, RUN(&e, "tables", "a.h5", "b.h5"));
    refused("unknown table format \"pages\"", &e, RUN(&e, "tables", "a.h5", "-f", "pages"));
    refused("--nope", &e, RUN(&e, "tables", "a.h5", "--nope"));
    cr_assert_eq(RUN(&e, "tables", "/nonexistent/a.h5"), -1);
    cr_assert(strstr(e.text, "/nonexistent/a.h5") != NULL, "%s", e.text);
}

static char *output(void) {
    static char text[8192];
    FILE       *out = cr_get_redirected_stdout();
    fflush(stdout);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    return text;
}

static void names_all(const registry *r, const char *text) {
    for (size_t i = 0; i < r->n; i++) {
        char line[80];
        snprintf(line, sizeof line, "%s  ", registry_name(r, i));
        cr_assert(strstr(text, line) != NULL, "%s is not in:\n%s", line, text);
    }
}

Test(cmd_tables, lists_every_table, .init = cr_redirect_stdout) {
    err e = {0};
    cr_assert_eq(RUN(&e, "tables", "--list"), 0);
    names_all(&table_registry, output());
}

Test(cmd_tables, help_lists_every_format, .init = cr_redirect_stdout) {
    err e = {0};
    cr_assert_eq(RUN(&e, "tables", "--help"), 0);
    names_all(&table_format_registry, output());
}
