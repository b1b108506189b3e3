/* gemma3.c - Gemma 3, its text model (Gemma Team 2025, arXiv 2503.19786): Gemma 2 with normalized queries and keys in
 * place of caps, and five layers with a window, rotated by frequencies of their own, to each one without. */
#include "engine/model/architectures/gemma.h"
#include "engine/model/architectures/parts.h"

static const size_key sizes[] = {
    KEY("attention.sliding_window", window, .zero = true),
};
static const real_key reals[] = {
    KEY("rope.freq_base_swa", local_theta),
    KEY("final_logit_softcapping", logit_cap),
};
static const tensor_spec tensors[] = {EMBEDDING, OUTPUT_OR_TIED};
static const tensor_spec layer_tensors[] = {PRE_NORMS, POST_NORMS, HEAD_NORMS, ATTENTION, FEED_FORWARD};

static void derive(model_shape *s) {
    gemma_scales(s, 62);
}

const architecture architecture_gemma3 = {
    .name = "gemma3",
    .scope = "what the text model of a Gemma 3 has",
    .preset = {.rope_theta = 1000000,
               .rope_halves = true,
               .local_theta = 10000,
               .local_scale = 1,
               .act = ACTIVATION_GELU,
               .window_period = 6},
    .derive = derive,
    SIZES(sizes),
    REALS(reals),
    TENSORS(tensors, layer_tensors),
};
