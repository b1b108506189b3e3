/* granite.c - Granite 3 and 4, dense (IBM 2024): Llama with scales of embeddings, scores, residuals and logits. */
#include "engine/model/architectures/parts.h"

static const real_key reals[] = {
    KEY("attention.scale", attention_scale),
    KEY("embedding_scale", embedding_scale),
    KEY("residual_scale", residual_scale),
    KEY("logit_scale", logit_scale, .required = true),
};
static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED, ROPE_FACTORS};
static const tensor_spec layer_tensors[] = {PRE_NORMS, ATTENTION, QKV_BIASES(NEED_OPTIONAL), OTHER_BIASES,
                                            FEED_FORWARD};

const architecture architecture_granite = {
    .name = "granite",
    .scope = "what a Granite model without experts or state space has",
    .preset = {.rope_theta = 10000},
    .must = "rope.scaling.finetuned", /* without it, there are no positions */
    REALS(reals),
    TENSORS(tensors, layer_tensors),
};
