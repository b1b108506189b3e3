#include "experiments/recommend/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/formats/table_format.h"
#include "analysis/table.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/quote.h"
#include "engine/base/utf8.h"

enum { SHOWN = 12, MOST_SCENARIOS = 20, WIDEST_SPEC = 30 };

/* Prints a table and frees it. */
static int print_table(table *t, FILE *out, err *e) {
    const table_format *text = registry_find(&table_format_registry, "text");
    int                 ret = table_write(t, text, out, e);
    table_free(t);
    return ret;
}

/* ---- the answer ------------------------------------------------------------------------------------------ */

static void print_interval(FILE *out, interval ci) {
    if (isnan(ci.lo)) return;
    fprintf(out, " [%.2f, %.2f]", ci.lo, ci.hi);
}

static void print_doubts(const plan *p, FILE *out) {
    char        text[256];
    cost_model *cost = &p->costs[0];
    if (cost->measured)
        fprintf(out, "times of passes: %s, %.0f%% off their fit in the median", cost->name, 100 * cost->errors.median);
    else
        fprintf(out, "times of passes: %s, taken as they are", cost->name);
    fprintf(out, "%s%s\n", cost_doubtful(cost, text, sizeof text) ? "; DOUBTFUL: " : "", text);
}

/* What was compared, and in what time. */
static void print_data(const plan *p, const choice *c, FILE *out) {
    fprintf(out, "%zu record%s", c->records, plural(c->records));
    if (c->groups != c->records) fprintf(out, " in %zu group%s", c->groups, plural(c->groups));
    fprintf(out, ", %zu tokens; greedy decoding\n", c->tokens);
    if (c->undecoded > 0)
        fprintf(out, "%zu more %s an output of one token, which the prompt's pass writes, and %s left out\n",
                c->undecoded, c->undecoded == 1 ? "has" : "have", c->undecoded == 1 ? "is" : "are");
    print_doubts(p, out);
}

/* "records", or "groups of records" where some belong together. */
static const char *drawn(const choice *c) {
    return c->groups == c->records ? "records" : "groups of records";
}

static bool has_tests(const choice *c) {
    return c->groups >= BOOTSTRAP_LEAST;
}

static void print_spec(const char *spec, FILE *out) {
    utf8_write(spec, strlen(spec), &utf8_one_line, out);
}

/* What is not told apart from the first one, and why. */
static void print_rivals(const choice *c, const char *others, FILE *out) {
    size_t level = 0;
    for (size_t i = 1; i < c->n; i++) level += c->at[i].level;
    if (!has_tests(c)) {
        fprintf(out, "  no intervals and no tests: they need %d %s, and there %s %zu\n", BOOTSTRAP_LEAST, drawn(c),
                c->groups == 1 ? "is" : "are", c->groups);
        return;
    }
    if (level > 0)
        fprintf(out, "  these records do not separate %zu %s%s from it; best in %.1f%% of resamples\n", level, others,
                plural(level), percent_of(c->wins));
    if (c->more > 0) fprintf(out, "  about %.0f more %s would tell the first two apart\n", ceil(c->more), drawn(c));
}

/* Plain decoding: nothing to expect of it, and of the policies how far they are from paying. */
static int print_plain(const plan *p, const choice *c, FILE *out, err *e) {
    fprintf(out, "\nRecommended: none: plain decoding; no policy %s\n", c->n > 1 ? "pays here" : "could be compared");
    if (c->n > 1) {
        char *spec = candidate_spec(p, &c->at[1], e);
        if (spec == NULL) return -1;
        fprintf(out, "  the fastest policy, ");
        print_spec(spec, out);
        fprintf(out, ", takes %.3f times as long", c->at[1].behind);
        if (!isnan(c->at[1].behind_ci.lo)) fprintf(out, " [%.3f, %.3f]", c->at[1].behind_ci.lo, c->at[1].behind_ci.hi);
        fprintf(out, "\n");
        free(spec);
    }
    if (!isnan(c->bound))
        fprintf(out, "  copying could bring %.2f at most: `oracle`, which knows the output\n", c->bound);
    print_rivals(c, "other", out);
    return 0;
}

/* How much of the time that copying could save is saved: unlike the ratio of speed-ups, this says something where the
 * bound is far off. It is none for a policy with more sources, such as earlier outputs. */
static void print_bound(const choice *c, FILE *out) {
    if (!(c->bound > 1)) return;
    if (c->at[0].speedup > c->bound) {
        fprintf(out, "  `oracle`, which copies from this record alone, is %.2f times as fast\n", c->bound);
        return;
    }
    fprintf(out,
            "  saves %.0f%% of the time that copying could: `oracle`, which knows the output,\n  is %.2f times as fast",
            100 * (1 - 1 / c->at[0].speedup) / (1 - 1 / c->bound), c->bound);
    if (c->at_once > 0)
        fprintf(out, ", and checks that of %zu record%s with the prompt", c->at_once, plural(c->at_once));
    fprintf(out, "\n");
}

/* On other records, and with the errors of the times: both are independent, so in logarithms their squares add up. */
static interval expected_interval(const candidate *best, double expected) {
    double cost = 1.96 * best->cost_error, up = log(best->ci.hi / best->speedup),
           down = log(best->speedup / best->ci.lo);
    return (interval){.lo = expected * exp(-hypot(down, cost)), .hi = expected * exp(hypot(up, cost))};
}

static void print_expected(const choice *c, FILE *out) {
    const candidate *best = &c->at[0];
    double           expected = best->speedup * exp(-c->optimism);
    interval         range = expected_interval(best, expected);
    if (!has_tests(c)) return;
    fprintf(out, "  expect %.2f", expected);
    print_interval(out, range);
    fprintf(out, " on other records%s\n  (the best of %zu looks better than it is%s)\n",
            range.lo < 1 ? ", so it may not pay" : "", c->n,
            best->cost_error > 0 ? ", and times of passes have errors" : "");
}

static int print_policy(const plan *p, const choice *c, FILE *out, err *e) {
    const candidate *best = &c->at[0];
    char            *spec = candidate_spec(p, best, e);
    if (spec == NULL) return -1;
    fprintf(out, "\nRecommended: ");
    print_spec(spec, out);
    free(spec);
    fprintf(out, "\n  %.2f times as fast as plain decoding", best->speedup);
    print_interval(out, best->ci);
    fprintf(out, " in total over these records\n");
    if (best->cost_error > 0)
        fprintf(out, "  the times of passes alone leave %.1f%% open (twice their standard error)\n",
                200 * best->cost_error);
    print_expected(c, out);
    print_bound(c, out);
    print_rivals(c, "other", out);
    return 0;
}

static bool is_plain(const plan *p, const choice *c, size_t i) {
    return plan_cell_is_baseline(&p->cells[c->at[i].plan_cell]);
}

static int print_answer(const plan *p, const choice *c, FILE *out, err *e) {
    print_data(p, c, out);
    return is_plain(p, c, 0) ? print_plain(p, c, out, e) : print_policy(p, c, out, e);
}

/* ---- the candidates -------------------------------------------------------------------------------------- */

static bool is_shown(const plan *p, const choice *c, size_t i) {
    return i < SHOWN || is_plain(p, c, i);
}

/* A long specification would push the numbers off the line: its row has a number, and it stands below. */
static int put_candidate(const plan *p, const choice *c, size_t i, table *t, err *e) {
    const candidate *x = &c->at[i];
    char            *spec = candidate_spec(p, x, e), label[WIDEST_SPEC + 1];
    if (spec == NULL) return -1;
    snprintf(label, sizeof label, "%.*s #%zu", (int)strcspn(spec, ":"), spec, i + 1);
    table_put_text(t, strlen(spec) > WIDEST_SPEC ? label : spec);
    table_put_real(t, x->tokens_per_step, 2);
    table_put_real(t, x->speedup, 2);
    table_put_range(t, x->behind, x->behind_ci.lo, x->behind_ci.hi, 3);
    table_put_at_least(t, x->p, 0.001, 3);
    table_put_share(t, x->slower, c->groups);
    table_put_real(t, x->worst, 2);
    free(spec);
    return 0;
}

static table *candidates_table(bool intervals, err *e) {
    table *t = table_new(e);
    if (t == NULL) return NULL;
    table_caption(t,
                  "speed-up: plain decoding's total time / the policy's; times best: its total time / that of the "
                  "first one, paired by record%s",
                  intervals ? ", with its 95% interval" : "");
    if (intervals)
        table_caption(t,
                      "p: of that ratio, by Student's t of the bootstrap of total times, Holm over all; the first one "
                      "was picked on the same records, so p is smaller than on others; harness compare tests the "
                      "records' own ratios by ranks, too");
    table_caption(t, "slower: records slower than plain decoding by more than 1%%; worst: the slowest record");
    table_column(t, COLUMN_LEFT, "policy", "policy");
    table_column(t, COLUMN_RIGHT, "tokens/step", "tokens_per_step");
    table_column(t, COLUMN_RIGHT, "speed-up", "speedup");
    table_column(t, COLUMN_RIGHT, "times best", "behind");
    table_column(t, COLUMN_RIGHT, "p", "p");
    table_column(t, COLUMN_RIGHT, "slower", "slower");
    table_column(t, COLUMN_RIGHT, "worst", "worst");
    return t;
}

static int print_long_specs(const plan *p, const choice *c, FILE *out, err *e) {
    for (size_t i = 0; i < c->n; i++) {
        char *spec = is_shown(p, c, i) ? candidate_spec(p, &c->at[i], e) : NULL;
        if (spec == NULL && is_shown(p, c, i)) return -1;
        if (spec != NULL && strlen(spec) > WIDEST_SPEC) {
            fprintf(out, "#%zu: ", i + 1);
            print_spec(spec, out);
            fprintf(out, "\n");
        }
        free(spec);
    }
    return 0;
}

static int print_candidates(const plan *p, const choice *c, FILE *out, err *e) {
    table *t = candidates_table(has_tests(c), e);
    size_t shown = 0;
    if (t == NULL) return -1;
    for (size_t i = 0; i < c->n; i++) {
        if (!is_shown(p, c, i)) continue;
        shown++;
        if (put_candidate(p, c, i, t, e) != 0) {
            table_free(t);
            return -1;
        }
    }
    fprintf(out, "\n");
    if (print_table(t, out, e) != 0 || print_long_specs(p, c, out, e) != 0) return -1;
    if (c->n > shown) fprintf(out, "%zu slower ones are not shown\n", c->n - shown);
    if (c->too_wide > 0)
        fprintf(out, "%zu left out: they make passes longer than the longest whose time is known\n", c->too_wide);
    return 0;
}

/* ---- where it loses -------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    size_t      first; /* group */
    ratio_sum   times;
    size_t      groups, slower;
} scenario_sum;

static double speedup_of(const scenario_sum *s) {
    return s->times.whole > 0 ? s->times.part / s->times.whole : NAN;
}

static void add_scenario(scenario_sum *to, const scenario_sum *x) {
    to->times.part += x->times.part;
    to->times.whole += x->times.whole;
    to->groups += x->groups;
    to->slower += x->slower;
}

static int by_first(const void *a, const void *b) {
    const scenario_sum *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static int by_name(const void *a, const void *b) {
    const scenario_sum *x = a, *y = b;
    int                 order = strcmp(x->name, y->name);
    return order != 0 ? order : by_first(a, b);
}

/* Those without a time last. */
static int slowest_first(const void *a, const void *b) {
    double x = speedup_of(a), y = speedup_of(b);
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y) != 0 ? isnan(x) - isnan(y) : by_first(a, b);
    return x != y ? (x > y) - (x < y) : by_first(a, b);
}

/* The best candidate's times by scenario, in the order in which they begin: [*n], in new memory. */
static scenario_sum *sum_scenarios(const store_data *d, const choice *c, size_t *n, err *e) {
    scenario_sum *sums = mem_new(c->groups, sizeof *sums, e);
    *n = 0;
    for (size_t g = 0; sums != NULL && g < c->groups; g++) {
        const ratio_sum *x = &c->at[0].times[g];
        bool             slower = x->whole > 0 && x->part / x->whole < 0.99;
        sums[g] = (scenario_sum){d->samples[c->example[g]].scenario, g, *x, 1, slower};
    }
    if (sums == NULL || c->groups == 0) return sums;
    qsort(sums, c->groups, sizeof *sums, by_name);
    for (size_t g = 0; g < c->groups; g++) {
        if (g > 0 && strcmp(sums[*n - 1].name, sums[g].name) == 0)
            add_scenario(&sums[*n - 1], &sums[g]);
        else
            sums[(*n)++] = sums[g];
    }
    qsort(sums, *n, sizeof *sums, by_first);
    return sums;
}

static void put_scenario(const scenario_sum *s, const char *name, table *t) {
    table_put_text(t, *name != '\0' ? name : NULL);
    table_put_count(t, s->groups);
    table_put_real(t, speedup_of(s), 2);
    table_put_count(t, s->slower);
}

/* Of many the slowest, and all others in one row. */
static void put_scenarios(scenario_sum *sums, size_t n, table *t) {
    scenario_sum others = {0};
    char         name[64];
    size_t       shown = n > MOST_SCENARIOS ? MOST_SCENARIOS : n;
    if (n > shown) {
        table_caption(t, "the %zu slowest of %zu scenarios; the last row sums the others", shown, n);
        qsort(sums, n, sizeof *sums, slowest_first);
    }
    for (size_t i = 0; i < shown; i++) put_scenario(&sums[i], sums[i].name, t);
    for (size_t i = shown; i < n; i++) add_scenario(&others, &sums[i]);
    snprintf(name, sizeof name, "%zu other%s", n - shown, plural(n - shown));
    if (n == shown) return;
    table_group(t);
    put_scenario(&others, name, t);
}

static int print_scenarios(const store_data *d, const choice *c, FILE *out, err *e) {
    size_t        n;
    scenario_sum *sums = sum_scenarios(d, c, &n, e);
    table        *t = sums != NULL && n > 1 ? table_new(e) : NULL;
    int           ret = sums != NULL && (n < 2 || t != NULL) ? 0 : -1;
    if (t != NULL) {
        table_column(t, COLUMN_LEFT, "scenario", "scenario");
        table_column(t, COLUMN_RIGHT, "records", "records");
        table_column(t, COLUMN_RIGHT, "speed-up", "speedup");
        table_column(t, COLUMN_RIGHT, "slower", "slower");
        put_scenarios(sums, n, t);
        fprintf(out, "\n");
        ret = print_table(t, out, e);
    }
    free(sums);
    return ret;
}

static int print_losses(const store_data *d, const choice *c, FILE *out, err *e) {
    const candidate *best = &c->at[0];
    if (best->slower == 0) {
        fprintf(out, "\nNo %s is slower than plain decoding with it, by more than 1%%.\n",
                c->groups == c->records ? "record" : "group of records");
        return print_scenarios(d, c, out, e);
    }
    fprintf(out, "\nIt is slower than plain decoding on %zu of %zu %s. The worst:\n", best->slower, c->groups,
            drawn(c));
    bool *told = mem_new(c->groups, sizeof *told, e);
    if (told == NULL) return -1;
    for (size_t i = 0; i < 3 && i < best->slower; i++) {
        size_t worst = c->groups;
        for (size_t g = 0; g < c->groups; g++) {
            const ratio_sum *x = &best->times[g], *w = &best->times[worst < c->groups ? worst : g];
            if (!told[g] && x->whole > 0 && (worst == c->groups || x->part * w->whole < w->part * x->whole)) worst = g;
        }
        told[worst] = true;
        const char *id = d->samples[c->example[worst]].id;
        char        shown[200];
        fprintf(out, "  %.2f  %s\n", best->times[worst].part / best->times[worst].whole,
                quote(shown, sizeof shown, id, strlen(id)));
    }
    free(told);
    return print_scenarios(d, c, out, e);
}

/* ---- break-even ------------------------------------------------------------------------------------------ */

/* The acceptance of each token, the same at every position, at which a draft of d tokens brings `wanted` tokens on
 * average: a + a^2 + ... + a^d = wanted. Above 1: never. */
static double break_even(size_t d, double wanted) {
    double low = 0, high = 1;
    if (wanted >= (double)d) return wanted > (double)d ? INFINITY : 1;
    for (int i = 0; i < 60; i++) {
        double a = (low + high) / 2, sum = 0, power = 1;
        for (size_t k = 0; k < d; k++) sum += power *= a;
        if (sum < wanted)
            low = a;
        else
            high = a;
    }
    return high;
}

static int print_break_even(const plan *p, const choice *c, FILE *out, err *e) {
    static const size_t drafts[] = {1, 2, 3, 5, 7, 11, 15, 31, 63};
    const cost_model   *cost = &p->costs[0];
    const pass_times    times = cost_times(cost);
    size_t              context = (size_t)(c->context + 0.5);
    table              *t = table_new(e);
    if (t == NULL) return -1;
    table_caption(t,
                  "a draft pays from this acceptance on, with %zu tokens in the cache (these records' mean); "
                  "each token accepted with the same probability if those before it are",
                  context);
    table_column(t, COLUMN_RIGHT, "drafted", "drafted");
    table_column(t, COLUMN_RIGHT, "k of llma", "k");
    table_column(t, COLUMN_RIGHT, "pass / plain pass", "cost");
    table_column(t, COLUMN_RIGHT, "accepted tokens", "accepted");
    table_column(t, COLUMN_RIGHT, "acceptance per token", "acceptance");
    for (size_t i = 0; i < sizeof drafts / sizeof *drafts && drafts[i] < pass_times_largest(&times); i++) {
        double ratio = pass_times_at(&times, drafts[i] + 1, context) / pass_times_at(&times, 1, context);
        double a = break_even(drafts[i], ratio - 1);
        table_put_count(t, drafts[i]);
        table_put_count(t, drafts[i] + 1);
        table_put_real(t, ratio, 2);
        table_put_real(t, ratio - 1, 2);
        if (isinf(a))
            table_put_text(t, "never");
        else
            table_put_real(t, a, 2);
    }
    fprintf(out, "\n");
    return print_table(t, out, e);
}

int explain_choice(const plan *p, const store_data *d, const choice *c, FILE *out, err *e) {
    if (print_answer(p, c, out, e) != 0 || print_candidates(p, c, out, e) != 0) return -1;
    if (!is_plain(p, c, 0) && print_losses(d, c, out, e) != 0) return -1;
    return print_break_even(p, c, out, e);
}
