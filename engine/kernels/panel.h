/* panel.h - block-quantized weights in the order in which kernels read them; floats.h has the others.
 *
 * Kernels compute 16 rows at a time, one in each lane, and a register holds 4 columns of each row. So the rows of a
 * matrix are packed into panels of 16, the last one padded with rows of zeros. Memory is read once from front to back,
 * in one stream, with the scales before their codes:
 *
 *     SCALE (Q8_0, Q5_0, Q4_0), 64 columns     | 16 + 16 halves d | codes, columns 0..31 | codes, columns 32..63 | ...
 *     SCALE_MIN (Q4_1, Q5_1), 32 columns       | 16 d, 16 m       | codes, columns 0..31 | ...
 *     K (Q4_K, Q5_K), 256 columns              | 16 d, 16 e, then for each j: 16 s[j], 16 m[j] | 8 times codes | ...
 *     K_SIGNED (Q6_K), 256 columns             | 16 d, 16 s[0], ..., 16 s[15], unused          | 8 times codes | ...
 *                                                one line of 64 bytes; of K and K_SIGNED, five
 *
 * The last scales of SCALE may be those of one block, and its line is half empty then.
 *
 * Codes of 32 columns are 8 groups of 4 columns. With 8 bits they are [8 groups][16 rows][4 columns] bytes:
 *
 *     group 0                            group 1           ...  group 7
 *     row 0   row 1   ...  row 15        row 0   ...
 *     c c c c c c c c ...  c c c c       c c c c ...            64 bytes a group: a register of AVX-512
 *
 * With fewer bits, byte [v][row][column] (v = 0..3) holds the low 4 bits of groups v and v + 4. After these, with 5
 * bits, the fifth bit of group g is bit g of byte [row][column]. With 6 bits, the fifth and sixth of group g are bits
 * 2 (g mod 4) and 2 (g mod 4) + 1 of byte [g / 4][row][column].
 *
 * Codes are unsigned because `vpdpbusd` multiplies unsigned by signed bytes. The layout is the same for every
 * instruction set. It takes as much memory as the file's blocks, within 3% for rows of 128 columns and more.
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
    return (bits == 8 ? 8 : (size_t)bits) * PANEL_VECTOR;
}

/* Where the b-th 32 columns are: bytes from the panel's start to the scales of their block, and to their codes. */
typedef struct {
    size_t scales, codes;
} panel_place;

static inline panel_place panel_place_of(quant_family f, int bits, size_t b) {
    const size_t lines = f == QUANT_K || f == QUANT_K_SIGNED ? 5 : 1, before = lines * PANEL_VECTOR;
    const size_t n = f == QUANT_SCALE ? 2 : f == QUANT_SCALE_MIN ? 1 : QUANT_MOST / PANEL_COLS;
    size_t       stretch = b / n * (before + n * panel_code_bytes(bits)), i = b % n;
    return (panel_place){stretch + (f == QUANT_SCALE ? i * PANEL_ROWS * sizeof(uint16_t) : 0),
                         stretch + before + i * panel_code_bytes(bits)};
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
 *     then   SCALE: bias [cols / 32][T] int32, -zero times the sum of q, which is what the zero point adds to an
 *                   integer dot product
 *            K_SIGNED: bias [cols / 16][T] int32, the same over 16 columns
 *            SCALE_MIN, K:    sum [cols / 32][T] f32, scale times the sum of q
 *     padding that no kernel reads
 */
typedef struct {
    const int8_t  *q;
    const float   *scale;
    const int32_t *bias;
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
