/* llama.c - Llama (Touvron et al. 2023, arXiv 2302.13971; Grattafiori et al. 2024, arXiv 2407.21783), and what is built
 * like it: SmolLM2, TinyLlama, Mistral, Mixtral (Jiang et al. 2024, arXiv 2401.04088). */
#include "engine/model/architectures/parts.h"

static const size_key sizes[] = {
    KEY("expert_count", n_experts, .zero = true),
    KEY("expert_used_count", n_used_experts, .zero = true),
    KEY("expert_feed_forward_length", expert_dim, .zero = true),
    KEY("attention.sliding_window", window, .zero = true),
};
static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED, ROPE_FACTORS};
static const tensor_spec layer_tensors[] = {PRE_NORMS,    ATTENTION,    QKV_BIASES(NEED_OPTIONAL),
                                            OTHER_BIASES, FEED_FORWARD, EXPERTS};

const architecture architecture_llama = {
    .name = "llama",
    .scope = "what a Llama, Mistral or Mixtral model has",
    .preset = {.rope_theta = 10000},
    SIZES(sizes),
    TENSORS(tensors, layer_tensors),
};
