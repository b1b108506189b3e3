/* architecture.c - finding a description, and what follows from one. */
#include "engine/model/architecture.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/quote.h"

static const void *const all[] = {
#define ARCHITECTURE(name) &architecture_##name,
#include "engine/model/architectures.def"
#undef ARCHITECTURE
};
enum { ALL = sizeof all / sizeof *all };

const registry architecture_registry = REGISTRY("architecture", all);

static void names_of_all(const char *names[ALL]) {
    for (size_t i = 0; i < ALL; i++) names[i] = registry_name(&architecture_registry, i);
}

const architecture *architecture_of(const gguf *g, err *e) {
    const char *names[ALL];
    gguf_str    name;
    char        shown[80], list[256];
    if (gguf_string(g, "general.architecture", &name, e) != 0) return NULL;
    names_of_all(names);
    for (size_t i = 0; i < ALL; i++)
        if (gguf_str_is(name, names[i])) return all[i];
    err_list(list, sizeof list, names, ALL);
    err_input(e, "%s: architecture %s is not supported (%s)", gguf_path(g), quote(shown, sizeof shown, name.at, name.n),
              list);
    return NULL;
}

const char *architecture_key(const architecture *a, const char *name, char buf[ARCHITECTURE_KEY]) {
    snprintf(buf, ARCHITECTURE_KEY, "%s.%s", a->name, name);
    return buf;
}

bool architecture_has_size(const architecture *a, size_t member) {
    for (size_t i = 0; i < a->n_sizes; i++)
        if (a->sizes[i].member == member) return true;
    return false;
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

const char *tensor_name(const char *name, size_t layer, char buf[TENSOR_NAME]) {
    if (layer == SIZE_MAX)
        snprintf(buf, TENSOR_NAME, "%s", name);
    else
        snprintf(buf, TENSOR_NAME, "blk.%zu.%s", layer, name);
    return buf;
}

const tensor_spec *architecture_tensor(const architecture *a, const char *name) {
    size_t layer;
    int    begin = 0;
    bool   in_layer = sscanf(name, "blk.%zu.%n", &layer, &begin) == 1 && begin > 0;
    name += begin;
    for (size_t i = 0; i < (in_layer ? a->n_layer_tensors : a->n_tensors); i++) {
        const tensor_spec *t = in_layer ? &a->layer_tensors[i] : &a->tensors[i];
        if (t->name != NULL && strcmp(t->name, name) == 0) return t;
        if (t->whole != NULL && strcmp(t->whole, name) == 0) return t;
    }
    return NULL;
}

size_t shape_extent(const model_shape *s, tensor_extent x) {
    switch (x) {
    case EXTENT_NONE:
        return 0;
    case EXTENT_ONE:
        return 1;
    case EXTENT_VOCAB:
        return s->vocab;
    case EXTENT_DIM:
        return s->dim;
    case EXTENT_FFN:
        return s->ffn_dim;
    case EXTENT_HEAD:
        return s->head_dim;
    case EXTENT_HEADS:
        return s->n_heads * s->head_dim;
    case EXTENT_KV_HEADS:
        return s->n_kv_heads * s->head_dim;
    case EXTENT_PAIRS:
        return s->rope_dim / 2;
    case EXTENT_EXPERTS:
        return s->n_experts;
    case EXTENT_EXPERT:
        return s->expert_dim;
    }
    return 0;
}

static tensor_extent divided_extent(const tensor_spec *t) {
    return t->kind == TENSOR_VECTOR ? t->cols : t->rows;
}

size_t tensor_rows_before(const tensor_spec *part, const model_shape *s) {
    return shape_extent(s, part->before[0]) + shape_extent(s, part->before[1]);
}

size_t tensor_whole_rows(const tensor_spec *specs, size_t n, const tensor_spec *part, const model_shape *s) {
    size_t rows = 0;
    for (size_t i = 0; i < n; i++)
        if (specs[i].whole != NULL && strcmp(specs[i].whole, part->whole) == 0)
            rows += shape_extent(s, divided_extent(&specs[i]));
    return rows;
}

bool tensor_is_needed(const tensor_spec *t, const model_shape *s) {
    return t->need != NEED_OPTIONAL && t->need != NEED_OPTIONAL_DENSE && tensor_is_allowed(t, s);
}

bool tensor_is_allowed(const tensor_spec *t, const model_shape *s) {
    switch (t->need) {
    case NEED_ALWAYS:
    case NEED_OPTIONAL:
        return true;
    case NEED_DENSE:
    case NEED_OPTIONAL_DENSE:
        return s->n_experts == 0;
    case NEED_EXPERTS:
        return s->n_experts > 0;
    }
    return false;
}
