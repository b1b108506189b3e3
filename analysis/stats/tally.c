#include "analysis/stats/tally.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/stats/quantile.h"
#include "engine/base/mem.h"

/* The place of a value, or the free one where it belongs. places: a power of two; one is free. */
static tally_count *place_of(tally_count *at, size_t places, uint64_t value) {
    size_t i = (size_t)((value * 0x9e3779b97f4a7c15u) >> 20) & (places - 1);
    while (at[i].n > 0 && at[i].value != value) i = (i + 1) & (places - 1);
    return &at[i];
}

static int make_room(tally *t, err *e) {
    size_t       places = t->places > 0 ? 2 * t->places : 64;
    tally_count *at = mem_new(places, sizeof *at, e);
    if (at == NULL) return -1;
    for (size_t i = 0; i < t->places; i++)
        if (t->at[i].n > 0) *place_of(at, places, t->at[i].value) = t->at[i];
    free(t->at);
    t->at = at;
    t->places = places;
    return 0;
}

int tally_add(tally *t, uint64_t value, err *e) {
    if (2 * t->n >= t->places && make_room(t, e) != 0) return -1;
    tally_count *c = place_of(t->at, t->places, value);
    t->n += c->n == 0;
    t->of++;
    c->value = value;
    c->n++;
    return 0;
}

void tally_free(tally *t) {
    free(t->at);
    *t = (tally){0};
}

static int by_value(const void *a, const void *b) {
    uint64_t x = ((const tally_count *)a)->value, y = ((const tally_count *)b)->value;
    return (x > y) - (x < y);
}

static void sort(tally *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->places; i++)
        if (t->at[i].n > 0) t->at[n++] = t->at[i];
    if (n > 0) qsort(t->at, n, sizeof *t->at, by_value);
    t->sorted = true;
}

/* The i-th value in ascending order. */
static double value_at(const tally *t, size_t i) {
    size_t k = 0;
    for (; i >= t->at[k].n; k++) i -= t->at[k].n;
    return (double)t->at[k].value;
}

double tally_quantile(tally *t, double f) {
    if (t->of == 0) return NAN;
    if (!t->sorted) sort(t);
    double at = f * (double)(t->of - 1);
    size_t low = (size_t)at;
    double two[] = {value_at(t, low), value_at(t, low + 1 < t->of ? low + 1 : low)};
    return quantile_of_sorted(two, 2, at - (double)low);
}
