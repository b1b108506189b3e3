/* Binding: a Llama file gives the model's shape and weights, and anything else is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/model/transformer.h"
#include "engine/target/target.h"
#include "tests/fixtures/tiny_arch.h"
#include "tests/fixtures/tiny_model.h"

Test(model, binds_shape_and_weights) {
    tiny_spec s = tiny_default();
    s.rope_dim = 8;
    s.rope_theta = 50000;
    s.rope_factor = 4;
    err    e = {0};
    model *m = tiny_open(&s, &e);
    cr_assert_not_null(m, "%s", e.text);
    const model_shape *shape = &m->shape;
    cr_assert_eq(shape->n_layers, 2);
    cr_assert_eq(shape->dim, 64);
    cr_assert_eq(shape->n_heads, 4);
    cr_assert_eq(shape->n_kv_heads, 2);
    cr_assert_eq(shape->head_dim, 16);
    cr_assert_eq(shape->rope_dim, 8);
    cr_assert_eq(shape->ffn_dim, 96);
    cr_assert_eq(shape->vocab, tiny_vocab());
    cr_assert_eq(shape->context, 256);
    cr_assert_eq(shape->rms_eps, 1e-5f);
    cr_assert_eq(shape->rope_theta, 50000.0f);
    cr_assert_eq(shape->rope_scale, 0.25f);
    cr_assert_eq(m->layers[1].wk.rows, 32);
    cr_assert_eq(m->layers[1].wk.cols, 64);
    cr_assert_eq(m->layers[1].down.cols, 96);
    cr_assert_eq(m->layers[1].down.stored, gguf_find_tensor(m->file, "blk.1.ffn_down.weight")->data);
    cr_assert_neq(m->output.stored, m->embed.stored);
    for (size_t i = 0; i < shape->dim; i++) cr_assert(m->norm[i] >= 0.9f && m->norm[i] <= 1.1f);
    model_close(m);
}

Test(model, tied_output_is_the_embedding_and_defaults_are_the_formats) {
    for (int type = 0; type < DTYPE_COUNT; type++) {
        tiny_spec s = tiny_default();
        s.tied = true;
        s.type = (dtype)type;
        s.kv_heads = s.heads;
        if (dtype_get(s.type)->block > 32) s.dim = s.ffn = dtype_get(s.type)->block;
        err    e = {0};
        model *m = tiny_open(&s, &e);
        cr_assert_not_null(m, "%s", e.text);
        cr_assert_eq(m->output.stored, m->embed.stored);
        cr_assert_eq(m->output.rows, tiny_vocab());
        cr_assert_eq(m->layers[0].wq.type, (dtype)type);
        cr_assert_eq(m->shape.rope_theta, 10000.0f);
        cr_assert_eq(m->shape.rope_scale, 1.0f);
        cr_assert_eq(m->shape.rope_dim, s.dim / s.heads);
        model_close(m);
    }
}

/* ---- what is refused: a good file, rebuilt with one thing changed ------------------------------------- */

static void refuse(const char *without_key, const char *without_tensor, tiny_adder *add, const char *expected) {
    tiny_spec s = tiny_default();
    char      path[TINY_PATH], changed[TINY_PATH];
    err       e = {0};
    cr_assert_eq(tiny_path(path, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_path(changed, &e), 0, "%s", e.text);
    cr_assert_eq(tiny_copy(path, changed, without_key, without_tensor, add, NULL, &e), 0, "%s", e.text);
    unlink(path);
    model *m = model_open(changed, &e);
    unlink(changed);
    cr_assert_null(m, "taken, though: %s", expected);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strstr(e.text, expected) != NULL, "\"%s\" does not say \"%s\"", e.text, expected);
}

#define ADD(name, call)                                                                                                \
    static int name(gguf_writer *w, const architecture *a, err *e) {                                                   \
        (void)a;                                                                                                       \
        return call;                                                                                                   \
    }
static const float zeros[64 * 64];

ADD(arch_mamba, gguf_put_string(w, "general.architecture", "ma\x1b[31mmba", e))
ADD(heads_5, gguf_put_u32(w, "llama.attention.head_count", 5, e))
ADD(heads_0, gguf_put_u32(w, "llama.attention.head_count", 0, e))
ADD(kv_3, gguf_put_u32(w, "llama.attention.head_count_kv", 3, e))
ADD(layers_3, gguf_put_u32(w, "llama.block_count", 3, e))
ADD(layers_1, gguf_put_u32(w, "llama.block_count", 1, e))
ADD(layers_huge, gguf_put_u32(w, "llama.block_count", 4000000000u, e))
ADD(layers_text, gguf_put_string(w, "llama.block_count", "2", e))
ADD(dim_128, gguf_put_u32(w, "llama.embedding_length", 128, e))
ADD(key_length_32, gguf_put_u32(w, "llama.attention.key_length", 32, e))
ADD(rope_odd, gguf_put_u32(w, "llama.rope.dimension_count", 7, e))
ADD(rope_wide, gguf_put_u32(w, "llama.rope.dimension_count", 18, e))
ADD(theta_nan, gguf_put_f32(w, "llama.rope.freq_base", NAN, e))
ADD(eps_0, gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", 0, e))
ADD(scaling_yarn, gguf_put_string(w, "llama.rope.scaling.type", "yarn", e))
ADD(scaling_other, gguf_put_string(w, "llama.rope.scaling.type", "dynamic", e))
ADD(scaling_bare, gguf_put_string(w, "llama.rope.scaling.type", "linear", e))
ADD(scaling_negative, gguf_put_f32(w, "llama.rope.scale_linear", -2, e))
ADD(experts, gguf_put_u32(w, "llama.expert_count", 8, e))
ADD(softcap, gguf_put_f32(w, "llama.final_logit_softcapping", 30, e))
ADD(bias, gguf_put_tensor(w, "blk.0.attn_norm.bias", DTYPE_F32, 1, (const uint64_t[]){64}, zeros, e))
ADD(rope_freqs, gguf_put_tensor(w, "rope_freqs.weight", DTYPE_F32, 1, (const uint64_t[]){16}, zeros, e))
ADD(norm_q8, gguf_put_tensor(w, "output_norm.weight", DTYPE_Q8_0, 1, (const uint64_t[]){64}, zeros, e))
ADD(norm_long, gguf_put_tensor(w, "output_norm.weight", DTYPE_F32, 2, ((const uint64_t[]){64, 2}), zeros, e))
ADD(embed_short, gguf_put_tensor(w, "token_embd.weight", DTYPE_F32, 2, ((const uint64_t[]){64, 3}), zeros, e))
ADD(wq_narrow, gguf_put_tensor(w, "blk.1.attn_q.weight", DTYPE_F32, 2, ((const uint64_t[]){64, 32}), zeros, e))

Test(model, refuses_other_shapes) {
    refuse("general.architecture", NULL, arch_mamba,
           "architecture \"ma\\x1b[31mmba\" is not supported (\"llama\", \"qwen2\",");
    refuse("general.architecture", NULL, NULL, "\"general.architecture\" is missing");
    refuse("llama.attention.head_count", NULL, heads_5, "5 attention heads");
    refuse("llama.attention.head_count", NULL, heads_0, "is 0 (at least 1)");
    refuse("llama.attention.head_count_kv", NULL, kv_3, "3 key-value heads");
    refuse("llama.block_count", NULL, layers_3, "\"blk.2.attn_norm.weight\" is missing");
    refuse("llama.block_count", NULL, layers_1, "\"blk.1.attn_norm.weight\" is not supported");
    refuse("llama.block_count", NULL, layers_huge, "4000000000 layers");
    refuse("llama.block_count", NULL, layers_text, "has type string (an integer)");
    refuse("llama.embedding_length", NULL, dim_128, "token_embd.weight\" has shape [64,");
    refuse(NULL, NULL, key_length_32, "\"blk.0.attn_q.weight\" has shape [64, 64, 1, 1] ([64, 128");
    refuse("llama.feed_forward_length", NULL, NULL, "\"llama.feed_forward_length\" is missing");
    refuse("llama.attention.head_count_kv", NULL, NULL, "\"blk.0.attn_k.weight\" has shape [64, 32, 1, 1] ([64, 64");
}

Test(model, refuses_other_arithmetic) {
    refuse(NULL, NULL, rope_odd, "7 elements of a head are rotated");
    refuse(NULL, NULL, rope_wide, "18 elements of a head are rotated");
    refuse(NULL, NULL, theta_nan, "\"llama.rope.freq_base\" is nan (a positive number)");
    refuse("llama.attention.layer_norm_rms_epsilon", NULL, eps_0, "(a positive number)");
    refuse("llama.attention.layer_norm_rms_epsilon", NULL, NULL, "epsilon\" is missing");
    refuse(NULL, NULL, scaling_yarn, "\"llama.rope.scaling.factor\" is missing (RoPE scaling is \"yarn\")");
    refuse(NULL, NULL, scaling_other, "RoPE scaling \"dynamic\" is not supported (\"none\", \"linear\", \"yarn\",");
    refuse(NULL, NULL, scaling_bare, "\"llama.rope.scaling.factor\" is missing");
    refuse(NULL, NULL, scaling_negative, "\"llama.rope.scale_linear\" is -2 (a positive number)");
    refuse(NULL, NULL, experts, "each token has 0 of 8 experts");
    refuse(NULL, NULL, softcap, "\"llama.final_logit_softcapping\" asks for what");
    refuse(NULL, NULL, bias, "tensor \"blk.0.attn_norm.bias\" is not supported");
    refuse(NULL, NULL, rope_freqs, "tensor \"rope_freqs.weight\" has shape [16, 1, 1, 1] ([8, 1, 1, 1])");
}

Test(model, refuses_other_tensors) {
    refuse(NULL, "output_norm.weight", NULL, "\"output_norm.weight\" is missing");
    refuse(NULL, "blk.1.ffn_gate.weight", NULL, "\"blk.1.ffn_gate.weight\" is missing");
    refuse(NULL, "output_norm.weight", norm_q8, "\"output_norm.weight\" has type Q8_0 (\"F32\", \"F16\" or \"BF16\")");
    refuse(NULL, "output_norm.weight", norm_long, "has shape [64, 2, 1, 1] ([64, 1, 1, 1])");
    refuse(NULL, "token_embd.weight", embed_short, "\"token_embd.weight\" has 3 rows");
    refuse(NULL, "blk.1.attn_q.weight", wq_narrow, "\"blk.1.attn_q.weight\" has shape [64, 32, 1, 1]");
}

/* Every tensor of a description is found by its names in a file, and by no other. */
static void check_names(const architecture *a, const tensor_spec *specs, size_t n, bool in_layer) {
    char name[TENSOR_NAME];
    for (size_t k = 0; k < n; k++) {
        const tensor_spec *t = &specs[k];
        cr_expect(t->name != NULL || t->whole != NULL, "%s: tensor %zu", a->name, k);
        const char        *own = t->name != NULL ? t->name : t->whole;
        const tensor_spec *found = architecture_tensor(a, tensor_name(own, in_layer ? 12 : SIZE_MAX, name));
        cr_expect(found == t || t->name == NULL, "%s: %s", a->name, name);
        cr_expect_not_null(found, "%s: %s", a->name, name);
        cr_expect_null(architecture_tensor(a, tensor_name(own, in_layer ? SIZE_MAX : 0, name)), "%s: %s", a->name,
                       name);
        cr_expect(t->fallback == NULL || architecture_tensor(a, t->fallback) != NULL, "%s: %s", a->name, own);
        if (t->whole == NULL) continue;
        found = architecture_tensor(a, tensor_name(t->whole, in_layer ? 12 : SIZE_MAX, name));
        cr_expect_not_null(found, "%s: %s", a->name, name);
        if (found != NULL) cr_expect_eq(found->before[0], EXTENT_NONE, "%s: %s", a->name, name);
    }
}

Test(model, descriptions_name_each_tensor_once) {
    for (size_t i = 0; i < architecture_registry.n; i++) {
        const architecture *a = architecture_registry.at[i];
        check_names(a, a->tensors, a->n_tensors, false);
        check_names(a, a->layer_tensors, a->n_layer_tensors, true);
    }
}

/* The description decides a head's size, for the matrices and for the shape. */
Test(model, extents_follow_from_heads) {
    model_shape s = {.vocab = 7, .dim = 64, .ffn_dim = 96, .n_heads = 4, .n_kv_heads = 2, .head_dim = 24};
    cr_expect_eq(shape_extent(&s, architecture_tensor(&architecture_llama, "blk.0.attn_q.weight")->rows), 4 * 24);
    cr_expect_eq(shape_extent(&s, architecture_tensor(&architecture_llama, "blk.0.attn_k.weight")->rows), 2 * 24);
    cr_expect_eq(shape_extent(&s, architecture_tensor(&architecture_llama, "blk.0.attn_output.weight")->cols), 4 * 24);
}

/* An unsupported type opens, so that it can be inspected, but binds nowhere. */
Test(model, names_an_unsupported_type) {
    tiny_spec s = tiny_default();
    char      path[TINY_PATH];
    err       e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    FILE *f = fopen(path, "r+b");
    char  head[16384];
    cr_assert_not_null(f);
    size_t            n = fread(head, 1, sizeof head, f), at = 0;
    static const char name[] = "blk.0.attn_v.weight";
    for (size_t i = 0; i + sizeof name < n; i++)
        if (memcmp(head + i, name, sizeof name - 1) == 0) at = i + sizeof name - 1 + 4 + 2 * 8;
    cr_assert_neq(at, 0);
    uint32_t iq2_xxs = 16;
    fseek(f, (long)at, SEEK_SET);
    fwrite(&iq2_xxs, sizeof iq2_xxs, 1, f);
    fclose(f);
    gguf *g = gguf_open(path, &e);
    cr_assert_not_null(g, "%s", e.text);
    const gguf_tensor *t = gguf_find_tensor(g, name);
    cr_assert_eq(t->type, -1);
    cr_assert_eq(t->gguf_type, 16);
    cr_assert_null(t->data);
    cr_assert_eq(t->bytes, 0);
    gguf_close(g);
    cr_assert_null(model_open(path, &e));
    cr_assert(strstr(e.text, "\"blk.0.attn_v.weight\" has type IQ2_XXS (\"F32\"") != NULL, "%s", e.text);
    unlink(path);
}

Test(model, survives_every_failing_allocation) {
    tiny_spec s = tiny_default();
    char      path[TINY_PATH];
    err       e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    model *m = NULL;
    size_t n = 0;
    while (m == NULL) {
        mem_fail_at(++n);
        e = (err){0};
        m = model_open(path, &e);
        mem_fail_at(0);
        if (m == NULL) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", n, e.text);
        cr_assert_lt(n, 2000);
    }
    cr_assert_gt(n, 8);
    model_close(m);
    unlink(path);
}

Test(model, a_vocabulary_alone_is_no_model) {
    char path[TINY_PATH];
    err  e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    gguf_writer *w = gguf_writer_new(&e);
    cr_assert_eq(gguf_put_string(w, "general.architecture", "llama", &e), 0);
    cr_assert_eq(tiny_put_tokenizer(w, &e), 0);
    cr_assert_eq(gguf_writer_save(w, path, 3, 32, &e), 0, "%s", e.text);
    gguf_writer_free(w);
    cr_assert_null(model_open(path, &e));
    cr_assert(strstr(e.text, "holds no tensors") != NULL, "%s", e.text);
    unlink(path);
}

static target *open_target(model *m, gemm g, err *e) {
    const target_spec spec = {.weights = m, .vocab = m->shape.vocab, .context = 16, .threads = 1, .gemm = g};
    return target_open(&target_transformer, &spec, e);
}

Test(model, decoded_weights_are_not_for_the_kernels) {
    tiny_spec s = tiny_default();
    err       e = {0};
    char      path[TINY_PATH];
    cr_assert_eq(tiny_path(path, &e), 0);
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    model *m = model_open(path, &e);
    cr_assert_not_null(m, "%s", e.text);
    cr_assert_eq(model_decode(m, &e), 0, "%s", e.text);
    cr_assert_null(open_target(m, GEMM_EXACT, &e));
    cr_assert(strstr(e.text, "not packed") != NULL, "%s", e.text);
    target *t = open_target(m, GEMM_BLAS, &e);
    cr_assert_not_null(t, "%s", e.text);
    target_close(t);
    model_close(m);
    unlink(path);
}

Test(model, weights_are_packed_once_and_before_they_run) {
    tiny_spec s = tiny_default();
    err       e = {0};
    char      path[TINY_PATH];
    s.type = DTYPE_Q4_0;
    cr_assert_eq(tiny_path(path, &e), 0);
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    model *m = model_open(path, &e);
    cr_assert_not_null(m, "%s", e.text);
    m->output.panels = m; /* one matrix that is ready is not all */
    cr_assert_null(transformer_new(m, 16, 1, NULL, &e));
    cr_assert(strstr(e.text, "not packed") != NULL, "%s", e.text);
    m->output.panels = NULL;
    cr_assert_null(open_target(m, GEMM_BLAS, &e));
    cr_assert(strstr(e.text, "not decoded") != NULL, "%s", e.text);
    cr_assert_eq(model_pack(m, &e), 0);
    const void *first = m->layers[0].wq.panels;
    cr_assert_eq(model_pack(m, &e), 0);
    cr_assert_eq(m->layers[0].wq.panels, first);
    transformer *t = transformer_new(m, 16, 1, NULL, &e);
    cr_assert_not_null(t);
    transformer_free(t);
    model_close(m);
    unlink(path);
}
