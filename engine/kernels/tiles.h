/* tiles.h - how many tokens are multiplied with a weight at once, for the instruction set that a file is compiled for.
 *
 * The tokens of a pass are split into groups of nearly equal size, each no larger than there are registers for its
 * sums. Activations are prepared group by group, tokens side by side (floats.h, panel.h). So preparing and multiplying
 * are compiled for the same instruction set.
 */
#ifndef ENGINE_KERNELS_TILES_H
#define ENGINE_KERNELS_TILES_H

#include <stddef.h>

/* ISA_NAME comes from the Makefile, for all files of an instruction set.
 * FLOAT_TILE_TOKENS, PANEL_TILE_TOKENS: the most tokens of a group, for weights that are floats and blocks.
 * PANEL_STREAMS: how many panels are multiplied together with up to PANEL_STREAM_TOKENS tokens.
 * FLOAT_PAIRS: whether BF16 is multiplied in pairs. */
enum { PANEL_STREAMS = 4 };
#if defined(ISA_AVX512)
enum { FLOAT_TILE_TOKENS = 24, PANEL_TILE_TOKENS = 12, PANEL_STREAM_TOKENS = 3 };
#elif defined(ISA_AVX2)
enum { FLOAT_TILE_TOKENS = 6, PANEL_TILE_TOKENS = 3, PANEL_STREAM_TOKENS = 1 };
#elif defined(ISA_NEON)
enum { FLOAT_TILE_TOKENS = 6, PANEL_TILE_TOKENS = 4, PANEL_STREAM_TOKENS = 1 };
#else
enum { FLOAT_TILE_TOKENS = 1, PANEL_TILE_TOKENS = 1, PANEL_STREAM_TOKENS = 0 };
#endif
#ifdef ISA_AVX512BF16
enum { FLOAT_PAIRS = 1 };
#else
enum { FLOAT_PAIRS = 0 };
#endif

/* Prefetching the weights that come next speeds memory up (simd.h). But with few products for each line of floats, the
 * processor's own prefetcher does better. (Zen 4, with TILE_FEW = 0: one token takes 1.09 times as long, four
 * tokens 1.02 to 1.05 times.) */
enum { TILE_LINE = 64, TILE_FEW = 4 /* products */ };

static inline size_t tile_groups(size_t n_tokens, size_t most) {
    return (n_tokens + most - 1) / most;
}

/* The first token of a group. */
static inline size_t tile_first(size_t n_tokens, size_t groups, size_t group) {
    return group * n_tokens / groups;
}

#endif
