#include "engine/base/parallel.h"

#include <omp.h>

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
