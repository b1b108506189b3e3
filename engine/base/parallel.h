/* parallel.h - splits a range of independent items over threads (OpenMP).
 *
 * Which thread computes an item never changes the result. With one thread no parallel region is entered, so a forked
 * child of a single-threaded parent may use this freely.
 */
#ifndef ENGINE_BASE_PARALLEL_H
#define ENGINE_BASE_PARALLEL_H

#include <stddef.h>

/* The most threads that parallel_run uses. */
enum { PARALLEL_THREADS = 1024 };

/* Computes items [begin, end); `thread` numbers the calling thread, below the `threads` given to parallel_run. */
typedef void parallel_task(void *ctx, size_t begin, size_t end, int thread);

/* Runs the task over [0, n) with at most `threads` threads, in pieces of a multiple of `grain` items (>= 1) except the
 * last. Each thread has a share of neighbouring items; a thread that is done with its share steals work from the
 * others. Returns when all is done. */
void parallel_run(int threads, size_t n, size_t grain, parallel_task *task, void *ctx);

/* Runs the task over [0, n), `grain` items at a time, with threads (at most 64) that have ended when it returns. So a
 * process may fork afterwards, and its child may use parallel_run. After parallel_run OpenMP does not allow that. */
void parallel_run_once(int threads, size_t n, size_t grain, parallel_task *task, void *ctx);

/* Processors that this process may use, at least 1. */
int parallel_processors(void);

#endif
