/* panel.c - laying out panels, once, when a model is opened. */
#include "engine/kernels/panel.h"

#include <string.h>

enum { Q8_BYTES = 2 + PANEL_COLS }; /* a stored block of Q8_0: f16 scale, then the elements */

size_t panel_bytes(dtype t, size_t cols) {
    if (t != DTYPE_Q8_0) return 0;
    size_t blocks = cols / PANEL_COLS;
    return (blocks * (PANEL_BLOCK + PANEL_ROWS * sizeof(uint16_t)) + 63) / 64 * 64;
}

/* A panel from 16 stored rows; NULL, past the matrix's end, stands for zeros. Written from front to back. */
static void pack_panel(const unsigned char *const rows[PANEL_ROWS], size_t blocks, unsigned char *panel) {
    unsigned char *scales = panel + blocks * PANEL_BLOCK;
    for (size_t b = 0; b < blocks; b++) {
        for (size_t g = 0; g < PANEL_GROUPS; g++) {
            for (size_t r = 0; r < PANEL_ROWS; r++, panel += PANEL_GROUP) {
                uint32_t four = 0;
                if (rows[r] != NULL) memcpy(&four, rows[r] + b * Q8_BYTES + 2 + g * PANEL_GROUP, sizeof four);
                four ^= 0x80808080; /* adds 128 to each byte */
                memcpy(panel, &four, sizeof four);
            }
        }
        for (size_t r = 0; r < PANEL_ROWS; r++, scales += sizeof(uint16_t))
            if (rows[r] != NULL) memcpy(scales, rows[r] + b * Q8_BYTES, sizeof(uint16_t));
    }
}

void panel_pack(dtype t, const void *w, size_t rows, size_t cols, void *out) {
    size_t bytes = panel_bytes(t, cols), row_bytes = dtype_bytes(t, cols);
    for (size_t p = 0; p < panel_count(rows); p++) {
        const unsigned char *stored[PANEL_ROWS] = {NULL};
        for (size_t r = 0; r < PANEL_ROWS && p * PANEL_ROWS + r < rows; r++)
            stored[r] = (const unsigned char *)w + (p * PANEL_ROWS + r) * row_bytes;
        pack_panel(stored, cols / PANEL_COLS, (unsigned char *)out + p * bytes);
    }
}
