/* Files of every architecture: what is refused and how it is named, damage, failing allocations, products through BLAS.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/model/blas.h"
#include "engine/model/transformer.h"
#include "tests/fixtures/slow_model.h"
#include "tests/fixtures/tiny_arch.h"
#include "tests/fixtures/tiny_model.h"

static void new_path(char path[TINY_PATH]) {
    err e = {0};
    cr_assert_eq(tiny_path(path, &e), 0, "%s", e.text);
}

static void write_arch(const tiny_arch *s, char path[TINY_PATH]) {
    err e = {0};
    new_path(path);
    cr_assert_eq(tiny_arch_write(path, s, &e), 0, "%s: %s", s->arch->name, e.text);
}

static model *open_once(const char *path, err *e) {
    *e = (err){0};
    model *m = model_open(path, e);
    unlink(path);
    return m;
}

/* ---- refused: a good file with one thing changed ------------------------------------------------------- */

static void refuse(const tiny_arch *s, const char *without_key, const char *without_tensor, tiny_adder *add,
                   const char *says) {
    char path[TINY_PATH], changed[TINY_PATH];
    err  e = {0};
    write_arch(s, path);
    new_path(changed);
    cr_assert_eq(tiny_copy(path, changed, without_key, without_tensor, add, s->arch, &e), 0, "%s", e.text);
    model *m = open_once(path, &e);
    cr_assert_not_null(m, "without the change: %s", e.text);
    model_close(m);
    m = open_once(changed, &e);
    cr_expect_null(m, "taken, though: %s", says);
    model_close(m);
    cr_expect_eq(e.kind, ERR_INPUT);
    cr_expect(strncmp(e.text, changed, strlen(changed)) == 0, "no file named: %s", e.text);
    cr_expect(strstr(e.text, says) != NULL, "\"%s\" does not say \"%s\"", e.text, says);
}

/* A file with one key more, or another one, is taken. */
static void take(const tiny_arch *s, const char *without_key, tiny_adder *add) {
    char path[TINY_PATH], changed[TINY_PATH];
    err  e = {0};
    write_arch(s, path);
    new_path(changed);
    cr_assert_eq(tiny_copy(path, changed, without_key, NULL, add, s->arch, &e), 0, "%s", e.text);
    unlink(path);
    model *m = open_once(changed, &e);
    cr_expect_not_null(m, "%s", e.text);
    model_close(m);
}

#define ADD(name, call)                                                                                                \
    static int name(gguf_writer *w, const architecture *a, err *e) {                                                   \
        (void)a;                                                                                                       \
        return call;                                                                                                   \
    }
#define VECTOR(name, n)          gguf_put_tensor(w, name, DTYPE_F32, 1, (const uint64_t[]){n}, numbers, e)
#define MATRIX(name, cols, rows) gguf_put_tensor(w, name, DTYPE_F32, 2, ((const uint64_t[]){cols, rows}), numbers, e)
static const float numbers[64 * 128];
static const float negative[8] = {1, 1, -1, 1, 1, 1, 1, 1}, endless[8] = {1, 1, 1, 1, 1, 1, 1, INFINITY};

ADD(scale_nan, tiny_put_f32(w, a, "attention.scale", NAN, e))
ADD(scale_negative, tiny_put_f32(w, a, "residual_scale", -1, e))
ADD(scale_infinite, tiny_put_f32(w, a, "embedding_scale", INFINITY, e))
ADD(logit_scale_nan, tiny_put_f32(w, a, "logit_scale", NAN, e))
ADD(cap_negative, tiny_put_f32(w, a, "attn_logit_softcapping", -50, e))
ADD(cap_nan, tiny_put_f32(w, a, "final_logit_softcapping", NAN, e))
ADD(base_0, tiny_put_f32(w, a, "rope.freq_base_swa", 0, e))
ADD(base_nan, tiny_put_f32(w, a, "rope.freq_base_swa", NAN, e))
ADD(base_10000, tiny_put_f32(w, a, "rope.freq_base_swa", 10000, e))
ADD(factor_nan, tiny_put_f32(w, a, "rope.scaling.factor", NAN, e))
ADD(amplitude_nan, tiny_put_f32(w, a, "rope.scaling.attn_factor", NAN, e))
ADD(ext_negative, tiny_put_f32(w, a, "rope.scaling.yarn_ext_factor", -1, e))
ADD(beta_0, tiny_put_f32(w, a, "rope.scaling.yarn_beta_fast", 0, e))
ADD(yarn_amplitude, tiny_put_f32(w, a, "rope.scaling.yarn_attn_factor", 1.5f, e))
ADD(longrope, gguf_put_string(w, "llama.rope.scaling.type", "longrope", e))

Test(architecture_files, numbers_that_nothing_is_computed_with) {
    tiny_arch granite = tiny_arch_default(&architecture_granite), gemma2 = tiny_arch_default(&architecture_gemma2),
              gemma3 = tiny_arch_default(&architecture_gemma3), olmo2 = tiny_arch_default(&architecture_olmo2),
              llama = tiny_arch_default(&architecture_llama);
    refuse(&granite, "granite.attention.scale", NULL, scale_nan, "\"granite.attention.scale\" is nan (a positive");
    refuse(&granite, "granite.residual_scale", NULL, scale_negative, "\"granite.residual_scale\" is -1");
    refuse(&granite, "granite.embedding_scale", NULL, scale_infinite, "\"granite.embedding_scale\" is inf");
    refuse(&granite, "granite.logit_scale", NULL, logit_scale_nan, "\"granite.logit_scale\" is nan");
    refuse(&gemma2, "gemma2.attn_logit_softcapping", NULL, cap_negative, "\"gemma2.attn_logit_softcapping\" is -50");
    refuse(&gemma2, "gemma2.final_logit_softcapping", NULL, cap_nan, "\"gemma2.final_logit_softcapping\" is nan");
    refuse(&gemma3, "gemma3.rope.freq_base_swa", NULL, base_0, "\"gemma3.rope.freq_base_swa\" is 0");
    refuse(&olmo2, NULL, NULL, base_nan, "\"olmo2.rope.freq_base_swa\" is nan");
    refuse(&llama, NULL, NULL, factor_nan, "\"llama.rope.scaling.factor\" is nan");
    refuse(&llama, NULL, NULL, amplitude_nan, "\"llama.rope.scaling.attn_factor\" is nan");
    refuse(&llama, NULL, NULL, ext_negative, "\"llama.rope.scaling.yarn_ext_factor\" is -1");
    refuse(&llama, NULL, NULL, beta_0, "YaRN's beta_fast and beta_slow are 0 and 1");
    refuse(&llama, NULL, NULL, yarn_amplitude, "\"llama.rope.scaling.yarn_attn_factor\" is 1.5 (1, or no such key)");
    llama.scaling = SCALING_YARN;
    llama.rope_factor = 4;
    refuse(&llama, NULL, NULL, yarn_amplitude, "yarn_attn_factor\" is 1.5 (1.13863, or no such key)");
}

ADD(logit_scale_0, tiny_put_f32(w, a, "logit_scale", 0, e))

Test(architecture_files, numbers_that_a_file_must_have) {
    tiny_arch granite = tiny_arch_default(&architecture_granite);
    refuse(&granite, "granite.logit_scale", NULL, NULL, "key \"granite.logit_scale\" is missing");
    refuse(&granite, "granite.logit_scale", NULL, logit_scale_0, "\"granite.logit_scale\" is 0 (a positive number)");
}

ADD(shared_experts, tiny_put_u32(w, a, "expert_shared_count", 1, e))
ADD(alibi, tiny_put_f32(w, a, "attention.max_alibi_bias", 8, e))
ADD(scale_half, tiny_put_f32(w, a, "attention.scale", 0.5f, e))
ADD(window_64, tiny_put_u32(w, a, "attention.sliding_window", 64, e))
ADD(window_array, gguf_put_i32s(w, "qwen2.attention.sliding_window", (const int32_t[]){1, 2}, 2, e))
ADD(experts_text, gguf_put_string(w, "qwen3.expert_count", "8", e))
ADD(no_positions, gguf_put_bool(w, "granite.rope.scaling.finetuned", false, e))
ADD(not_finetuned, gguf_put_bool(w, "qwen2.rope.scaling.finetuned", false, e))

Test(architecture_files, arithmetic_of_other_architectures) {
    tiny_arch qwen2 = tiny_arch_default(&architecture_qwen2), qwen3 = tiny_arch_default(&architecture_qwen3),
              granite = tiny_arch_default(&architecture_granite), moe = tiny_arch_default(&architecture_qwen3moe),
              gemma2 = tiny_arch_default(&architecture_gemma2);
    refuse(&moe, NULL, NULL, shared_experts, "\"qwen3moe.expert_shared_count\" asks for what");
    refuse(&qwen3, NULL, NULL, alibi, "\"qwen3.attention.max_alibi_bias\" asks for what");
    refuse(&qwen3, NULL, NULL, scale_half, "\"qwen3.attention.scale\" asks for what");
    refuse(&qwen2, NULL, NULL, window_64, "\"qwen2.attention.sliding_window\" asks for what");
    refuse(&qwen2, NULL, NULL, window_array, "\"qwen2.attention.sliding_window\" asks for what");
    refuse(&qwen3, NULL, NULL, experts_text, "\"qwen3.expert_count\" asks for what");
    refuse(&gemma2, NULL, NULL, base_10000, "\"gemma2.rope.freq_base_swa\" asks for what");
    refuse(&granite, NULL, NULL, no_positions,
           "\"granite.rope.scaling.finetuned\" asks for what a model of architecture \"granite\" is not computed with "
           "here (no such key, or true)");
}

ADD(not_causal, gguf_put_bool(w, "qwen3.attention.causal", false, e))
ADD(causal_0, tiny_put_u32(w, a, "attention.causal", 0, e))
ADD(causal, gguf_put_bool(w, "qwen3.attention.causal", true, e))
ADD(pooling_last, tiny_put_u32(w, a, "pooling_type", 3, e)) /* as in Qwen3-Embedding */
ADD(pooling_none, tiny_put_u32(w, a, "pooling_type", 0, e))
ADD(pooling_text, gguf_put_string(w, "qwen3.pooling_type", "last", e))

Test(architecture_files, models_that_write_no_text) {
    tiny_arch s = tiny_arch_default(&architecture_qwen3);
    refuse(&s, NULL, NULL, not_causal, "key \"qwen3.attention.causal\" is false: tokens see those after them");
    refuse(&s, NULL, NULL, not_causal, "(true, or no such key)");
    refuse(&s, NULL, NULL, causal_0, "\"qwen3.attention.causal\" has type u32");
    refuse(&s, NULL, NULL, pooling_last, "key \"qwen3.pooling_type\" is 3: a model for embeddings");
    refuse(&s, NULL, NULL, pooling_last, "(0, or no such key)");
    refuse(&s, NULL, NULL, pooling_text, "\"qwen3.pooling_type\" has type string");
    take(&s, NULL, causal);
    take(&s, NULL, pooling_none);
}

static int longrope_by(float factor, gguf_writer *w, const architecture *a, err *e) {
    char key[ARCHITECTURE_KEY];
    return gguf_put_string(w, architecture_key(a, "rope.scaling.type", key), "longrope", e) != 0
               ? -1
               : tiny_put_f32(w, a, "rope.scaling.factor", factor, e);
}
ADD(longrope_by_32, longrope_by(32, w, a, e))
ADD(longrope_by_1, longrope_by(1, w, a, e))
ADD(longrope_by_nan, longrope_by(NAN, w, a, e))
ADD(longrope_alone, gguf_put_string(w, "phi3.rope.scaling.type", "longrope", e))

/* Its factors are tensors. */
Test(architecture_files, longrope_has_no_factor_in_a_key) {
    tiny_arch s = tiny_arch_default(&architecture_phi3);
    s.factors = true;
    refuse(&s, NULL, NULL, longrope_by_32, "key \"phi3.rope.scaling.factor\" is 32, but RoPE scaling is \"longrope\"");
    refuse(&s, NULL, NULL, longrope_by_nan, "key \"phi3.rope.scaling.factor\" is nan");
    take(&s, NULL, longrope_by_1);
    take(&s, NULL, longrope_alone);
}

ADD(groups_2, tiny_put_u32(w, a, "expert_group_count", 2, e))
ADD(groups_1, tiny_put_u32(w, a, "expert_group_count", 1, e))
ADD(sigmoid, tiny_put_u32(w, a, "expert_gating_func", 2, e))
ADD(softmax, tiny_put_u32(w, a, "expert_gating_func", 1, e))
ADD(weights_2, tiny_put_f32(w, a, "expert_weights_scale", 2, e))
ADD(weights_1, tiny_put_f32(w, a, "expert_weights_scale", 1, e))
ADD(weights_nan, tiny_put_f32(w, a, "expert_weights_scale", NAN, e))
ADD(not_normalized, gguf_put_bool(w, "qwen3moe.expert_weights_norm", false, e))
ADD(normalized, gguf_put_bool(w, "qwen3moe.expert_weights_norm", true, e))
ADD(key_length_swa, tiny_put_u32(w, a, "attention.key_length_swa", 8, e))
ADD(rope_swa, tiny_put_u32(w, a, "rope.dimension_count_swa", 8, e))

/* The flag means something in Granite alone, and nothing is computed with vocab_size: tensors must fit the tokenizer.
 */
ADD(other_vocabulary, tiny_put_u32(w, a, "vocab_size", 5, e))

Test(architecture_files, keys_that_change_nothing) {
    tiny_arch s = tiny_arch_default(&architecture_qwen2);
    take(&s, NULL, not_finetuned);
    take(&s, "qwen2.vocab_size", other_vocabulary);
}

Test(architecture_files, routers) {
    tiny_arch s = tiny_arch_default(&architecture_qwen3moe), gemma3 = tiny_arch_default(&architecture_gemma3);
    refuse(&s, NULL, NULL, groups_2, "\"qwen3moe.expert_group_count\" asks for what");
    refuse(&s, NULL, NULL, sigmoid, "computed with here (no such key, or 0 or 1)");
    refuse(&s, NULL, NULL, weights_2, "\"qwen3moe.expert_weights_scale\" asks for what");
    refuse(&s, NULL, NULL, weights_nan, "\"qwen3moe.expert_weights_scale\" asks for what");
    refuse(&s, NULL, NULL, not_normalized, "expert_weights_norm\" is false (true: weights of experts sum to 1)");
    tiny_adder *const fine[] = {groups_1, softmax, weights_1, normalized};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) take(&s, NULL, fine[i]);
    refuse(&gemma3, NULL, NULL, key_length_swa, "key_length_swa\" is 8 (");
    refuse(&gemma3, NULL, NULL, rope_swa, "rope.dimension_count_swa\" is 8 (");
}

/* As Granite 4's converter writes them. */
ADD(kv_each_layer, gguf_put_i32s(w, "granite.attention.head_count_kv", (const int32_t[]){2, 2, 2}, 3, e))
ADD(kv_differ, gguf_put_i32s(w, "granite.attention.head_count_kv", (const int32_t[]){2, 2, 4}, 3, e))
ADD(kv_negative, gguf_put_i32s(w, "granite.attention.head_count_kv", (const int32_t[]){2, -2, 2}, 3, e))
ADD(kv_of_two, gguf_put_i32s(w, "granite.attention.head_count_kv", (const int32_t[]){2, 2}, 2, e))
ADD(kv_real, gguf_put_f32s(w, "granite.attention.head_count_kv", (const float[]){2, 2, 2}, 3, e))

Test(architecture_files, a_size_may_be_said_of_each_layer) {
    static const char key[] = "granite.attention.head_count_kv";
    tiny_arch         s = tiny_arch_default(&architecture_granite);
    char              path[TINY_PATH], changed[TINY_PATH];
    err               e = {0};
    write_arch(&s, path);
    new_path(changed);
    cr_assert_eq(tiny_copy(path, changed, key, NULL, kv_each_layer, s.arch, &e), 0, "%s", e.text);
    unlink(path);
    model *m = open_once(changed, &e);
    cr_assert_not_null(m, "%s", e.text);
    cr_assert_eq(m->shape.n_kv_heads, 2);
    model_close(m);
    refuse(&s, key, NULL, kv_differ, "head_count_kv\" has different values, 2 and 4 (one for all layers)");
    refuse(&s, key, NULL, kv_negative, "head_count_kv\" is -2 (0 to 4294967295)");
    refuse(&s, key, NULL, kv_of_two, "head_count_kv\" has 2 values (one, or 3)");
    refuse(&s, key, NULL, kv_real, "head_count_kv\" has type f32 (an integer)");
}

ADD(experts_0, tiny_put_u32(w, a, "expert_count", 0, e))
ADD(experts_many, tiny_put_u32(w, a, "expert_count", 4000000000u, e))
ADD(experts_5, tiny_put_u32(w, a, "expert_count", 5, e))
ADD(used_5, tiny_put_u32(w, a, "expert_used_count", 5, e))
ADD(used_0, tiny_put_u32(w, a, "expert_used_count", 0, e))
ADD(width_many, tiny_put_u32(w, a, "expert_feed_forward_length", 4000000000u, e))
ADD(lone_expert, MATRIX("blk.0.ffn_gate_exps.weight", 48, 40))
ADD(lone_gate, MATRIX("blk.0.ffn_gate.weight", 48, 40))
ADD(flat_experts, MATRIX("blk.1.ffn_up_exps.weight", 48, 40))

Test(architecture_files, experts) {
    tiny_arch moe = tiny_arch_default(&architecture_qwen3moe), llama = tiny_arch_default(&architecture_llama);
    refuse(&moe, "qwen3moe.expert_count", NULL, experts_0, "\"qwen3moe.expert_count\" is 0 (at least 1)");
    refuse(&moe, "qwen3moe.expert_count", NULL, NULL, "\"qwen3moe.expert_count\" is missing");
    refuse(&moe, "qwen3moe.expert_count", NULL, experts_many, "4000000000 experts in a layer (at most 4096)");
    refuse(&moe, "qwen3moe.expert_count", NULL, experts_5, "\"blk.0.ffn_gate_inp.weight\" has shape [48, 4,");
    refuse(&moe, "qwen3moe.expert_used_count", NULL, used_5, "each token has 5 of 4 experts");
    refuse(&moe, "qwen3moe.expert_used_count", NULL, used_0, "\"qwen3moe.expert_used_count\" is 0");
    refuse(&moe, "qwen3moe.expert_feed_forward_length", NULL, width_many, "has shape [48, 40, 4, 1] ([48, 4000000000");
    tiny_arch alone = moe; /* without a width of dense layers */
    alone.expert_ffn = moe.ffn;
    alone.ffn = 0;
    refuse(&alone, "qwen3moe.expert_feed_forward_length", NULL, NULL,
           "\"qwen3moe.expert_feed_forward_length\" is missing, or 0 (at least 1)");
    refuse(&moe, NULL, "blk.1.ffn_up_exps.weight", flat_experts, "has shape [48, 40, 1, 1] ([48, 40, 4, 1])");
    refuse(&moe, NULL, "blk.2.ffn_down_exps.weight", NULL, "\"blk.2.ffn_down_exps.weight\" is missing");
    refuse(&llama, NULL, NULL, lone_expert, "tensor \"blk.0.ffn_gate_exps.weight\" is not supported (what a Llama,");
    llama.experts = 3;
    llama.used = 2;
    refuse(&llama, NULL, NULL, lone_gate, "tensor \"blk.0.ffn_gate.weight\" is not supported");
    refuse(&llama, "llama.expert_used_count", NULL, used_0, "each token has 0 of 3 experts");
}

ADD(flags_2, tiny_put_flags(w, a, "attention.sliding_window_pattern", "01", e))
ADD(flags_4, tiny_put_flags(w, a, "attention.sliding_window_pattern", "0101", e))
ADD(flags_integers, gguf_put_i32s(w, "gemma3.attention.sliding_window_pattern", (const int32_t[]){1, 1, 0}, 3, e))
ADD(pattern_text, gguf_put_string(w, "gemma3.attention.sliding_window_pattern", "LLG", e))

Test(architecture_files, windows) {
    tiny_arch s = tiny_arch_default(&architecture_gemma3);
    s.window = 16;
    refuse(&s, NULL, NULL, flags_2, "sliding_window_pattern\" has 2 values of type bool (3 of type bool, one for each");
    refuse(&s, NULL, NULL, flags_4, "sliding_window_pattern\" has 4 values of type bool");
    refuse(&s, NULL, NULL, flags_integers, "sliding_window_pattern\" has 3 values of type i32 (3 of type bool");
    refuse(&s, NULL, NULL, pattern_text, "sliding_window_pattern\" has type string");
}

ADD(qkv_short, MATRIX("blk.0.attn_qkv.weight", 48, 127))
ADD(qkv_again, MATRIX("blk.0.attn_qkv.weight", 48, 128))
ADD(qkv_bias_long, VECTOR("blk.0.attn_qkv.bias", 129))
ADD(gate_up_half, MATRIX("blk.0.ffn_up.weight", 48, 40))
ADD(q_short, VECTOR("blk.1.attn_q_norm.weight", 16))
ADD(q_long, VECTOR("blk.1.attn_q_norm.weight", 64))
ADD(factors_negative, gguf_put_tensor(w, "rope_freqs.weight", DTYPE_F32, 1, (const uint64_t[]){8}, negative, e))
ADD(factors_endless, gguf_put_tensor(w, "rope_factors_long.weight", DTYPE_F32, 1, (const uint64_t[]){8}, endless, e))

Test(architecture_files, tensors) {
    tiny_arch phi3 = tiny_arch_default(&architecture_phi3), qwen2 = tiny_arch_default(&architecture_qwen2),
              llama = tiny_arch_default(&architecture_llama), olmo2 = tiny_arch_default(&architecture_olmo2),
              qwen3 = tiny_arch_default(&architecture_qwen3);
    phi3.factors = true;
    refuse(&phi3, NULL, "blk.0.attn_qkv.weight", qkv_short,
           "\"blk.0.attn_qkv.weight\" has shape [48, 127, 1, 1] ([48,");
    refuse(&phi3, NULL, "blk.0.attn_qkv.weight", NULL, "\"blk.0.attn_q.weight\" is missing");
    refuse(&phi3, NULL, "blk.0.ffn_up.weight", gate_up_half,
           "\"blk.0.ffn_up.weight\" has shape [48, 40, 1, 1] ([48, 80,");
    refuse(&phi3, NULL, NULL, qkv_bias_long, "\"blk.0.attn_qkv.bias\" has shape [129, 1, 1, 1] ([128,");
    refuse(&phi3, NULL, NULL, lone_gate, "\"blk.0.ffn_gate.weight\" and \"blk.0.ffn_up.weight\" are both there");
    refuse(&phi3, NULL, "rope_factors_short.weight", NULL, "\"rope_factors_short.weight\" is missing");
    refuse(&phi3, NULL, "rope_factors_long.weight", NULL, "\"rope_factors_long.weight\" is missing");
    refuse(&phi3, NULL, "rope_factors_long.weight", factors_endless,
           "\"rope_factors_long.weight\": element 7 is inf (a positive number)");
    refuse(&llama, NULL, NULL, factors_negative, "\"rope_freqs.weight\": element 2 is -1 (a positive number)");
    refuse(&llama, NULL, NULL, longrope, "RoPE scaling is \"longrope\", but tensor \"rope_factors_long.weight\"");
    refuse(&llama, NULL, NULL, qkv_again, "\"blk.0.attn_q.weight\" and \"blk.0.attn_qkv.weight\" are both there");
    refuse(&qwen2, NULL, "blk.2.attn_k.bias", NULL, "\"blk.2.attn_k.bias\" is missing");
    refuse(&olmo2, NULL, "blk.1.attn_q_norm.weight", q_short,
           "\"blk.1.attn_q_norm.weight\" has shape [16, 1, 1, 1] ([64");
    refuse(&qwen3, NULL, "blk.1.attn_q_norm.weight", q_long,
           "\"blk.1.attn_q_norm.weight\" has shape [64, 1, 1, 1] ([16");
}

/* Each tensor that files of an architecture must have is missed by name; no file of another architecture is taken. */
Test(architecture_files, every_needed_tensor_is_missed) {
    for (size_t i = 0; i < architecture_registry.n; i++) {
        tiny_arch s = tiny_arch_default(architecture_registry.at[i]);
        char      path[TINY_PATH], changed[TINY_PATH];
        err       e = {0};
        s.layers = 1;
        write_arch(&s, path);
        gguf *g = gguf_open(path, &e);
        cr_assert_not_null(g, "%s", e.text);
        for (size_t t = 0; t < gguf_tensor_count(g); t++) {
            char name[TENSOR_NAME], says[TENSOR_NAME + 16];
            cr_assert(gguf_str_copy(gguf_tensor_at(g, t)->name, name, sizeof name));
            new_path(changed);
            cr_assert_eq(tiny_copy(path, changed, NULL, name, NULL, s.arch, &e), 0, "%s", e.text);
            model *m = open_once(changed, &e);
            if (strcmp(name, "output.weight") == 0 && s.arch != &architecture_olmo2) {
                cr_expect_not_null(m, "%s, tied: %s", s.arch->name, e.text);
            } else {
                cr_expect_null(m, "%s without %s", s.arch->name, name);
                snprintf(says, sizeof says, "\"%s\" is missing", strstr(name, "qkv") ? "blk.0.attn_q.weight" : name);
                bool whole = strcmp(name, "blk.0.ffn_up.weight") == 0 && s.arch->fused;
                cr_expect(strstr(e.text, whole ? "\"blk.0.ffn_gate.weight\" is missing" : says) != NULL, "%s, %s: %s",
                          s.arch->name, says, e.text);
            }
            model_close(m);
        }
        gguf_close(g);
        unlink(path);
    }
}

/* ---- damage and failures ------------------------------------------------------------------------------- */

/* Every architecture with all its tensors and keys, as small as can be. */
static tiny_arch smallest(const architecture *a) {
    tiny_arch s = tiny_arch_default(a);
    s.layers = 1;
    s.dim = s.ffn = 8;
    s.heads = 2;
    s.kv_heads = 1;
    s.head_dim = 4;
    s.biases = true;
    s.factors = true;
    s.vectors = DTYPE_F16;
    s.scaling = SCALING_YARN;
    s.rope_factor = 2;
    s.original_context = 64;
    s.window = architecture_has_size(a, offsetof(model_shape, window)) ? 3 : 0;
    return s;
}

/* Runs what was opened: what is taken must not crash, whatever it computes. */
static void run(model *m, int32_t *ids, size_t n) {
    err    e = {0};
    float *logits = mem_new(m->shape.vocab, sizeof *logits, &e);
    size_t context = m->shape.context < n ? m->shape.context : n;
    cr_assert_not_null(logits);
    if (model_pack(m, &e) == 0) {
        transformer *t = transformer_new(m, context, 1, NULL, &e);
        if (t != NULL) cr_expect_eq(transformer_forward(t, ids, context, 1, logits, &e), 0, "%s", e.text);
        transformer_free(t);
    }
    free(logits);
}

/* Flips bits of the header's own keys and of all tensor descriptions; the tokenizer's large arrays are left alone. */
static void damage(const architecture *a) {
    tiny_arch s = smallest(a);
    char      path[TINY_PATH];
    err       e = {0};
    int32_t   ids[] = {5, 300, 7, 7, 12, 260};
    write_arch(&s, path);
    gguf *g = gguf_open(path, &e);
    cr_assert_not_null(g, "%s", e.text);
    const gguf_value *last = gguf_find(g, "tokenizer.ggml.eos_token_id"); /* the model's own keys come after it */
    const char       *start = (const char *)gguf_tensor_at(g, 0)->data - gguf_tensor_at(g, 0)->offset;
    size_t            from = (size_t)((const char *)last->data - start), to = gguf_tensor_at(g, 0)->offset;
    gguf_close(g);
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    setbuf(f, NULL);
    size_t refusals = 0, taken = 0;
    for (size_t i = from; i < to; i++) {
        int byte;
        cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
        byte = getc(f);
        int flips = 1 << i % 8 | (i % 3 == 0 ? 0x80 : 0);
        cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
        putc(byte ^ flips, f);
        e = (err){0};
        model *m = model_open(path, &e);
        refusals += m == NULL;
        taken += m != NULL;
        if (m == NULL)
            cr_expect_neq(e.kind, ERR_NONE);
        else
            run(m, ids, sizeof ids / sizeof *ids);
        model_close(m);
        cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
        putc(byte, f);
    }
    fclose(f);
    cr_expect(refusals > 500 && taken > 20, "%s: %zu refused, %zu taken", a->name, refusals, taken);
    model *m = open_once(path, &e);
    cr_expect_not_null(m, "%s: %s", a->name, e.text);
    model_close(m);
}

static void fail_allocations(const architecture *a) {
    tiny_arch s = smallest(a);
    char      path[TINY_PATH];
    size_t    n = 0;
    err       e = {0};
    write_arch(&s, path);
    transformer *t = NULL;
    while (t == NULL) {
        e = (err){0};
        mem_fail_at(++n);
        model *m = model_open(path, &e);
        if (m != NULL && model_pack(m, &e) == 0) t = transformer_new(m, 16, 1, NULL, &e);
        mem_fail_at(0);
        if (t == NULL) cr_assert_eq(e.kind, ERR_RUN, "%s, allocation %zu: %s", a->name, n, e.text);
        transformer_free(t);
        model_close(m);
        cr_assert_lt(n, 2000);
    }
    cr_expect_gt(n, 30, "%s", a->name);
    unlink(path);
}

/* ---- products through BLAS ----------------------------------------------------------------------------- */

static void check_blas(const architecture *a) {
    enum { LENGTH = 20 };
    tiny_arch s = tiny_arch_default(a);
    char      path[TINY_PATH];
    int32_t   ids[LENGTH];
    err       e = {0};
    if (tiny_arch_has_need(a, NEED_EXPERTS)) {
        s.experts = 5;
        s.used = 2;
    }
    s.type = "f16";
    s.window = architecture_has_size(a, offsetof(model_shape, window)) ? 7 : 0;
    s.biases = true;
    for (int32_t i = 0; i < LENGTH; i++) ids[i] = (i * i + 5 * i) % (int32_t)tiny_vocab();
    size_t n = LENGTH * tiny_vocab();
    float *want = mem_new(n, sizeof *want, &e), *got = mem_new(n, sizeof *got, &e), most = 0, apart = 0;
    cr_assert(want != NULL && got != NULL);
    write_arch(&s, path);
    slow_logits(path, ids, LENGTH, LENGTH, want);
    model *m = open_once(path, &e);
    cr_assert_not_null(m, "%s", e.text);
    cr_assert_eq(model_decode(m, &e), 0, "%s", e.text);
    transformer *t = transformer_new(m, LENGTH, 1, blas_multiply, &e);
    cr_assert_not_null(t, "%s", e.text);
    cr_assert_eq(transformer_forward(t, ids, LENGTH, LENGTH, got, &e), 0, "%s", e.text);
    for (size_t i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(want[i]));
        apart = fmaxf(apart, fabsf(got[i] - want[i]));
    }
    cr_expect(apart <= 1e-4f * most, "%s: %g of %g", a->name, (double)apart, (double)most);
    transformer_free(t);
    model_close(m);
    free(want);
    free(got);
}

#define ARCHITECTURE(name)                                                                                             \
    Test(architecture_files, name##_damaged) {                                                                         \
        damage(&architecture_##name);                                                                                  \
    }                                                                                                                  \
    Test(architecture_files, name##_survives_every_failing_allocation) {                                               \
        fail_allocations(&architecture_##name);                                                                        \
    }                                                                                                                  \
    Test(architecture_files, name##_through_blas_is_close) {                                                           \
        check_blas(&architecture_##name);                                                                              \
    }
#include "engine/model/architectures.def"
#undef ARCHITECTURE
