/* olmo2.c - OLMo 2 and 3 (OLMo Team 2025, arXiv 2501.00656): no norm before a block but one after it, queries and keys
 * normalized as whole rows. OLMo 3 has a window in three layers of four; these are not scaled by YaRN. */
#include "engine/model/architectures/parts.h"

static const size_key sizes[] = {
    KEY("attention.sliding_window", window, .zero = true),
};
static const real_key reals[] = {
    KEY("rope.freq_base_swa", local_theta),
};
static const tensor_spec tensors[] = {EMBEDDING, OUTPUT};
static const tensor_spec layer_tensors[] = {POST_NORMS, ROW_NORMS, ATTENTION, FEED_FORWARD};

static void derive(model_shape *s) {
    if (s->local_theta == 0) s->local_theta = s->rope_theta;
    s->local_scale = 1;
}

const architecture architecture_olmo2 = {
    .name = "olmo2",
    .scope = "what an OLMo 2 or 3 model has",
    .preset = {.rope_theta = 10000, .rope_halves = true, .qk_norm_whole = true, .window_period = 4},
    .derive = derive,
    SIZES(sizes),
    REALS(reals),
    TENSORS(tensors, layer_tensors),
};
