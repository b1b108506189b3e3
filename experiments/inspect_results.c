/* inspect_results.c - what a results or cell file holds: who made it, how much of what, how much of it equal, and
 * the configs it was made from. The statistics are for `harness tables`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/mem.h"
#include "experiments/inspect.h"
#include "experiments/store/store.h"

/* Prints a text on one line. */
static void print_text(const char *text) {
    inspect_text(text, strlen(text), "\\n", "\\t");
}

/* Prints a text with every line indented. */
static void print_lines(const char *text) {
    for (size_t n; *text != '\0'; text += n) {
        n = strcspn(text, "\n");
        if (n > 0) fputs("    ", stdout);
        inspect_text(text, n, "", "\t");
        putchar('\n');
        if (text[n] == '\n') n++;
    }
}

static void print_line(const char *name, const char *text) {
    printf("%-9s", name);
    print_text(text);
    putchar('\n');
}

static void print_origin(const char *path, long long size, const store_data *d) {
    printf("%s\n", path);
    printf("schema   %d%s\n", STORE_SCHEMA_VERSION,
           d->logits_hash != NULL ? ", a cell file with hashes of logits" : "");
    printf("size     %lld bytes\n", size);
    print_line("sweep", d->from.sweep);
    print_line("created", d->from.created);
    print_line("harness", d->from.harness_version);
    print_line("commit", d->from.git_commit);
    print_line("cpu", d->from.cpu);
    print_line("isa", d->from.isa);
    printf("threads  %u\n", d->from.threads);
    print_line("compiler", d->from.compiler);
    print_line("flags", d->from.flags);
}

static void print_counts(const store_data *d) {
    printf("\n%9zu cells\n%9zu samples\n%9zu trials\n%9zu steps\n%9zu tokens\n", d->n_cells, d->n_samples, d->n_trials,
           d->n_steps, d->n_ids);
}

/* ---- cells by what was asked of them --------------------------------------------------------------------- */

typedef struct {
    const cell_row *cell; /* the first of its kind */
    size_t          cells, trials, equal, logits, logits_equal, truncated;
} kind;

static bool same_kind(const cell_row *a, const cell_row *b) {
    return strcmp(a->model, b->model) == 0 && strcmp(a->target, b->target) == 0 &&
           strcmp(a->dataset, b->dataset) == 0 && strcmp(a->policy, b->policy) == 0 && strcmp(a->rule, b->rule) == 0;
}

static int count_kinds(const store_data *d, kind *kinds, size_t *n, err *e) {
    size_t *of_cell = mem_new(d->n_cells, sizeof *of_cell, e);
    if (of_cell == NULL) return -1;
    *n = 0;
    for (size_t i = 0; i < d->n_cells; i++) {
        size_t at = 0;
        while (at < *n && !same_kind(kinds[at].cell, &d->cells[i])) at++;
        if (at == *n) kinds[(*n)++].cell = &d->cells[i];
        kinds[at].cells++;
        of_cell[i] = at;
    }
    for (size_t i = 0; i < d->n_trials; i++) {
        const trial_row *t = &d->trials[i];
        kind            *k = &kinds[of_cell[t->cell]];
        k->trials++;
        k->equal += t->equal;
        k->logits += t->logits_equal != 2;
        k->logits_equal += t->logits_equal == 1;
        k->truncated += t->truncated;
    }
    free(of_cell);
    return 0;
}

static int print_kinds(const store_data *d, err *e) {
    size_t n;
    kind  *kinds = mem_new(d->n_cells, sizeof *kinds, e);
    if (kinds == NULL || count_kinds(d, kinds, &n, e) != 0) {
        free(kinds);
        return -1;
    }
    printf("\n%6s %8s %8s  %-17s %9s  %s\n", "cells", "trials", "equal", "logits equal", "truncated",
           "policy, rule, dataset, model (target)");
    for (size_t i = 0; i < n; i++) {
        const kind *k = &kinds[i];
        char        logits[48] = "no logits";
        if (k->logits > 0) snprintf(logits, sizeof logits, "%zu of %zu", k->logits_equal, k->logits);
        printf("%6zu %8zu %8zu  %-17s %9zu  ", k->cells, k->trials, k->equal, logits, k->truncated);
        const char *names[] = {k->cell->policy, k->cell->rule, k->cell->dataset, k->cell->model, k->cell->target};
        const char *after[] = {", ", ", ", ", ", " (", ")\n"};
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
            print_text(names[j]);
            fputs(after[j], stdout);
        }
    }
    free(kinds);
    return 0;
}

int inspect_results(const char *path, err *e) {
    struct stat s;
    store_data  d;
    if (stat(path, &s) != 0) return err_unreadable(e, path);
    if (store_read(path, &d, e) != 0) return -1;
    print_origin(path, (long long)s.st_size, &d);
    print_counts(&d);
    int ret = print_kinds(&d, e);
    for (size_t i = 0; ret == 0 && i < d.n_configs; i++) {
        fputs("\nconfig   ", stdout);
        print_text(d.configs[i].name);
        putchar('\n');
        print_lines(d.configs[i].text);
    }
    store_free(&d);
    return ret;
}
