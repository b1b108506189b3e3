#include "analysis/stats/signed_rank.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"

/* Twice its midrank, which is an integer; the sign is the difference's. */
typedef struct {
    double size;
    int    sign;
    size_t rank2;
} ranked;

static int by_size(const void *a, const void *b) {
    double x = ((const ranked *)a)->size, y = ((const ranked *)b)->size;
    return (x > y) - (x < y);
}

/* Ascending by size with midranks; those of sign 0 are dropped, before or after they are ranked (W1). Returns how many
 * remain. */
static size_t rank(const double *d, size_t n, zero_handling zeros, ranked *out) {
    size_t all = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i] != 0 || zeros == ZEROS_RANKED) out[all++] = (ranked){fabs(d[i]), (d[i] > 0) - (d[i] < 0), 0};
    if (all > 0) qsort(out, all, sizeof *out, by_size);
    for (size_t i = 0, end; i < all; i = end) {
        for (end = i + 1; end < all && out[end].size == out[i].size; end++)
            ;
        for (size_t k = i; k < end; k++) out[k].rank2 = i + 1 + end; /* the mean of ranks i + 1 to end, twice */
    }
    for (size_t i = 0; i < all; i++)
        if (out[i].sign != 0) out[kept++] = out[i];
    return kept;
}

/* Both sides' p of twice the rank sum: probability[s] becomes that of s, by adding one rank after the other. */
static int exact_p(const ranked *r, size_t n, size_t sum2, double *p, err *e) {
    size_t total = 0, reached = 0;
    double below = 0, above = 0;
    for (size_t i = 0; i < n; i++) total += r[i].rank2;
    double *probability = mem_new(total + 1, sizeof *probability, e);
    if (probability == NULL) return -1;
    probability[0] = 1;
    for (size_t i = 0; i < n; i++) {
        reached += r[i].rank2;
        for (size_t s = reached + 1; s-- > 0;)
            probability[s] = (probability[s] + (s >= r[i].rank2 ? probability[s - r[i].rank2] : 0)) / 2;
    }
    /* Small terms first. */
    for (size_t s = 0; s <= sum2; s++) below += probability[s];
    for (size_t s = total + 1; s-- > sum2;) above += probability[s];
    free(probability);
    *p = fmin(1, 2 * fmin(below, above));
    return 0;
}

static double normal_p(const ranked *r, size_t n, double sum) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)r[i].rank2 / 2;
        mean += x / 2;
        squares += x * x;
    }
    double away = fmax(0, fabs(sum - mean) - 0.5);
    return fmin(1, 2 * gsl_cdf_ugaussian_Q(away / sqrt(squares / 4)));
}

int signed_rank_test(const double *d, size_t n, zero_handling zeros, size_t exact_most, signed_rank *out, err *e) {
    ranked *r = mem_new(n, sizeof *r, e);
    size_t  sum2 = 0, total2 = 0;
    int     status = 0;
    if (r == NULL) return -1;
    size_t kept = rank(d, n, zeros, r);
    for (size_t i = 0; i < kept; i++) {
        sum2 += r[i].sign > 0 ? r[i].rank2 : 0;
        total2 += r[i].rank2;
    }
    *out = (signed_rank){(double)sum2 / 2,  (double)sum2 / 2 - (double)total2 / 4, n > 0 ? 1 : NAN, kept, n - kept,
                         kept <= exact_most};
    if (kept > 0 && out->exact)
        status = exact_p(r, kept, sum2, &out->p, e);
    else if (kept > 0)
        out->p = normal_p(r, kept, out->sum);
    free(r);
    return status;
}
