/* Merging cell files: order, samples, provenance, and what is refused. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/collection.h"
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
    cr_assert_eq(collect_whole(paths, 4, NULL, &a, &e), 0, "%s", e.text);
    cr_assert_eq(collect_whole(reversed, 5, NULL, &b, &e), 0, "%s", e.text);
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
    cr_assert_eq(collect_whole(paths, 3, NULL, &all, &e), 0, "%s", e.text);
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
    cr_assert_eq(collect_whole(paths, 2, NULL, &all, &e), 0, "%s", e.text);
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

    cr_assert_eq(collect_whole(paths, 2, NULL, &all, &e), 0, "%s", e.text);
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
    cr_assert_eq(collect_whole(named, 2, &(kept_text){"now.ini", "now"}, &all, &e), -1);
    cr_assert_str_eq(e.text, "000000000000000b.h5: holds the cell 000000000000000a, whose file has another name");
    cr_assert(unlink(named[1]) == 0 && link(paths[1], named[1]) == 0);
    cr_assert_eq(collect_whole(named, 2, &(kept_text){"now.ini", "now"}, &all, &e), 0, "%s", e.text);
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
        cr_assert_eq(collect_whole(cases[i].paths, 2, NULL, &all, &e), -1);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_not_null(strstr(e.text, cases[i].why), "%s", e.text);
    }
    cr_assert_eq(collect_whole(cases[0].paths, 0, NULL, &all, &e), -1);
    store_free(&other);
    store_free(&two);
}

/* ---- what is not in memory --------------------------------------------------------------------------------- */

/* Where a visit of results in memory is, that goes along with one of results in a file. */
typedef struct {
    const store_data *d, *of; /* in memory; in a file */
    size_t            trial, step, id;
    unsigned          parts;
} walk;

static int compare_trial(const store_trial *t, void *ctx, err *e) {
    walk            *w = ctx;
    const trial_row *own = &w->d->trials[w->trial++];
    (void)e;
    cr_assert(t->trial->trial == own->trial && t->trial->cell == own->cell && t->trial->sample == own->sample &&
              t->trial->repeat == own->repeat && t->trial->steps == own->steps &&
              t->trial->modeled_ns == own->modeled_ns);
    cr_assert_lt(t->trial->process, w->of->n_processes);
    cr_assert_str_eq(w->of->processes[t->trial->process].id, w->d->processes[own->process].id);
    for (size_t i = 0; i < own->steps && (w->parts & VISIT_STEPS) != 0; i++) {
        const step_row *s = &t->steps[i], *there = &w->d->steps[w->step + i];
        cr_assert(s->trial == own->trial && s->step == i && s->position == there->position &&
                  s->draft_ns == there->draft_ns && s->plain_ns == there->plain_ns && s->margin == there->margin);
    }
    if ((w->parts & VISIT_STEPS) == 0) cr_assert_null(t->steps);
    if ((w->parts & VISIT_OUTPUTS) == 0) cr_assert_null(t->ids);
    if ((w->parts & VISIT_OUTPUTS) != 0)
        cr_assert_eq(memcmp(t->ids, w->d->ids + w->id, own->tokens * sizeof *t->ids), 0);
    w->step += own->steps;
    w->id += own->tokens;
    return 0;
}

/* One trial after another, from a file, a part of it, and some cells of two files. */
Test(store_collect, a_visit_sees_what_is_in_memory) {
    const char *paths[] = {put_cell("000000000000000a", "llma", 1, 20, 3),
                           put_cell("000000000000000b", "llma", 1, 5, 2),
                           put_cell("000000000000000c", "none", -1, -1, 3)};
    const bool  keep[] = {true, false, true, true};
    store_data  whole, opened, parts[2], some, parts_whole[2], some_whole;
    err         e = {0};
    cr_assert_eq(store_collect(paths, 3, NULL, "all.h5", NULL, NULL, &opened, &e), 0, "%s", e.text);
    cr_assert_eq(store_read("all.h5", &whole, &e), 0, "%s", e.text);
    cr_assert(opened.n_cells == 3 && opened.trials == NULL && opened.steps == NULL && opened.n_steps == whole.n_steps);
    for (unsigned ask = 0; ask < 4; ask++) {
        walk w = {.d = &whole, .of = &opened, .parts = ask};
        cr_assert_eq(store_visit(&opened, ask, compare_trial, &w, &e), 0, "%s", e.text);
        cr_assert_eq(w.trial, whole.n_trials);
    }
    for (size_t cell = 0, first = 0, n; cell < whole.n_cells; cell++, first += n) {
        walk w = {.d = &whole, .of = &opened, .trial = first, .parts = VISIT_STEPS | VISIT_OUTPUTS};
        for (size_t i = 0; i < first; i++) {
            w.step += whole.trials[i].steps;
            w.id += whole.trials[i].tokens;
        }
        for (n = 0; first + n < whole.n_trials && whole.trials[first + n].cell == cell;) n++;
        cr_assert_eq(store_visit_cell(&opened, cell, w.parts, compare_trial, &w, &e), 0, "%s", e.text);
        cr_assert_eq(w.trial, first + n);
    }
    store_free(&opened);

    const char *of[] = {"all.h5", put_cell("000000000000000d", "pld", 2, 9, 3)};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(store_open(of[i], &parts[i], &e), 0, "%s", e.text);
        cr_assert_eq(store_read(of[i], &parts_whole[i], &e), 0, "%s", e.text);
    }
    cr_assert_eq(store_unite(parts, 2, keep, &some, NULL, &e), 0, "%s", e.text);
    cr_assert_eq(store_unite(parts_whole, 2, keep, &some_whole, NULL, &e), 0, "%s", e.text);
    for (size_t i = 0; i < 2; i++) {
        store_free(&parts[i]);
        store_free(&parts_whole[i]);
    }
    walk w = {.d = &some_whole, .of = &some, .parts = VISIT_STEPS | VISIT_OUTPUTS};
    cr_assert_eq(store_check(&some, &e), 0, "%s", e.text);
    cr_assert_eq(store_visit(&some, w.parts, compare_trial, &w, &e), 0, "%s", e.text);
    cr_assert_eq(w.trial, some_whole.n_trials);
    cr_assert_eq(some.n_steps, some_whole.n_steps);
    store_free(&some);
    store_free(&some_whole);
    store_free(&whole);
}

Test(store_collect, a_file_that_changes_meanwhile_is_an_error) {
    const char *a = put_cell("000000000000000a", "llma", 1, 20, 2), *b = put_cell("000000000000000b", "pld", 2, 9, 2);
    const char *paths[] = {a, b};
    for (int gone = 0; gone < 2; gone++) {
        err e = {0};
        cr_assert_eq(utimensat(AT_FDCWD, b, (struct timespec[]){{1, 0}, {1, 0}}, 0), 0); /* clocks tick slowly */
        collection *c = collection_open(paths, 2, NULL, &e);
        cr_assert_not_null(c, "%s", e.text);
        cr_assert_eq(unlink(b), 0);
        if (!gone) put_cell(b, "pld", 2, 9, 2); /* the same rows */
        cr_assert_eq(collection_write(c, "all.h5", NULL, NULL, &e), -1);
        cr_assert_eq(strncmp(e.text, b, strlen(b)), 0, "%s", e.text);
        if (!gone) cr_assert(e.kind == ERR_RUN && strstr(e.text, "has changed") != NULL, "%s", e.text);
        cr_assert_eq(access("all.h5", F_OK), -1);
        collection_close(c);
    }
    cr_assert_eq(files_here(), 1);
}

/* Another process that has just put a cell's file there takes away its temporary name. */
Test(store_collect, a_second_name_that_goes_meanwhile_is_no_change) {
    const char *a = put_cell("000000000000000a", "llma", 1, 20, 2);
    err         e = {0};
    cr_assert_eq(link(a, ".temporary"), 0);
    collection *c = collection_open(&a, 1, NULL, &e);
    cr_assert_not_null(c, "%s", e.text);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* so that the clock has ticked */
    cr_assert_eq(unlink(".temporary"), 0);
    cr_assert_eq(collection_write(c, "all.h5", NULL, NULL, &e), 0, "%s", e.text);
    collection_close(c);
    cr_assert_eq(unlink("all.h5"), 0);
}

/* A cell file whose steps are damaged is named, and nothing is left of the results. */
Test(store_collect, damaged_steps_are_found_while_they_are_written) {
    const char *paths[] = {put_cell("000000000000000a", "llma", 1, 20, 2),
                           put_cell("000000000000000b", "pld", 2, 9, 2)};
    uint16_t    five = 5;
    store_data  all;
    err         e = {0};
    hid_t       file = H5Fopen(paths[1], H5F_ACC_RDWR, H5P_DEFAULT), list = H5Dopen2(file, "steps", H5P_DEFAULT);
    hid_t       type = H5Tcreate(H5T_COMPOUND, sizeof five), here = H5Screate_simple(1, (hsize_t[]){1}, NULL);
    hid_t       there = H5Dget_space(list);
    H5Tinsert(type, "accepted", 0, H5T_STD_U16LE);
    H5Sselect_hyperslab(there, H5S_SELECT_SET, (hsize_t[]){2}, NULL, (hsize_t[]){1}, NULL);
    cr_assert_geq(H5Dwrite(list, type, here, there, H5P_DEFAULT, &five), 0);
    H5Sclose(there);
    H5Sclose(here);
    H5Tclose(type);
    H5Dclose(list);
    cr_assert_geq(H5Fclose(file), 0);
    cr_assert_eq(store_collect(paths, 2, NULL, "all.h5", NULL, NULL, &all, &e), -1);
    cr_assert(e.kind == ERR_INPUT && strstr(e.text, "000000000000000b: steps: row 2: ") == e.text, "%s", e.text);
    cr_assert_eq(files_here(), 2);
}

static void note_progress(void *ctx, size_t done, size_t all) {
    size_t *last = ctx;
    cr_assert(done > *last && done <= all && all == 800);
    *last = done;
}

Test(store_collect, tells_how_far_it_is) {
    const char *paths[] = {put_cell("000000000000000a", "none", -1, -1, 200),
                           put_cell("000000000000000b", "llma", 1, 20, 200)};
    store_data  all;
    size_t      last = 0;
    err         e = {0};
    cr_assert_eq(store_collect(paths, 2, NULL, "all.h5", note_progress, &last, &all, &e), 0, "%s", e.text);
    cr_assert_gt(last, 400);
    store_free(&all);
}
