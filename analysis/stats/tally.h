/* tally.h - quantiles of very many whole numbers: how often each value comes, so that memory grows with the values that
 * differ and not with their number.
 */
#ifndef ANALYSIS_STATS_TALLY_H
#define ANALYSIS_STATS_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

typedef struct {
    uint64_t value;
    size_t   n; /* how often; 0: a free place */
} tally_count;

/* Zeroed, it is empty. */
typedef struct {
    tally_count *at;    /* [places] a hash table with open addressing */
    size_t       n, of; /* places in use; values that were added */
    size_t       places;
    bool         sorted; /* at[n] ascending by value: nothing may be added any more */
} tally;

int  tally_add(tally *t, uint64_t value, err *e);
void tally_free(tally *t);

/* What quantile_of_sorted gives for all values that were added. */
double tally_quantile(tally *t, double f);

#endif
