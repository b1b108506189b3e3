/* parallel.h - splits a range of independent items over threads (OpenMP).
 *
 * Who computes an item never changes what is computed. With one thread no parallel region is entered, so
 * that a forked child of a single-threaded parent may use this freely.
 */
#ifndef ENGINE_BASE_PARALLEL_H
#define ENGINE_BASE_PARALLEL_H

#include <stddef.h>

/* The most threads that parallel_run uses. */
enum { PARALLEL_THREADS = 1024 };

/* Does items [begin, end); `thread` numbers the caller, below the `threads` given to parallel_run. */
typedef void parallel_task(void *ctx, size_t begin, size_t end, int thread);

/* Runs the task over [0, n) by at most `threads` threads, in pieces of a multiple of `grain` items (>= 1) but
 * for the last. Each has a share of neighbouring items; who is done with it helps the others. Returns when all is done.
 */
void parallel_run(int threads, size_t n, size_t grain, parallel_task *task, void *ctx);

/* Runs the task over [0, n), `grain` items at a time, by threads (at most 64) that have ended when it returns: a
 * process that has used it may fork, and its child may use parallel_run, which OpenMP does not allow after parallel_run
 * itself.
 */
void parallel_run_once(int threads, size_t n, size_t grain, parallel_task *task, void *ctx);

/* Processors that this process may use, at least 1. */
int parallel_processors(void);

#endif
