/* shape.c - what layers are, by their number. */
#include "engine/model/shape.h"

layer_kind shape_layer_windowed(const model_shape *s, size_t i, bool windowed) {
    layer_kind k = {ROPE_GLOBAL, windowed ? s->window : 0};
    if (windowed && s->local_theta > 0) k.rope = ROPE_LOCAL;
    if (s->no_rope_period > 0 && (i + 1) % s->no_rope_period == 0) k.rope = ROPE_NONE;
    return k;
}

layer_kind shape_layer(const model_shape *s, size_t i) {
    bool windowed = s->window > 0 && (s->window_period == 0 || (i + 1) % s->window_period != 0);
    return shape_layer_windowed(s, i, windowed);
}
