/* qwen2.c - Qwen 2 and 2.5 (Yang et al. 2024, arXiv 2407.10671): queries, keys and values have biases. */
#include "engine/model/architectures/parts.h"

static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED};
static const tensor_spec layer_tensors[] = {PRE_NORMS, ATTENTION, QKV_BIASES(NEED_ALWAYS), FEED_FORWARD};

const architecture architecture_qwen2 = {
    .name = "qwen2",
    .scope = "what a Qwen 2 model without experts has",
    .preset = {.rope_theta = 10000, .rope_halves = true},
    TENSORS(tensors, layer_tensors),
};
