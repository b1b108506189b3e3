/* pair_table.h - numbers 0, 1, 2, ... for distinct pairs (a, b), in the order in which they come.
 *
 * What belongs to a pair is kept by the caller in arrays of its own, at the pair's number. With a = 1 + the number of a
 * pair, or 0 for none, pairs spell sequences: (0, 7) is 7, and if its number is 3, (4, 9) is 7 9.
 */
#ifndef ENGINE_POLICIES_INDEX_PAIR_TABLE_H
#define ENGINE_POLICIES_INDEX_PAIR_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

typedef struct {
    uint32_t a;
    int32_t  b;
} pair;

/* A zeroed struct is empty and may be freed. */
typedef struct {
    pair             *pairs; /* [n], in the order of their numbers */
    struct pair_slot *slots; /* [mask + 1], at most half of them used */
    size_t            n, cap, mask;
} pair_table;

enum { PAIR_MAX = 1 << 30 };
#define PAIR_NONE UINT32_MAX

uint32_t pair_table_find(const pair_table *t, uint32_t a, int32_t b); /* PAIR_NONE: not there */

/* The pair's number in *at; a pair that is not there gets the next one. Nothing is allocated while there is room. */
int pair_table_add(pair_table *t, uint32_t a, int32_t b, uint32_t *at, err *e);

/* Makes room for n pairs in all. */
int pair_table_reserve(pair_table *t, size_t n, err *e);

void pair_table_clear(pair_table *t); /* keeps the room */
void pair_table_free(pair_table *t);

#endif
