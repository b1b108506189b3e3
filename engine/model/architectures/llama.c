/* llama.c - Llama (Touvron et al. 2023, arXiv 2302.13971) as GGUF files hold it: no biases, no experts, and the
 * embedding as output matrix where there is no other. */
#include "engine/model/model.h"

#define SIZE(member) offsetof(model_shape, member)

static const size_key sizes[] = {
    {.name = "context_length", .member = SIZE(context), .preset = KEY_REQUIRED, .written = true},
    {.name = "embedding_length", .member = SIZE(dim), .preset = KEY_REQUIRED, .written = true},
    {.name = "block_count", .member = SIZE(n_layers), .preset = KEY_REQUIRED, .written = true},
    {.name = "feed_forward_length", .member = SIZE(ffn_dim), .preset = KEY_REQUIRED, .written = true},
    {.name = "attention.head_count", .member = SIZE(n_heads), .preset = KEY_REQUIRED, .written = true},
    {.name = "attention.head_count_kv", .member = SIZE(n_kv_heads), .preset = SIZE(n_heads), .written = true},
    {.name = "attention.key_length", .member = SIZE(head_dim), .preset = SIZE(head_dim), .must = "embedding / heads"},
    {.name = "attention.value_length", .member = SIZE(head_dim), .preset = SIZE(head_dim), .must = "embedding / heads"},
    {.name = "rope.dimension_count", .member = SIZE(rope_dim), .preset = SIZE(head_dim), .written = true},
    {.name = "vocab_size", .member = SIZE(vocab), .preset = SIZE(vocab), .must = "the tokenizer's", .written = true},
};

static const real_key reals[] = {
    {"rope.freq_base", SIZE(rope_theta), 10000},
    {"attention.layer_norm_rms_epsilon", SIZE(rms_eps), 0},
};

static const key_limit limits[] = {
    {"expert_count", ALLOWS_ZERO},
    {"attention.sliding_window", ALLOWS_ZERO},
    {"attention.scale", ALLOWS_NOTHING},
    {"logit_scale", ALLOWS_NOTHING},
    {"residual_scale", ALLOWS_NOTHING},
    {"embedding_scale", ALLOWS_NOTHING},
    {"attention.clamp_kqv", ALLOWS_NOTHING},
    {"attn_logit_softcapping", ALLOWS_NOTHING},
    {"final_logit_softcapping", ALLOWS_NOTHING},
    {"rope.scaling.attn_factor", ALLOWS_NOTHING},
    {"attention.max_alibi_bias", ALLOWS_NOTHING},
    {"attention.layer_norm_epsilon", ALLOWS_NOTHING},
    {"attention.causal", ALLOWS_TRUE},
};

static const tensor_spec tensors[] = {
    {"token_embd.weight", TENSOR_TABLE, EXTENT_VOCAB, EXTENT_DIM, offsetof(model, embed), NULL},
    {"output_norm.weight", TENSOR_NORM, EXTENT_ONE, EXTENT_DIM, offsetof(model, norm), NULL},
    {"output.weight", TENSOR_MATRIX, EXTENT_VOCAB, EXTENT_DIM, offsetof(model, output), "token_embd.weight"},
};

static const tensor_spec layer_tensors[] = {
    {"attn_norm.weight", TENSOR_NORM, EXTENT_ONE, EXTENT_DIM, offsetof(layer_weights, attn_norm), NULL},
    {"ffn_norm.weight", TENSOR_NORM, EXTENT_ONE, EXTENT_DIM, offsetof(layer_weights, ffn_norm), NULL},
    {"attn_q.weight", TENSOR_MATRIX, EXTENT_HEADS, EXTENT_DIM, offsetof(layer_weights, wq), NULL},
    {"attn_k.weight", TENSOR_MATRIX, EXTENT_KV_HEADS, EXTENT_DIM, offsetof(layer_weights, wk), NULL},
    {"attn_v.weight", TENSOR_MATRIX, EXTENT_KV_HEADS, EXTENT_DIM, offsetof(layer_weights, wv), NULL},
    {"attn_output.weight", TENSOR_MATRIX, EXTENT_DIM, EXTENT_HEADS, offsetof(layer_weights, wo), NULL},
    {"ffn_gate.weight", TENSOR_MATRIX, EXTENT_FFN, EXTENT_DIM, offsetof(layer_weights, gate), NULL},
    {"ffn_up.weight", TENSOR_MATRIX, EXTENT_FFN, EXTENT_DIM, offsetof(layer_weights, up), NULL},
    {"ffn_down.weight", TENSOR_MATRIX, EXTENT_DIM, EXTENT_FFN, offsetof(layer_weights, down), NULL},
};

const architecture architecture_llama = {
    .name = "llama",
    .scope = "a Llama model without biases, RoPE factors, experts",
    .sizes = sizes,
    .n_sizes = sizeof sizes / sizeof *sizes,
    .reals = reals,
    .n_reals = sizeof reals / sizeof *reals,
    .limits = limits,
    .n_limits = sizeof limits / sizeof *limits,
    .tensors = tensors,
    .n_tensors = sizeof tensors / sizeof *tensors,
    .layer_tensors = layer_tensors,
    .n_layer_tensors = sizeof layer_tensors / sizeof *layer_tensors,
};
