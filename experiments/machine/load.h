/* load.h - what others had of the processors while times were measured.
 *
 * From Linux's /proc/stat: how long the processors that this process's threads may use were busy, or taken by the
 * hypervisor, less the processor time of this process. Where that is not counted (another system, some containers),
 * nothing is known.
 */
#ifndef EXPERIMENTS_LOAD_H
#define EXPERIMENTS_LOAD_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One moment, in seconds. */
typedef struct {
    uint64_t wall_ns;
    double   own;
    double   busy[CPU_SETSIZE], stolen[CPU_SETSIZE]; /* of each processor */
    bool     known;
} load_moment;

typedef struct {
    bool   known;
    size_t processors;     /* that this process may use */
    double others, stolen; /* how many of them other processes and the hypervisor had, on average */
} load;

void load_now(load_moment *out);

/* Between a moment and now. */
load load_since(const load_moment *begun);

/* Whether the others were in the way of `threads` threads; then a text (size >= 160) says so. */
bool load_doubtful(const load *l, size_t threads, char *buf, size_t size);

#endif
