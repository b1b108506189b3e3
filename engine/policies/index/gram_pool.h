/* gram_pool.h - n-grams by their first token: of each token the last few that began with it.
 *
 *     7 -> (1 2) (8 9) (1 5)        the oldest first; a gram that is seen again becomes the newest
 *
 * Looking up takes one step; adding compares with those of the token.
 */
#ifndef ENGINE_POLICIES_INDEX_GRAM_POOL_H
#define ENGINE_POLICIES_INDEX_GRAM_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/* Zeroed, it holds nothing. */
typedef struct {
    int32_t *slot;  /* [vocab] number of the token's place below, from 1; 0 = none */
    int32_t *grams; /* [places, most, width] */
    size_t  *count; /* [places] */
    size_t   places, cap_grams, cap_count;
    size_t   width, most;
} gram_pool;

/* Grams of 1 + `width` tokens below `vocab`, up to `most` for each first token. Free it also after an error. */
int  gram_pool_init(gram_pool *p, size_t vocab, size_t width, size_t most, err *e);
void gram_pool_free(gram_pool *p);

/* The gram of a first token and the `width` after it; when there are too many, the oldest one goes. */
int gram_pool_add(gram_pool *p, int32_t first, const int32_t *rest, err *e);

/* Of a first token: what follows it in its grams, [*n, width], oldest first. Valid until the next add. */
const int32_t *gram_pool_find(const gram_pool *p, int32_t first, size_t *n);

#endif
