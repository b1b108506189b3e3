#include "engine/base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ONCE_THREADS = 64 };

/* What is left of a thread's share, in grains: the first one in the upper half, the end in the lower half. */
typedef struct {
    _Alignas(64) atomic_uint_fast64_t left; /* in a cache line of its own */
} share;

static uint64_t range(uint64_t first, uint64_t end) {
    return first << 32 | end;
}

/* Takes grains from a share, at least `least`: its owner three quarters of what is left, from the front; a thread that
 * steals, half of it, from the back. */
static bool take(share *s, bool owner, uint64_t least, uint64_t *first, uint64_t *end) {
    uint64_t was = atomic_load(&s->left);
    for (;;) {
        uint64_t from = was >> 32, to = was & UINT32_MAX, left = to - from;
        if (left == 0) return false;
        uint64_t n = owner ? left - left / 4 : left - left / 2;
        if (n < least) n = left < least ? left : least;
        if (!atomic_compare_exchange_weak(&s->left, &was, owner ? range(from + n, to) : range(from, to - n))) continue;
        *first = owner ? from : to - n;
        *end = *first + n;
        return true;
    }
}

void parallel_run(int threads, size_t n, size_t grain, parallel_task *task, void *ctx) {
    share  shares[PARALLEL_THREADS];
    size_t grains = (n + grain - 1) / grain;
    size_t most = threads < PARALLEL_THREADS ? (size_t)threads : PARALLEL_THREADS;
    if (grains < most) most = grains;
    if (most <= 1 || grains > UINT32_MAX) {
        if (n > 0) task(ctx, 0, n, 0);
        return;
    }
    for (size_t i = 0; i < most; i++) atomic_init(&shares[i].left, range(grains * i / most, grains * (i + 1) / most));
    uint64_t least = grains / most / 16 + 1;
#pragma omp parallel num_threads((int)most)
    {
        size_t   id = (size_t)omp_get_thread_num();
        uint64_t first, end;
        /* Its own share, then work stolen from the others: a processor may be slower than another, or taken away. */
        for (size_t i = 0; i < most; i++) {
            share *s = &shares[(id + i) % most];
            while (take(s, i == 0, least, &first, &end))
                task(ctx, first * grain, end * grain < n ? end * grain : n, (int)id);
        }
    }
}

typedef struct {
    size_t         n, grain;
    parallel_task *task;
    void          *ctx;
    atomic_size_t  next;
    atomic_int     threads;
} once;

/* Takes grain after grain until there is none. */
static void *work(void *ctx) {
    once *o = ctx;
    int   id = atomic_fetch_add(&o->threads, 1);
    for (size_t begin; (begin = atomic_fetch_add(&o->next, o->grain)) < o->n;)
        o->task(o->ctx, begin, o->n - begin < o->grain ? o->n : begin + o->grain, id);
    return NULL;
}

/* When no more threads can be started, those that run do all the work. */
void parallel_run_once(int threads, size_t n, size_t grain, parallel_task *task, void *ctx) {
    once      o = {.n = n, .grain = grain, .task = task, .ctx = ctx};
    pthread_t others[ONCE_THREADS];
    int       started = 0, want = threads < ONCE_THREADS ? threads - 1 : ONCE_THREADS - 1;
    size_t    grains = (n + grain - 1) / grain;
    while (started < want && (size_t)started + 1 < grains && pthread_create(&others[started], NULL, work, &o) == 0)
        started++;
    work(&o);
    for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
}

/* OpenMP counts the processors that it started with. The thread's own mask would say one under OMP_PROC_BIND. */
int parallel_processors(void) {
    int n = omp_get_num_procs();
    return n > 0 ? n : 1;
}
