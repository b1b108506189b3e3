/* inspect_results.c - shows a results or cell file: the processes that made it, its sizes, how many trials are equal,
 * and its configs. The statistics are left to `harness tables`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/records.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "experiments/inspect/inspect.h"
#include "store/store.h"

/* Prints a text on one line. */
static void print_text(const char *text) {
    inspect_text(text, strlen(text), "\\n", "\\t");
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
    print_line("sweep", d->sweep);
    print_line("created", d->created);
}

/* Processes that differ only in their start, and in the load that they found, share one line. */
static bool same_origin(const process_row *a, const process_row *b) {
    process_row with = *b;
    with.load = a->load;
#define ORIGIN_FIELDS
#define FIELD(kind, name)                                                                                              \
    if (strcmp(a->name, with.name) != 0) return false;
#include "store/fields.def"
#undef ORIGIN_FIELDS
    return true;
}

static int count_trial(const store_trial *t, void *ctx, err *e) {
    (void)e;
    ((size_t *)ctx)[t->trial->process]++;
    return 0;
}

static int print_processes(const store_data *d, err *e) {
    size_t *of = mem_new(d->n_processes, sizeof *of, e); /* trials */
    if (of == NULL || store_visit(d, 0, count_trial, of, e) != 0) {
        free(of);
        return -1;
    }
    for (size_t i = 0; i < d->n_processes; i++) {
        const process_row *p = &d->processes[i];
        size_t             before = 0, n = 0, trials = 0;
        while (!same_origin(&d->processes[before], p)) before++;
        if (before < i) continue;
        for (size_t k = i; k < d->n_processes; k++) {
            if (!same_origin(&d->processes[k], p)) continue;
            trials += of[k];
            n++;
        }
        printf("\n%zu trial%s by %zu process%s, the first from %s\n", trials, plural(trials), n, n == 1 ? "" : "es",
               p->started);
        print_line("harness", p->harness_version);
        print_line("commit", p->git_commit);
        print_line("cpu", p->cpu);
        print_line("isa", p->isa);
        print_line("compiler", p->compiler);
        print_line("flags", p->flags);
        print_line("governor", p->governor);
    }
    free(of);
    return 0;
}

static int print_counts(const store_data *d, err *e) {
    record_count *n_of = records_count(d, e);
    size_t        duplicates = 0, wanted = 0;
    if (n_of == NULL) return -1;
    for (size_t i = 0; i < d->n_cells; i++) {
        size_t more = n_of[i].records - n_of[i].distinct;
        if (more > duplicates) duplicates = more;
        wanted += d->cells[i].trials;
    }
    printf("\n%9zu cell%s\n%9zu sample%s", d->n_cells, plural(d->n_cells), d->n_samples, plural(d->n_samples));
    if (duplicates > 0) printf(", in a cell up to %zu duplicate%s", duplicates, plural(duplicates));
    printf("\n%9zu trial%s", d->n_trials, plural(d->n_trials));
    if (d->n_trials < wanted) printf(" of %zu: unfinished", wanted);
    printf("\n%9zu step%s\n%9zu token%s\n", d->n_steps, plural(d->n_steps), d->n_ids, plural(d->n_ids));
    free(n_of);
    return 0;
}

/* Records that were left out. */
static void print_skipped(const store_data *d) {
    enum { SHOWN = 20 };
    if (d->n_skipped == 0) return;
    printf("\n%zu record%s left out\n   line  dataset, model, id: reason\n", d->n_skipped, plural(d->n_skipped));
    for (size_t i = 0; i < d->n_skipped && i < SHOWN; i++) {
        const skipped_row *s = &d->skipped[i];
        const char        *texts[] = {s->dataset, s->model, s->id, s->reason}, *after[] = {", ", ", ", ": ", "\n"};
        printf("%7u  ", s->line);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            print_text(texts[k]);
            fputs(after[k], stdout);
        }
    }
    if (d->n_skipped > SHOWN) printf("    ...  and %zu more, in /skipped\n", d->n_skipped - SHOWN);
}

static void print_texts(const char *what, const kept_texts *texts) {
    for (size_t i = 0; i < texts->n; i++) {
        printf("\n%-9s", what);
        print_text(texts->at[i].name);
        putchar('\n');
        inspect_lines(texts->at[i].text);
    }
}

/* ---- cells by policy, rule, dataset and model ---------------------------------------------------------------------
 */

typedef struct {
    const cell_row *cell; /* the first of its kind */
    size_t          cells, trials, equal, logits, logits_equal, truncated;
} kind;

static bool same_kind(const cell_row *a, const cell_row *b) {
    return strcmp(a->model, b->model) == 0 && strcmp(a->target, b->target) == 0 &&
           strcmp(a->dataset, b->dataset) == 0 && strcmp(a->policy, b->policy) == 0 && strcmp(a->rule, b->rule) == 0;
}

typedef struct {
    kind         *kinds;
    const size_t *of_cell;
} adding;

static int add_trial(const store_trial *at, void *ctx, err *e) {
    const adding    *x = ctx;
    const trial_row *t = at->trial;
    kind            *k = &x->kinds[x->of_cell[t->cell]];
    (void)e;
    k->trials++;
    k->equal += t->equal;
    k->logits += t->logits_equal != 2;
    k->logits_equal += t->logits_equal == 1;
    k->truncated += t->truncated;
    return 0;
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
    int ret = store_visit(d, 0, add_trial, &(adding){kinds, of_cell}, e);
    free(of_cell);
    return ret;
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
    if (store_open(path, &d, e) != 0) return -1;
    print_origin(path, (long long)s.st_size, &d);
    int ret = print_processes(&d, e);
    if (ret == 0) ret = print_counts(&d, e);
    if (ret == 0) ret = print_kinds(&d, e);
    if (ret == 0) {
        print_skipped(&d);
        print_texts("config", &d.configs);
        print_texts("cost", &d.costs);
    }
    store_free(&d);
    return ret;
}

int inspect_hashes(const char *path, err *e) {
    store_data d;
    uint64_t   all = 0;
    if (store_open(path, &d, e) != 0) return -1;
    uint64_t *of_cells = mem_new(d.n_cells, sizeof *of_cells, e);
    int       ret = of_cells != NULL ? store_results_hash(&d, of_cells, &all, e) : -1;
    if (ret == 0)
        printf("%016" PRIx64 "  %s: %zu cell%s, %zu trial%s\n", all, path, d.n_cells, plural(d.n_cells), d.n_trials,
               plural(d.n_trials));
    for (size_t i = 0; ret == 0 && i < d.n_cells; i++) {
        const cell_row *c = &d.cells[i];
        const char     *texts[] = {c->model, c->dataset, c->rule, c->policy, c->params};
        printf("%016" PRIx64 " ", of_cells[i]);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            putchar(' ');
            print_text(texts[k]);
        }
        putchar('\n');
    }
    free(of_cells);
    store_free(&d);
    return ret;
}
