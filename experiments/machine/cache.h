/* cache.h - how much the processor keeps near it: what fits is not read from memory again. */
#ifndef EXPERIMENTS_CACHE_H
#define EXPERIMENTS_CACHE_H

#include <stddef.h>

/* Bytes of the first processor's last cache, as Linux's /sys tells; 0 where it is unknown. */
size_t cache_bytes(void);

#endif
