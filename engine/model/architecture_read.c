/* architecture_read.c - a model's shape from the keys of its file.
 *
 * Refused: sizes that do not fit together, numbers that are not positive, a RoPE scaling that is not computed, models
 * that write no text, and keys that would change the arithmetic (arithmetic_keys) and that the architecture does not
 * have.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/quote.h"
#include "engine/kernels/detmath.h"
#include "engine/model/architecture.h"

#define MEMBER(type, s, offset) ((type *)(void *)((char *)(s) + (offset)))
#define SIZE(member)            offsetof(model_shape, member)

/* ---- what every architecture has ----------------------------------------------------------------------- */

static const size_key sizes[] = {
    KEY("context_length", context, .required = true),
    KEY("embedding_length", dim, .required = true),
    KEY("block_count", n_layers, .required = true),
    KEY("attention.head_count", n_heads, .required = true),
    KEY("attention.head_count_kv", n_kv_heads),
    KEY("attention.key_length", head_dim),
    KEY("rope.dimension_count", rope_dim),
};
enum { SIZES = sizeof sizes / sizeof *sizes };

static const real_key reals[] = {
    KEY("rope.freq_base", rope_theta),
    KEY("attention.layer_norm_rms_epsilon", rms_eps, .required = true),
};
enum { REALS = sizeof reals / sizeof *reals };

/* Keys for arithmetic that some models need. Absent, or 0, they ask for none. */
static const char *const arithmetic_keys[] = {
    "expert_count",
    "expert_shared_count",
    "attention.sliding_window",
    "attention.scale",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.layer_norm_epsilon",
    "attention.temperature_scale",
    "attention.shared_kv_layers",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "router_logit_softcapping",
    "rope.freq_base_swa",
    "rope.scaling.yarn_log_multiplier",
    "rope.dimension_sections",
    "embedding_length_per_layer_input",
    "nextn_predict_layers",
};
enum { ARITHMETIC_KEYS = sizeof arithmetic_keys / sizeof *arithmetic_keys };

/* The same, where 1 asks for none, too: factors, one group of experts, a softmax over them. */
static const char *const unit_keys[] = {
    "expert_weights_scale", "expert_group_count", "expert_gating_func",
    "embedding_scale",      "residual_scale",     "logit_scale",
};
enum { UNIT_KEYS = sizeof unit_keys / sizeof *unit_keys };

/* ---- one key ------------------------------------------------------------------------------------------- */

static int missing(const gguf *g, const char *key, err *e) {
    return err_input(e, "%s: key \"%s\" is missing", gguf_path(g), key);
}

/* Granite 4 says the heads of each layer, and other converters may say more so. */
static int read_size(const gguf *g, const architecture *a, const size_key *k, model_shape *s, err *e) {
    char     key[ARCHITECTURE_KEY];
    uint32_t v;
    if (gguf_find(g, architecture_key(a, k->name, key)) == NULL) return k->required ? missing(g, key, e) : 0;
    if (gguf_u32_same(g, key, s->n_layers, &v, e) != 0) return -1;
    if (v == 0 && !k->zero) return err_input(e, "%s: key \"%s\" is 0 (at least 1)", gguf_path(g), key);
    *MEMBER(size_t, s, k->member) = v;
    return 0;
}

static int check_positive(const gguf *g, const char *key, float v, err *e) {
    if (isfinite(v) && v > 0) return 0;
    return err_input(e, "%s: key \"%s\" is %g (a positive number)", gguf_path(g), key, (double)v);
}

/* A number stays as it is when its key is missing, and must be positive unless it is 0 for "not used". */
static int read_real(const gguf *g, const architecture *a, const real_key *k, model_shape *s, err *e) {
    char   key[ARCHITECTURE_KEY];
    float *v = MEMBER(float, s, k->member), preset = *v;
    if (gguf_find(g, architecture_key(a, k->name, key)) == NULL) return k->required ? missing(g, key, e) : 0;
    if (gguf_f32_or(g, key, preset, v, e) != 0) return -1;
    bool optional = !k->required && k->member != SIZE(rope_theta) && k->member != SIZE(local_theta);
    return *v == 0 && optional ? 0 : check_positive(g, key, *v, e);
}

/* A key that may say only what is so anyway. */
static int check_size(const gguf *g, const architecture *a, const char *name, size_t is, const char *why, err *e) {
    char     key[ARCHITECTURE_KEY];
    uint32_t v;
    if (gguf_find(g, architecture_key(a, name, key)) == NULL) return 0;
    if (gguf_u32(g, key, &v, e) != 0) return -1;
    if (v == is) return 0;
    return err_input(e, "%s: key \"%s\" is %" PRIu32 " (%zu, %s)", gguf_path(g), key, v, is, why);
}

/* ---- groups of keys ------------------------------------------------------------------------------------ */

static int check_heads(const gguf *g, const model_shape *s, err *e) {
    if (s->n_heads % s->n_kv_heads != 0)
        return err_input(e, "%s: %zu key-value heads for %zu heads (a divisor of it)", gguf_path(g), s->n_kv_heads,
                         s->n_heads);
    if (s->rope_dim % 2 != 0 || s->rope_dim > s->head_dim)
        return err_input(e, "%s: %zu elements of a head are rotated (an even number, at most %zu)", gguf_path(g),
                         s->rope_dim, s->head_dim);
    return 0;
}

static int read_sizes(const gguf *g, const architecture *a, model_shape *s, err *e) {
    static const size_key ffn = KEY("feed_forward_length", ffn_dim, .zero = true);
    for (size_t i = 0; i < SIZES; i++)
        if (read_size(g, a, &sizes[i], s, e) != 0) return -1;
    for (size_t i = 0; i < a->n_sizes; i++)
        if (read_size(g, a, &a->sizes[i], s, e) != 0) return -1;
    if (s->n_kv_heads == 0) s->n_kv_heads = s->n_heads;
    if (s->head_dim == 0 && s->dim % s->n_heads != 0)
        return err_input(e, "%s: %zu attention heads for an embedding of %zu (a divisor of it)", gguf_path(g),
                         s->n_heads, s->dim);
    if (s->head_dim == 0) s->head_dim = s->dim / s->n_heads;
    if (s->rope_dim == 0) s->rope_dim = s->head_dim;
    if (read_size(g, a, &(size_key){ffn.name, ffn.member, .required = s->n_experts == 0, .zero = s->n_experts > 0}, s,
                  e) != 0)
        return -1;
    if (check_size(g, a, "attention.value_length", s->head_dim, "the length of keys", e) != 0 ||
        check_size(g, a, "attention.key_length_swa", s->head_dim, "as in layers without a window", e) != 0 ||
        check_size(g, a, "attention.value_length_swa", s->head_dim, "as in layers without a window", e) != 0 ||
        check_size(g, a, "rope.dimension_count_swa", s->rope_dim, "as in layers without a window", e) != 0)
        return -1;
    return check_heads(g, s, e);
}

enum { EXPERTS_MOST = 4096 };

static int check_experts(const gguf *g, const architecture *a, model_shape *s, err *e) {
    char key[ARCHITECTURE_KEY];
    bool norm;
    if (s->n_experts == 0) return 0;
    if (gguf_bool_or(g, architecture_key(a, "expert_weights_norm", key), true, &norm, e) != 0) return -1;
    if (!norm) return err_input(e, "%s: key \"%s\" is false (true: weights of experts sum to 1)", gguf_path(g), key);
    if (s->expert_dim == 0) s->expert_dim = s->ffn_dim;
    if (s->expert_dim == 0)
        return err_input(e, "%s: key \"%s\" is missing, or 0 (at least 1)", gguf_path(g),
                         architecture_key(a, "expert_feed_forward_length", key));
    if (s->n_experts > EXPERTS_MOST)
        return err_input(e, "%s: %zu experts in a layer (at most %d)", gguf_path(g), s->n_experts, EXPERTS_MOST);
    if (s->n_used_experts >= 1 && s->n_used_experts <= s->n_experts) return 0;
    return err_input(e, "%s: each token has %zu of %zu experts (at least one, and no more than there are)",
                     gguf_path(g), s->n_used_experts, s->n_experts);
}

static int read_reals(const gguf *g, const architecture *a, model_shape *s, err *e) {
    for (size_t i = 0; i < REALS; i++)
        if (read_real(g, a, &reals[i], s, e) != 0) return -1;
    for (size_t i = 0; i < a->n_reals; i++)
        if (read_real(g, a, &a->reals[i], s, e) != 0) return -1;
    return 0;
}

/* A period, or a flag for each layer (architecture_read_layer). */
static int read_window_period(const gguf *g, const architecture *a, model_shape *s, err *e) {
    static const size_key period = KEY("attention.sliding_window_pattern", window_period, .zero = true);
    char                  key[ARCHITECTURE_KEY];
    const gguf_value     *v = gguf_find(g, architecture_key(a, period.name, key));
    if (v == NULL || s->window == 0) return 0;
    if (v->type != GGUF_ARRAY) return read_size(g, a, &period, s, e);
    if (v->item == GGUF_BOOL && v->count == s->n_layers) return 0;
    return err_input(e, "%s: key \"%s\" has %" PRIu64 " values of type %s (%zu of type bool, one for each layer)",
                     gguf_path(g), key, v->count, gguf_type_name(v->item), s->n_layers);
}

layer_kind architecture_read_layer(const architecture *a, const gguf *g, const model_shape *s, size_t i) {
    char              key[ARCHITECTURE_KEY];
    const gguf_value *v = gguf_find(g, architecture_key(a, "attention.sliding_window_pattern", key));
    bool              flags = v != NULL && v->type == GGUF_ARRAY && s->window > 0;
    return flags ? shape_layer_windowed(s, i, ((const uint8_t *)v->data)[i] != 0) : shape_layer(s, i);
}

/* ---- RoPE scaling -------------------------------------------------------------------------------------- */

static int read_scaling_type(const gguf *g, const architecture *a, model_shape *s, err *e) {
    static const struct {
        const char  *name;
        rope_scaling is;
    } types[] = {
        {"none", SCALING_NONE}, {"linear", SCALING_LINEAR}, {"yarn", SCALING_YARN}, {"longrope", SCALING_LONGROPE}};
    char     key[ARCHITECTURE_KEY], shown[80];
    gguf_str type;
    s->scaling = SCALING_LINEAR;
    if (gguf_find(g, architecture_key(a, "rope.scaling.type", key)) == NULL) return 0;
    if (gguf_string(g, key, &type, e) != 0) return -1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!gguf_str_is(type, types[i].name)) continue;
        s->scaling = types[i].is;
        return 0;
    }
    return err_input(e, "%s: RoPE scaling %s is not supported (\"none\", \"linear\", \"yarn\", \"longrope\")",
                     gguf_path(g), quote(shown, sizeof shown, type.at, type.n));
}

/* Positions are multiplied by 1 / factor; a factor of 0 is none. LongRoPE has its factors in tensors: llama.cpp would
 * multiply by one from a key as well, the models' own code does not. */
static int read_scaling_factor(const gguf *g, const architecture *a, model_shape *s, err *e) {
    char        factor_key[ARCHITECTURE_KEY], old_key[ARCHITECTURE_KEY], type_key[ARCHITECTURE_KEY];
    const char *key = architecture_key(a, "rope.scaling.factor", factor_key);
    if (gguf_find(g, key) == NULL) key = architecture_key(a, "rope.scale_linear", old_key);
    s->rope_scale = 1;
    if (s->scaling == SCALING_NONE) return 0;
    bool asked = gguf_find(g, architecture_key(a, "rope.scaling.type", type_key)) != NULL;
    if (asked && s->scaling != SCALING_LONGROPE && gguf_find(g, key) == NULL)
        return err_input(e, "%s: key \"%s\" is missing (RoPE scaling is \"%s\")", gguf_path(g), factor_key,
                         s->scaling == SCALING_YARN ? "yarn" : "linear");
    float factor;
    if (gguf_f32_or(g, key, 1, &factor, e) != 0) return -1;
    if (factor == 0) return 0;
    if (s->scaling == SCALING_LONGROPE && factor != 1)
        return err_input(e,
                         "%s: key \"%s\" is %g, but RoPE scaling is \"longrope\", whose factors are tensors (1, or no "
                         "such key)",
                         gguf_path(g), key, (double)factor);
    if (check_positive(g, key, factor, e) != 0) return -1;
    s->rope_scale = 1.0f / factor;
    return 0;
}

/* YaRN's amplitude follows from its factor. Some files say it once more. */
static int check_yarn_amplitude(const gguf *g, const architecture *a, const model_shape *s, err *e) {
    char   key[ARCHITECTURE_KEY];
    float  says;
    bool   yarn = s->scaling == SCALING_YARN && s->yarn_ext > 0 && s->rope_scale < 1;
    double is = yarn ? 1 + 0.1 * det_log(1 / (double)s->rope_scale) : 1;
    if (gguf_f32_or(g, architecture_key(a, "rope.scaling.yarn_attn_factor", key), 0, &says, e) != 0) return -1;
    if (says == 0 || fabs((double)says - is) < 1e-4) return 0;
    return err_input(e, "%s: key \"%s\" is %g (%g, or no such key)", gguf_path(g), key, (double)says, is);
}

static int read_scaling(const gguf *g, const architecture *a, model_shape *s, err *e) {
    static const real_key numbers[] = {
        KEY("rope.scaling.attn_factor", rope_amplitude),
        KEY("rope.scaling.yarn_ext_factor", yarn_ext),
        KEY("rope.scaling.yarn_beta_fast", yarn_fast),
        KEY("rope.scaling.yarn_beta_slow", yarn_slow),
    };
    static const size_key original = KEY("rope.scaling.original_context_length", original_context, .zero = true);
    s->yarn_ext = 1;
    s->yarn_fast = 32;
    s->yarn_slow = 1;
    if (read_scaling_type(g, a, s, e) != 0 || read_scaling_factor(g, a, s, e) != 0) return -1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (read_real(g, a, &numbers[i], s, e) != 0) return -1;
    if (read_size(g, a, &original, s, e) != 0) return -1;
    if (s->original_context == 0) s->original_context = s->context;
    if (s->yarn_fast <= 0 || s->yarn_slow <= 0)
        return err_input(e, "%s: YaRN's beta_fast and beta_slow are %g and %g (positive numbers)", gguf_path(g),
                         (double)s->yarn_fast, (double)s->yarn_slow);
    return check_yarn_amplitude(g, a, s, e);
}

/* ---- other arithmetic ---------------------------------------------------------------------------------- */

static bool reads_key(const architecture *a, const char *name) {
    for (size_t i = 0; i < a->n_sizes; i++)
        if (strcmp(a->sizes[i].name, name) == 0) return true;
    for (size_t i = 0; i < a->n_reals; i++)
        if (strcmp(a->reals[i].name, name) == 0) return true;
    return false;
}

/* Whether a key is 0 or `most`, which is 0 or 1. */
static bool asks_for_none(const gguf *g, const char *key, uint32_t most) {
    err               ignored = {0};
    const gguf_value *v = gguf_find(g, key);
    uint32_t          u;
    float             f;
    if (v->type == GGUF_F32) return gguf_f32_or(g, key, 0, &f, &ignored) == 0 && (f == 0 || f == (float)most);
    return gguf_u32_or(g, key, 0, &u, &ignored) == 0 && u <= most;
}

static int refuse_arithmetic(const gguf *g, const architecture *a, const char *key, const char *none, err *e) {
    return err_input(e,
                     "%s: key \"%s\" asks for what a model of architecture \"%s\" is not computed with here "
                     "(no such key, or %s)",
                     gguf_path(g), key, a->name, none);
}

static int check_key(const gguf *g, const architecture *a, const char *name, uint32_t most, err *e) {
    char key[ARCHITECTURE_KEY];
    if (gguf_find(g, architecture_key(a, name, key)) == NULL || reads_key(a, name)) return 0;
    return asks_for_none(g, key, most) ? 0 : refuse_arithmetic(g, a, key, most == 0 ? "0" : "0 or 1", e);
}

static int check_arithmetic(const gguf *g, const architecture *a, err *e) {
    char key[ARCHITECTURE_KEY];
    bool is = true;
    for (size_t i = 0; i < ARITHMETIC_KEYS; i++)
        if (check_key(g, a, arithmetic_keys[i], 0, e) != 0) return -1;
    for (size_t i = 0; i < UNIT_KEYS; i++)
        if (check_key(g, a, unit_keys[i], 1, e) != 0) return -1;
    if (a->must != NULL && gguf_bool_or(g, architecture_key(a, a->must, key), true, &is, e) != 0) return -1;
    return is ? 0 : refuse_arithmetic(g, a, key, "true", e);
}

/* A model for embeddings has the tensors of one that writes, and its logits mean nothing. */
static int check_writes_text(const gguf *g, const architecture *a, err *e) {
    char     key[ARCHITECTURE_KEY];
    bool     causal;
    uint32_t pooling;
    if (gguf_bool_or(g, architecture_key(a, "attention.causal", key), true, &causal, e) != 0) return -1;
    if (!causal)
        return err_input(e,
                         "%s: key \"%s\" is false: tokens see those after them, so the model writes no text (true, or "
                         "no such key)",
                         gguf_path(g), key);
    if (gguf_u32_or(g, architecture_key(a, "pooling_type", key), 0, &pooling, e) != 0) return -1;
    if (pooling == 0) return 0;
    return err_input(e,
                     "%s: key \"%s\" is %" PRIu32 ": a model for embeddings, which writes no text (0, or no such key)",
                     gguf_path(g), key, pooling);
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

int architecture_read_shape(const architecture *a, const gguf *g, size_t vocab, model_shape *s, err *e) {
    *s = a->preset;
    s->vocab = vocab;
    if (check_writes_text(g, a, e) != 0 || read_sizes(g, a, s, e) != 0 || read_reals(g, a, s, e) != 0 ||
        read_scaling(g, a, s, e) != 0 || check_experts(g, a, s, e) != 0 || read_window_period(g, a, s, e) != 0 ||
        check_arithmetic(g, a, e) != 0)
        return -1;
    if (a->derive != NULL) a->derive(s);
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static int put_sizes(const architecture *a, const size_key *keys, size_t n, const model_shape *s, gguf_writer *w,
                     err *e) {
    char key[ARCHITECTURE_KEY];
    for (size_t i = 0; i < n; i++) {
        size_t value = *MEMBER(const size_t, s, keys[i].member);
        if (value > 0 && gguf_put_u32(w, architecture_key(a, keys[i].name, key), (uint32_t)value, e) != 0) return -1;
    }
    return 0;
}

static int put_reals(const architecture *a, const real_key *keys, size_t n, const model_shape *s, gguf_writer *w,
                     err *e) {
    char key[ARCHITECTURE_KEY];
    for (size_t i = 0; i < n; i++) {
        float value = *MEMBER(const float, s, keys[i].member);
        if (value != 0 && gguf_put_f32(w, architecture_key(a, keys[i].name, key), value, e) != 0) return -1;
    }
    return 0;
}

static int put_scaling(const architecture *a, const model_shape *s, gguf_writer *w, err *e) {
    char        key[ARCHITECTURE_KEY];
    const char *type = s->scaling == SCALING_YARN ? "yarn" : s->scaling == SCALING_LINEAR ? "linear" : NULL;
    if (type != NULL && s->rope_scale != 1 &&
        (gguf_put_string(w, architecture_key(a, "rope.scaling.type", key), type, e) != 0 ||
         gguf_put_f32(w, architecture_key(a, "rope.scaling.factor", key), 1 / s->rope_scale, e) != 0))
        return -1;
    if (s->original_context > 0 && s->original_context != s->context &&
        gguf_put_u32(w, architecture_key(a, "rope.scaling.original_context_length", key), (uint32_t)s->original_context,
                     e) != 0)
        return -1;
    return s->rope_amplitude > 0
               ? gguf_put_f32(w, architecture_key(a, "rope.scaling.attn_factor", key), s->rope_amplitude, e)
               : 0;
}

int architecture_put_shape(const architecture *a, const model_shape *s, gguf_writer *w, err *e) {
    static const size_key rest[] = {KEY("feed_forward_length", ffn_dim), KEY("attention.value_length", head_dim),
                                    KEY("vocab_size", vocab)};
    if (put_sizes(a, sizes, SIZES, s, w, e) != 0 || put_sizes(a, rest, sizeof rest / sizeof *rest, s, w, e) != 0 ||
        put_sizes(a, a->sizes, a->n_sizes, s, w, e) != 0)
        return -1;
    if (put_reals(a, reals, REALS, s, w, e) != 0 || put_reals(a, a->reals, a->n_reals, s, w, e) != 0) return -1;
    return put_scaling(a, s, w, e);
}
