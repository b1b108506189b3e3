/* The forward pass: the same bits for every split into passes, thread count and instruction set; and the target
 * built on it. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"
#include "tests/fixtures/tiny_model.h"

enum { LENGTH = 150 }; /* more than two batches of 64 */

static model *open_tiny(const tiny_spec *s) {
    err    e = {0};
    model *m = tiny_open(s, &e);
    cr_assert_not_null(m, "%s", e.text);
    return m;
}

static transformer *open_transformer(const model *m, size_t context, int threads) {
    err          e = {0};
    transformer *t = transformer_new(m, context, threads, NULL, &e);
    cr_assert_not_null(t, "%s", e.text);
    return t;
}

static float *new_floats(size_t n) {
    err    e = {0};
    float *p = mem_new(n, sizeof *p, &e);
    cr_assert_not_null(p);
    return p;
}

static void text_of(const model *m, uint64_t seed, int32_t ids[LENGTH]) {
    gsl_rng *r = rng_new(seed, 0);
    for (int i = 0; i < LENGTH; i++) ids[i] = (int32_t)gsl_rng_uniform_int(r, m->shape.vocab);
    gsl_rng_free(r);
}

static void forward(transformer *t, const int32_t *ids, size_t n, size_t count, float *logits) {
    err e = {0};
    cr_assert_eq(transformer_forward(t, ids, n, count, logits, &e), 0, "%s", e.text);
}

/* Logits of every position, one token a pass, one thread. */
static float *one_by_one(const model *m, const int32_t *ids) {
    float       *logits = new_floats(LENGTH * m->shape.vocab);
    transformer *t = open_transformer(m, LENGTH, 1);
    for (size_t i = 0; i < LENGTH; i++) forward(t, ids + i, 1, 1, logits + i * m->shape.vocab);
    cr_assert_eq(transformer_length(t), LENGTH);
    transformer_free(t);
    return logits;
}

/* Feeds ids in passes of the given sizes (the last one repeats) and compares what each returns. `extra` > 0:
 * every pass is followed by one over that many other tokens, which is then taken back. */
static void check_split(const model *m, const int32_t *ids, const float *want, int threads, const size_t *sizes,
                        size_t n_sizes, size_t extra) {
    size_t       vocab = m->shape.vocab;
    transformer *t = open_transformer(m, LENGTH, threads);
    float       *logits = new_floats(LENGTH * vocab);
    int32_t      other[LENGTH];
    text_of(m, 99, other);
    for (size_t at = 0, pass = 0, n; at < LENGTH; at += n, pass++) {
        n = sizes[pass < n_sizes ? pass : n_sizes - 1];
        n = n < LENGTH - at ? n : LENGTH - at;
        size_t asked = pass % 3 == 0 ? n : pass % 3 == 1 ? 1 : (n + 1) / 2;
        memset(logits, 0xff, LENGTH * vocab * sizeof *logits);
        forward(t, ids + at, n, asked, logits);
        cr_assert(memcmp(logits, want + (at + n - asked) * vocab, asked * vocab * sizeof *logits) == 0,
                  "pass of %zu tokens after %zu, %d threads", n, at, threads);
        size_t taken_back = extra < LENGTH - at - n ? extra : LENGTH - at - n;
        if (taken_back > 0) forward(t, other, taken_back, 1, logits);
        transformer_rewind(t, at + n);
        cr_assert_eq(transformer_length(t), at + n);
    }
    transformer_free(t);
    free(logits);
}

static void check_model(const tiny_spec *s) {
    model  *m = open_tiny(s);
    int32_t ids[LENGTH];
    text_of(m, 1, ids);
    float *want = one_by_one(m, ids);
    for (size_t i = 0; i < LENGTH * m->shape.vocab; i++) cr_assert(isfinite(want[i]));
    cr_assert(memcmp(want, want + m->shape.vocab, m->shape.vocab * sizeof *want) != 0);

    static const size_t splits[][8] = {{LENGTH}, {1}, {2}, {7}, {64}, {65}, {63, 1, 64, 2}, {1, 2, 3, 5, 8, 16, 17, 9}};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        size_t n = 0;
        while (n < 8 && splits[i][n] > 0) n++;
        int threads = 1 + (int)(i % 3);
        check_split(m, ids, want, threads, splits[i], n, 0);
        if (i % 2 == 0) check_split(m, ids, want, 3, splits[i], n, i + 1);
    }
    free(want);
    model_close(m);
}

/* Wide enough that threads get work. */
static tiny_spec spec_of(dtype type) {
    tiny_spec s = tiny_default();
    s.dim = 128;
    s.ffn = 256;
    s.type = type;
    if (dtype_get(type)->block > s.dim) s.dim = dtype_get(type)->block;
    return s;
}

Test(transformer, f32_is_the_same_for_every_split) {
    tiny_spec s = spec_of(DTYPE_F32);
    check_model(&s);
}
Test(transformer, f16_is_the_same_for_every_split) {
    tiny_spec s = spec_of(DTYPE_F16);
    check_model(&s);
}
Test(transformer, bf16_is_the_same_for_every_split) {
    tiny_spec s = spec_of(DTYPE_BF16);
    check_model(&s);
}

#define BLOCK_SPLITS(name, ...)                                                                                        \
    Test(transformer, name##_is_the_same_for_every_split) {                                                            \
        tiny_spec s = spec_of(DTYPE_##name);                                                                           \
        check_model(&s);                                                                                               \
    }
QUANT_TYPES(BLOCK_SPLITS)

Test(transformer, other_shapes_are_the_same_for_every_split) {
    tiny_spec s = tiny_default();
    s.heads = 8; /* heads of 8: half a lane vector */
    s.kv_heads = 1;
    s.tied = true;
    s.rope_factor = 4;
    check_model(&s);
    s = tiny_default();
    s.layers = 1;
    s.dim = 60; /* nothing is a multiple of 16 */
    s.ffn = 90;
    s.heads = s.kv_heads = 3;
    s.rope_dim = 10;
    s.rope_theta = 500000;
    check_model(&s);
}

/* Trees of any shape: every token's logits are those of its path, and so are those after a path that was kept. */
static void check_trees(const model *m, int threads) {
    enum { BASE = 21, MOST = 150, ROOM = 256 };
    size_t       vocab = m->shape.vocab;
    gsl_rng     *r = rng_new(5, (uint64_t)threads);
    transformer *t = open_transformer(m, ROOM, threads), *chain = open_transformer(m, ROOM, 1);
    float       *got = new_floats(MOST * vocab), *want = new_floats(vocab);
    int32_t      ids[LENGTH], tree[MOST], parent[MOST], path[MOST], spelled[MOST];
    text_of(m, 3, ids);
    for (size_t turn = 0; turn < 8; turn++) {
        size_t length = BASE - turn, n = turn % 4 == 3 ? MOST : 1 + gsl_rng_uniform_int(r, 40);
        transformer_rewind(t, 0);
        transformer_rewind(chain, 0);
        forward(t, ids, length, 0, NULL);
        forward(chain, ids, length, 0, NULL);
        for (size_t kept = 0, pass = 0; pass < 3; pass++, length += kept) {
            err    e = {0};
            size_t reach = 1 + gsl_rng_uniform_int(r, 6); /* parents are among the last few: from chains to bushes */
            for (size_t i = 0; i < n; i++) {
                size_t back = 1 + gsl_rng_uniform_int(r, reach);
                parent[i] = back > i ? -1 : (int32_t)(i - back);
                tree[i] = (int32_t)gsl_rng_uniform_int(r, vocab);
            }
            cr_assert_eq(transformer_forward_tree(t, tree, parent, n, got, &e), 0, "%s", e.text);
            cr_assert_eq(transformer_length(t), length);
            for (size_t i = 0; i < n; i++) {
                kept = 0;
                for (int32_t at = (int32_t)i; at >= 0; at = parent[at]) kept++;
                for (int32_t at = (int32_t)i, k = (int32_t)kept; at >= 0; at = parent[at]) path[--k] = at;
                for (size_t k = 0; k < kept; k++) spelled[k] = tree[path[k]];
                transformer_rewind(chain, length);
                forward(chain, spelled, kept, 1, want);
                cr_assert_eq(memcmp(got + i * vocab, want, vocab * sizeof *want), 0, "token %zu of %zu after %zu", i, n,
                             length);
            }
            kept = kept > 20 ? 20 : kept; /* any part of a path from the root may stand */
            transformer_keep(t, path, kept);
            transformer_rewind(chain, length + kept);
            cr_assert_eq(transformer_length(t), length + kept);
        }
    }
    gsl_rng_free(r);
    transformer_free(t);
    transformer_free(chain);
    free(got);
    free(want);
}

Test(transformer, a_tree_gives_the_bits_of_its_paths) {
    tiny_spec s = tiny_default();
    model    *m = open_tiny(&s);
    for (int threads = 1; threads <= 3; threads++) check_trees(m, threads);
    model_close(m);
}

Test(transformer, trees_that_do_not_fit_are_refused) {
    tiny_spec    s = tiny_default();
    model       *m = open_tiny(&s);
    transformer *t = open_transformer(m, 8, 1);
    float       *logits = new_floats(8 * m->shape.vocab);
    int32_t      ids[9] = {0};
    err          e = {0};
    forward(t, ids, 5, 0, NULL);
    cr_assert_eq(transformer_forward_tree(t, ids, (int32_t[]){-1, -1, -1, 0, 0, 3}, 6, logits, &e), 0, "%s", e.text);
    transformer_keep(t, (int32_t[]){0, 3, 5}, 3);
    cr_assert_eq(transformer_length(t), 8);
    transformer_rewind(t, 5);
    cr_assert_eq(transformer_forward_tree(t, ids, (int32_t[]){-1, 0, 1, 2}, 4, logits, &e), -1);
    cr_assert_not_null(strstr(e.text, "a path of 4 tokens after 5 does not fit into a context of 8"), "%s", e.text);
    cr_assert_eq(transformer_forward_tree(t, ids, (int32_t[]){-1, 1}, 2, logits, &e), -1);
    cr_assert_not_null(strstr(e.text, "parents come first"), "%s", e.text);
    cr_assert_eq(transformer_forward_tree(t, ids, NULL, 0, logits, &e), -1);
    cr_assert_eq(transformer_forward_tree(t, ids, NULL, 9, logits, &e), -1);
    cr_assert_not_null(strstr(e.text, "1 to 8"), "%s", e.text);
    cr_assert_eq(transformer_length(t), 5);
    transformer_free(t);
    free(logits);
    model_close(m);
}

/* The shape's rotation settings take effect: each of these changes the logits, but not at position 0. */
Test(transformer, shape_reaches_the_numbers) {
    tiny_spec specs[4] = {tiny_default(), tiny_default(), tiny_default(), tiny_default()};
    specs[1].rope_factor = 2;
    specs[2].rope_theta = 1000;
    specs[3].rope_dim = 8;
    float  *logits[4];
    size_t  vocab = 0;
    int32_t ids[LENGTH];
    for (int i = 0; i < 4; i++) {
        model *m = open_tiny(&specs[i]);
        text_of(m, 1, ids);
        logits[i] = one_by_one(m, ids);
        vocab = m->shape.vocab;
        model_close(m);
    }
    for (int i = 1; i < 4; i++) {
        cr_assert(memcmp(logits[0], logits[i], vocab * sizeof(float)) == 0, "position 0 is not rotated");
        cr_assert(memcmp(logits[0] + 9 * vocab, logits[i] + 9 * vocab, vocab * sizeof(float)) != 0, "%d", i);
    }
    for (int i = 0; i < 4; i++) free(logits[i]);
}

/* Passes over k tokens after a prompt in odd pieces, each after a pass over other tokens that is taken back: whether
 * their logits are those of one token a pass. */
static bool grid_is_equal(const model *m, const int32_t *ids, const float *want) {
    static const size_t pieces[] = {13, 7, 9}, ks[] = {1, 2, 3, 5, 8, 16, 17, 64};
    size_t              vocab = m->shape.vocab;
    float              *logits = new_floats(64 * vocab);
    int32_t             other[LENGTH];
    bool                equal = true;
    text_of(m, 99, other);
    for (int threads = 1; threads <= 3; threads++) {
        transformer *t = open_transformer(m, LENGTH, threads);
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
            size_t n = 0;
            transformer_rewind(t, 0);
            for (size_t p = 0; p < sizeof pieces / sizeof *pieces; n += pieces[p++])
                forward(t, ids + n, pieces[p], 1, logits);
            forward(t, other, ks[i], ks[i], logits);
            transformer_rewind(t, n);
            forward(t, ids + n, ks[i], ks[i], logits);
            equal = equal && memcmp(logits, want + n * vocab, ks[i] * vocab * sizeof *logits) == 0;
        }
        transformer_free(t);
    }
    free(logits);
    return equal;
}

/* Hashes of all logits for each weight type, computed in a child under the given instruction set. */
static int hashes_under(const char *isa, uint64_t *out) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        setenv("HARNESS_ISA", isa, 1);
        for (int type = 0; type < DTYPE_COUNT; type++) {
            err       e = {0};
            tiny_spec s = spec_of((dtype)type);
            int32_t   ids[LENGTH];
            model    *m = tiny_open(&s, &e);
            if (m == NULL) _exit(1);
            text_of(m, 1, ids);
            float *want = one_by_one(m, ids);
            out[type] = digest64(want, LENGTH * m->shape.vocab * sizeof *want);
            if (!grid_is_equal(m, ids, want)) _exit(2 + type);
        }
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(transformer, instruction_sets_give_the_same_bits) {
    uint64_t *hashes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(hashes != MAP_FAILED);
    uint64_t   *want = hashes, *got = hashes + DTYPE_COUNT;
    const char *others[] = {"avx2", "avx512", "avx512bf16", "neon"};
    cr_assert_eq(hashes_under("portable", want), 0, "a pass changes the bits");
    for (int i = 1; i < DTYPE_COUNT; i++) cr_assert_neq(want[0], want[i]);
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        if (kernels_by_name(others[k]) == NULL) continue;
        cr_assert_eq(hashes_under(others[k], got), 0, "%s: a pass changes the bits", others[k]);
        for (int i = 0; i < DTYPE_COUNT; i++) cr_assert_eq(got[i], want[i], "%s, type %d", others[k], i);
    }
    munmap(hashes, 4096);
}

Test(transformer, overflow_is_refused_and_changes_nothing) {
    tiny_spec s = tiny_default();
    model    *m = open_tiny(&s);
    size_t    vocab = m->shape.vocab;
    int32_t   ids[LENGTH];
    text_of(m, 1, ids);
    float       *want = one_by_one(m, ids), *logits = new_floats(LENGTH * vocab);
    transformer *t = open_transformer(m, 20, 1);
    err          e = {0};
    cr_assert_eq(transformer_context(t), 20);
    forward(t, ids, 10, 1, logits);
    cr_assert_eq(transformer_forward(t, ids + 10, 11, 1, logits, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(transformer_length(t), 10);
    forward(t, ids + 10, 10, 10, logits);
    cr_assert(memcmp(logits, want + 10 * vocab, 10 * vocab * sizeof *want) == 0);
    cr_assert_eq(transformer_forward(t, ids, 1, 1, logits, &e), -1);
    transformer_rewind(t, 0);
    forward(t, ids, 20, 20, logits);
    cr_assert(memcmp(logits, want, 20 * vocab * sizeof *want) == 0);
    transformer_free(t);
    free(want);
    free(logits);
    model_close(m);
}

Test(transformer, refuses_what_it_cannot_hold) {
    tiny_spec s = tiny_default();
    model    *m = open_tiny(&s);
    err       e = {0};
    cr_assert_null(transformer_new(m, 0, 1, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_null(transformer_new(m, s.context + 1, 1, NULL, &e));
    cr_assert(strstr(e.text, "256") != NULL, "%s", e.text);
    cr_assert_null(transformer_new(m, 16, 0, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    transformer_free(NULL);
    model_close(m);
}

static target *open_target(model *m, size_t context, int threads, err *e) {
    const target_spec spec = {.weights = m, .vocab = m->shape.vocab, .context = context, .threads = threads};
    return target_open(&target_transformer, &spec, e);
}

Test(transformer, survives_every_failing_allocation) {
    tiny_spec s = tiny_default();
    model    *m = open_tiny(&s);
    err       e;
    target   *t = NULL;
    for (size_t k = 1; t == NULL; k++) {
        cr_assert_lt(k, 100);
        e = (err){0};
        mem_fail_at(k);
        t = open_target(m, 16, 2, &e);
        mem_fail_at(0);
        if (t == NULL) cr_assert_eq(e.kind, ERR_RUN);
    }
    target_close(t);
    model_close(m);
}

/* ---- the target ---------------------------------------------------------------------------------------- */

Test(target_transformer, rows_are_those_of_plain_decoding) {
    tiny_spec s = spec_of(DTYPE_Q8_0);
    model    *m = open_tiny(&s);
    size_t    vocab = m->shape.vocab;
    int32_t   ids[LENGTH], forced[40];
    text_of(m, 1, ids);
    float  *want = one_by_one(m, ids);
    err     e = {0};
    target *t = open_target(m, LENGTH, 2, &e);
    cr_assert_not_null(t, "%s", e.text);
    for (int i = 0; i < 40; i++) forced[i] = ids[10 + i];

    for (int turn = 0; turn < 2; turn++) { /* a target is used again after begin */
        draft d;
        rows  r;
        draft_clear(&d);
        cr_assert_eq(target_begin(t, turn ? forced : NULL, turn ? 40 : 0, &e), 0);
        cr_assert_eq(target_room(t), LENGTH);

        /* A prompt of 10 with a draft of 5, of which two are accepted and the target's own token follows. */
        draft_extend(&d, ids + 10, 5);
        cr_assert_eq(target_verify(t, ids, 10, &d, &r, &e), 0, "%s", e.text);
        cr_assert_eq(r.n, 6);
        cr_assert_eq(r.vocab, vocab);
        cr_assert(memcmp(r.logits, want + 9 * vocab, 6 * vocab * sizeof *want) == 0);
        cr_assert_eq(r.forced != NULL, turn == 1);
        for (int i = 0; turn && i < 6; i++) cr_assert_eq(r.forced[i], forced[i]);
        cr_assert_eq(target_keep(t, (int32_t[]){0, 1}, 2, &e), 0);
        cr_assert_eq(target_room(t), LENGTH - 12);

        /* Position 12 is pending; a draft past the recording's end. */
        draft_clear(&d);
        draft_extend(&d, ids + 13, 45);
        cr_assert_eq(target_verify(t, ids + 12, 1, &d, &r, &e), 0);
        cr_assert_eq(r.n, 46);
        cr_assert(memcmp(r.logits, want + 12 * vocab, 46 * vocab * sizeof *want) == 0);
        for (int i = 0; turn && i < 46; i++) cr_assert_eq(r.forced[i], 3 + i < 40 ? forced[3 + i] : -1);
    }
    target_close(t);
    free(want);
    model_close(m);
}

Test(target_transformer, refuses_what_it_cannot_score) {
    tiny_spec s = tiny_default();
    model    *m = open_tiny(&s);
    int32_t   ids[LENGTH];
    text_of(m, 1, ids);
    err     e = {0};
    target *t = open_target(m, 16, 1, &e);
    draft   d;
    rows    r;
    draft_clear(&d);
    cr_assert_eq(target_begin(t, NULL, 0, &e), 0);
    cr_assert_eq(target_verify(t, ids, 0, &d, &r, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    draft_extend(&d, ids, 7);
    cr_assert_eq(target_verify(t, ids, 10, &d, &r, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    d.ids[3] = (int32_t)m->shape.vocab;
    cr_assert_eq(target_verify(t, ids, 4, &d, &r, &e), -1);
    cr_assert(strstr(e.text, "position 7") != NULL, "%s", e.text);
    d.ids[3] = -1;
    cr_assert_eq(target_verify(t, ids, 4, &d, &r, &e), -1);
    d.ids[3] = 5;
    cr_assert_eq(target_room(t), 16, "a refused pass changes nothing");
    cr_assert_eq(target_verify(t, ids, 9, &d, &r, &e), 0, "%s", e.text);
    cr_assert_eq(target_room(t), 0);
    target_close(t);
    model_close(m);
}

Test(target_transformer, logits_that_are_not_finite_are_an_error) {
    tiny_spec s = tiny_default();
    model    *m = open_tiny(&s);
    float    *norm = new_floats(m->shape.dim);
    err       e = {0};
    draft     d;
    rows      r;
    draft_clear(&d);
    int32_t ids[LENGTH];
    text_of(m, 1, ids);
    norm[0] = INFINITY;
    m->norm = norm;
    target *t = open_target(m, 16, 1, &e);
    cr_assert_eq(target_begin(t, NULL, 0, &e), 0);
    cr_assert_eq(target_verify(t, ids, 3, &d, &r, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert(strstr(e.text, "position 2") != NULL, "%s", e.text);
    target_close(t);
    model_close(m);
    free(norm);
}
