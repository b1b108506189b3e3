/* tokens.h - a growing array of token ids. A zeroed struct is an empty array. */
#ifndef ENGINE_BASE_TOKENS_H
#define ENGINE_BASE_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

typedef struct {
    int32_t *ids; /* [n], owned */
    size_t   n, cap;
} tokens;

int  tokens_reserve(tokens *t, size_t cap, err *e);
int  tokens_push(tokens *t, int32_t id, err *e);
int  tokens_append(tokens *t, const int32_t *ids, size_t n, err *e);
bool tokens_equal(const tokens *a, const tokens *b);
void tokens_free(tokens *t); /* leaves an empty array */

#endif
