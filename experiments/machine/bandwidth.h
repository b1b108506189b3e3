/* bandwidth.h - how fast this machine reads memory, which bounds how fast a pass can read weights. */
#ifndef EXPERIMENTS_BANDWIDTH_H
#define EXPERIMENTS_BANDWIDTH_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

typedef struct bandwidth bandwidth;

/* Fills `bytes` of memory or a little more, which should be several times the caches, so that each of `threads` reads
 * pages of its own. */
bandwidth *bandwidth_open(size_t bytes, int threads, err *e);
void       bandwidth_close(bandwidth *b); /* NULL is allowed */

/* Bytes per second that the threads read together: the best of a few reads of all memory. */
double bandwidth_measure(bandwidth *b);

#endif
