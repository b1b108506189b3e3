/* suffix_long.h - the children of a state that has many, in the order of suffix_index.h, S2.
 *
 * Short lists are arrays, searched and shifted. Here every change costs the same however many there are: children stay
 * where they are and are found by a hash table; their order is a chain, in which those of equal counts are a group that
 * knows its first and its last one.
 */
#ifndef ENGINE_POLICIES_INDEX_SUFFIX_LONG_H
#define ENGINE_POLICIES_INDEX_SUFFIX_LONG_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

typedef struct {
    int32_t  token;
    uint32_t state; /* that holds the longer strings */
    uint32_t count; /* of it */
} suffix_child;

typedef struct suffix_long suffix_long;

/* Of children that are in order; NULL when memory is out. */
suffix_long *suffix_long_new(const suffix_child *children, size_t n, err *e);
suffix_long *suffix_long_copy(const suffix_long *l, err *e);
void         suffix_long_free(suffix_long *l); /* NULL is fine */

/* Where a token's child is, or UINT32_MAX. Places change when one is added or removed. */
uint32_t suffix_long_find(const suffix_long *l, int32_t token);

/* In order: the first one's place, and that after another. UINT32_MAX: there is none. */
uint32_t suffix_long_first(const suffix_long *l);
uint32_t suffix_long_next(const suffix_long *l, uint32_t at);

suffix_child *suffix_long_at(suffix_long *l, uint32_t at);

/* A new one with a count of 1; a count that grows or shrinks by 1, to 0 when the child is removed. */
int  suffix_long_add(suffix_long *l, int32_t token, uint32_t state, err *e);
void suffix_long_raise(suffix_long *l, uint32_t at);
void suffix_long_lower(suffix_long *l, uint32_t at);

#endif
