/* panel.c - laying out panels, once, when a model is opened. */
#include "engine/kernels/panel.h"

#include <string.h>

enum { Q8_BYTES = 2 + PANEL_COLS }; /* a stored block of Q8_0: f16 scale, then the elements */

size_t panel_bytes(dtype t, size_t cols) {
    if (t != DTYPE_Q8_0) return 0;
    size_t blocks = cols / PANEL_COLS;
    return (blocks * (PANEL_BLOCK + PANEL_ROWS * sizeof(uint16_t)) + 63) / 64 * 64;
}

/* One row of a panel; a row past the matrix's end (NULL) is zeros. */
static void pack_row(const unsigned char *stored, size_t row, size_t blocks, unsigned char *panel) {
    unsigned char *scales = panel + blocks * PANEL_BLOCK;
    for (size_t b = 0; b < blocks; b++) {
        unsigned char *to = panel + b * PANEL_BLOCK + row * PANEL_GROUP;
        for (size_t g = 0; g < PANEL_GROUPS; g++) {
            uint32_t four = 0;
            if (stored != NULL) memcpy(&four, stored + b * Q8_BYTES + 2 + g * PANEL_GROUP, sizeof four);
            four ^= 0x80808080; /* adds 128 to each byte */
            memcpy(to + g * PANEL_ROWS * PANEL_GROUP, &four, sizeof four);
        }
        uint16_t scale = 0;
        if (stored != NULL) memcpy(&scale, stored + b * Q8_BYTES, sizeof scale);
        memcpy(scales + (b * PANEL_ROWS + row) * sizeof scale, &scale, sizeof scale);
    }
}

void panel_pack(dtype t, const void *w, size_t rows, size_t cols, size_t first, size_t end, void *out) {
    size_t bytes = panel_bytes(t, cols), row_bytes = dtype_bytes(t, cols), blocks = cols / PANEL_COLS;
    for (size_t p = first; p < end; p++) {
        for (size_t r = 0; r < PANEL_ROWS; r++) {
            size_t row = p * PANEL_ROWS + r;
            pack_row(row < rows ? (const unsigned char *)w + row * row_bytes : NULL, r, blocks,
                     (unsigned char *)out + p * bytes);
        }
    }
}
