/* panel.c - packs panels, once, when a model is opened; floats.c has those of floats. */
#include "engine/kernels/panel.h"

#include <string.h>

#include "engine/kernels/floats.h"

size_t panel_bytes(dtype t, size_t cols) {
    const quant_format *f = quant_format_of(t);
    if (f == NULL) return float_panel_bytes(t, cols);
    return panel_place_of(f->family, f->bits, cols / PANEL_COLS - 1).codes + panel_code_bytes(f->bits);
}

/* 32 columns, from `first`, of 16 rows. */
static void pack_codes(const quant_block rows[PANEL_ROWS], size_t first, int bits, uint8_t *out) {
    uint8_t *high = out + 4 * PANEL_VECTOR;
    for (size_t r = 0; r < PANEL_ROWS; r++) {
        const uint8_t *code = rows[r].code + first;
        for (size_t i = 0; i < PANEL_GROUP; i++, code++) {
            size_t at = r * PANEL_GROUP + i;
            if (bits == 8) {
                for (size_t g = 0; g < PANEL_GROUPS; g++) out[g * PANEL_VECTOR + at] = code[g * PANEL_GROUP];
                continue;
            }
            for (size_t v = 0; v < 4; v++)
                out[v * PANEL_VECTOR + at] = (uint8_t)((code[v * PANEL_GROUP] & 15) | code[(v + 4) * PANEL_GROUP] << 4);
            if (bits == 5) {
                unsigned fifth = 0;
                for (size_t g = 0; g < PANEL_GROUPS; g++) fifth |= (unsigned)(code[g * PANEL_GROUP] >> 4) << g;
                high[at] = (uint8_t)fifth;
            } else if (bits == 6) {
                for (size_t h = 0; h < 2; h++) {
                    unsigned pairs = 0;
                    for (size_t g = 0; g < 4; g++) pairs |= (unsigned)(code[(h * 4 + g) * PANEL_GROUP] >> 4) << 2 * g;
                    high[h * PANEL_VECTOR + at] = (uint8_t)pairs;
                }
            }
        }
    }
}

static void pack_scales(const quant_block rows[PANEL_ROWS], quant_family family, uint8_t *out) {
    size_t halves = family == QUANT_SCALE || family == QUANT_K_SIGNED ? 1 : 2;
    for (size_t h = 0; h < halves; h++)
        for (size_t r = 0; r < PANEL_ROWS; r++, out += sizeof(uint16_t))
            memcpy(out, &rows[r].half[h], sizeof(uint16_t));
    if (family == QUANT_SCALE || family == QUANT_SCALE_MIN) return;
    for (size_t i = 0; i < QUANT_SMALL; i++) {
        size_t from = family == QUANT_K ? i / 2 + i % 2 * 8 : i;
        for (size_t r = 0; r < PANEL_ROWS; r++) *out++ = rows[r].small[from];
    }
}

/* Rows past the end of the matrix become zeros: scales of 0. */
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
