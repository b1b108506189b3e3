/* The trainer's parts: schedule, AdamW and Muon by hand, lanes and threads, the tokenizer, and the way into the engine.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/model/blas.h"
#include "engine/model/transformer.h"
#include "engine/train/export.h"
#include "engine/train/muon.h"
#include "engine/train/trainer.h"
#include "experiments/training/train_state.h"
#include "tests/fixtures/scratch.h"

static const net_shape shape = {
    .layers = 2, .dim = 64, .heads = 4, .ffn = 96, .vocab = 500, .rope_theta = 10000, .rms_eps = 1e-5};

static const optimizer slow = {.adamw = {.lr = 0.1,
                                         .min_lr = 0.01,
                                         .beta1 = 0.9,
                                         .beta2 = 0.99,
                                         .eps = 1e-8,
                                         .decay = 0.5,
                                         .clip = 0,
                                         .warmup = 4,
                                         .steps = 11}};

/* ---- optimizer ------------------------------------------------------------------------------------------- */

Test(adamw, rate_rises_and_falls) {
    cr_expect_lt(fabs(adamw_rate(&slow.adamw, 0) - 0.025), 1e-15);
    cr_expect_lt(fabs(adamw_rate(&slow.adamw, 3) - 0.1), 1e-15);
    cr_expect_lt(fabs(adamw_rate(&slow.adamw, 4) - 0.1), 1e-15);
    cr_expect_lt(fabs(adamw_rate(&slow.adamw, 7) - 0.055), 1e-15); /* half way between 4 and 10 */
    cr_expect_lt(fabs(adamw_rate(&slow.adamw, 10) - 0.01), 1e-15);
}

/* One parameter of a matrix and one of a norm over two steps, against the formulas in double. */
Test(adamw, two_steps_by_hand) {
    size_t n = net_params(&shape);
    float *p = calloc(n, sizeof *p), *m = calloc(n, sizeof *m), *v = calloc(n, sizeof *v), *g = calloc(n, sizeof *g);
    net_tensor norm = net_tensor_at(&shape, 1);
    size_t     at[] = {5, norm.at + 3};
    cr_assert(norm.norm);
    for (int k = 0; k < 2; k++) p[at[k]] = 2;
    double x[2] = {2, 2}, em = 0, ev = 0;
    for (size_t step = 0; step < 2; step++) {
        double grad = step == 0 ? 3 : -1, rate = adamw_rate(&slow.adamw, step), t = (double)step + 1;
        for (int k = 0; k < 2; k++) g[at[k]] = (float)(grad * 10);
        double norm_of = optimizer_step(&slow, &shape, step, 1, g, 0.1, p, m, v, NULL);
        cr_expect_lt(fabs(norm_of - sqrt(2) * fabs(grad)), 1e-6);
        em = 0.9 * em + 0.1 * grad;
        ev = 0.99 * ev + 0.01 * grad * grad;
        double move = rate * (em / (1 - pow(0.9, t))) / (sqrt(ev / (1 - pow(0.99, t))) + 1e-8);
        for (int k = 0; k < 2; k++) {
            x[k] = x[k] * (k == 0 ? 1 - rate * 0.5 : 1) - move;
            cr_expect_lt(fabs((double)p[at[k]] - x[k]), 1e-6, "step %zu, %d", step, k);
        }
    }
    cr_expect_eq(p[6], 0);
    free(p), free(m), free(v), free(g);
}

Test(adamw, clipping_keeps_the_direction) {
    optimizer clipped = slow;
    size_t    n = net_params(&shape);
    float    *p = calloc(n, sizeof *p), *m = calloc(n, sizeof *m), *v = calloc(n, sizeof *v), *g = calloc(n, sizeof *g);
    clipped.adamw.clip = 5;
    g[0] = 30, g[1] = -40;
    cr_expect_lt(fabs(optimizer_step(&clipped, &shape, 0, 2, g, 1, p, m, v, NULL) - 50), 1e-9);
    cr_expect_lt(fabs((double)m[0] - 0.1 * 3), 1e-6);
    cr_expect_lt(fabs((double)m[1] + 0.1 * 4), 1e-6);
    g[0] = INFINITY;
    float kept = p[1];
    cr_expect_not(isfinite(optimizer_step(&clipped, &shape, 1, 1, g, 1, p, m, v, NULL)));
    cr_expect_eq(p[1], kept);
    free(p), free(m), free(v), free(g);
}

/* A gradient with entries g only on its diagonal has g as singular values, and each passes separately through the
 * polynomial; momentum and Nesterov by the formulas in double. */
static void muon_by_hand(size_t rows, size_t cols) {
    enum { MOST = 6 };
    net_shape s = {
        .layers = 1, .dim = rows < cols ? rows : cols, .ffn = rows < cols ? cols : rows, .heads = 1, .vocab = 1};
    size_t n = rows * cols;
    float *w = calloc(n, sizeof *w), *m = calloc(n, sizeof *m), *g = calloc(n, sizeof *g);
    float *scratch = calloc(muon_scratch(&s), sizeof *scratch);
    double want[MOST] = {0}, moment[MOST] = {0};
    for (int step = 0; step < 2; step++) {
        double ahead[MOST], norm = 0;
        for (size_t i = 0; i < s.dim; i++) {
            double gradient = step == 0 ? (double)i + 1 : -0.5 * (double)i;
            g[i * cols + i] = (float)gradient * 4;
            moment[i] = 0.9 * moment[i] + gradient;
            ahead[i] = gradient + 0.9 * moment[i];
            norm += ahead[i] * ahead[i];
        }
        for (size_t i = 0; i < s.dim; i++) {
            double x = ahead[i] / sqrt(norm);
            for (int k = 0; k < 5; k++) x = 3.4445 * x - 4.7750 * x * x * x + 2.0315 * x * x * x * x * x;
            cr_expect(fabs(x) > 0.6 && fabs(x) < 1.3, "a singular value is %.3f, and should be near 1", x);
            want[i] = 0.99 * want[i] - 0.05 * 0.2 * sqrt((double)s.ffn) * x;
        }
        muon_update(g, 0.25F, rows, cols, 0.9F, 0.05F, 0.99F, w, m, scratch);
        for (size_t i = 0; i < n; i++) {
            bool diagonal = i / cols == i % cols;
            cr_expect_lt(fabs((double)w[i] - (diagonal ? want[i / cols] : 0)), 1e-6, "step %d, entry %zu", step, i);
        }
    }
    free(w), free(m), free(g), free(scratch);
}

static void with_blas(void) {
    err e = {0};
    cr_assert_eq(blas_open(&e), 0, "%s", e.text);
}

TestSuite(muon, .init = with_blas);

Test(muon, wide_tall_and_square_by_hand) {
    muon_by_hand(4, 6);
    muon_by_hand(6, 4);
    muon_by_hand(5, 5);
}

/* Without gradients the momentum dies away; what is left of it must not become infinite. */
Test(muon, momentum_that_fades_moves_nothing) {
    net_shape s = {.layers = 1, .dim = 4, .ffn = 6, .heads = 1, .vocab = 1};
    float     w[24] = {0}, m[24], g[24] = {0}, *scratch = calloc(muon_scratch(&s), sizeof *scratch);
    for (int i = 0; i < 24; i++) m[i] = (float)(i % 7 - 3) * 1e-3F;
    for (int step = 0; step < 2000; step++) muon_update(g, 1, 4, 6, 0.95F, 0.05F, 1, w, m, scratch);
    for (int i = 0; i < 24; i++) cr_expect(isfinite(w[i]), "%g", (double)w[i]);
    free(scratch);
}

Test(muon, takes_the_matrices_between_layers) {
    for (size_t i = 0; i < net_tensor_count(&shape); i++) {
        net_tensor x = net_tensor_at(&shape, i);
        cr_expect_eq(muon_takes(&shape, i), strcmp(x.name, "token_embd.weight") != 0 && x.rows > 1, "%s", x.name);
    }
}

Test(muon, no_gradient_moves_nothing) {
    float     w[4] = {1, 2, 3, 4}, m[4] = {0}, g[4] = {0}, scratch[16];
    net_shape s = {.layers = 1, .dim = 2, .ffn = 2, .heads = 1, .vocab = 1};
    cr_assert_leq(muon_scratch(&s), 16);
    muon_update(g, 1, 2, 2, 0.9F, 0.1F, 1, w, m, scratch);
    for (int i = 0; i < 4; i++) cr_expect_eq(w[i], (float)(i + 1));
}

/* ---- trainer ----------------------------------------------------------------------------------------- */

enum { LESSONS = 5 };

static void fill_lessons(lesson l[LESSONS]) {
    for (size_t i = 0; i < LESSONS; i++) {
        l[i] = (lesson){.n_prompt = 4 + i};
        for (size_t k = 0; k < 9 + 7 * i; k++) tokens_push(&l[i].ids, (int32_t)((k * k + i * 13) % 500), NULL);
    }
}

static trainer_options options_of(size_t lanes, int threads) {
    return (trainer_options){.shape = shape,
                             .optimizer = slow,
                             .lanes = lanes,
                             .context = 64,
                             .micro_tokens = 40,
                             .prompt_weight = 0.25,
                             .threads = threads};
}

static void compare_threads(double muon_lr) {
    lesson  l[LESSONS];
    trainer a, b;
    fill_lessons(l);
    trainer_options one = options_of(3, 1), four = options_of(3, 4);
    one.optimizer.muon_lr = four.optimizer.muon_lr = muon_lr;
    cr_assert_eq(trainer_open(&one, 5, &a, NULL), 0);
    cr_assert_eq(trainer_open(&four, 5, &b, NULL), 0);
    for (int step = 0; step < 4; step++) {
        trainer_report x, y;
        cr_assert_eq(trainer_step(&a, l, LESSONS, &x, NULL), 0);
        cr_assert_eq(trainer_step(&b, l, LESSONS, &y, NULL), 0);
        cr_expect_eq(x.score.loss, y.score.loss);
        cr_expect_eq(x.norm, y.norm);
        cr_expect_eq(x.tokens, 9 + 16 + 23 + 30 + 37);
    }
    cr_expect_eq(memcmp(a.params, b.params, net_params(&shape) * sizeof *a.params), 0);
    for (size_t i = 0; i < LESSONS; i++) tokens_free(&l[i].ids);
    trainer_close(&a);
    trainer_close(&b);
}

Test(trainer, bits_do_not_depend_on_threads) {
    compare_threads(0);
    compare_threads(0.01);
}

Test(trainer, learns_a_batch_by_heart) {
    lesson          l[LESSONS];
    trainer         t;
    trainer_report  r;
    trainer_options o = options_of(2, 1);
    fill_lessons(l);
    o.prompt_weight = 0;
    o.optimizer.adamw =
        (adamw){.lr = 3e-3, .min_lr = 3e-3, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .clip = 1, .steps = 60};
    cr_assert_eq(trainer_open(&o, 5, &t, NULL), 0);
    for (int step = 0; step < 60; step++) cr_assert_eq(trainer_step(&t, l, LESSONS, &r, NULL), 0);
    cr_assert_eq(trainer_score(&t, l, LESSONS, &r, NULL), 0);
    cr_expect_eq(r.score.correct, r.score.targets);
    cr_expect_eq(r.score.targets, (9 - 4) + (16 - 5) + (23 - 6) + (30 - 7) + (37 - 8));
    for (size_t i = 0; i < LESSONS; i++) tokens_free(&l[i].ids);
    trainer_close(&t);
}

/* Weights go with the ids that they were trained under. */
Test(checkpoint, belongs_to_a_config_and_a_tokenizer, .init = scratch_enter, .fini = scratch_leave) {
    err             e = {0};
    trainer         t;
    trainer_options o = options_of(2, 1);
    train_config    c = {.path = (char *)"t.ini"}, other;
    curve           v = {0};
    memset(c.digest, 'a', sizeof c.digest - 1);
    memset(c.vocabulary, 'b', sizeof c.vocabulary - 1);
    cr_assert_eq(trainer_open(&o, 5, &t, &e), 0);
    cr_expect_eq(checkpoint_read("t.checkpoint", &c, &t, &v, &e), 0);
    cr_assert_eq(checkpoint_write("t.checkpoint", &c, &t, &v, &e), 0, "%s", e.text);
    cr_expect_eq(checkpoint_read("t.checkpoint", &c, &t, &v, &e), 1, "%s", e.text);
    other = c;
    other.vocabulary[63] = 'c';
    cr_expect_eq(checkpoint_read("t.checkpoint", &other, &t, &v, &e), -1);
    cr_expect_neq(strstr(e.text, "another tokenizer"), NULL, "%s", e.text);
    other = c;
    other.digest[0] = 'c';
    cr_expect_eq(checkpoint_read("t.checkpoint", &other, &t, &v, &e), -1);
    cr_expect_neq(strstr(e.text, "another config"), NULL, "%s", e.text);
    free(v.points);
    trainer_close(&t);
}

/* A source is the index of a section of the config; the hash of such a file fits. */
Test(checkpoint, points_are_of_sources_that_there_are, .init = scratch_enter, .fini = scratch_leave) {
    err             e = {0};
    trainer         t;
    trainer_options o = options_of(2, 1);
    train_config    c = {.path = (char *)"t.ini", .n_sources = 2};
    curve           v = {0}, back = {0};
    memset(c.digest, 'a', sizeof c.digest - 1);
    memset(c.vocabulary, 'b', sizeof c.vocabulary - 1);
    cr_assert_eq(trainer_open(&o, 5, &t, &e), 0);
    cr_assert_eq(curve_add(&v, (curve_point){.source = 1}, &e), 0);
    for (int64_t source = -3; source <= 3; source++) {
        bool there = source >= -1 && source <= 1;
        v.points[0].source = source;
        cr_assert_eq(checkpoint_write("t.checkpoint", &c, &t, &v, &e), 0, "%s", e.text);
        cr_expect_eq(checkpoint_read("t.checkpoint", &c, &t, &back, &e), there ? 1 : -1, "%d", (int)source);
        cr_expect(there || strstr(e.text, "t.checkpoint: point 0 of the checkpoint's curve is of source") != NULL);
    }
    free(v.points);
    free(back.points);
    trainer_close(&t);
}

/* ---- the tokenizer ----------------------------------------------------------------------------------- */

static const char corpus[] =
    "the cat and the other cat sat there, 1234 times over: the_cat( mat )\n  then that was that.";

static bpe *trained(size_t vocab) {
    err  e = {0};
    bpe *b = bpe_new(&e);
    cr_assert_eq(bpe_add(b, corpus, strlen(corpus), &e), 0, "%s", e.text);
    cr_assert_eq(bpe_train(b, vocab, &e), 0, "%s", e.text);
    return b;
}

static tokenizer *reopened(const bpe *b) {
    err         e = {0};
    const char *path = "vocab.gguf";
    cr_assert_eq(export_vocabulary(path, "test", b, &e), 0, "%s", e.text);
    gguf *g = gguf_open(path, &e);
    cr_assert_neq(g, NULL, "%s", e.text);
    tokenizer *t = tokenizer_from_gguf(g, &e);
    cr_assert_neq(t, NULL, "%s", e.text);
    gguf_close(g);
    return t;
}

Test(bpe, merges_the_most_frequent_pair_first, .init = scratch_enter, .fini = scratch_leave) {
    bpe       *b = trained(3 + 256 + 95 + 3);
    tokenizer *t = reopened(b);
    /* "th" is in the 2 the, other, there, the_cat, then, 2 that: the most frequent; then "at" in cat, cat, sat,
     * the_cat, mat, 2 that; then blank + "th", one in each of its words. */
    const char *const first[] = {"th", "at", "\xe2\x96\x81th"};
    for (int i = 0; i < 3; i++) {
        gguf_str piece = tokenizer_piece(t, 259 + i);
        char     got[16];
        snprintf(got, sizeof got, "%.*s", (int)piece.n, piece.at);
        cr_expect_str_eq(got, i == 2 ? " th" : first[i]);
    }
    cr_expect_eq(tokenizer_vocab(t), 3 + 256 + 95 + 3);
    tokenizer_close(t);
    bpe_free(b);
}

/* Signs and line ends stand alone, digits among themselves, and text comes back as it was. */
Test(bpe, pieces_keep_to_words, .init = scratch_enter, .fini = scratch_leave) {
    bpe        *b = trained(3 + 256 + 95 + 20);
    tokenizer  *t = reopened(b);
    const char *texts[] = {corpus, "x1924y 07", "  two blanks", "caf\xc3\xa9 na\xc3\xafve", "the\n\n\tthe"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tokens ids = {0};
        size_t n;
        cr_assert_eq(tokenizer_encode(t, texts[i], strlen(texts[i]), false, &ids, NULL), 0);
        char *back = tokenizer_decode(t, ids.ids, ids.n, &n, NULL);
        cr_expect_str_eq(back, texts[i]);
        for (size_t k = 0; k < ids.n; k++) {
            gguf_str piece = tokenizer_piece(t, ids.ids[k]);
            size_t   digits = 0;
            for (size_t c = 0; c < piece.n && piece.n > 1; c++) {
                digits += piece.at[c] >= '0' && piece.at[c] <= '9';
                cr_expect(strchr("\n\t", piece.at[c]) == NULL, "a piece of \"%s\"", texts[i]);
            }
            cr_expect(digits == 0 || digits == piece.n, "a piece of \"%s\"", texts[i]);
        }
        free(back);
        tokens_free(&ids);
    }
    tokenizer_close(t);
    bpe_free(b);
}

/* The most frequent pair of this text is a blank and a digit, if numbers took their blanks. */
Test(bpe, a_number_is_cut_alike_wherever_it_stands, .init = scratch_enter, .fini = scratch_leave) {
    static const char text[] = "41 41 41 x41 (41) 4 4 4 4";
    bpe              *b = bpe_new(NULL);
    cr_assert_eq(bpe_add(b, text, strlen(text), NULL), 0);
    cr_assert_eq(bpe_train(b, 3 + 256 + 95 + 1, NULL), 0);
    tokenizer *t = reopened(b);
    gguf_str   piece = tokenizer_piece(t, 259);
    cr_assert(piece.n == 2 && memcmp(piece.at, "41", 2) == 0);
    static const char *const places[] = {"41", "x41", "(41)", "a 41 b"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        tokens ids = {0};
        size_t found = 0;
        cr_assert_eq(tokenizer_encode(t, places[i], strlen(places[i]), false, &ids, NULL), 0);
        for (size_t k = 0; k < ids.n; k++) found += ids.ids[k] == 259;
        cr_expect_eq(found, 1, "%s", places[i]);
        tokens_free(&ids);
    }
    tokenizer_close(t);
    bpe_free(b);
}

Test(bpe, refuses_sizes_and_bytes_it_cannot_take, .init = scratch_enter, .fini = scratch_leave) {
    err  e = {0};
    bpe *b = bpe_new(&e);
    cr_assert_eq(bpe_add(b, "a cat", 5, &e), 0);
    cr_expect_eq(bpe_add(b, "a \xff", 3, &e), -1);
    cr_expect_neq(strstr(e.text, "byte 2"), NULL, "%s", e.text);
    cr_expect_eq(bpe_train(b, 300, &e), -1);
    cr_expect_neq(strstr(e.text, "at least 354"), NULL, "%s", e.text);
    bpe_free(b);
    b = bpe_new(&e);
    cr_assert_eq(bpe_add(b, "a cat", 5, &e), 0);
    cr_expect_eq(bpe_train(b, 400, &e), -1);
    cr_expect_neq(strstr(e.text, "at most 358"), NULL, "%s", e.text);
    bpe_free(b);
}

/* ---- export ------------------------------------------------------------------------------------------ */

/* The engine computes what the net was trained as: the net's loss is that of the engine's logits. */
Test(export, engine_and_net_agree, .init = scratch_enter, .fini = scratch_leave) {
    err            e = {0};
    net_shape      s = shape;
    bpe           *b = trained(3 + 256 + 95 + 20);
    export_options o = {"test", 64, DTYPE_F32};
    s.vocab = 3 + 256 + 95 + 20;
    float *params = calloc(net_params(&s), sizeof *params);
    cr_assert_eq(net_init(&s, 2, params, &e), 0);
    for (size_t i = 0; i < net_params(&s); i++) params[i] *= 4;
    const char *path = "net.gguf";
    cr_assert_eq(export_gguf(path, &o, &s, params, b, &e), 0, "%s", e.text);
    model *m = model_open(path, &e);
    cr_assert_neq(m, NULL, "%s", e.text);
    cr_assert_eq(model_pack(m, &e), 0);
    transformer *t = transformer_new(m, 64, 1, NULL, &e);

    enum { N = 40 };
    int32_t ids[N + 1];
    float   weight[N], *logits = calloc(N * s.vocab, sizeof *logits);
    for (size_t i = 0; i <= N; i++) ids[i] = (int32_t)(i * 37 % s.vocab);
    cr_assert_eq(transformer_forward(t, ids, N, N, logits, &e), 0, "%s", e.text);
    net *nn = net_new(&s, N, N, &e);
    for (size_t i = 0; i < N; i++) {
        size_t    starts[] = {0, N};
        net_score score = {0};
        double    sum = 0, top = -INFINITY;
        for (size_t k = 0; k < N; k++) weight[k] = k == i;
        net_batch batch = {N, ids, ids + 1, weight, starts, 1};
        net_run(nn, params, &batch, NULL, &score);
        for (size_t v = 0; v < s.vocab; v++) top = fmax(top, (double)logits[i * s.vocab + v]);
        for (size_t v = 0; v < s.vocab; v++) sum += exp((double)logits[i * s.vocab + v] - top);
        double loss = top + log(sum) - (double)logits[i * s.vocab + (size_t)ids[i + 1]];
        cr_expect_lt(fabs(loss - score.loss), 1e-4, "position %zu: %.7f, the net %.7f", i, loss, score.loss);
    }
    net_free(nn);
    transformer_free(t);
    model_close(m);
    bpe_free(b);
    free(params), free(logits);
}

Test(export, refuses_rows_that_are_no_whole_blocks, .init = scratch_enter, .fini = scratch_leave) {
    err       e = {0};
    net_shape s = {.layers = 1, .dim = 40, .heads = 2, .ffn = 64, .vocab = 374, .rope_theta = 1e4, .rms_eps = 1e-5};
    bpe      *b = trained(374);
    export_options o = {"test", 64, DTYPE_Q8_0};
    float         *params = calloc(net_params(&s), sizeof *params);
    cr_expect_eq(export_gguf("bad.gguf", &o, &s, params, b, &e), -1);
    cr_expect_neq(strstr(e.text, "multiple of 32"), NULL, "%s", e.text);
    bpe_free(b);
    free(params);
}
