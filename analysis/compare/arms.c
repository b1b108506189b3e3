#include "analysis/compare/arms.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/stats/holm.h"
#include "analysis/stats/signed_rank.h"
#include "analysis/stats/swap_test.h"
#include "engine/base/mem.h"

/* ---- the same records ---------------------------------------------------------------------------------- */

void arms_free(arms *a) {
    for (size_t i = 0; a->of != NULL && i < a->arms; i++) free(a->of[i]);
    free(a->of);
    *a = (arms){0};
}

/* Moves *at to the group, or past where it would be; whether it is there. Groups ascend. */
static bool find_group(const record_sums *r, size_t group, size_t *at) {
    while (*at < r->n && r->group[*at] < group) (*at)++;
    return *at < r->n && r->group[*at] == group;
}

static int refuse_repeats(const store_data *d, const size_t *cells, size_t group, const size_t *trials, err *e) {
    return err_input(e, "record %s has %zu trials in cell %s (%s) and %zu in cell %s (%s): pairs need as many of both",
                     d->samples[group].id, trials[0], d->cells[cells[0]].id, d->cells[cells[0]].policy, trials[1],
                     d->cells[cells[1]].id, d->cells[cells[1]].policy);
}

/* Group i of the first cell goes into the arms when all cells have it. at[]: where each of them is. */
static int take_group(const store_data *d, const size_t *cells, const record_sums *sums, size_t i, size_t *at,
                      arms *out, err *e) {
    size_t group = sums[0].group[i];
    for (size_t c = 0; c < out->arms; c++)
        if (!find_group(&sums[c], group, &at[c])) return 0;
    for (size_t c = 1; c < out->arms; c++)
        if (sums[c].trials[at[c]] != sums[0].trials[i])
            return refuse_repeats(d, (const size_t[]){cells[0], cells[c]}, group,
                                  (const size_t[]){sums[0].trials[i], sums[c].trials[at[c]]}, e);
    for (size_t c = 0; c < out->arms; c++) out->of[c][out->n] = sums[c].at[at[c]];
    out->n++;
    return 0;
}

/* Groups that some cell has. */
static size_t count_groups(const record_sums *sums, size_t n, size_t samples, bool *seen) {
    size_t groups = 0;
    for (size_t i = 0; i < samples; i++) seen[i] = false;
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < sums[c].n; i++) {
            groups += !seen[sums[c].group[i]];
            seen[sums[c].group[i]] = true;
        }
    return groups;
}

int arms_make(const store_data *d, const placed_trials *p, const size_t *cells, size_t n, const metric *m, arms *out,
              err *e) {
    record_sums *sums = mem_new(n, sizeof *sums, e);
    size_t      *at = mem_new(n, sizeof *at, e);
    bool        *seen = mem_new(d->n_samples, sizeof *seen, e);
    *out = (arms){.of = mem_new(n, sizeof(ratio_sum *), e), .arms = n};
    int status = sums != NULL && at != NULL && seen != NULL && out->of != NULL ? 0 : -1;
    for (size_t c = 0; status == 0 && c < n; c++) status = record_sums_make(p, cells[c], m, &sums[c], e);
    for (size_t c = 0; status == 0 && c < n; c++)
        if ((out->of[c] = mem_new(sums[0].n, sizeof **out->of, e)) == NULL) status = -1;
    for (size_t i = 0; status == 0 && i < sums[0].n; i++) status = take_group(d, cells, sums, i, at, out, e);
    if (status == 0) out->left = count_groups(sums, n, d->n_samples, seen) - out->n;
    for (size_t c = 0; sums != NULL && c < n; c++) record_sums_free(&sums[c]);
    free(sums);
    free(at);
    free(seen);
    if (status != 0) arms_free(out);
    return status;
}

/* ---- pairs --------------------------------------------------------------------------------------------- */

static int interval_of(bootstrap *b, size_t n, statistic *f, const void *data, estimate *out, err *e) {
    out->value = f(NULL, n, data);
    return bootstrap_interval(b, n, f, data, &out->ci, e);
}

/* log of this arm's ratio / the base's; 0 where both are equal, infinite ones too. */
static double log_ratio(const ratio_sum *of, const ratio_sum *base) {
    double x = of->part / of->whole, y = base->part / base->whole;
    return x == y ? 0 : log(x) - log(y);
}

static int rank(const arms *a, size_t arm, size_t base, compared *out, err *e) {
    signed_rank r;
    double     *d = mem_new(a->n, sizeof *d, e);
    if (d == NULL) return -1;
    for (size_t i = 0; i < a->n; i++) d[i] = log_ratio(&a->of[arm][i], &a->of[base][i]);
    int status = signed_rank_test(d, a->n, ZEROS_RANKED, SIGNED_RANK_EXACT, &r, e);
    free(d);
    if (status != 0) return -1;
    out->p = out->adjusted = r.p;
    out->excess = r.excess;
    return 0;
}

compared compared_none(void) {
    const estimate none = {NAN, interval_none()};
    return (compared){none, none, none, .p = NAN, .adjusted = NAN, .p_totals = NAN, .adjusted_totals = NAN};
}

int arms_compare(const arms *a, size_t arm, size_t base, size_t family, bootstrap *b, compared *out, err *e) {
    contrast c = {statistic_micro, a->of[arm], a->of[base]};
    *out = compared_none();
    out->groups = a->n;
    if (interval_of(b, a->n, statistic_micro, a->of[arm], &out->value, e) != 0) return -1;
    if (arm == base) return 0;
    if (interval_of(b, a->n, statistic_difference, &c, &out->difference, e) != 0) return -1;
    if (interval_of(b, a->n, statistic_quotient, &c, &out->ratio, e) != 0) return -1;
    if (swap_test(a->of[arm], a->of[base], a->n, family, &out->p_totals, e) != 0) return -1;
    out->adjusted_totals = out->p_totals;
    return rank(a, arm, base, out, e);
}

int compared_adjust(compared *at, size_t n, err *e) {
    double *p = mem_new(n, 2 * sizeof *p, e);
    if (p == NULL) return -1;
    double *totals = p + n;
    for (size_t i = 0; i < n; i++) {
        p[i] = at[i].p;
        totals[i] = at[i].p_totals;
    }
    int status = holm_adjust(p, n, p, e) != 0 || holm_adjust(totals, n, totals, e) != 0 ? -1 : 0;
    for (size_t i = 0; status == 0 && i < n; i++) {
        at[i].adjusted = p[i];
        at[i].adjusted_totals = totals[i];
    }
    free(p);
    return status;
}

int arms_compare_all(const arms *a, size_t base, bootstrap *b, compared *out, err *e) {
    for (size_t i = 0; i < a->arms; i++)
        if (arms_compare(a, i, base, a->arms - 1, b, &out[i], e) != 0) return -1;
    return compared_adjust(out, a->arms, e);
}

bool compared_apart(const compared *c) {
    const interval *i = &c->difference.ci;
    if (!(c->adjusted < HOLM_LEVEL && c->adjusted_totals < HOLM_LEVEL)) return false;
    if (i->method != INTERVAL_NONE) return i->lo > 0 || i->hi < 0;
    return c->difference.value * c->excess > 0;
}

/* ---- the best one -------------------------------------------------------------------------------------- */

static size_t best_of(const arms *a, const metric *m, const uint32_t *times) {
    size_t best = 0;
    double most = NAN;
    for (size_t i = 0; i < a->arms; i++) {
        double x = statistic_micro(times, a->n, a->of[i]);
        if (isnan(most) || (m->less ? x < most : x > most)) {
            most = x;
            best = i;
        }
    }
    return best;
}

size_t arms_best(const arms *a, const metric *m) {
    return best_of(a, m, NULL);
}

typedef struct {
    const arms   *a;
    const metric *m;
    double       *shares;
} share_count;

static void count_best(const uint32_t *times, size_t groups, void *ctx) {
    share_count *s = ctx;
    (void)groups;
    s->shares[best_of(s->a, s->m, times)]++;
}

int arms_best_shares(const arms *a, const metric *m, bootstrap *b, double *shares, err *e) {
    share_count s = {a, m, shares};
    for (size_t i = 0; i < a->arms; i++) shares[i] = 0;
    if (a->n > 0 && bootstrap_each(b, a->n, count_best, &s, e) != 0) return -1;
    for (size_t i = 0; i < a->arms; i++) shares[i] /= BOOTSTRAP_RESAMPLES;
    return 0;
}
