/* tiles.h - how many tokens meet a weight at once, for the instruction set that a file is compiled for.
 *
 * The tokens of a pass go in groups of nearly equal size, up to as many as there are registers for their sums. Their
 * activations are prepared group by group, tokens side by side (floats.h, panel.h), so what prepares and what
 * multiplies is compiled for the same instruction set.
 */
#ifndef ENGINE_KERNELS_TILES_H
#define ENGINE_KERNELS_TILES_H

#include <stddef.h>

/* ISA_NAME comes from the Makefile, for all files of an instruction set.
 * FLOAT_MOST, PANEL_MOST: tokens of a group, of floats and of blocks.
 * FLOAT_PAIRS: whether BF16 is multiplied in pairs. */
#if defined(ISA_AVX512)
enum { FLOAT_MOST = 24, PANEL_MOST = 12 };
#elif defined(ISA_AVX2)
enum { FLOAT_MOST = 6, PANEL_MOST = 3 };
#elif defined(ISA_NEON)
enum { FLOAT_MOST = 6, PANEL_MOST = 4 };
#else
enum { FLOAT_MOST = 1, PANEL_MOST = 1 };
#endif
#ifdef ISA_AVX512BF16
enum { FLOAT_PAIRS = 1 };
#else
enum { FLOAT_PAIRS = 0 };
#endif

/* Panels are longer than a page, and memory is read faster when what comes next is asked for (simd.h). But of few
 * products for a line, a processor that reads one stream looks ahead better by itself. (Zen 4, with TILE_FEW = 0:
 * one token takes 1.09 times as long, four 1.02 to 1.05 times.) */
enum { TILE_LINE = 64, TILE_FEW = 4 /* products */ };

static inline size_t tile_groups(size_t n_tokens, size_t most) {
    return (n_tokens + most - 1) / most;
}

/* The first token of a group. */
static inline size_t tile_first(size_t n_tokens, size_t groups, size_t group) {
    return group * n_tokens / groups;
}

#endif
