/* panel_avx512.c - products over panels with AVX-512 and VNNI.
 *
 * A tile is 2 panels by up to TOKENS tokens: integer and float accumulators for each pair, codes unpacked once for all
 * tokens, and a register of 4 activations that both panels use. Many tokens go over the two panels again and again,
 * which by then lie in the second-level cache; memory is read once.
 */
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/panel_multiply.h"
#include "engine/kernels/simd.h"

enum {
    PANELS = 2,
    TOKENS = 4, /* of a tile */
    SPAN = 16,  /* times 32 columns that all tokens meet while they are in the first-level cache */
    MOST = 64,  /* tokens that meet them */
};

INLINE __m512i four(const int8_t *q) {
    int32_t x;
    memcpy(&x, q, sizeof x);
    return _mm512_set1_epi32(x);
}

INLINE __m512i load(const uint8_t *at) {
    return _mm512_load_si512(at);
}

/* What the intrinsics for shifts take differs between compilers. */
#ifdef __clang__
typedef unsigned shift_count;
#else
typedef int shift_count;
#endif

/* The codes of group g, a byte each. */
INLINE __m512i codes_of(panel_format f, const uint8_t *codes, size_t g) {
    const uint8_t *high = codes + 4 * PANEL_VECTOR;
    if (f.bits == 8) return load(codes + g * PANEL_VECTOR);
    __m512i low = load(codes + g % 4 * PANEL_VECTOR);
    low = _mm512_and_si512(g < 4 ? low : _mm512_srli_epi16(low, 4), _mm512_set1_epi8(15));
    if (f.bits == 4) return low;
    /* The upper bits, moved to bits 4 and 5 of their bytes. */
    __m512i up = f.bits == 5 ? load(high) : load(high + g / 4 * PANEL_VECTOR);
    size_t  at = f.bits == 5 ? g : 2 * (g % 4);
    up = at <= 4 ? _mm512_slli_epi16(up, (shift_count)(4 - at)) : _mm512_srli_epi16(up, (shift_count)(at - 4));
    /* low | (up & mask) */
    return _mm512_ternarylogic_epi32(low, up, _mm512_set1_epi8(f.bits == 5 ? 0x10 : 0x30), 0xf8);
}

INLINE __m512 halves(const uint8_t *at) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at));
}

INLINE __m512 unsigned_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)at)));
}

INLINE __m512 signed_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)at)));
}

/* Where a tile is: blocks of 32 columns [from, to) of panels that are `bytes` apart and have `blocks`. */
typedef struct {
    const uint8_t           *panel;
    size_t                   bytes, blocks, from, to;
    const panel_activations *a;
    /* Every `stride` blocks, at first at block `due`, the block is asked for that lies as far into `next`'s. */
    const uint8_t *next;
    size_t         next_from, due, stride;
} span;

/* Block b of a panel that is next, while this one is computed: panels are longer than a page, beyond which the
 * processor does not look ahead by itself (measured: 0.8 times the time at 1 to 8 tokens). */
INLINE void look_ahead(panel_format f, const uint8_t *panel, size_t blocks, size_t b) {
    uintptr_t codes = (uintptr_t)panel + b * panel_code_bytes(f.bits);
    uintptr_t scales = (uintptr_t)panel + blocks * panel_code_bytes(f.bits) +
                       b / (f.cols / PANEL_COLS) * panel_scale_bytes(f.family) +
                       b % (f.cols / PANEL_COLS) * PANEL_VECTOR;
    UNROLL for (size_t v = 0; v < panel_code_bytes(f.bits); v += PANEL_VECTOR) ask_for(codes + v);
    ask_for(scales);
}

/* P panels times T tokens, added to `sums`, which begin with the first block. */
INLINE void tile(panel_format f, const span *s, __m512 (*sums)[PANELS], int P, int T) {
    const uint8_t           *panel = s->panel;
    const panel_activations *a = s->a;
    const size_t             bytes = s->bytes, blocks = s->blocks;
    size_t                   due = s->due;
    const size_t             parts = f.family == QUANT_K_SIGNED ? 2 : 1, groups = PANEL_GROUPS / parts,
                 per_block = f.cols / PANEL_COLS;
    __m512 acc[PANELS][TOKENS];
    if (s->from == 0) {
        UNROLL for (int p = 0; p < P; p++) UNROLL for (int t = 0; t < T; t++) acc[p][t] = _mm512_setzero_ps();
    } else {
        UNROLL for (int p = 0; p < P; p++) UNROLL for (int t = 0; t < T; t++) acc[p][t] = sums[t][p];
    }
    for (size_t b = s->from; b < s->to; b++) {
        if (T == 1 || b == due) { /* one token alone is one tile alone */
            UNROLL for (int p = 0; p < P; p++)
                look_ahead(f, s->next + (size_t)p * bytes, blocks, b - s->from + s->next_from);
            due += s->stride;
        }
        UNROLL for (size_t part = 0; part < parts; part++) {
            __m512i sum[PANELS][TOKENS];
            UNROLL for (int t = 0; t < T; t++) {
                int32_t bias = 0;
                if (f.family == QUANT_SCALE) bias = a[t].bias[b];
                if (f.family == QUANT_K_SIGNED) bias = a[t].bias[2 * b + part];
                UNROLL for (int p = 0; p < P; p++) sum[p][t] = _mm512_set1_epi32(bias);
            }
            UNROLL for (size_t g = part * groups; g < (part + 1) * groups; g++) {
                __m512i u[PANELS];
                UNROLL for (int p = 0; p < P; p++) u[p] =
                    codes_of(f, panel + (size_t)p * bytes + b * panel_code_bytes(f.bits), g);
                UNROLL for (int t = 0; t < T; t++) {
                    __m512i x = four(a[t].q + b * PANEL_COLS + g * PANEL_GROUP);
                    UNROLL for (int p = 0; p < P; p++) sum[p][t] = _mm512_dpbusd_epi32(sum[p][t], u[p], x);
                }
            }
            UNROLL for (int p = 0; p < P; p++) {
                const uint8_t *scales = panel + (size_t)p * bytes + blocks * panel_code_bytes(f.bits) +
                                        b / per_block * panel_scale_bytes(f.family);
                size_t j = b % per_block;
                __m512 d = halves(scales), m = d;
                if (f.family == QUANT_SCALE_MIN) m = halves(scales + 2 * PANEL_ROWS);
                if (f.family == QUANT_K) {
                    d = _mm512_mul_ps(d, unsigned_bytes(scales + (4 + 2 * j) * PANEL_ROWS));
                    m = _mm512_mul_ps(halves(scales + 2 * PANEL_ROWS),
                                      unsigned_bytes(scales + (4 + 2 * j + 1) * PANEL_ROWS));
                }
                if (f.family == QUANT_K_SIGNED)
                    d = _mm512_mul_ps(d, signed_bytes(scales + (2 + 2 * j + part) * PANEL_ROWS));
                UNROLL for (int t = 0; t < T; t++) {
                    acc[p][t] = _mm512_fmadd_ps(_mm512_mul_ps(d, _mm512_set1_ps(a[t].scale[b])),
                                                _mm512_cvtepi32_ps(sum[p][t]), acc[p][t]);
                    if (f.family == QUANT_SCALE_MIN)
                        acc[p][t] = _mm512_fmadd_ps(m, _mm512_set1_ps(a[t].sum[b]), acc[p][t]);
                    if (f.family == QUANT_K) acc[p][t] = _mm512_fnmadd_ps(m, _mm512_set1_ps(a[t].sum[b]), acc[p][t]);
                }
            }
        }
    }
    UNROLL for (int p = 0; p < P; p++) UNROLL for (int t = 0; t < T; t++) sums[t][p] = acc[p][t];
}

typedef void tile_fn(const span *s, __m512 (*sums)[PANELS]);

INLINE void multiply(tile_fn *const tiles[PANELS][TOKENS], size_t bytes, const void *w, const void *x, float *y,
                     size_t cols, size_t row0, size_t row1, size_t tokens, size_t y_stride) {
    panel_activations a[MOST];
    __m512            sums[MOST][PANELS];
    size_t            blocks = cols / PANEL_COLS, panels, groups = (tokens + TOKENS - 1) / TOKENS;
    size_t            width = groups > 1 ? SPAN : blocks;
    for (size_t t = 0; t < tokens; t++) a[t] = panel_activations_at(x, cols, t);
    for (size_t row = row0; row < row1; row += panels * PANEL_ROWS) {
        panels = row1 - row > PANEL_ROWS ? PANELS : 1;
        span s = {
            .panel = (const uint8_t *)w + row / PANEL_ROWS * bytes, .bytes = bytes, .blocks = blocks, .stride = groups};
        for (; s.from < blocks; s.from = s.to) {
            s.to = blocks - s.from < width ? blocks : s.from + width;
            s.next = s.to < blocks ? s.panel : s.panel + panels * bytes;
            s.next_from = s.to < blocks ? s.to : 0;
            for (size_t g = 0; g < groups; g++) { /* of nearly equal size */
                size_t t = g * tokens / groups, n = (g + 1) * tokens / groups - t;
                s.a = a + t;
                s.due = s.from + g;
                tiles[panels - 1][n - 1](&s, sums + t);
            }
        }
        for (size_t t = 0; t < tokens; t++)
            for (size_t p = 0; p < panels; p++) {
                size_t left = row1 - row - p * PANEL_ROWS;
                _mm512_mask_storeu_ps(y + t * y_stride + row + p * PANEL_ROWS,
                                      (__mmask16)(left >= PANEL_ROWS ? 0xffff : (1u << left) - 1), sums[t][p]);
            }
    }
}

#define TILE(name, P, T, ...)                                                                                          \
    static void tile_##name##_##P##_##T(const span *s, __m512(*sums)[PANELS]) {                                        \
        tile((panel_format){__VA_ARGS__}, s, sums, P, T);                                                              \
    }
#define MULTIPLY(name, ...)                                                                                            \
    TILE(name, 1, 1, __VA_ARGS__)                                                                                      \
    TILE(name, 1, 2, __VA_ARGS__)                                                                                      \
    TILE(name, 1, 3, __VA_ARGS__)                                                                                      \
    TILE(name, 1, 4, __VA_ARGS__)                                                                                      \
    TILE(name, 2, 1, __VA_ARGS__)                                                                                      \
    TILE(name, 2, 2, __VA_ARGS__)                                                                                      \
    TILE(name, 2, 3, __VA_ARGS__)                                                                                      \
    TILE(name, 2, 4, __VA_ARGS__)                                                                                      \
    static tile_fn *const tiles_##name[PANELS][TOKENS] = {                                                             \
        {tile_##name##_1_1, tile_##name##_1_2, tile_##name##_1_3, tile_##name##_1_4},                                  \
        {tile_##name##_2_1, tile_##name##_2_2, tile_##name##_2_3, tile_##name##_2_4}};                                 \
    void panel_##name##_avx512(const void *w, const void *x, float *y, size_t cols, size_t row0, size_t row1,          \
                               size_t tokens, size_t y_stride) {                                                       \
        size_t panel = panel_bytes(DTYPE_##name, cols), token = panel_activation_bytes(cols);                          \
        for (size_t t = 0; t < tokens; t += MOST)                                                                      \
            multiply(tiles_##name, panel, w, (const char *)x + t * token, y + t * y_stride, cols, row0, row1,          \
                     tokens - t < MOST ? tokens - t : MOST, y_stride);                                                 \
    }
QUANT_TYPES(MULTIPLY)
#endif
