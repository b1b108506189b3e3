/* The training net: its gradient against finite differences in double, and its values against the engine's. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

/* The same source again with doubles, under other names. */
#define NET_DOUBLE
#define net_tensor_count net_tensor_count_double
#define net_tensor_at    net_tensor_at_double
#define net_params       net_params_double
#define net_init         net_init_double
#define net_new          net_new_double
#define net_free         net_free_double
#define net_run          net_run_double
#include "engine/train/net.c"

static const net_shape shape = {
    .layers = 2, .dim = 12, .heads = 3, .ffn = 20, .vocab = 17, .rope_theta = 100, .rms_eps = 1e-5};

/* Two sequences, some positions without loss, weights of several sizes. */
enum { N = 150 };
static const size_t    starts[] = {0, 9, N};
static int32_t         ids[N], next[N];
static float           weight[N];
static const net_batch batch = {.n = N, .ids = ids, .next = next, .weight = weight, .starts = starts, .n_seqs = 2};

static void fill(void) {
    for (size_t i = 0; i < N; i++) {
        ids[i] = (int32_t)(i * i % 17);
        next[i] = (int32_t)((i * 5 + 3) % 17);
        weight[i] = i % 3 == 0 ? 0 : (float)(i % 5) * 0.5f;
    }
}

static real *params_new(void) {
    size_t n = net_params(&shape);
    real  *p = malloc(n * sizeof *p);
    cr_assert_eq(net_init(&shape, 3, p, NULL), 0);
    /* Numbers of size 0.5, so that attention and SwiGLU are far from linear; no zeros; norms not all 1. */
    unsigned random = 1;
    for (size_t i = 0; i < net_tensor_count(&shape); i++) {
        net_tensor t = net_tensor_at(&shape, i);
        for (size_t j = 0; j < t.rows * t.cols; j++) {
            if (t.norm)
                p[t.at + j] += 0.1 * (double)(j % 7) - 0.3;
            else
                p[t.at + j] = (double)((random = random * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
        }
    }
    return p;
}

Test(net, gradient_equals_finite_differences) {
    fill();
    size_t    n = net_params(&shape);
    real     *p = params_new(), *grad = calloc(n, sizeof *grad);
    net      *nn = net_new(&shape, N, N, NULL);
    net_score score = {0};
    net_run(nn, p, &batch, grad, &score);

    for (size_t i = 0; i < net_tensor_count(&shape); i++) {
        net_tensor t = net_tensor_at(&shape, i);
        double     largest = 0;
        for (size_t j = 0; j < t.rows * t.cols; j++) {
            double    h = 1e-5, kept = p[t.at + j];
            net_score up = {0}, down = {0};
            p[t.at + j] = kept + h;
            net_run(nn, p, &batch, NULL, &up);
            p[t.at + j] = kept - h;
            net_run(nn, p, &batch, NULL, &down);
            p[t.at + j] = kept;
            double want = (up.loss - down.loss) / (2 * h), got = grad[t.at + j];
            cr_assert_lt(fabs(got - want), 1e-6 * (1 + fabs(want)), "%s[%zu]: %.12g, by differences %.12g", t.name, j,
                         got, want);
            largest = fmax(largest, fabs(got));
        }
        cr_expect_gt(largest, 1e-3, "%s has no gradient to speak of", t.name);
    }
    net_free(nn);
    free(p);
    free(grad);
}

/* Gradients and scores of a batch are the sums over its sequences run alone. */
Test(net, sequences_do_not_see_each_other) {
    fill();
    size_t    n = net_params(&shape);
    real     *p = params_new(), *whole = calloc(n, sizeof *whole), *parts = calloc(n, sizeof *parts);
    net      *nn = net_new(&shape, N, N, NULL);
    net_score a = {0}, b = {0};
    net_run(nn, p, &batch, whole, &a);
    for (size_t q = 0; q < 2; q++) {
        size_t    at[] = {0, starts[q + 1] - starts[q]};
        net_batch one = {at[1], ids + starts[q], next + starts[q], weight + starts[q], at, 1};
        net_run(nn, p, &one, parts, &b);
    }
    cr_expect_lt(fabs(a.loss - b.loss), 1e-9);
    cr_expect_eq(a.weight, b.weight);
    cr_expect_eq(a.targets, b.targets);
    cr_expect_eq(a.correct, b.correct);
    for (size_t i = 0; i < n; i++) cr_assert_lt(fabs(whole[i] - parts[i]), 1e-9, "at %zu", i);
    net_free(nn);
    free(p);
    free(whole);
    free(parts);
}

/* Later tokens change nothing before them. */
Test(net, attention_is_causal) {
    fill();
    real     *p = params_new();
    net      *nn = net_new(&shape, N, N, NULL);
    net_score a = {0}, b = {0};
    for (size_t i = 120; i < N; i++) weight[i] = 0;
    net_run(nn, p, &batch, NULL, &a);
    for (size_t i = 120; i < N; i++) ids[i] = (ids[i] + 1) % 17;
    net_run(nn, p, &batch, NULL, &b);
    cr_expect_eq(a.loss, b.loss);
    net_free(nn);
    free(p);
}

Test(net, tensors_tile_the_flat_array) {
    size_t at = 0;
    for (size_t i = 0; i < net_tensor_count(&shape); i++) {
        net_tensor t = net_tensor_at(&shape, i);
        cr_expect_eq(t.at, at, "%s", t.name);
        at += t.rows * t.cols;
    }
    cr_expect_eq(at, net_params(&shape));
}
