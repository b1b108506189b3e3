/* qwen3.c - Qwen 3 (Yang et al. 2025, arXiv 2505.09388): queries and keys are normalized head by head. */
#include "engine/model/architectures/parts.h"

static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED};
static const tensor_spec layer_tensors[] = {PRE_NORMS, ATTENTION, HEAD_NORMS, FEED_FORWARD};

const architecture architecture_qwen3 = {
    .name = "qwen3",
    .scope = "what a Qwen 3 model without experts has",
    .preset = {.rope_theta = 10000, .rope_halves = true},
    TENSORS(tensors, layer_tensors),
};
