#include "engine/base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t LARGE_PAGE = (size_t)2 << 20;

static size_t fail_countdown;

void mem_fail_at(size_t n) {
    fail_countdown = n;
}

/* True when a test wants this allocation to fail. */
static int fails_now(void) {
    return fail_countdown > 0 && --fail_countdown == 0;
}

static void *out_of_memory(size_t n, size_t size, err *e) {
    err_run(e, "out of memory (%zu x %zu bytes)", n, size);
    return NULL;
}

/* Asks for large pages for a large array: random access to many small ones waits for their addresses, too. */
static void use_large_pages(void *p, size_t n) {
    if (n < 8 * LARGE_PAGE) return;
    size_t before = (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
    madvise((char *)p + before, (n - before) / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* only a hint */
}

void *mem_new(size_t n, size_t size, err *e) {
    if (fails_now() || (size > 0 && n > PTRDIFF_MAX / size)) return out_of_memory(n, size, e);
    void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);
    if (p == NULL) return out_of_memory(n, size, e);
    use_large_pages(p, n * size);
    return p;
}

void *mem_new_aligned(size_t n, size_t size, size_t align, err *e) {
    void *p = NULL;
    if (size > 0 && n > PTRDIFF_MAX / size) return out_of_memory(n, size, e);
    if (fails_now() || posix_memalign(&p, align, n * size > 0 ? n * size : 1) != 0) return out_of_memory(n, size, e);
    memset(p, 0, n * size);
    return p;
}

/* Whole pages, at least one. */
static size_t mapped_bytes(size_t n) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n > 0 ? (n - 1) / page + 1 : 1) * page;
}

/* Large pages begin at multiples of their size; some kernels put a mapping there, others anywhere. So more is mapped
 * than is wanted, and the ends are given back. */
void *mem_map(size_t n, err *e) {
    const size_t large = LARGE_PAGE;
    size_t       some = mapped_bytes(n), more = some + large;
    if (fails_now() || more < n) return out_of_memory(n, 1, e);
    char *p = mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return out_of_memory(n, 1, e);
    size_t before = (large - (uintptr_t)p % large) % large;
    if (before > 0) munmap(p, before);
    if (before < large) munmap(p + before + some, large - before);
    madvise(p + before, some, MADV_HUGEPAGE); /* only a hint */
    return p + before;
}

void mem_unmap(void *p, size_t n) {
    if (p != NULL) munmap(p, mapped_bytes(n));
}

int mem_grow(void **array, size_t *cap, size_t want, size_t size, err *e) {
    if (want <= *cap) return 0;
    size_t bigger = *cap + *cap / 2;
    if (bigger < want) bigger = want;
    if (bigger < 8) bigger = 8;
    void *p = bigger > PTRDIFF_MAX / size || fails_now() ? NULL : realloc(*array, bigger * size);
    if (p == NULL) {
        out_of_memory(bigger, size, e);
        return -1;
    }
    use_large_pages(p, bigger * size);
    *array = p;
    *cap = bigger;
    return 0;
}

char *mem_strndup(const char *s, size_t n, err *e) {
    if (n == SIZE_MAX) return out_of_memory(n, 1, e);
    char *p = mem_new(n + 1, 1, e);
    if (p != NULL) memcpy(p, s, n);
    return p;
}

char *mem_strdup(const char *s, err *e) {
    return mem_strndup(s, strlen(s), e);
}

char *mem_vprintf(err *e, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    int   n = vsnprintf(NULL, 0, fmt, args);
    char *p = n < 0 ? out_of_memory(0, 1, e) : mem_new((size_t)n + 1, 1, e);
    if (p != NULL) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *mem_printf(err *e, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char *p = mem_vprintf(e, fmt, args);
    va_end(args);
    return p;
}
