#include "analysis/stats/swap_test.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "analysis/stats/bootstrap.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

/* Swapping a record moves what its arms differ in from one total to the other. */
typedef struct {
    ratio_sum  a, b;  /* totals of the data */
    ratio_sum *moves; /* [n] a's sums less b's */
    size_t     n;
} arm_pair;

static int make_pair(const ratio_sum *a, const ratio_sum *b, size_t n, arm_pair *out, err *e) {
    *out = (arm_pair){.moves = mem_new(n, sizeof *out->moves, e), .n = n};
    if (out->moves == NULL) return -1;
    for (size_t i = 0; i < n; i++) {
        out->a.part += a[i].part;
        out->a.whole += a[i].whole;
        out->b.part += b[i].part;
        out->b.whole += b[i].whole;
        out->moves[i] = (ratio_sum){a[i].part - b[i].part, a[i].whole - b[i].whole};
    }
    return 0;
}

/* |log of the ratio of the micro means| when `moved` has changed sides. */
static double distance(const arm_pair *p, ratio_sum moved) {
    double x = (p->a.part - moved.part) / (p->a.whole - moved.whole);
    double y = (p->b.part + moved.part) / (p->b.whole + moved.whole);
    return x == y ? 0 : fabs(log(x / y));
}

/* Adds the records from `first` on whose bit is set; 64 at most. */
static void add_moves(const arm_pair *p, size_t first, uint64_t bits, ratio_sum *moved) {
    size_t n = p->n - first < 64 ? p->n - first : 64;
    for (size_t i = 0; i < n; i++, bits >>= 1) {
        double swapped = (double)(bits & 1);
        moved->part += swapped * p->moves[first + i].part;
        moved->whole += swapped * p->moves[first + i].whole;
    }
}

/* Sums in another order differ in their last bits; what is equal must count. */
static bool reaches(double x, double data) {
    return x >= data - 1e-12 * (1 + data);
}

/* The last record keeps its side: its swap is another way's mirror image, which is as far from 0. */
static double exact_p(const arm_pair *p, double data) {
    uint64_t ways = (uint64_t)1 << (p->n - 1), reached = 0;
    for (uint64_t bits = 0; bits < ways; bits++) {
        ratio_sum moved = {0, 0};
        add_moves(p, 0, bits, &moved);
        reached += reaches(distance(p, moved), data);
    }
    return (double)reached / (double)ways;
}

static double drawn_p(const arm_pair *p, double data, size_t draws, gsl_rng *rng) {
    size_t reached = 0;
    for (size_t d = 0; d < draws; d++) {
        ratio_sum moved = {0, 0};
        for (size_t first = 0; first < p->n; first += 64) add_moves(p, first, gsl_rng_get(rng), &moved);
        reached += reaches(distance(p, moved), data);
    }
    return (double)(reached + 1) / (double)(draws + 1);
}

int swap_test(const ratio_sum *a, const ratio_sum *b, size_t n, size_t family, double *p, err *e) {
    arm_pair pair;
    size_t   draws = family > (SWAP_DRAWS + 1) / 40 ? 40 * family - 1 : SWAP_DRAWS;
    if (make_pair(a, b, n, &pair, e) != 0) return -1;
    double   data = distance(&pair, (ratio_sum){0, 0});
    gsl_rng *rng = n > SWAP_EXACT ? rng_new(BOOTSTRAP_SEED, 1) : NULL;
    int      ret = n <= SWAP_EXACT || rng != NULL ? 0 : err_run(e, "out of memory (random generator)");
    if (n == 0 || isnan(data))
        *p = NAN;
    else if (ret == 0)
        *p = n <= SWAP_EXACT ? exact_p(&pair, data) : drawn_p(&pair, data, draws, rng);
    if (rng != NULL) gsl_rng_free(rng);
    free(pair.moves);
    return ret;
}
