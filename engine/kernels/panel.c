/* panel.c - packs panels, once, when a model is opened; floats.c has those of floats. */
#include "engine/kernels/panel.h"

#include <string.h>

#include "engine/kernels/floats.h"

size_t panel_bytes(dtype t, size_t cols) {
    const quant_format *f = quant_format_of(t);
    if (f == NULL) return float_panel_bytes(t, cols);
    return panel_place_of(f->family, f->bits, cols / PANEL_COLS - 1).codes + panel_code_bytes(f->bits);
}

/* Bits [from, from + n) of the codes of 32 columns of a row: of group g at bit g mod (8 / n) * n of the g / (8 / n)-th
 * byte. */
static void pack_bits(const uint8_t *code, int from, size_t n, uint8_t *out) {
    const size_t in_byte = 8 / n;
    for (size_t g = 0; g < PANEL_GROUPS; g++) {
        unsigned bits = code[g * PANEL_GROUP] >> from & ((1u << n) - 1);
        out[g / in_byte * PANEL_VECTOR] |= (uint8_t)(bits << g % in_byte * n);
    }
}

/* 32 columns, from `first`, of 16 rows. */
static void pack_codes(const quant_block rows[PANEL_ROWS], size_t first, int bits, uint8_t *out) {
    const int low = panel_low_bits(bits);
    memset(out, 0, panel_code_bytes(bits));
    for (size_t r = 0; r < PANEL_ROWS; r++) {
        const uint8_t *code = rows[r].code + first;
        for (size_t i = 0; i < PANEL_GROUP; i++, code++) {
            uint8_t *at = out + r * PANEL_GROUP + i;
            if (bits == 8) {
                pack_bits(code, 0, 8, at);
                continue;
            }
            if (low == 2) pack_bits(code, 0, 2, at);
            for (size_t v = 0; low == 4 && v < 4; v++)
                at[v * PANEL_VECTOR] = (uint8_t)((code[v * PANEL_GROUP] & 15) | code[(v + 4) * PANEL_GROUP] << 4);
            if (bits > low) pack_bits(code, low, (size_t)(bits - low), at + low * PANEL_VECTOR);
        }
    }
}

static void pack_scales(const quant_block rows[PANEL_ROWS], quant_family family, uint8_t *out) {
    const size_t halves = family == QUANT_POWER                                                       ? 0
                          : family == QUANT_SCALE_MIN || family == QUANT_K || family == QUANT_K_PAIRS ? 2
                                                                                                      : 1;
    const size_t smalls = family == QUANT_POWER                                ? 1
                          : family == QUANT_SCALE || family == QUANT_SCALE_MIN ? 0
                          : family == QUANT_K_LEVELS                           ? QUANT_SMALL / 2
                                                                               : QUANT_SMALL;
    for (size_t h = 0; h < halves; h++)
        for (size_t r = 0; r < PANEL_ROWS; r++, out += sizeof(uint16_t))
            memcpy(out, &rows[r].half[h], sizeof(uint16_t));
    for (size_t i = 0; i < smalls; i++) {
        size_t from = family == QUANT_K ? i / 2 + i % 2 * 8 : i;
        for (size_t r = 0; r < PANEL_ROWS; r++) *out++ = rows[r].small[from];
    }
}

/* Rows past the end of the matrix become zeros: scales of 0, or of POWER the least. */
void panel_pack(dtype t, const void *w, size_t rows, size_t cols, size_t begin, size_t end, void *out) {
    const quant_format *f = quant_format_of(t);
    if (f == NULL) {
        float_pack(t, w, rows, cols, begin, end, out);
        return;
    }
    size_t      row_bytes = dtype_bytes(t, cols), block_bytes = dtype_bytes(t, f->cols), n = panel_bytes(t, cols);
    quant_block taken[PANEL_ROWS];
    for (size_t p = begin; p < end; p++) {
        uint8_t *panel = (uint8_t *)out + p * n;
        for (size_t b = 0; b < cols / f->cols; b++) {
            for (size_t r = 0; r < PANEL_ROWS; r++) {
                size_t row = p * PANEL_ROWS + r;
                if (row < rows)
                    f->unpack((const char *)w + row * row_bytes + b * block_bytes, &taken[r]);
                else
                    memset(&taken[r], 0, sizeof taken[r]);
            }
            size_t first = b * f->cols / PANEL_COLS;
            pack_scales(taken, f->family, panel + panel_place_of(f->family, f->bits, first).scales);
            for (size_t c = 0; c < f->cols / PANEL_COLS; c++)
                pack_codes(taken, c * PANEL_COLS, f->bits, panel + panel_place_of(f->family, f->bits, first + c).codes);
        }
    }
}
