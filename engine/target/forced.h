/* forced.h - the recorded output that forced decoding follows, shared by the targets. */
#ifndef ENGINE_TARGET_FORCED_H
#define ENGINE_TARGET_FORCED_H

#include <stddef.h>
#include <stdint.h>

/* Fills out[0..n): the recorded tokens from output position `position` on, -1 past the recording's end. */
void forced_rows(const int32_t *forced, size_t n_forced, size_t position, size_t n, int32_t *out);

#endif
