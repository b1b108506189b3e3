/* gemma3.c - Gemma 3, its text model (Gemma Team 2025, arXiv 2503.19786): Gemma 2 with normalized queries and keys in
 * place of caps, and five layers with a window, rotated by frequencies of their own, to each one without. */
#include "engine/kernels/detmath.h"
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

/* As in Gemma 2, for the 27B model, which has 62 layers here. */
static void derive(model_shape *s) {
    s->embedding_scale = sqrtf((float)s->dim);
    size_t head_dim = s->dim / s->n_heads;
    if (s->n_layers == 62) s->attention_scale = det_rsqrtf((float)head_dim);
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
    .sizes = sizes,
    .n_sizes = COUNT(sizes),
    .reals = reals,
    .n_reals = COUNT(reals),
    TENSORS(tensors, layer_tensors),
};
