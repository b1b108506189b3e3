/* qwen3moe.c - Qwen 3 with a mixture of experts in every layer (arXiv 2505.09388, section 2). The weights of the chosen
 * experts sum to 1. */
#include "engine/model/architectures/parts.h"

static const size_key sizes[] = {
    KEY("expert_count", n_experts, .required = true),
    KEY("expert_used_count", n_used_experts, .required = true),
    KEY("expert_feed_forward_length", expert_dim, .zero = true),
};
static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED};
static const tensor_spec layer_tensors[] = {PRE_NORMS, ATTENTION, HEAD_NORMS, EXPERTS};

const architecture architecture_qwen3moe = {
    .name = "qwen3moe",
    .scope = "what a Qwen 3 model with experts has",
    .preset = {.rope_theta = 10000, .rope_halves = true},
    SIZES(sizes),
    TENSORS(tensors, layer_tensors),
};
