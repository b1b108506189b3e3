/* requests.c - what a policy's memory is worth: tokens per step and acceptance by the samples that came before.
 *
 * Samples are in the order in which they run. Rows are for the first one, the second, the next two, four, eight, ...:
 *
 *     before      0   1   2  3   4 ... 7   8 ... 15
 *     row         1   2    3        4          5
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/mem.h"

enum { ROWS = 33 }; /* more than 2^31 samples are not in a file */

typedef struct {
    size_t samples, tokens, steps, drafting, testable, accepted;
} request_sums;

/* Whether a cell's policy has a parameter `memory`, or one of its stages has. */
static bool has_memory(const table_source *x, size_t cell) {
    for (size_t i = 0; i < x->keys.n; i++) {
        const cell_key *k = &x->keys.keys[i];
        const char     *value = k->at[cell];
        if (value == NULL) continue;
        if (strcmp(k->column, "policy_memory") == 0) return true;
        if (strcmp(k->column, "policy_stages") == 0 && strstr(value, " memory=") != NULL) return true;
    }
    return false;
}

/* The row of a sample with so many before it. */
static size_t row_of(size_t before) {
    size_t row = 0;
    for (; before > 0; before >>= 1) row++;
    return row;
}

typedef struct {
    request_sums *sums;         /* [n_cells * ROWS] */
    uint32_t      cell, sample; /* of the last trial */
    bool          any;
    size_t        before; /* samples of the cell before its sample */
} adding;

/* Trials come by cell, sample and repeat. */
static int add_trial(const store_trial *at, void *ctx, err *e) {
    adding          *x = ctx;
    const trial_row *t = at->trial;
    bool             new_cell = !x->any || x->cell != t->cell;
    bool             new_sample = new_cell || x->sample != t->sample;
    (void)e;
    if (new_sample) x->before = new_cell ? 0 : x->before + 1;
    request_sums *s = &x->sums[t->cell * ROWS + row_of(x->before)];
    s->samples += new_sample;
    s->tokens += t->tokens;
    s->steps += t->steps;
    s->testable += t->testable;
    s->accepted += t->accepted;
    for (size_t i = 0; i < t->steps; i++) s->drafting += at->steps[i].drafted > 0;
    x->cell = t->cell;
    x->sample = t->sample;
    x->any = true;
    return 0;
}

static void put_rows(const table_source *x, size_t cell, const request_sums *sums, table *t) {
    for (size_t row = 0; row < ROWS; row++) {
        const request_sums *s = &sums[cell * ROWS + row];
        if (s->samples == 0) continue;
        table_begin_row(x, cell, t);
        table_put_count(t, row == 0 ? 0 : (size_t)1 << (row - 1));
        table_put_count(t, s->samples);
        table_put_real(t, tokens_per_step(s->tokens, s->steps), 2);
        table_put_share(t, s->drafting, s->steps);
        table_put_share(t, s->accepted, s->testable);
    }
}

static int print(const table_source *x, err *e) {
    request_sums *sums = mem_new(x->d->n_cells, ROWS * sizeof *sums, e);
    adding        to = {.sums = sums};
    table        *t = NULL;
    int           ret = -1;
    bool          any = false;
    if (sums != NULL && store_visit(x->d, VISIT_STEPS, add_trial, &to, e) == 0) t = table_begin(x, e);
    for (size_t c = 0; c < x->d->n_cells; c++) any = any || has_memory(x, c);
    if (t != NULL) {
        if (!any) table_caption(t, "no policy here has a parameter memory: none learns from one sample for the next");
        table_caption(
            t, "before: samples that the cell had decoded before, at least; the rows are 0, 1, 2 to 3, 4 to 7, ...");
        table_column(t, COLUMN_RIGHT, "before", "samples_before");
        table_column(t, COLUMN_RIGHT, "samples", "samples");
        table_column(t, COLUMN_RIGHT, "tokens/step", "tokens_per_step");
        table_column(t, COLUMN_RIGHT, "coverage", "coverage");
        table_column(t, COLUMN_RIGHT, "acceptance", "acceptance");
        for (size_t c = 0; c < x->d->n_cells; c++)
            if (has_memory(x, c)) put_rows(x, c, sums, t);
        ret = table_finish(x, t, e);
    }
    free(sums);
    return ret;
}

const table_kind table_requests = {
    .name = "requests",
    .help = "of policies with a memory: tokens per step and acceptance by the number of samples before",
    .print = print,
};
