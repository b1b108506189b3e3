/* panel.h - block-quantized weights in the order in which kernels read them; floats.h has the others.
 *
 * Kernels compute 16 rows at a time, one in each lane, and a register holds 4 columns of each row. So the rows of a
 * matrix are packed into panels of 16, the last one padded with rows of zeros. A panel is read once from front to back,
 * in one stream, with the scales before their codes:
 *
 *     SCALE (Q8_0, Q5_0, Q4_0, IQ4_NL), 64 columns   | 16 + 16 halves d | codes, columns 0..31 | codes, 32..63 | ...
 *     POWER (MXFP4), 128 columns     | 16 + 16 + 16 + 16 exponents x | 4 times codes | ...
 *     SCALE_MIN (Q4_1, Q5_1), 32     | 16 d, 16 m | codes | ...
 *     K (Q4_K, Q5_K), 256            | 16 d, 16 e, then for each j: 16 s[j], 16 m[j] | 8 times codes | ...
 *     K_PAIRS (Q2_K), 256            | 16 d, 16 e, then for each j: 16 bytes s[j] | m[j] << 4 | 8 times codes | ...
 *     K_SIGNED (Q3_K, Q6_K), 256     | 16 d, 16 s[0], ..., 16 s[15], unused | 8 times codes | ...
 *     K_LEVELS (IQ4_XS), 256         | 16 d, 16 s[0], ..., 16 s[7], unused | 8 times codes | ...
 *                                      one line of 64 bytes; of K, K_PAIRS and K_SIGNED five, of K_LEVELS three
 *
 * The last scales of SCALE and POWER may be those of fewer blocks; their line is partly empty then.
 *
 * Codes of 32 columns are 8 groups of 4 columns. With 8 bits they are [8 groups][16 rows][4 columns] bytes:
 *
 *     group 0                            group 1           ...  group 7
 *     row 0   row 1   ...  row 15        row 0   ...
 *     c c c c c c c c ...  c c c c       c c c c ...            64 bytes a group: a register of AVX-512
 *
 * With 4 to 6 bits, byte [v][row][column] (v = 0..3) holds the low 4 bits of groups v and v + 4. With 2 or 3 bits, byte
 * [v][row][column] (v = 0, 1) holds the low 2 bits of group g = 4 v + i at bits 2 i. After these, with 3 or 5 bits, the
 * highest bit of group g is bit g of byte [row][column]. With 6 bits, the fifth and sixth of group g are bits 2 (g mod
 * 4) and 2 (g mod 4) + 1 of byte [g / 4][row][column].
 *
 * Codes are unsigned because `vpdpbusd` multiplies unsigned by signed bytes. The layout is the same for every
 * instruction set. It takes as much memory as the file's blocks, within 6% (Q3_K; the others 3%) for rows of 128
 * columns and more.
 */
#ifndef ENGINE_KERNELS_PANEL_H
#define ENGINE_KERNELS_PANEL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/dtype.h"
#include "engine/kernels/quants.h"

enum {
    PANEL_ROWS = 16,
    PANEL_COLS = 32, /* columns that share a scale of the activations */
    PANEL_GROUP = 4, /* columns that are side by side */
    PANEL_GROUPS = PANEL_COLS / PANEL_GROUP,
    PANEL_VECTOR = PANEL_ROWS * PANEL_GROUP /* bytes */
};

/* Bytes of the codes of 32 columns. */
static inline size_t panel_code_bytes(int bits) {
    return (size_t)bits * PANEL_VECTOR;
}

/* The low bits of a code of fewer than 8, which are side by side; the others follow. */
static inline int panel_low_bits(int bits) {
    return bits < 4 ? 2 : 4;
}

/* Where the b-th 32 columns are: bytes from the panel's start to the scales of their block, and to their codes. */
typedef struct {
    size_t scales, codes;
} panel_place;

/* What comes before the codes of a stretch of columns. */
static inline size_t panel_lines(quant_family f) {
    if (f == QUANT_SCALE || f == QUANT_POWER || f == QUANT_SCALE_MIN) return 1;
    return f == QUANT_K_LEVELS ? 3 : 5;
}

/* Times 32 columns in a stretch. */
static inline size_t panel_stretch(quant_family f) {
    if (f == QUANT_SCALE_MIN) return 1;
    return f == QUANT_SCALE ? 2 : f == QUANT_POWER ? 4 : QUANT_MOST / PANEL_COLS;
}

static inline panel_place panel_place_of(quant_family f, int bits, size_t b) {
    const size_t n = panel_stretch(f), before = panel_lines(f) * PANEL_VECTOR;
    const size_t step = f == QUANT_SCALE ? PANEL_ROWS * sizeof(uint16_t) : f == QUANT_POWER ? PANEL_ROWS : 0;
    size_t       stretch = b / n * (before + n * panel_code_bytes(bits)), i = b % n;
    return (panel_place){stretch + i * step, stretch + before + i * panel_code_bytes(bits)};
}

/* Bytes of a panel of `cols` columns, of any type: a multiple of 64. */
size_t panel_bytes(dtype t, size_t cols);

static inline size_t panel_count(size_t n_rows) {
    return (n_rows + PANEL_ROWS - 1) / PANEL_ROWS;
}

/* Packs panels [begin, end) of the matrix stored at `w`; panel 0 is at `out`, 64-byte aligned. */
void panel_pack(dtype t, const void *w, size_t rows, size_t cols, size_t begin, size_t end, void *out);

/* ---- activations ----------------------------------------------------------------------------------------
 * For a group of T tokens (tiles.h) with `cols` activations each (numerics.md, "Blocks"):
 *
 *     q      [cols / 4][T][4] int8
 *     scale  [cols / 32][T] f32
 *     then   SCALE, POWER, K_LEVELS: bias [cols / 32][T] int32, -zero times the sum of q, which is what the zero point
 *                   adds to an integer dot product
 *            K_SIGNED: bias [cols / 16][T] int32, the same over 16 columns
 *            K_PAIRS:  pair [cols / 32][T] of two int16, the sums of q over 16 columns
 *            SCALE_MIN, K:    sum [cols / 32][T] f32, scale times the sum of q
 *     padding that no kernel reads
 */
typedef struct {
    const int8_t  *q;
    const float   *scale;
    const int32_t *bias; /* or the pairs: the first sum is the low half */
    const float   *sum;
} panel_activations;

/* Bytes for each token. */
static inline size_t panel_activation_bytes(size_t cols) {
    return cols + cols / PANEL_COLS * 12;
}

/* The activations of the group of T tokens that begins with token `first`. */
static inline panel_activations panel_activations_at(const void *prepared, size_t cols, size_t first, size_t T) {
    const int8_t *q = (const int8_t *)prepared + first * panel_activation_bytes(cols);
    const void   *scale = q + cols * T, *rest = q + (cols + cols / PANEL_COLS * sizeof(float)) * T;
    return (panel_activations){q, scale, rest, rest};
}

#endif
