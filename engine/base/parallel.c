#include "engine/base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>

void parallel_run(int threads, size_t n, size_t grain, parallel_task *task, void *ctx) {
    size_t grains = (n + grain - 1) / grain;
    int    most = grains < (size_t)threads ? (int)grains : threads;
    if (most <= 1) {
        if (n > 0) task(ctx, 0, n, 0);
        return;
    }
#pragma omp parallel num_threads(most)
    {
        size_t id = (size_t)omp_get_thread_num(), of = (size_t)omp_get_num_threads(); /* of <= most */
        size_t begin = grains * id / of * grain, end = grains * (id + 1) / of * grain;
        if (end > n) end = n;
        if (begin < end) task(ctx, begin, end, (int)id);
    }
}

enum { ONCE_THREADS = 64 };

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

/* A thread that cannot be had is done without. */
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

/* OpenMP's own count is of the processors that it started with: OMP_PROC_BIND leaves this thread only one. */
int parallel_processors(void) {
    int n = omp_get_num_procs();
    return n > 0 ? n : 1;
}
