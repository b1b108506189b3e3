/* clock.h - the monotonic clock, in nanoseconds. */
#ifndef ENGINE_BASE_CLOCK_H
#define ENGINE_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_ns(void);

#endif
