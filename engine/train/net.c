/* net.c - the training net: layout, forward, backward.
 *
 * Matrices are row-major: activations are tokens x width, a weight is out x in, so y = x W^T, dx = dy W and
 * dW += dy^T x. Query, key and value weights follow each other in the flat array and are multiplied as one matrix;
 * so are gate and up. The backward pass of a layer reads what struct tape keeps. Norms' outputs,
 * attention weights and SwiGLU's products are computed again, which is cheaper than writing and reading them.
 *
 * Invariants: the caller has checked the batch (ids below vocab, sizes within net_new's).
 */
#include "engine/train/net.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/model/blas.h"

#ifdef NET_DOUBLE
#define GEMM blas_dgemm
#else
#define GEMM blas_sgemm
#endif

/* Loops that the compiler vectorizes, built for each width of register and chosen when the program starts. (A
 * sanitizer's runtime is not ready when the choice is made.) */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define HOT __attribute__((target_clones("avx512f", "avx2", "default"))) static
#else
#define HOT static
#endif

enum {
    QUERIES = 128, /* attention is computed for so many queries at a time */
    LAYER_TENSORS = 9
};

/* What a layer keeps for its backward pass. */
typedef struct {
    real *x;       /* [n, dim] its input */
    real *qkv;     /* [n, 3 dim] queries and keys rotated */
    real *row_max; /* [n, heads] of the scores of each query */
    real *row_inv; /* [n, heads] 1 / sum of exp(score - max) */
    real *mixed;   /* [n, dim] what attention read, before wo */
    real *mid;     /* [n, dim] after attention */
    real *gate_up; /* [n, 2 ffn] before SwiGLU */
} tape;

struct net {
    net_shape shape;
    size_t    tokens, longest;
    tape     *layers;        /* [layers] */
    real     *x;             /* [tokens, dim] the residual stream; in the backward pass its gradient */
    real     *normed;        /* [tokens, dim] */
    real     *d_normed;      /* [tokens, dim] */
    real     *wide, *d_wide; /* [tokens, max(2 ffn, 3 dim)] */
    real     *last;          /* [tokens, dim] input of the final norm */
    real     *picked;        /* [tokens, dim] final norm's output where there is a target */
    real     *d_picked;      /* [tokens, dim] */
    size_t   *rows;          /* [tokens] the positions with a target */
    real     *logits;        /* [LOGIT_ROWS, vocab] */
    real     *scores;        /* [QUERIES, longest] */
    real     *d_scores;      /* [QUERIES, longest] */
    real     *cosine, *sine; /* [longest, head / 2] */
};

enum { LOGIT_ROWS = 256 };

/* ---- layout ------------------------------------------------------------------------------------------ */

size_t net_tensor_count(const net_shape *s) {
    return 2 + s->layers * LAYER_TENSORS;
}

net_tensor net_tensor_at(const net_shape *s, size_t i) {
    const struct {
        const char *name;
        size_t      rows, cols;
        bool        norm;
    } kinds[LAYER_TENSORS] = {
        {"attn_norm", 1, s->dim, true},         {"attn_q", s->dim, s->dim, false},
        {"attn_k", s->dim, s->dim, false},      {"attn_v", s->dim, s->dim, false},
        {"attn_output", s->dim, s->dim, false}, {"ffn_norm", 1, s->dim, true},
        {"ffn_gate", s->ffn, s->dim, false},    {"ffn_up", s->ffn, s->dim, false},
        {"ffn_down", s->dim, s->ffn, false},
    };
    size_t layer_size = 2 * s->dim + 4 * s->dim * s->dim + 3 * s->dim * s->ffn;
    if (i == 0) return (net_tensor){"token_embd.weight", 0, s->vocab, s->dim, false};
    size_t layer = (i - 1) / LAYER_TENSORS, at = s->vocab * s->dim + layer * layer_size;
    if (layer == s->layers) return (net_tensor){"output_norm.weight", at, 1, s->dim, true};
    size_t k = 0;
    for (; k < (i - 1) % LAYER_TENSORS; k++) at += kinds[k].rows * kinds[k].cols;
    net_tensor t = {"", at, kinds[k].rows, kinds[k].cols, kinds[k].norm};
    snprintf(t.name, sizeof t.name, "blk.%zu.%s.weight", layer, kinds[k].name);
    return t;
}

size_t net_params(const net_shape *s) {
    net_tensor last = net_tensor_at(s, net_tensor_count(s) - 1);
    return last.at + last.cols;
}

/* The tensors of one layer within a flat array, weights or gradients. */
typedef struct {
    real *attn_norm, *wqkv, *wo, *ffn_norm, *gate_up, *down;
} layer_view;

static layer_view layer_of(const net_shape *s, const real *flat, size_t layer) {
    size_t dd = s->dim * s->dim, df = s->dim * s->ffn;
    real  *p = (real *)flat + s->vocab * s->dim + layer * (2 * s->dim + 4 * dd + 3 * df);
    return (layer_view){.attn_norm = p,
                        .wqkv = p + s->dim,
                        .wo = p + s->dim + 3 * dd,
                        .ffn_norm = p + s->dim + 4 * dd,
                        .gate_up = p + 2 * s->dim + 4 * dd,
                        .down = p + 2 * s->dim + 4 * dd + 2 * df};
}

int net_init(const net_shape *s, uint64_t seed, real *params, err *e) {
    gsl_rng *rng = rng_new(seed, rng_stream("net", "weights"));
    if (rng == NULL) return err_run(e, "out of memory");
    double unit = 1 / sqrt((double)s->dim);
    for (size_t i = 0; i < net_tensor_count(s); i++) {
        net_tensor t = net_tensor_at(s, i);
        bool       writer = strstr(t.name, "attn_output") != NULL || strstr(t.name, "ffn_down") != NULL;
        for (size_t j = 0; j < t.rows * t.cols; j++)
            params[t.at + j] = t.norm ? 1 : writer ? 0 : (real)gsl_ran_gaussian(rng, unit);
    }
    net_tensor embedding = net_tensor_at(s, 0);
    for (size_t c = 0; c < embedding.cols; c++) {
        real shared = (real)gsl_ran_gaussian(rng, 0.5 * unit);
        for (size_t r = 0; r < embedding.rows; r++) params[embedding.at + r * embedding.cols + c] += shared;
    }
    gsl_rng_free(rng);
    return 0;
}

/* ---- products ---------------------------------------------------------------------------------------- */

/* y[n, out] = x[n, in] W[out, in]^T (+ y) */
static void forward_product(const real *x, const real *w, real *y, size_t n, size_t in, size_t out, bool add) {
    GEMM(CblasNoTrans, CblasTrans, (int)n, (int)out, (int)in, 1, x, (int)in, w, (int)in, add, y, (int)out);
}

/* dx[n, in] = dy[n, out] W[out, in] */
static void input_gradient(const real *dy, const real *w, real *dx, size_t n, size_t in, size_t out) {
    GEMM(CblasNoTrans, CblasNoTrans, (int)n, (int)in, (int)out, 1, dy, (int)out, w, (int)in, 0, dx, (int)in);
}

/* dW[out, in] += dy[n, out]^T x[n, in] */
static void weight_gradient(const real *dy, const real *x, real *dw, size_t n, size_t in, size_t out) {
    GEMM(CblasTrans, CblasNoTrans, (int)out, (int)in, (int)n, 1, dy, (int)out, x, (int)in, 1, dw, (int)in);
}

/* ---- rows -------------------------------------------------------------------------------------------- */

#ifdef NET_DOUBLE
#define fast_exp exp
#else
/* e^x for x <= 0 to about 2e-7 relative, without calls or branches (Cephes' expf polynomial). */
static inline __attribute__((always_inline)) float fast_exp(float x) {
    x = x < -87 ? -87 : x;
    float   k = (x * 1.44269504f + 0x1.8p+23f) - 0x1.8p+23f;
    float   r = (x - k * 0.693359375f) - k * -2.12194440e-4f;
    float   p = 1.9875691500e-4f;
    int32_t bits = ((int32_t)k + 127) * (1 << 23);
    float   scale;
    memcpy(&scale, &bits, sizeof scale);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * r * r + r + 1) * scale;
}
#endif

enum { LANES = 16 }; /* sums run in lanes, or they would not vectorize */

/* result = sum of TERM(0) to TERM(n - 1) */

#define SUM(result, term, n)                                                                                           \
    do {                                                                                                               \
        real   lanes[LANES] = {0};                                                                                     \
        size_t whole = (n) / LANES * LANES;                                                                            \
        for (size_t at = 0; at < whole; at += LANES)                                                                   \
            for (size_t l = 0; l < LANES; l++) lanes[l] += term(at + l);                                               \
        for (size_t at = whole; at < (n); at++) lanes[at - whole] += term(at);                                         \
        (result) = 0;                                                                                                  \
        for (size_t l = 0; l < LANES; l++) (result) += lanes[l];                                                       \
    } while (0)

/* exp(s - max) in place; the maximum and 1 / sum. */
HOT void softmax_row(real *s, size_t n, real *max, real *inverse) {
    real top = s[0], sum;
    for (size_t i = 0; i < n; i++) top = s[i] > top ? s[i] : top;
    for (size_t i = 0; i < n; i++) s[i] = fast_exp(s[i] - top);
#define TERM(i) s[i]
    SUM(sum, TERM, n);
#undef TERM
    *max = top;
    *inverse = 1 / sum;
}

HOT void scale_row(real *s, size_t n, real by) {
    for (size_t i = 0; i < n; i++) s[i] *= by;
}

/* The weights again, from what softmax_row found. */
HOT void softmax_again(real *s, size_t n, real max, real inverse) {
    for (size_t i = 0; i < n; i++) s[i] = fast_exp(s[i] - max) * inverse;
}

/* d := p (d - sum(p d)) scale: from the gradient of a softmax's output to that of its input. */
HOT void softmax_gradient(const real *p, real *d, size_t n, real scale) {
    real sum;
#define TERM(i) p[i] * d[i]
    SUM(sum, TERM, n);
#undef TERM
    for (size_t i = 0; i < n; i++) d[i] = p[i] * (d[i] - sum) * scale;
}

HOT real norm_scale(const real *x, size_t n, double eps) {
    real sum;
#define TERM(i) x[i] * x[i]
    SUM(sum, TERM, n);
#undef TERM
    return (real)(1 / sqrt((double)sum / (double)n + eps));
}

HOT void norm_row(const real *x, const real *w, real *out, size_t n, real scale) {
    for (size_t i = 0; i < n; i++) out[i] = x[i] * scale * w[i];
}

/* Through y = x r w, r = (mean x^2 + eps)^(-1/2): dx += r (w dy - x r^2 / n sum(x w dy)), dw += x r dy. */
HOT void norm_gradient(const real *x, const real *w, const real *dy, real *dx, real *dw, size_t n, real r) {
    real sum;
#define TERM(i) x[i] * w[i] * dy[i]
    SUM(sum, TERM, n);
#undef TERM
    real c = sum * r * r / (real)n;
    for (size_t i = 0; i < n; i++) dx[i] += r * (w[i] * dy[i] - x[i] * c);
    for (size_t i = 0; i < n; i++) dw[i] += x[i] * r * dy[i];
}

/* sigma(g): fast_exp takes no positive argument. */
static inline __attribute__((always_inline)) real sigmoid(real g) {
    real t = fast_exp(g < 0 ? g : -g);
    return g < 0 ? t / (1 + t) : 1 / (1 + t);
}

HOT void swiglu_row(const real *gate, const real *up, real *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

HOT void swiglu_gradient(const real *gate, const real *up, const real *dh, real *d_gate, real *d_up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        real s = sigmoid(gate[i]);
        d_up[i] = dh[i] * gate[i] * s;
        d_gate[i] = dh[i] * up[i] * s * (1 + gate[i] * (1 - s));
    }
}

/* Rotates neighbouring pairs by the position's angles; `way` -1 rotates back, as the gradient needs. */
HOT void rotate_row(real *x, const real *cosine, const real *sine, size_t pairs, real way) {
    for (size_t i = 0; i < pairs; i++) {
        real a = x[2 * i], b = x[2 * i + 1], s = sine[i] * way;
        x[2 * i] = a * cosine[i] - b * s;
        x[2 * i + 1] = a * s + b * cosine[i];
    }
}

/* ---- pieces of a layer ------------------------------------------------------------------------------- */

static void norm_rows(const net_shape *s, const real *x, const real *w, real *out, size_t n) {
    for (size_t t = 0; t < n; t++) {
        const real *row = x + t * s->dim;
        norm_row(row, w, out + t * s->dim, s->dim, norm_scale(row, s->dim, s->rms_eps));
    }
}

static void norm_rows_gradient(const net_shape *s, const real *x, const real *w, const real *dy, real *dx, real *dw,
                               size_t n) {
    for (size_t t = 0; t < n; t++) {
        const real *row = x + t * s->dim;
        norm_gradient(row, w, dy + t * s->dim, dx + t * s->dim, dw, s->dim, norm_scale(row, s->dim, s->rms_eps));
    }
}

/* Queries and keys of every token, which lie side by side. */
static void rotate(const net *nn, real *qkv, const net_batch *b, real way) {
    const net_shape *s = &nn->shape;
    size_t           pairs = s->dim / s->heads / 2;
    for (size_t q = 0; q < b->n_seqs; q++) {
        for (size_t t = b->starts[q]; t < b->starts[q + 1]; t++) {
            size_t at = (t - b->starts[q]) * pairs;
            for (size_t h = 0; h < 2 * s->heads; h++)
                rotate_row(qkv + t * 3 * s->dim + h * 2 * pairs, nn->cosine + at, nn->sine + at, pairs, way);
        }
    }
}

/* A block of queries of one head, [first, end) of a sequence of keys [0, end). */
typedef struct {
    size_t      start; /* of the sequence in the batch */
    size_t      first, end, head;
    const real *q, *k, *v; /* of the sequence's first token, 3 dim apart */
} block;

static block block_at(const net_shape *s, const real *qkv, size_t start, size_t first, size_t length, size_t head) {
    const real *row = qkv + start * 3 * s->dim + head * (s->dim / s->heads);
    size_t      end = first + QUERIES < length ? first + QUERIES : length;
    return (block){start, first, end, head, row, row + s->dim, row + 2 * s->dim};
}

/* out[queries, keys] = a[queries, head] b[keys, head]^T scale */
static void pair_products(const block *x, const real *a, size_t a_stride, const real *b, size_t head, size_t stride,
                          real scale, real *out) {
    GEMM(CblasNoTrans, CblasTrans, (int)(x->end - x->first), (int)x->end, (int)head, scale, a + x->first * a_stride,
         (int)a_stride, b, (int)stride, 0, out, (int)x->end);
}

static void attend_block(const net *nn, const tape *l, const block *x) {
    const net_shape *s = &nn->shape;
    size_t           head = s->dim / s->heads, stride = 3 * s->dim, n = x->end - x->first;
    pair_products(x, x->q, stride, x->k, head, stride, 1 / (real)sqrt((double)head), nn->scores);
    for (size_t i = 0; i < n; i++) {
        real  *row = nn->scores + i * x->end;
        size_t seen = x->first + i + 1, at = (x->start + x->first + i) * s->heads + x->head;
        softmax_row(row, seen, &l->row_max[at], &l->row_inv[at]);
        scale_row(row, seen, l->row_inv[at]);
        memset(row + seen, 0, (x->end - seen) * sizeof *row);
    }
    GEMM(CblasNoTrans, CblasNoTrans, (int)n, (int)head, (int)x->end, 1, nn->scores, (int)x->end, x->v, (int)stride, 0,
         l->mixed + (x->start + x->first) * s->dim + x->head * head, (int)s->dim);
}

/* d_mixed[n, dim] -> d_qkv[n, 3 dim], which is zero before the first block. */
static void attend_block_gradient(const net *nn, const tape *l, const block *x, const real *d_mixed, real *d_qkv) {
    const net_shape *s = &nn->shape;
    size_t           head = s->dim / s->heads, stride = 3 * s->dim, n = x->end - x->first;
    real             scale = 1 / (real)sqrt((double)head);
    const real      *d_out = d_mixed + x->start * s->dim + x->head * head;
    real            *dq = d_qkv + x->start * stride + x->head * head;
    pair_products(x, x->q, stride, x->k, head, stride, scale, nn->scores);
    pair_products(x, d_out, s->dim, x->v, head, stride, 1, nn->d_scores);
    for (size_t i = 0; i < n; i++) {
        real  *p = nn->scores + i * x->end, *d = nn->d_scores + i * x->end;
        size_t seen = x->first + i + 1, at = (x->start + x->first + i) * s->heads + x->head;
        softmax_again(p, seen, l->row_max[at], l->row_inv[at]);
        memset(p + seen, 0, (x->end - seen) * sizeof *p);
        softmax_gradient(p, d, seen, scale);
        memset(d + seen, 0, (x->end - seen) * sizeof *d);
    }
    GEMM(CblasNoTrans, CblasNoTrans, (int)n, (int)head, (int)x->end, 1, nn->d_scores, (int)x->end, x->k, (int)stride, 1,
         dq + x->first * stride, (int)stride);
    GEMM(CblasTrans, CblasNoTrans, (int)x->end, (int)head, (int)n, 1, nn->d_scores, (int)x->end,
         x->q + x->first * stride, (int)stride, 1, dq + s->dim, (int)stride);
    GEMM(CblasTrans, CblasNoTrans, (int)x->end, (int)head, (int)n, 1, nn->scores, (int)x->end,
         d_out + x->first * s->dim, (int)s->dim, 1, dq + 2 * s->dim, (int)stride);
}

/* All heads of all sequences; with d_mixed the backward pass. */
static void attend(const net *nn, const tape *l, const net_batch *b, const real *d_mixed, real *d_qkv) {
    const net_shape *s = &nn->shape;
    for (size_t q = 0; q < b->n_seqs; q++) {
        size_t length = b->starts[q + 1] - b->starts[q];
        for (size_t head = 0; head < s->heads; head++) {
            for (size_t first = 0; first < length; first += QUERIES) {
                block x = block_at(s, l->qkv, b->starts[q], first, length, head);
                if (d_mixed == NULL)
                    attend_block(nn, l, &x);
                else
                    attend_block_gradient(nn, l, &x, d_mixed, d_qkv);
            }
        }
    }
}

static void swiglu(const net_shape *s, const real *gate_up, real *out, size_t n) {
    for (size_t t = 0; t < n; t++) {
        const real *row = gate_up + t * 2 * s->ffn;
        swiglu_row(row, row + s->ffn, out + t * s->ffn, s->ffn);
    }
}

/* ---- layers ------------------------------------------------------------------------------------------ */

/* nn->x through a layer. */
static void layer_forward(net *nn, const tape *l, const layer_view *w, const net_batch *b) {
    const net_shape *s = &nn->shape;
    size_t           n = b->n, bytes = n * s->dim * sizeof(real);
    memcpy(l->x, nn->x, bytes);
    norm_rows(s, nn->x, w->attn_norm, nn->normed, n);
    forward_product(nn->normed, w->wqkv, l->qkv, n, s->dim, 3 * s->dim, false);
    rotate(nn, l->qkv, b, 1);
    attend(nn, l, b, NULL, NULL);
    forward_product(l->mixed, w->wo, nn->x, n, s->dim, s->dim, true);
    memcpy(l->mid, nn->x, bytes);
    norm_rows(s, nn->x, w->ffn_norm, nn->normed, n);
    forward_product(nn->normed, w->gate_up, l->gate_up, n, s->dim, 2 * s->ffn, false);
    swiglu(s, l->gate_up, nn->wide, n);
    forward_product(nn->wide, w->down, nn->x, n, s->ffn, s->dim, true);
}

/* nn->x holds the gradient of the layer's output, and then that of its input. */
static void layer_backward(net *nn, const tape *l, const layer_view *w, const layer_view *dw, const net_batch *b) {
    const net_shape *s = &nn->shape;
    size_t           n = b->n;

    swiglu(s, l->gate_up, nn->wide, n);
    weight_gradient(nn->x, nn->wide, dw->down, n, s->ffn, s->dim);
    input_gradient(nn->x, w->down, nn->wide, n, s->ffn, s->dim); /* now the gradient of SwiGLU's output */
    for (size_t t = 0; t < n; t++) {
        const real *row = l->gate_up + t * 2 * s->ffn;
        real       *d = nn->d_wide + t * 2 * s->ffn;
        swiglu_gradient(row, row + s->ffn, nn->wide + t * s->ffn, d, d + s->ffn, s->ffn);
    }
    norm_rows(s, l->mid, w->ffn_norm, nn->normed, n);
    weight_gradient(nn->d_wide, nn->normed, dw->gate_up, n, s->dim, 2 * s->ffn);
    input_gradient(nn->d_wide, w->gate_up, nn->d_normed, n, s->dim, 2 * s->ffn);
    norm_rows_gradient(s, l->mid, w->ffn_norm, nn->d_normed, nn->x, dw->ffn_norm, n);

    weight_gradient(nn->x, l->mixed, dw->wo, n, s->dim, s->dim);
    input_gradient(nn->x, w->wo, nn->d_normed, n, s->dim, s->dim); /* of what attention read */
    memset(nn->d_wide, 0, n * 3 * s->dim * sizeof(real));
    attend(nn, l, b, nn->d_normed, nn->d_wide);
    rotate(nn, nn->d_wide, b, -1);
    norm_rows(s, l->x, w->attn_norm, nn->normed, n);
    weight_gradient(nn->d_wide, nn->normed, dw->wqkv, n, s->dim, 3 * s->dim);
    input_gradient(nn->d_wide, w->wqkv, nn->d_normed, n, s->dim, 3 * s->dim);
    norm_rows_gradient(s, l->x, w->attn_norm, nn->d_normed, nn->x, dw->attn_norm, n);
}

/* ---- loss -------------------------------------------------------------------------------------------- */

/* One row of logits: adds to the score and, with `gradient`, turns the row into the loss's gradient. */
static void score_row(real *logits, size_t vocab, size_t next, real weight, bool gradient, net_score *score) {
    real   max, inverse, wanted = logits[next];
    size_t above = 0; /* ids at least as likely that come first, or likelier */
    for (size_t i = 0; i < vocab; i++) above += logits[i] > wanted || (i < next && logits[i] == wanted);
    softmax_row(logits, vocab, &max, &inverse);
    score->loss += (double)weight * ((double)max - (double)wanted - log((double)inverse));
    score->weight += (double)weight;
    score->targets++;
    score->correct += above == 0;
    if (!gradient) return;
    scale_row(logits, vocab, inverse * weight);
    logits[next] -= weight;
}

/* The output rows, LOGIT_ROWS at a time; leaves the gradient of the final norm's outputs in d_picked. */
static void score_rows(net *nn, const real *params, const net_batch *b, size_t n_rows, real *grad, net_score *score) {
    const net_shape *s = &nn->shape;
    for (size_t r = 0; r < n_rows; r += LOGIT_ROWS) {
        size_t      n = n_rows - r < LOGIT_ROWS ? n_rows - r : LOGIT_ROWS;
        const real *x = nn->picked + r * s->dim;
        forward_product(x, params, nn->logits, n, s->dim, s->vocab, false);
        for (size_t i = 0; i < n; i++) {
            size_t at = nn->rows[r + i];
            score_row(nn->logits + i * s->vocab, s->vocab, (size_t)b->next[at], (real)b->weight[at], grad != NULL,
                      score);
        }
        if (grad == NULL) continue;
        weight_gradient(nn->logits, x, grad, n, s->dim, s->vocab);
        input_gradient(nn->logits, params, nn->d_picked + r * s->dim, n, s->dim, s->vocab);
    }
}

void net_run(net *nn, const real *params, const net_batch *b, real *grad, net_score *score) {
    const net_shape *s = &nn->shape;
    size_t           row = s->dim * sizeof(real), n_rows = 0;
    net_tensor       out = net_tensor_at(s, net_tensor_count(s) - 1);
    const real      *out_norm = params + out.at;

    for (size_t t = 0; t < b->n; t++) memcpy(nn->x + t * s->dim, params + (size_t)b->ids[t] * s->dim, row);
    for (size_t l = 0; l < s->layers; l++) {
        layer_view w = layer_of(s, params, l);
        layer_forward(nn, &nn->layers[l], &w, b);
    }
    for (size_t t = 0; t < b->n; t++) {
        if (b->weight[t] > 0) {
            memcpy(nn->last + n_rows * s->dim, nn->x + t * s->dim, row);
            nn->rows[n_rows++] = t;
        }
    }
    norm_rows(s, nn->last, out_norm, nn->picked, n_rows);
    score_rows(nn, params, b, n_rows, grad, score);
    if (grad == NULL) return;

    memset(nn->x, 0, b->n * row);
    memset(nn->normed, 0, n_rows * row);
    norm_rows_gradient(s, nn->last, out_norm, nn->d_picked, nn->normed, grad + out.at, n_rows);
    for (size_t r = 0; r < n_rows; r++) memcpy(nn->x + nn->rows[r] * s->dim, nn->normed + r * s->dim, row);
    for (size_t l = s->layers; l-- > 0;) {
        layer_view w = layer_of(s, params, l), dw = layer_of(s, grad, l);
        layer_backward(nn, &nn->layers[l], &w, &dw, b);
    }
    for (size_t t = 0; t < b->n; t++) {
        real *to = grad + (size_t)b->ids[t] * s->dim;
        for (size_t i = 0; i < s->dim; i++) to[i] += nn->x[t * s->dim + i];
    }
}

/* ---- memory ------------------------------------------------------------------------------------------ */

void net_free(net *n) {
    if (n == NULL) return;
    for (size_t l = 0; n->layers != NULL && l < n->shape.layers; l++) {
        tape *t = &n->layers[l];
        real *all[] = {t->x, t->qkv, t->row_max, t->row_inv, t->mixed, t->mid, t->gate_up};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    }
    real *all[] = {n->x,        n->normed, n->d_normed, n->wide,     n->d_wide, n->last, n->picked,
                   n->d_picked, n->logits, n->scores,   n->d_scores, n->cosine, n->sine};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(n->layers);
    free(n->rows);
    free(n);
}

static bool room(real **to, size_t rows, size_t cols, err *e) {
    return (*to = mem_new_aligned(rows * cols, sizeof **to, 64, e)) != NULL;
}

net *net_new(const net_shape *s, size_t tokens, size_t longest, err *e) {
    if (blas_open(e) != 0) return NULL;
    net   *n = mem_new(1, sizeof *n, e);
    size_t dim = s->dim, wide = 2 * s->ffn > 3 * dim ? 2 * s->ffn : 3 * dim, pairs = dim / s->heads / 2;
    if (n == NULL) return NULL;
    n->shape = *s;
    n->tokens = tokens;
    n->longest = longest;
    bool ok = (n->layers = mem_new(s->layers, sizeof *n->layers, e)) != NULL &&
              (n->rows = mem_new(tokens, sizeof *n->rows, e)) != NULL && room(&n->x, tokens, dim, e) &&
              room(&n->normed, tokens, dim, e) && room(&n->d_normed, tokens, dim, e) &&
              room(&n->wide, tokens, wide, e) && room(&n->d_wide, tokens, wide, e) && room(&n->last, tokens, dim, e) &&
              room(&n->picked, tokens, dim, e) && room(&n->d_picked, tokens, dim, e) &&
              room(&n->logits, LOGIT_ROWS, s->vocab, e) && room(&n->scores, QUERIES, longest, e) &&
              room(&n->d_scores, QUERIES, longest, e) && room(&n->cosine, longest, pairs, e) &&
              room(&n->sine, longest, pairs, e);
    for (size_t l = 0; ok && l < s->layers; l++) {
        tape *t = &n->layers[l];
        ok = room(&t->x, tokens, dim, e) && room(&t->qkv, tokens, 3 * dim, e) &&
             room(&t->row_max, tokens, s->heads, e) && room(&t->row_inv, tokens, s->heads, e) &&
             room(&t->mixed, tokens, dim, e) && room(&t->mid, tokens, dim, e) &&
             room(&t->gate_up, tokens, 2 * s->ffn, e);
    }
    if (!ok) {
        net_free(n);
        return NULL;
    }
    for (size_t t = 0; t < longest; t++) {
        for (size_t i = 0; i < pairs; i++) {
            double angle = (double)t * pow(s->rope_theta, -(double)i / (double)pairs);
            n->cosine[t * pairs + i] = (real)cos(angle);
            n->sine[t * pairs + i] = (real)sin(angle);
        }
    }
    return n;
}
