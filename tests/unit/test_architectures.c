/* Every architecture against a second, slow transcription of numerics.md (tests/fixtures/slow_model.h): equal bits of
 * all logits, for every split into passes, thread count and instruction set. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/kernels/kernels.h"
#include "engine/model/transformer.h"
#include "tests/fixtures/slow_model.h"
#include "tests/fixtures/tiny_arch.h"
#include "tests/fixtures/tiny_model.h"

enum { LENGTH = 90, CONTEXT = 100 };

static const char *const isas[] = {"portable", "avx2", "avx512", "avx512bf16", "neon"};

/* ---- variations of a file ------------------------------------------------------------------------------ */

typedef struct {
    const char *what;
    /* Changes the default; false: the architecture has nothing of the kind. */
    bool (*apply)(tiny_arch *s);
} variation;

static bool has_window(const tiny_arch *s) {
    return architecture_has_size(s->arch, offsetof(model_shape, window));
}

static bool has_experts(const tiny_arch *s) {
    return tiny_arch_has_need(s->arch, NEED_EXPERTS);
}

static bool is(const tiny_arch *s, const char *name) {
    return strcmp(s->arch->name, name) == 0;
}

static bool plain(tiny_arch *s) {
    (void)s;
    return true;
}

static bool odd_sizes(tiny_arch *s) {
    s->type = "f16";
    s->dim = 37;
    s->heads = 3;
    s->kv_heads = 1;
    s->head_dim = 10;
    s->rope_dim = 6;
    s->ffn = 33;
    s->expert_ffn = s->experts > 0 ? 21 : 0;
    s->tied = true;
    s->layers = 4; /* one without positions, for SmolLM3 */
    return true;
}

static bool halves(tiny_arch *s) { /* of vectors, with biases where there may be some */
    s->vectors = DTYPE_F16;
    s->biases = true;
    s->kv_heads = 4;
    s->scaling = SCALING_LINEAR;
    s->rope_factor = 3;
    s->layers = 7; /* one without a window, for Gemma 3 */
    s->window = has_window(s) ? 33 : 0;
    return true;
}

static bool other_whole(tiny_arch *s) {
    s->whole = !s->whole;
    s->biases = true;
    s->vectors = DTYPE_BF16;
    s->type = "bf16";
    return true;
}

static bool blocks(tiny_arch *s) {
    s->type = "q8_0";
    s->dim = 64;
    s->ffn = 96;
    s->head_dim = 24;
    s->rope_dim = 8;
    s->expert_ffn = s->experts > 0 ? 32 : 0;
    s->biases = true;
    s->window = has_window(s) ? 16 : 0;
    return true;
}

static bool blocks_with_a_base(tiny_arch *s) {
    s->type = "q5_1";
    s->dim = 32;
    s->ffn = 64;
    s->head_dim = 32;
    s->tied = true;
    s->layers = 2;
    return true;
}

static bool yarn(tiny_arch *s) {
    s->scaling = SCALING_YARN;
    s->rope_factor = 4;
    s->original_context = 32;
    s->window = has_window(s) ? 21 : 0;
    s->layers = 6; /* one without a window, for Gemma 3 */
    return true;
}

static int add_yarn_numbers(gguf_writer *w, const architecture *a, err *e) {
    return tiny_put_f32(w, a, "rope.scaling.yarn_beta_fast", 4, e) != 0 ||
                   tiny_put_f32(w, a, "rope.scaling.yarn_beta_slow", 0.5f, e) != 0 ||
                   tiny_put_f32(w, a, "rope.scaling.yarn_ext_factor", 0.75f, e) != 0
               ? -1
               : 0;
}

static bool yarn_with_its_numbers(tiny_arch *s) {
    yarn(s);
    s->rope_amplitude = 1.25f;
    s->local_theta = 333;
    s->add = add_yarn_numbers;
    return is(s, "gemma3") || is(s, "olmo2");
}

static int add_no_extrapolation(gguf_writer *w, const architecture *a, err *e) {
    return tiny_put_f32(w, a, "rope.scaling.yarn_ext_factor", 0, e);
}

static bool yarn_for_shorter_contexts(tiny_arch *s) {
    yarn(s);
    s->rope_factor = 0.5f;
    return true;
}

static bool yarn_without_extrapolation(tiny_arch *s) {
    yarn(s);
    s->head_dim = 32;
    s->kv_heads = 1;
    s->add = add_no_extrapolation;
    return is(s, "llama") || is(s, "qwen3");
}

static bool factors(tiny_arch *s) {
    s->factors = true;
    s->rope_amplitude = 1.1875f;
    s->original_context = CONTEXT - 1; /* so long ones, where there are two sets */
    s->rope_dim = 10;
    return is(s, "llama") || is(s, "granite") || is(s, "phi3");
}

static bool short_factors(tiny_arch *s) {
    s->factors = true;
    s->original_context = CONTEXT;
    return is(s, "phi3");
}

static bool factors_under_yarn(tiny_arch *s) {
    yarn(s);
    s->factors = true;
    return is(s, "llama") || is(s, "phi3");
}

static bool window_of_one(tiny_arch *s) {
    s->window = 1;
    s->layers = 4;
    return has_window(s);
}

static int add_pattern_flags(gguf_writer *w, const architecture *a, err *e) {
    return tiny_put_flags(w, a, "attention.sliding_window_pattern", "01101", e);
}

static bool window_by_flags(tiny_arch *s) {
    s->window = 17;
    s->layers = 5;
    s->add = add_pattern_flags;
    return has_window(s);
}

static int add_pattern_3(gguf_writer *w, const architecture *a, err *e) {
    return tiny_put_u32(w, a, "attention.sliding_window_pattern", 3, e);
}

static bool window_by_period(tiny_arch *s) {
    s->window = 50;
    s->layers = 4;
    s->type = "f16";
    s->add = add_pattern_3;
    return has_window(s);
}

static int add_pattern_0(gguf_writer *w, const architecture *a, err *e) {
    return tiny_put_u32(w, a, "attention.sliding_window_pattern", 0, e);
}

static bool window_in_all_layers(tiny_arch *s) {
    s->window = 64;
    s->add = add_pattern_0;
    return has_window(s);
}

static bool few_experts(tiny_arch *s) {
    s->experts = s->used = 3;
    s->expert_ffn = 24;
    return has_experts(s);
}

static bool one_expert(tiny_arch *s) {
    s->experts = s->used = 1;
    s->tied = true;
    return has_experts(s);
}

static bool many_experts(tiny_arch *s) {
    s->experts = 17;
    s->used = 3;
    s->type = "q8_0";
    s->dim = s->ffn = 64;
    s->expert_ffn = 32;
    s->vectors = DTYPE_F16;
    s->layers = 2;
    return has_experts(s);
}

static bool capped_logits(tiny_arch *s) {
    s->logit_cap = 0.7f;
    return is(s, "gemma2") || is(s, "gemma3");
}

/* Gemma's largest models, by their number of layers. */
static bool most_layers(tiny_arch *s) {
    s->layers = is(s, "gemma2") ? 46 : 62;
    s->dim = 26;
    s->heads = s->kv_heads = 2;
    s->head_dim = 6;
    s->ffn = 8;
    s->window = 9;
    return is(s, "gemma2") || is(s, "gemma3");
}

#define VARIATION(name)                                                                                                \
    { #name, name }
static const variation variations[] = {
    VARIATION(plain),
    VARIATION(odd_sizes),
    VARIATION(halves),
    VARIATION(other_whole),
    VARIATION(blocks),
    VARIATION(blocks_with_a_base),
    VARIATION(yarn),
    VARIATION(yarn_with_its_numbers),
    VARIATION(yarn_without_extrapolation),
    VARIATION(yarn_for_shorter_contexts),
    VARIATION(factors),
    VARIATION(short_factors),
    VARIATION(factors_under_yarn),
    VARIATION(window_of_one),
    VARIATION(window_by_flags),
    VARIATION(window_by_period),
    VARIATION(window_in_all_layers),
    VARIATION(few_experts),
    VARIATION(one_expert),
    VARIATION(many_experts),
    VARIATION(capped_logits),
    VARIATION(most_layers),
};
enum { VARIATIONS = sizeof variations / sizeof *variations };

static void text_of(int32_t ids[LENGTH], uint32_t seed) {
    for (uint32_t i = 0; i < LENGTH; i++) {
        seed = seed * 1664525 + 1013904223;
        ids[i] = (int32_t)(seed >> 8) % (int32_t)tiny_vocab();
    }
}

static float *new_floats(size_t n) {
    err    e = {0};
    float *x = mem_new(n, sizeof *x, &e);
    cr_assert_not_null(x);
    return x;
}

/* A new file; false when the architecture has no such variation. */
static bool write_variation(const architecture *a, const variation *v, char path[TINY_PATH]) {
    err       e = {0};
    tiny_arch s = tiny_arch_default(a);
    if (!v->apply(&s)) return false;
    cr_assert_eq(tiny_path(path, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_arch_write(path, &s, &e), 0, "%s, %s: %s", a->name, v->what, e.text);
    return true;
}

/* ---- equal bits ---------------------------------------------------------------------------------------- */

/* Passes of these sizes (the last one repeats), some followed by one over other tokens that is taken back. A bushy pass
 * is over a tree in which the text's tokens are one path. */
typedef struct {
    size_t sizes[8];
    int    threads;
    bool   bushy;
} split;

static const split splits[] = {{{1, 2, 7, 64, 16}, 2, false},
                               {{1, 5, 2, 33, 7}, 2, true},
                               {{1}, 1, false},
                               {{2}, 1, false},
                               {{7}, 3, false},
                               {{64}, 3, false},
                               {{LENGTH}, 2, false},
                               {{12}, 1, true}};
/* With sanitizers, many times slower: a split in chains and one in trees, and only the first file under every
 * instruction set. */
#ifdef __SANITIZE_ADDRESS__
enum { SPLITS = 2, EVERYWHERE = 1 };
#else
enum { SPLITS = sizeof splits / sizeof *splits, EVERYWHERE = VARIATIONS };
#endif

/* A pass over a tree: before each of n tokens a sibling, which has a child. Logits of the n are moved to the front. */
static int tree_forward(transformer *t, const int32_t *ids, const int32_t *other, size_t n, float *logits, size_t vocab,
                        err *e) {
    int32_t tree[3 * LENGTH], parent[3 * LENGTH], path[LENGTH];
    for (size_t i = 0; i < n; i++) {
        int32_t above = i > 0 ? path[i - 1] : -1, at = (int32_t)(3 * i);
        tree[at] = other[i];
        parent[at] = above;
        tree[at + 1] = ids[i];
        parent[at + 1] = above;
        tree[at + 2] = other[i + 1 < n ? i + 1 : 0];
        parent[at + 2] = i + 1 < n ? at : above; /* the last sibling's child would not always fit */
        path[i] = at + 1;
    }
    if (transformer_forward_tree(t, tree, parent, 3 * n, logits, e) != 0) return -1;
    for (size_t i = 0; i < n; i++)
        memmove(logits + i * vocab, logits + (size_t)path[i] * vocab, vocab * sizeof *logits);
    transformer_keep(t, path, n);
    return 0;
}

/* In a child process: 0, or says what differs and gives 1. */
static int check_split(const model *m, const split *s, const float *want) {
    size_t       vocab = m->shape.vocab;
    float       *logits = new_floats(3 * LENGTH * vocab);
    int32_t      ids[LENGTH], other[LENGTH];
    err          e = {0};
    transformer *t = transformer_new(m, CONTEXT, s->threads, NULL, &e);
    int          bad = t == NULL;
    text_of(ids, 1);
    text_of(other, 2);
    for (size_t at = 0, pass = 0, n, last = 0; at < LENGTH && !bad; at += n, pass++) {
        if (pass < 8 && s->sizes[pass] > 0) last = s->sizes[pass];
        n = last < LENGTH - at ? last : LENGTH - at;
        bad = (s->bushy ? tree_forward(t, ids + at, other, n, logits, vocab, &e)
                        : transformer_forward(t, ids + at, n, n, logits, &e)) != 0;
        for (size_t i = 0; i < n * vocab && !bad; i++) {
            bad = memcmp(&logits[i], &want[at * vocab + i], sizeof *logits) != 0;
            if (bad)
                fprintf(stderr, "position %zu, id %zu: %a, not %a\n", at + i / vocab, i % vocab, (double)logits[i],
                        (double)want[at * vocab + i]);
        }
        size_t extra = CONTEXT - at - n < 9 ? CONTEXT - at - n : 9;
        if (pass % 4 == 0) bad = bad || transformer_forward(t, other, extra, 1, logits, &e) != 0;
        if (t != NULL) transformer_rewind(t, at + n);
    }
    if (bad)
        fprintf(stderr, "passes of %zu, ...%s, %d threads %s\n", s->sizes[0], s->bushy ? " in trees" : "", s->threads,
                e.text);
    transformer_free(t);
    free(logits);
    return bad;
}

/* The engine under an instruction set, in a child process: it chooses once. */
static int check_under(const char *isa, size_t n_splits, const char *path, const float *want) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        err e = {0};
        setenv("HARNESS_ISA", isa, 1);
        model *m = model_open(path, &e);
        int    bad = m == NULL || model_pack(m, &e) != 0;
        if (bad) fprintf(stderr, "%s\n", e.text);
        for (size_t i = 0; i < n_splits && !bad; i++) bad = check_split(m, &splits[i], want);
        model_close(m);
        _exit(bad);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Under the best instruction set all splits, under the others, if wanted, the first, which has passes of all kinds. */
static void check_engine(const char *path, const float *want, const char *name, const char *what, bool others) {
    size_t n_splits = SPLITS;
    for (size_t k = sizeof isas / sizeof *isas; k-- > 0 && (others || n_splits > 1);) {
        if (kernels_by_name(isas[k]) == NULL) continue;
        cr_expect_eq(check_under(isas[k], n_splits, path, want), 0, "%s, %s, %s", name, what, isas[k]);
        n_splits = 1;
    }
}

static void check_architecture(const architecture *a) {
    for (size_t v = 0; v < VARIATIONS; v++) {
        char    path[TINY_PATH];
        int32_t ids[LENGTH];
        if (!write_variation(a, &variations[v], path)) continue;
        text_of(ids, 1);
        float *want = new_floats(LENGTH * tiny_vocab());
        slow_logits(path, ids, LENGTH, CONTEXT, want);
        for (size_t i = 0; i < LENGTH * tiny_vocab(); i++) cr_assert(isfinite(want[i]), "%s", variations[v].what);
        check_engine(path, want, a->name, variations[v].what, v < EVERYWHERE);
        unlink(path);
        free(want);
    }
}

#define ARCHITECTURE(name)                                                                                             \
    Test(architectures, name##_has_the_bits_of_the_slow_model) {                                                       \
        check_architecture(&architecture_##name);                                                                      \
    }
#include "engine/model/architectures.def"
#undef ARCHITECTURE

/* ---- what holds when a key is missing ------------------------------------------------------------------ */

enum { SHORT = 16 };

static void check_short(const char *path, model *m, const char *what, const char *key) {
    int32_t ids[LENGTH];
    err     e = {0};
    size_t  n = SHORT * m->shape.vocab;
    float  *want = new_floats(n), *got = new_floats(n);
    text_of(ids, 3);
    slow_logits(path, ids, SHORT, SHORT, want);
    cr_assert_eq(model_pack(m, &e), 0, "%s", e.text);
    transformer *t = transformer_new(m, SHORT, 1, NULL, &e);
    cr_assert_not_null(t, "%s", e.text);
    cr_assert_eq(transformer_forward(t, ids, SHORT, SHORT, got, &e), 0, "%s", e.text);
    cr_expect(memcmp(got, want, n * sizeof *got) == 0, "%s without %s", what, key);
    transformer_free(t);
    free(want);
    free(got);
}

/* A file without one of its keys is refused, or the slow model's number takes its place. */
static void check_presets(const architecture *a) {
    char      path[TINY_PATH], changed[TINY_PATH];
    err       e = {0};
    size_t    taken = 0;
    tiny_arch s = tiny_arch_default(a);
    s.layers = 6;
    s.rope_dim = 8;
    s.window = has_window(&s) ? 5 : 0;
    s.scaling = SCALING_YARN;
    s.rope_factor = 4;
    s.rope_amplitude = 1.25f;
    s.original_context = 32;
    s.local_theta = a->preset.local_theta > 0 ? 300 : 0;
    cr_assert_eq(tiny_path(path, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_path(changed, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_arch_write(path, &s, &e), 0, "%s", e.text);
    gguf *g = gguf_open(path, &e);
    cr_assert_not_null(g, "%s", e.text);
    for (size_t i = 0; i < gguf_value_count(g); i++) {
        char key[ARCHITECTURE_KEY];
        if (!gguf_str_copy(gguf_value_at(g, i)->key, key, sizeof key)) continue;
        if (strncmp(key, a->name, strlen(a->name)) != 0) continue;
        cr_assert_eq(tiny_copy(path, changed, key, NULL, NULL, a, &e), 0, "%s", e.text);
        model *m = model_open(changed, &e);
        taken += m != NULL;
        if (m != NULL) check_short(changed, m, a->name, key);
        model_close(m);
    }
    cr_expect_gt(taken, 4, "%s: %zu", a->name, taken);
    gguf_close(g);
    unlink(changed);
    unlink(path);
}

#define ARCHITECTURE(name)                                                                                             \
    Test(architectures, name##_has_the_presets_of_the_slow_model) {                                                    \
        check_presets(&architecture_##name);                                                                           \
    }
#include "engine/model/architectures.def"
#undef ARCHITECTURE

static int add_zero_router(gguf_writer *w, const architecture *a, err *e) {
    static const float zeros[48 * 4];
    (void)a;
    return gguf_put_tensor(w, "blk.1.ffn_gate_inp.weight", DTYPE_F32, 2, ((const uint64_t[]){48, 4}), zeros, e);
}

/* Of experts with equal logits the first ones are chosen. */
Test(architectures, equal_experts_are_taken_in_order) {
    char      path[TINY_PATH], changed[TINY_PATH];
    err       e = {0};
    tiny_arch s = tiny_arch_default(&architecture_qwen3moe);
    cr_assert_eq(tiny_path(path, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_path(changed, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_arch_write(path, &s, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_copy(path, changed, NULL, "blk.1.ffn_gate_inp.weight", add_zero_router, s.arch, &e), 0, "%s",
                 e.text);
    model *m = model_open(changed, &e);
    cr_assert_not_null(m, "%s", e.text);
    check_short(changed, m, "qwen3moe", "a router");
    model_close(m);
    unlink(changed);
    unlink(path);
}
