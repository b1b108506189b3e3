/* cache.h - how much the processor keeps near it: what fits is not read from memory again. */
#ifndef EXPERIMENTS_CACHE_H
#define EXPERIMENTS_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of all CPUs' last caches, each counted once, as Linux's /sys tells; 0 where it does not. */
size_t cache_bytes(void);

#endif
