/* gemma2.c - Gemma 2 (Gemma Team 2024, arXiv 2408.00118): norms on both sides of each block, GELU, capped scores and
 * logits, and a window in every other layer. GGUF stores the norms' weights with the 1 added. */
#include "engine/model/architectures/gemma.h"
#include "engine/model/architectures/parts.h"

static const size_key sizes[] = {
    KEY("attention.sliding_window", window, .zero = true),
};
static const real_key reals[] = {
    KEY("attn_logit_softcapping", attention_cap),
    KEY("final_logit_softcapping", logit_cap),
};
static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED};
static const tensor_spec layer_tensors[] = {PRE_NORMS, POST_NORMS, ATTENTION, FEED_FORWARD};

static void derive(model_shape *s) {
    gemma_scales(s, 46);
}

const architecture architecture_gemma2 = {
    .name = "gemma2",
    .scope = "what a Gemma 2 model has",
    .preset = {.rope_theta = 10000,
               .rope_halves = true,
               .act = ACTIVATION_GELU,
               .window = 4096,
               .window_period = 2,
               .attention_cap = 50,
               .logit_cap = 30},
    .derive = derive,
    SIZES(sizes),
    REALS(reals),
    TENSORS(tensors, layer_tensors),
};
