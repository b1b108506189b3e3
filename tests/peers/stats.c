/* stats.c - the statistics of analysis/stats/ on numbers from stdin, as JSON: what compare_stats.py puts beside SciPy's
 * and R's. The first word says what follows:
 *
 *     resamples GROUPS          how many times each group is in each resample, one resample a line
 *     groups N  a b c d ...     four numbers for each of N groups: a/b and c/d are the ratios of two arms
 *     strata N  m a b c d ...   the same, where the first m groups are one stratum and the others another
 *     signed_rank N MOST  d...  exact up to MOST differences; zeros ranked, and dropped
 *     holm N  p...
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/bootstrap.h"
#include "analysis/stats/holm.h"
#include "analysis/stats/signed_rank.h"
#include "engine/base/mem.h"

static void fail(const char *what) {
    fprintf(stderr, "peer_stats: %s\n", what);
    exit(1);
}

static double number(void) {
    double x;
    if (scanf("%lf", &x) != 1) fail("a number is missing");
    return x;
}

static void check(int status, const err *e) {
    if (status != 0) fail(e->text);
}

static void print_times(const uint32_t *times, size_t groups, void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < groups; i++) printf("%u%c", times[i], i + 1 < groups ? ' ' : '\n');
}

typedef struct {
    bootstrap *b;
    size_t     sizes[2], strata, groups;
} run;

static void print_interval(const run *r, const char *name, statistic *f, const void *data, const char *after) {
    static const char *const methods[] = {"none", "bca", "percentile"};
    interval                 i;
    err                      e = {0};
    check(bootstrap_interval_of_strata(r->b, r->sizes, r->strata, f, data, &i, &e), &e);
    printf("\"%s\": {\"value\": %.17g, \"lo\": %.17g, \"hi\": %.17g, \"method\": \"%s\"}%s", name,
           f(NULL, r->groups, data), i.lo, i.hi, methods[i.method], after);
}

static void groups(bootstrap *b, bool strata) {
    size_t         n = (size_t)number(), first = strata ? (size_t)number() : n;
    run            r = {b, {first, n - first}, strata ? 2 : 1, n};
    err            e = {0};
    ratio_sum     *one = mem_new(n, sizeof *one, &e), *two = mem_new(n, sizeof *two, &e);
    grouped_values values = {0};
    if (one == NULL || two == NULL) fail(e.text);
    for (size_t i = 0; i < n; i++) {
        one[i].part = number();
        one[i].whole = number();
        two[i].part = number();
        two[i].whole = number();
        check(grouped_values_add(&values, i, one[i].part / one[i].whole, &e), &e);
    }
    grouped_values_sort(&values);
    contrast arms = {statistic_micro, one, two};
    printf("{");
    print_interval(&r, "micro", statistic_micro, one, ", ");
    print_interval(&r, "macro", statistic_macro, one, ", ");
    print_interval(&r, "geometric", statistic_geometric, one, ", ");
    print_interval(&r, "median", statistic_median, &values, ", ");
    print_interval(&r, "difference", statistic_difference, &arms, ", ");
    print_interval(&r, "quotient", statistic_quotient, &arms, ", ");
    printf("\"quartiles\": [%.17g, %.17g]}\n", grouped_values_quantile(&values, 0.25),
           grouped_values_quantile(&values, 0.75));
    grouped_values_free(&values);
    free(one);
    free(two);
}

static double *numbers(size_t n) {
    err     e = {0};
    double *x = mem_new(n, sizeof *x, &e);
    if (x == NULL) fail(e.text);
    for (size_t i = 0; i < n; i++) x[i] = number();
    return x;
}

static void ranks(void) {
    size_t  n = (size_t)number(), most = (size_t)number();
    double *d = numbers(n);
    for (zero_handling zeros = ZEROS_DROPPED; zeros <= ZEROS_RANKED; zeros++) {
        signed_rank r;
        err         e = {0};
        check(signed_rank_test(d, n, zeros, most, &r, &e), &e);
        printf("%s\"%s\": {\"sum\": %.17g, \"p\": %.17g, \"exact\": %s}", zeros == ZEROS_DROPPED ? "{" : ", ",
               zeros == ZEROS_DROPPED ? "dropped" : "ranked", r.sum, r.p, r.exact ? "true" : "false");
    }
    printf("}\n");
    free(d);
}

static void adjusted(void) {
    size_t  n = (size_t)number();
    double *p = numbers(n);
    err     e = {0};
    check(holm_adjust(p, n, p, &e), &e);
    for (size_t i = 0; i < n; i++) printf("%s%.17g", i == 0 ? "[" : ", ", p[i]);
    printf("]\n");
    free(p);
}

int main(void) {
    char       word[16];
    err        e = {0};
    bootstrap *b = bootstrap_new(&e);
    if (b == NULL || scanf("%15s", word) != 1) fail("says nothing to do");
    bootstrap_of_any_number(b);
    if (strcmp(word, "resamples") == 0)
        check(bootstrap_each(b, (size_t)number(), print_times, NULL, &e), &e);
    else if (strcmp(word, "groups") == 0 || strcmp(word, "strata") == 0)
        groups(b, word[0] == 's');
    else if (strcmp(word, "signed_rank") == 0)
        ranks();
    else if (strcmp(word, "holm") == 0)
        adjusted();
    else
        fail("does not know this word");
    bootstrap_free(b);
    return 0;
}
