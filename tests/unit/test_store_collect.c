/* Merging cell files: order, samples, provenance, and what is refused. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/settings.h"
#include "tests/fixtures/scratch.h"
#include "tests/unit/store_files.h"

TestSuite(store_collect, .init = scratch_enter, .fini = scratch_leave);

/* ---- collecting ------------------------------------------------------------------------------------------ */

static const char *put_cell(const char *id, const char *policy, int n, int k, size_t samples) {
    store_data  d = some_results(id, policy, n, k, samples);
    err         e = {0};
    const char *path = id;
    cr_assert_eq(store_write(path, &d, true, &e), 0, "%s", e.text);
    store_free(&d);
    return path;
}

Test(store_collect, collects_in_one_order_whatever_the_paths) {
    const char *paths[] = {
        put_cell("000000000000000a", "llma", 1, 20, 2), put_cell("000000000000000b", "llma", 1, 5, 3),
        put_cell("000000000000000c", "none", -1, -1, 3), put_cell("000000000000000d", "pld", 2, 9, 3)};
    const char *reversed[] = {paths[3], paths[2], paths[1], paths[0], paths[2]};
    const char *order[] = {"000000000000000c", "000000000000000b", "000000000000000a", "000000000000000d"};
    store_data  a, b;
    err         e = {0};
    cr_assert_eq(store_collect(paths, 4, NULL, &a, &e), 0, "%s", e.text);
    cr_assert_eq(store_collect(reversed, 5, NULL, &b, &e), 0, "%s", e.text);
    cr_assert(same_results(&a, &b));
    cr_assert_eq(store_check(&a, &e), 0, "%s", e.text);
    cr_assert_eq(a.n_cells, 4);
    for (size_t i = 0; i < 4; i++) cr_assert_str_eq(a.cells[i].id, order[i]);

    /* The cell with fewer samples shares those of the others. */
    cr_assert_eq(a.n_samples, 3);
    cr_assert_eq(a.n_trials, 3 * 6 + 4);
    cr_assert_eq(a.n_steps, 3 * 2 * (3 + 4 + 5) + 2 * (3 + 4));
    cr_assert_eq(a.n_ids, 2 * a.n_steps);
    cr_assert_null(a.logits_hash);
    cr_assert_eq(a.configs.n, 1);
    cr_assert_str_eq(a.processes->cpu, "Intel(R) Xeon(R)");
    cr_assert_str_eq(a.processes->compiler, "gcc 12, Debian");

    /* A collected file can be written, and holds nothing that belongs only in a cell file. */
    store_free(&b);
    cr_assert_eq(store_write("all.h5", &a, false, &e), 0, "%s", e.text);
    cr_assert_eq(store_read("all.h5", &b, &e), 0, "%s", e.text);
    cr_assert(same_results(&a, &b));
    store_free(&a);
    store_free(&b);
}

/* What is compared stays together: a rule's parameters without a column come before the policy, 5 before 10. */
Test(store_collect, cells_are_sorted_by_rule_then_policy) {
    static const struct {
        const char *policy, *params;
        int         n;
    } order[] = {{"none", "{\"policy\":{},\"rule\":{\"eps\":5}}", -1},
                 {"llma", "{\"policy\":{\"cut\":5,\"n\":1},\"rule\":{\"eps\":5}}", 1},
                 {"llma", "{\"policy\":{\"cut\":10,\"n\":1},\"rule\":{\"eps\":5}}", 1},
                 {"llma", "{\"policy\":{\"cut\":5,\"n\":2},\"rule\":{\"eps\":5}}", 2},
                 {"none", "{\"policy\":{},\"rule\":{\"eps\":10}}", -1},
                 {"llma", "{\"policy\":{\"cut\":5,\"n\":1},\"rule\":{\"eps\":10}}", 1}};
    enum { N = sizeof order / sizeof *order };
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) {
            cell_row a = some_cell("0123456789abcdef", order[i].policy, order[i].n, 4);
            cell_row b = some_cell("0123456789abcdef", order[k].policy, order[k].n, 4);
            a.params = (char *)order[i].params;
            b.params = (char *)order[k].params;
            int by = settings_compare(&a, &b);
            cr_assert_eq((by > 0) - (by < 0), (i > k) - (i < k), "%zu, %zu", i, k);
        }
}

/* Every setting orders cells, unless it is a digest. */
Test(store_collect, each_setting_orders_cells) {
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *s = &settings[i];
        cell_row       a = some_cell("0123456789abcdef", "llma", 0, 0), b = a;
        char          *at = (char *)&b + s->offset;
        if (s->kind == FIELD_STR || s->kind == FIELD_ID)
            *(char **)at = (char *)"zzzzzzzzzzzzzzzz";
        else if (s->kind == FIELD_F64)
            *(double *)at = 0.5;
        else
            *at = 7;
        int by = settings_compare(&a, &b);
        cr_assert(s->role == SETTING_DIGEST ? by == 0 : by < 0, "%s", s->name);
        cr_assert_eq(settings_compare(&b, &a) > 0, by < 0, "%s", s->name);
    }
}

Test(store_collect, collect_keeps_samples_of_other_data_apart) {
    store_data changed = some_results("000000000000000b", "llma", 1, 5, 2),
               model = some_results("000000000000000c", "llma", 1, 5, 2);
    store_data  all;
    err         e = {0};
    const char *paths[] = {put_cell("000000000000000a", "none", -1, -1, 2), "b", "c"};
    changed.samples[1].prompt_tokens = 7;
    free(model.cells[0].model);
    model.cells[0].model = strdup("other");
    cr_assert_eq(store_write(paths[1], &changed, true, &e), 0);
    cr_assert_eq(store_write(paths[2], &model, true, &e), 0);
    cr_assert_eq(store_collect(paths, 3, NULL, &all, &e), 0, "%s", e.text);
    cr_assert_eq(store_check(&all, &e), 0, "%s", e.text);
    cr_assert_eq(all.n_samples, 6);
    cr_assert_eq(all.samples[3].prompt_tokens, 7);
    cr_assert_eq(all.trials[4].sample, 2);
    cr_assert_eq(all.trials[8].sample, 4);
    store_free(&all);
    store_free(&changed);
    store_free(&model);
}

Test(store_collect, collect_says_what_ran_where) {
    store_data  other = some_results("000000000000000b", "llma", 1, 5, 2), all;
    err         e = {0};
    const char *paths[] = {put_cell("000000000000000a", "none", -1, -1, 2), "b"};
    strcpy(other.processes->cpu, "Xeon");
    strcpy(other.processes->id, "00000000000000ab");
    strcpy(other.created, "2025");
    cr_assert_eq(store_write(paths[1], &other, true, &e), 0);
    cr_assert_eq(store_collect(paths, 2, NULL, &all, &e), 0, "%s", e.text);
    cr_assert_eq(all.n_processes, 2);
    cr_assert_str_eq(all.processes[0].cpu, "Intel(R) Xeon(R)");
    cr_assert_str_eq(all.processes[1].cpu, "Xeon");
    for (size_t i = 0; i < all.n_trials; i++) cr_assert_eq(all.trials[i].process, all.trials[i].cell);
    cr_assert_str_eq(all.created, "2025");
    cr_assert_eq(all.n_skipped, 1);
    cr_assert_eq(all.costs.n, 1);
    store_free(&all);
    store_free(&other);
}

Test(store_collect, a_cell_names_the_text_it_was_run_for) {
    store_data  edited = some_results("000000000000000b", "llma", 1, 5, 2), all;
    err         e = {0};
    const char *paths[] = {put_cell("000000000000000a", "none", -1, -1, 2), "b"};
    free(edited.configs.at[0].text);
    edited.configs.at[0].text = strdup("edited");
    cr_assert_eq(store_write(paths[1], &edited, true, &e), 0);

    cr_assert_eq(store_collect(paths, 2, NULL, &all, &e), 0, "%s", e.text);
    cr_assert_eq(all.configs.n, 2);
    for (size_t i = 0; i < 2; i++) {
        const char *text = NULL;
        for (size_t k = 0; k < 2; k++)
            if (strcmp(all.configs.at[k].name, all.cells[i].config) == 0) text = all.configs.at[k].text;
        cr_assert_not_null(text, "%s", all.cells[i].config);
        cr_assert_eq(strcmp(text, "edited") == 0, all.cells[i].id[15] == 'b');
    }
    store_free(&all);

    /* Or all count as cells of one config, if they are named after their cells. */
    const char *named[] = {"000000000000000a.h5", "000000000000000b.h5"};
    cr_assert(link(paths[0], named[0]) == 0 && link(paths[0], named[1]) == 0);
    cr_assert_eq(store_collect(named, 2, &(kept_text){"now.ini", "now"}, &all, &e), -1);
    cr_assert_str_eq(e.text, "000000000000000b.h5: holds the cell 000000000000000a, whose file has another name");
    cr_assert(unlink(named[1]) == 0 && link(paths[1], named[1]) == 0);
    cr_assert_eq(store_collect(named, 2, &(kept_text){"now.ini", "now"}, &all, &e), 0, "%s", e.text);
    cr_assert_eq(all.configs.n, 1);
    cr_assert_str_eq(all.configs.at[0].text, "now");
    for (size_t i = 0; i < 2; i++) cr_assert_str_eq(all.cells[i].config, "now.ini");
    store_free(&all);
    store_free(&edited);
}

Test(store_collect, collect_refuses_what_does_not_belong_together) {
    store_data other = some_results("000000000000000b", "llma", 1, 5, 2),
               two = some_results("000000000000000c", "llma", 1, 5, 1), all;
    err         e = {0};
    cell_row    cell = some_cell("000000000000000d", "llma", 2, 5);
    const char *a = put_cell("000000000000000a", "none", -1, -1, 2), *twin = "twin", *b = "b", *c = "c";
    cr_assert_eq(link(a, twin), 0);
    strcpy(other.sweep, "slow");
    cr_assert_eq(store_write(b, &other, true, &e), 0);
    cr_assert_eq(store_add_cell(&two, &cell, &e), 0);
    cr_assert_eq(store_write(c, &two, true, &e), 0);

    const struct {
        const char *paths[2], *why;
    } cases[] = {{{a, b}, "sweep"}, {{a, c}, "2 cells"}, {{a, twin}, "the same cell"}, {{a, "."}, "is not a file"}};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(store_collect(cases[i].paths, 2, NULL, &all, &e), -1);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_not_null(strstr(e.text, cases[i].why), "%s", e.text);
    }
    cr_assert_eq(store_collect(cases[0].paths, 0, NULL, &all, &e), -1);
    store_free(&other);
    store_free(&two);
}
