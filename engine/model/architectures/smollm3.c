/* smollm3.c - SmolLM3 (Hugging Face 2025): Llama whose every fourth layer has no positions. */
#include "engine/model/architectures/parts.h"

static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED};
static const tensor_spec layer_tensors[] = {PRE_NORMS, ATTENTION, QKV_BIASES(NEED_OPTIONAL), FEED_FORWARD};

const architecture architecture_smollm3 = {
    .name = "smollm3",
    .scope = "what a SmolLM3 model has",
    .preset = {.rope_theta = 10000, .no_rope_period = 4},
    TENSORS(tensors, layer_tensors),
};
