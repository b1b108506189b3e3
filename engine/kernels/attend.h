/* attend.h - attention with the registers of vec.h (numerics.md, "Attention").
 *
 * Keys are in panels of 16 positions (model/transformer.h has a picture), one position in each lane of a register, so
 * that nothing is summed across lanes. The keys and values of a block of positions stay in the first-level cache while
 * all queries use them, and each load serves as many queries as there are registers for their sums.
 */
#ifndef ENGINE_KERNELS_ATTEND_H
#define ENGINE_KERNELS_ATTEND_H

#include "engine/kernels/detmath.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/lanes.h"
#include "engine/kernels/vec.h"

/* Blocks: positions of keys, positions of values. Tiles, as large as registers allow: SCORED queries by PANELS panels
 * of keys; MIXED queries by MIX_VECS registers of results in four chains. */
enum { NEAR_KEYS = 64, NEAR_VALUES = 512, PANEL_VECS = PANEL_ROWS / VEC };
#if defined(ISA_AVX512)
enum { SCORED = 4, PANELS = 4, MIXED = 4, MIX_VECS = 1 };
#elif defined(ISA_AVX2)
enum { SCORED = 4, PANELS = 1, MIXED = 2, MIX_VECS = 2 };
#else
enum { SCORED = 4, PANELS = 1, MIXED = 2, MIX_VECS = 2 };
#endif

/* Scores P panels for Q queries. */
INLINE void score(const attend_query *queries, const float *keys, float *scores, size_t stride, size_t head_dim,
                  float scale, int P, int Q) {
    const float *q[SCORED];
    vec          sum[PANELS][SCORED][PANEL_VECS];
    UNROLL for (int i = 0; i < Q; i++) q[i] = queries[i].q;
    UNROLL for (int p = 0; p < P; p++) UNROLL for (int i = 0; i < Q; i++) UNROLL for (int v = 0; v < PANEL_VECS; v++)
        sum[p][i][v] = vec_all(0);
    for (size_t d = 0; d < head_dim; d++) {
        UNROLL for (int p = 0; p < P; p++) UNROLL for (int v = 0; v < PANEL_VECS; v++) {
            vec key = vec_load(keys + ((size_t)p * head_dim + d) * PANEL_ROWS + v * VEC);
            UNROLL for (int i = 0; i < Q; i++) sum[p][i][v] = vec_fma(vec_all(q[i][d]), key, sum[p][i][v]);
        }
    }
    UNROLL for (int p = 0; p < P; p++) UNROLL for (int i = 0; i < Q; i++) UNROLL for (int v = 0; v < PANEL_VECS; v++)
        vec_store(scores + (size_t)i * stride + p * PANEL_ROWS + v * VEC, vec_mul(sum[p][i][v], vec_all(scale)));
}

/* Scores all panels that hold the first n positions. */
INLINE void score_panels(const attend_query *queries, const float *keys, float *scores, size_t stride, size_t head_dim,
                         float scale, size_t n, int Q) {
    size_t panels = (n + PANEL_ROWS - 1) / PANEL_ROWS, p = 0;
    for (; p + PANELS <= panels; p += PANELS)
        score(queries, keys + p * head_dim * PANEL_ROWS, scores + p * PANEL_ROWS, stride, head_dim, scale, PANELS, Q);
    for (; p < panels; p++)
        score(queries, keys + p * head_dim * PANEL_ROWS, scores + p * PANEL_ROWS, stride, head_dim, scale, 1, Q);
}

/* How many of a query's positions are in the block of `size` positions from `from` on. */
INLINE size_t near(const attend_query *x, size_t from, size_t size) {
    return x->n <= from ? 0 : x->n - from < size ? x->n - from : size;
}

INLINE void score_queries(const attend_query *queries, size_t count, const float *keys, float *scores, size_t stride,
                          size_t head_dim, float scale, size_t positions) {
    for (size_t from = 0; from < positions; from += NEAR_KEYS) {
        for (size_t i = 0; i < count;) {
            size_t n = near(&queries[i], from, NEAR_KEYS);
            if (count - i < SCORED) {
                score_panels(queries + i, keys + from * head_dim, scores + i * stride + from, stride, head_dim, scale,
                             n, 1);
                i++;
                continue;
            }
            for (size_t j = 1; j < SCORED; j++) { /* scores after a query's positions are not used */
                size_t its = near(&queries[i + j], from, NEAR_KEYS);
                n = its > n ? its : n;
            }
            score_panels(queries + i, keys + from * head_dim, scores + i * stride + from, stride, head_dim, scale, n,
                         SCORED);
            i += SCORED;
        }
    }
}

/* scores -> exp(scores - max), 0 before `first`; returns their sum. */
static float softmax_terms(float *scores, size_t first, size_t n, float cap) {
    float  max[LANES], sum[LANES] = {0};
    size_t i = 0;
    if (cap > 0)
        for (; i < n; i++) scores[i] = cap * det_tanhf(scores[i] / cap);
    for (i = 0; i < first; i++) scores[i] = -INFINITY;
    i = 0;
    for (size_t l = 0; l < LANES; l++) max[l] = scores[0];
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) max[l] = scores[i + l] > max[l] ? scores[i + l] : max[l];
    for (size_t l = 0; i + l < n; l++) max[l] = scores[i + l] > max[l] ? scores[i + l] : max[l];
    float top = max[0];
    for (size_t l = 1; l < LANES; l++) top = max[l] > top ? max[l] : top;

    for (i = 0; i < n; i++) scores[i] = det_expf(scores[i] - top);
    for (i = 0; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += scores[i + l];
    for (size_t l = 0; i + l < n; l++) sum[l] += scores[i + l];
    return lanes_sum(sum);
}

/* A part of the results: W registers, of which the last one holds `some` elements. */
typedef struct {
    const float *values;
    size_t       head_dim, some;
} value_part;

INLINE vec part_load(const value_part *p, size_t position, int w, int W) {
    const float *at = p->values + position * p->head_dim + w * VEC;
    return w + 1 < W || p->some == VEC ? vec_load(at) : vec_load_first(at, p->some);
}

/* Adds weights[t] times value t, over n positions from `from` on, to four chains of each of Q queries, position t to
 * chain t mod 4; `from` is a multiple of 4. */
INLINE void mix(const value_part *p, const float *weights, size_t stride, size_t from, size_t n,
                vec (*sums)[4][MIX_VECS], int Q, int W) {
    vec    sum[MIXED][4][MIX_VECS];
    size_t t = from;
    UNROLL for (int i = 0; i < Q; i++) UNROLL for (int c = 0; c < 4; c++) UNROLL for (int w = 0; w < W; w++)
        sum[i][c][w] = sums[i][c][w];
    for (; t + 4 <= from + n; t += 4) {
        UNROLL for (int c = 0; c < 4; c++) {
            vec value[MIX_VECS];
            UNROLL for (int w = 0; w < W; w++) value[w] = part_load(p, t + (size_t)c, w, W);
            UNROLL for (int i = 0; i < Q; i++) {
                vec weight = vec_all(weights[(size_t)i * stride + t + (size_t)c]);
                UNROLL for (int w = 0; w < W; w++) sum[i][c][w] = vec_fma(weight, value[w], sum[i][c][w]);
            }
        }
    }
    UNROLL for (int i = 0; i < Q; i++) UNROLL for (int c = 0; c < 4; c++) UNROLL for (int w = 0; w < W; w++)
        sums[i][c][w] = sum[i][c][w];
    for (int c = 0; t < from + n; t++, c++)
        for (int i = 0; i < Q; i++)
            for (int w = 0; w < W; w++)
                sums[i][c][w] = vec_fma(vec_all(weights[(size_t)i * stride + t]), part_load(p, t, w, W), sums[i][c][w]);
}

/* Computes elements from d on of all results, from the softmax's terms (`scores`) and the inverses of their sums. */
INLINE void mix_part(const attend_query *queries, size_t count, const value_part *p, const float *scores, size_t stride,
                     size_t positions, const float *inverse, size_t d, int W) {
    vec sums[ATTEND_QUERIES][4][MIX_VECS];
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < 4; c++)
            for (int w = 0; w < W; w++) sums[i][c][w] = vec_all(0);
    for (size_t from = 0; from < positions; from += NEAR_VALUES) {
        for (size_t i = 0, n; i < count; i += n) {
            const float *weights = scores + i * stride;
            size_t       common = 0; /* positions that all n of these have */
            n = count - i < MIXED ? 1 : MIXED;
            if (n > 1) {
                common = near(&queries[i], from, NEAR_VALUES);
                for (size_t j = 1; j < n; j++) {
                    size_t its = near(&queries[i + j], from, NEAR_VALUES);
                    common = its < common ? its : common;
                }
                common = common / 4 * 4;
                mix(p, weights, stride, from, common, sums + i, MIXED, W);
            }
            for (size_t j = 0; j < n; j++)
                mix(p, weights + j * stride, stride, from + common, near(&queries[i + j], from, NEAR_VALUES) - common,
                    sums + i + j, 1, W);
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (int w = 0; w < W; w++) {
            vec(*s)[MIX_VECS] = sums[i];
            vec out = vec_mul(vec_add(vec_add(s[0][w], s[2][w]), vec_add(s[1][w], s[3][w])), vec_all(inverse[i]));
            vec_store_first(queries[i].out + d + w * VEC, out, w + 1 < W ? VEC : p->some);
        }
    }
}

INLINE void attend_sized(const attend_query *queries, size_t count, const float *keys, const float *values,
                         float *scores, size_t stride, size_t head_dim, float scale, float cap) {
    float  inverse[ATTEND_QUERIES];
    size_t positions = 0, d = 0;
    for (size_t i = 0; i < count; i++) positions = queries[i].n > positions ? queries[i].n : positions;
    score_queries(queries, count, keys, scores, stride, head_dim, scale, positions);
    for (size_t i = 0; i < count; i++)
        inverse[i] = 1 / softmax_terms(scores + i * stride, queries[i].first, queries[i].n, cap);
    for (; d + MIX_VECS * VEC <= head_dim; d += MIX_VECS * VEC)
        mix_part(queries, count, &(value_part){values + d, head_dim, VEC}, scores, stride, positions, inverse, d,
                 MIX_VECS);
    for (; d < head_dim; d += VEC) {
        size_t some = head_dim - d < VEC ? head_dim - d : VEC;
        mix_part(queries, count, &(value_part){values + d, head_dim, some}, scores, stride, positions, inverse, d, 1);
    }
}

/* The usual head sizes are constants, so that their loops unroll. */
static void attend(const attend_query *queries, size_t count, const float *keys, const float *values, float *scores,
                   size_t stride, size_t head_dim, float scale, float cap) {
    switch (head_dim) {
    case 8:
        attend_sized(queries, count, keys, values, scores, stride, 8, scale, cap);
        break;
    case 32:
        attend_sized(queries, count, keys, values, scores, stride, 32, scale, cap);
        break;
    case 64:
        attend_sized(queries, count, keys, values, scores, stride, 64, scale, cap);
        break;
    case 128:
        attend_sized(queries, count, keys, values, scores, stride, 128, scale, cap);
        break;
    case 256:
        attend_sized(queries, count, keys, values, scores, stride, 256, scale, cap);
        break;
    default:
        attend_sized(queries, count, keys, values, scores, stride, head_dim, scale, cap);
    }
}

#endif
