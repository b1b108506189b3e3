/* phi3.c - Phi-3 and 4 (Abdin et al. 2024, arXiv 2404.14219): whole tensors for queries, keys and values, and for gate
 * and up; a part of each head is rotated; two sets of factors, for contexts up to the original one and longer.
 *
 * The window of Phi-3-mini is in all layers, as in the model's own code; llama.cpp leaves it out. */
#include "engine/model/architectures/parts.h"

static const size_key sizes[] = {
    KEY("attention.sliding_window", window, .zero = true),
};
static const tensor_spec tensors[] = {
    EMBEDDING,
    OUTPUT_OR_TIED,
    VECTOR("rope_factors_long.weight", PAIRS, OF_MODEL(rope_long), .around = 1, .need = NEED_OPTIONAL),
    VECTOR("rope_factors_short.weight", PAIRS, OF_MODEL(rope_short), .around = 1, .need = NEED_OPTIONAL),
};
static const tensor_spec layer_tensors[] = {
    PRE_NORMS,
    ATTENTION,
    QKV_BIASES(NEED_OPTIONAL),
    MATRIX("ffn_gate.weight", FFN, DIM, OF_LAYER(gate), .whole = "ffn_up.weight"),
    MATRIX(NULL, FFN, DIM, OF_LAYER(up), .whole = "ffn_up.weight", .before = {EXTENT_FFN}),
    MATRIX("ffn_down.weight", DIM, FFN, OF_LAYER(down)),
};

const architecture architecture_phi3 = {
    .name = "phi3",
    .scope = "what a Phi-3 or Phi-4 model without experts has",
    .fused = true,
    .preset = {.rope_theta = 10000, .rope_halves = true},
    SIZES(sizes),
    TENSORS(tensors, layer_tensors),
};
