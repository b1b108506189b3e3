#include "experiments/sweep/pace.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/mem.h"

/* How many trials of its own count as much as what the other cells say of one. */
enum { PRIOR_TRIALS = 2, ROUNDS = 30 };

int pace_open(pace *p, const pace_cell *cells, size_t n, err *e) {
    *p = (pace){.n = n};
    for (size_t i = 0; i < n; i++) {
        if (cells[i].group >= p->groups) p->groups = cells[i].group + 1;
        if (cells[i].policy >= p->policies) p->policies = cells[i].policy + 1;
        if (cells[i].family >= p->policies) p->policies = cells[i].family + 1;
    }
    size_t terms = p->groups + p->policies;
    p->cells = mem_new(n, sizeof *p->cells, e);
    p->term = mem_new(terms, sizeof *p->term, e);
    p->sum = mem_new(terms, sizeof *p->sum, e);
    p->weight = mem_new(terms, sizeof *p->weight, e);
    p->family = mem_new(p->policies, sizeof *p->family, e);
    p->families = mem_new(p->policies, sizeof *p->families, e);
    p->known = mem_new(p->policies, sizeof *p->known, e);
    if (p->cells == NULL || p->term == NULL || p->sum == NULL || p->weight == NULL || p->family == NULL ||
        p->families == NULL || p->known == NULL) {
        pace_close(p);
        return -1;
    }
    void *seen = mmap(NULL, (n + 1) * sizeof *p->seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED) {
        pace_close(p);
        return err_errno(e, "progress", "cannot map memory shared with workers");
    }
    p->seen = seen;
    if (n > 0) memcpy(p->cells, cells, n * sizeof *cells);
    for (size_t i = 0; i < n; i++) p->family[cells[i].policy] = cells[i].family;
    return 0;
}

void pace_close(pace *p) {
    if (p->seen != NULL) munmap(p->seen, (p->n + 1) * sizeof *p->seen);
    free(p->cells);
    free(p->term);
    free(p->sum);
    free(p->weight);
    free(p->family);
    free(p->families);
    free(p->known);
    *p = (pace){0};
}

void pace_add(pace *p, size_t cell, uint64_t work, uint64_t ns) {
    atomic_fetch_add(&p->seen[cell].work, work);
    atomic_fetch_add(&p->seen[cell].ns, ns);
    atomic_fetch_add(&p->seen[cell].trials, 1);
}

void pace_add_others(pace *p, size_t cell, size_t trials) {
    atomic_fetch_add(&p->seen[cell].others, trials);
}

/* ---- the fit ------------------------------------------------------------------------------------------------ */

static bool has_run(const pace *p, size_t cell) {
    return atomic_load(&p->seen[cell].work) > 0 && atomic_load(&p->seen[cell].ns) > 0;
}

/* Time for the work of a cell's own trials. */
static double own_rate(const pace *p, size_t cell) {
    return (double)atomic_load(&p->seen[cell].ns) / (double)atomic_load(&p->seen[cell].work);
}

/* Sets each term of one kind to the mean of what the terms of the other kind leave of the cells that have run. */
static void fit_terms(pace *p, bool policies) {
    size_t first = policies ? p->groups : 0, n = policies ? p->policies : p->groups;
    memset(p->sum + first, 0, n * sizeof *p->sum);
    memset(p->weight + first, 0, n * sizeof *p->weight);
    for (size_t i = 0; i < p->n; i++) {
        if (!has_run(p, i)) continue;
        size_t group = p->cells[i].group, policy = p->groups + p->cells[i].policy;
        size_t own = policies ? policy : group, other = policies ? group : policy, n_own = p->seen[i].trials;
        double weight = (double)n_own / (double)(n_own + 1);
        p->sum[own] += weight * (log(own_rate(p, i)) - p->term[other]);
        p->weight[own] += weight;
    }
    for (size_t i = first; i < first + n; i++) p->term[i] = p->weight[i] > 0 ? p->sum[i] / p->weight[i] : 0;
}

/* The mean of the terms from `first` to `end` that are known, 0 without any. */
static double mean_term(const pace *p, size_t first, size_t end) {
    double sum = 0, known = 0;
    for (size_t i = first; i < end; i++) {
        sum += p->weight[i] > 0 ? p->term[i] : 0;
        known += p->weight[i] > 0;
    }
    return known > 0 ? sum / known : 0;
}

/* Terms that no cell has. */
static void guess_terms(pace *p) {
    size_t terms = p->groups + p->policies, plain = p->groups;
    double group = mean_term(p, 0, p->groups), policy = mean_term(p, plain + 1, terms);
    if (policy == 0) policy = p->policies > 0 ? mean_term(p, plain, plain + 1) : 0; /* only plain decoding has run */
    memset(p->families, 0, p->policies * sizeof *p->families);
    memset(p->known, 0, p->policies * sizeof *p->known);
    for (size_t i = 0; i < p->policies; i++) {
        p->families[p->family[i]] += p->weight[plain + i] > 0 ? p->term[plain + i] : 0;
        p->known[p->family[i]] += p->weight[plain + i] > 0;
    }
    for (size_t i = 0; i < p->groups; i++)
        if (p->weight[i] == 0) p->term[i] = group;
    for (size_t i = 0; i < p->policies; i++) {
        size_t f = p->family[i];
        if (p->weight[plain + i] == 0) p->term[plain + i] = p->known[f] > 0 ? p->families[f] / p->known[f] : policy;
    }
}

static void fit(pace *p) {
    memset(p->term, 0, (p->groups + p->policies) * sizeof *p->term);
    for (int round = 0; round < ROUNDS; round++) {
        fit_terms(p, false);
        fit_terms(p, true);
    }
    guess_terms(p);
}

/* Time for the work of a cell: its own trials and what the others say, together. */
static double rate_of(const pace *p, size_t cell) {
    const pace_cell *c = &p->cells[cell];
    double           said = exp(p->term[c->group] + p->term[p->groups + c->policy]);
    double           work = (double)atomic_load(&p->seen[cell].work), prior = PRIOR_TRIALS * c->work;
    if (work + prior <= 0) return said;
    return ((double)atomic_load(&p->seen[cell].ns) + prior * said) / (work + prior);
}

double pace_done(pace *p) {
    double done = 0, left = 0;
    bool   any = false;
    for (size_t i = 0; i < p->n && !any; i++) any = has_run(p, i);
    if (!any) return 0;
    fit(p);
    for (size_t i = 0; i < p->n; i++) {
        const pace_cell *c = &p->cells[i];
        size_t           own = atomic_load(&p->seen[i].trials), others = atomic_load(&p->seen[i].others);
        size_t           gone = own + others < c->trials ? own + others : c->trials;
        double rate = rate_of(p, i), all = c->work * (double)(c->trials - (others < c->trials ? others : c->trials));
        double work = (double)atomic_load(&p->seen[i].work);
        /* The first trials of a cell may be its longer ones: what is left is not what their number says. */
        double rest = all - work, least = 0.1 * c->work * (double)(c->trials - gone);
        done += (double)atomic_load(&p->seen[i].ns) + rate * c->work * (double)others;
        if (gone < c->trials) left += rate * (rest > least ? rest : least);
    }
    return done / (done + left);
}
