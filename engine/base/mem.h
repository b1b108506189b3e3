/* mem.h - allocation with overflow checks and one place to make it fail.
 *
 * Every allocation of the project goes through these functions, so that a test can fail the k-th one
 * for k = 1, 2, ... until a run passes. Memory is freed with free().
 */
#ifndef ENGINE_BASE_MEM_H
#define ENGINE_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

#include "engine/base/err.h"

/* n * size zeroed bytes; NULL and an ERR_RUN when memory is out or the product overflows.
 * n == 0 gives a valid pointer to no objects. */
void *mem_new(size_t n, size_t size, err *e);

/* As mem_new, aligned to `align` bytes (a power of two, at least sizeof(void *)). */
void *mem_new_aligned(size_t n, size_t size, size_t align, err *e);

/* n zeroed bytes in pages of their own, large ones where the system has them: for what is read from end to end. They
 * are given back with mem_unmap. */
void *mem_map(size_t n, err *e);
void  mem_unmap(void *p, size_t n); /* NULL is fine */

/* Makes *array (elements of `size` bytes, *cap of them) hold at least `want`, growing by half or more.
 * On failure returns -1 and leaves array and cap as they were. Call it through mem_reserve where the type is known. */
int mem_grow(void **array, size_t *cap, size_t want, size_t size, err *e);
#define mem_reserve(array, cap, want, e) mem_grow((void **)(array), (cap), (want), sizeof **(array), (e))

char *mem_strdup(const char *s, err *e);
char *mem_strndup(const char *s, size_t n, err *e); /* copies exactly n bytes and adds a NUL */
char *mem_printf(err *e, const char *fmt, ...) ERR_PRINTF(2, 3);
char *mem_vprintf(err *e, const char *fmt, va_list args) ERR_PRINTF(2, 0);

/* Tests only: the n-th allocation from now fails (0 switches this off). Not thread-safe. */
void mem_fail_at(size_t n);

#endif
