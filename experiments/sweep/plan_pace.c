#include "experiments/sweep/plan_pace.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/digest.h"
#include "engine/base/mem.h"

/* What is known of a trial before it runs, in eighths of a token of the output: a token that is only read takes part of
 * the time of one that is decoded. */
static uint64_t work_of(const plan *p, const plan_samples *view, const sample *x) {
    const dataset_config *d = p->datasets[view->dataset].cfg;
    size_t                most = d->max_new_tokens, n = d->forced && x->output.n < most ? x->output.n : most;
    return 8 * (uint64_t)n + x->prompt.n + x->reference_tokens + 1;
}

static int open_work(plan_pace *x, err *e) {
    const plan *p = x->p;
    x->work = mem_new(p->n_samples, sizeof *x->work, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    if (x->work == NULL) return -1;
    for (size_t i = 0; i < p->n_samples; i++) {
        const samples *set = &p->samples[i].set;
        if ((x->work[i] = mem_new(set->n, sizeof *x->work[i], e)) == NULL) return -1;
        for (size_t s = 0; s < set->n; s++) x->work[i][s] = work_of(p, &p->samples[i], &set->at[s]);
    }
    return 0;
}

/* ---- cells that have something in common ------------------------------------------------------------------------- */

typedef struct {
    uint64_t key;
    size_t   cell;
} keyed_cell;

static int by_key(const void *a, const void *b) {
    const keyed_cell *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Numbers cells from 1 on: those of one policy (family), or also of the same parameters, have the same number.
 * Baselines have 0. */
static void number_cells(const plan *p, keyed_cell *room, bool family, pace_cell *cells) {
    size_t number = 0;
    for (size_t i = 0; i < p->n_cells; i++) {
        const plan_cell *c = &p->cells[i];
        const char      *text = family ? c->policy->name : c->params;
        room[i] = (keyed_cell){plan_cell_is_baseline(c) ? 0 : digest64(text, strlen(text)), i};
    }
    if (p->n_cells > 0) qsort(room, p->n_cells, sizeof *room, by_key);
    for (size_t i = 0; i < p->n_cells; i++) {
        if (room[i].key != (i > 0 ? room[i - 1].key : 0)) number++;
        *(family ? &cells[room[i].cell].family : &cells[room[i].cell].policy) = number;
    }
}

int plan_pace_open(plan_pace *x, const plan *p, const size_t *missing, err *e) {
    *x = (plan_pace){.p = p};
    pace_cell  *cells = mem_new(p->n_cells, sizeof *cells, e);
    keyed_cell *room = mem_new(p->n_cells, sizeof *room, e);
    int         ret = cells != NULL && room != NULL ? open_work(x, e) : -1;
    for (size_t i = 0; ret == 0 && i < p->n_cells; i++) {
        const plan_cell *c = &p->cells[i];
        size_t           n = p->samples[c->samples].set.n;
        cells[i].group = c->model * p->n_samples + c->samples;
        cells[i].trials = missing[i];
        for (size_t s = 0; s < n; s++) cells[i].work += (double)x->work[c->samples][s] / (double)n;
    }
    if (ret == 0) {
        number_cells(p, room, true, cells);
        number_cells(p, room, false, cells);
        ret = pace_open(&x->of, cells, p->n_cells, e);
    }
    free(cells);
    free(room);
    return ret;
}

void plan_pace_close(plan_pace *x) {
    pace_close(&x->of);
    for (size_t i = 0; x->work != NULL && i < x->p->n_samples; i++) free(x->work[i]);
    free(x->work);
    *x = (plan_pace){0};
}

void plan_pace_add(plan_pace *x, size_t cell, size_t at, uint64_t ns) {
    pace_add(&x->of, cell, x->work[x->p->cells[cell].samples][at], ns);
}
