/* load.h - how much processor time others took while times were measured.
 *
 * From Linux's /proc/stat: how long the processors that this process's threads may use were busy, or taken by the
 * hypervisor, less the processor time of this process. Where the system does not count that (not Linux, some
 * containers), the load is unknown.
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
    double others, stolen; /* how many of them other processes and the hypervisor used, on average */
} load;

void load_now(load_moment *out);

/* The load between a moment and now. */
load load_since(const load_moment *begun);

/* Whether others slowed `threads` threads down; if so, writes a text that says it (size >= 160). */
bool load_doubtful(const load *l, size_t threads, char *buf, size_t size);

#endif
