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

const registry architecture_registry = REGISTRY("architecture", all);

const architecture *architecture_of(const gguf *g, err *e) {
    const char *names[sizeof all / sizeof *all];
    gguf_str    name;
    char        shown[80], list[256];
    if (gguf_string(g, "general.architecture", &name, e) != 0) return NULL;
    for (size_t i = 0; i < architecture_registry.n; i++) {
        names[i] = registry_name(&architecture_registry, i);
        if (gguf_str_is(name, names[i])) return all[i];
    }
    err_list(list, sizeof list, names, architecture_registry.n);
    err_input(e, "%s: architecture %s is not supported (%s)", gguf_path(g), quote(shown, sizeof shown, name.at, name.n),
              list);
    return NULL;
}

const char *architecture_key(const architecture *a, const char *name, char buf[ARCHITECTURE_KEY]) {
    snprintf(buf, ARCHITECTURE_KEY, "%s.%s", a->name, name);
    return buf;
}

const char *tensor_layer_name(const tensor_spec *t, size_t layer, char buf[TENSOR_NAME]) {
    snprintf(buf, TENSOR_NAME, "blk.%zu.%s", layer, t->name);
    return buf;
}

const tensor_spec *architecture_tensor(const architecture *a, const char *name) {
    size_t layer;
    int    begin = 0;
    bool   in_layer = sscanf(name, "blk.%zu.%n", &layer, &begin) == 1 && begin > 0;
    for (size_t i = 0; i < (in_layer ? a->n_layer_tensors : a->n_tensors); i++) {
        const tensor_spec *t = in_layer ? &a->layer_tensors[i] : &a->tensors[i];
        if (strcmp(t->name, name + begin) == 0) return t;
    }
    return NULL;
}

size_t shape_extent(const model_shape *s, tensor_extent x) {
    switch (x) {
    case EXTENT_ONE:
        return 1;
    case EXTENT_VOCAB:
        return s->vocab;
    case EXTENT_DIM:
        return s->dim;
    case EXTENT_FFN:
        return s->ffn_dim;
    case EXTENT_HEADS:
        return s->n_heads * s->head_dim;
    case EXTENT_KV_HEADS:
        return s->n_kv_heads * s->head_dim;
    }
    return 0;
}

int architecture_put_shape(const architecture *a, const model_shape *s, gguf_writer *w, err *e) {
    char key[ARCHITECTURE_KEY];
    for (size_t i = 0; i < a->n_sizes; i++) {
        const size_key *k = &a->sizes[i];
        size_t          value = *(const size_t *)((const char *)s + k->member);
        if (k->written && gguf_put_u32(w, architecture_key(a, k->name, key), (uint32_t)value, e) != 0) return -1;
    }
    for (size_t i = 0; i < a->n_reals; i++) {
        const real_key *k = &a->reals[i];
        float           value = *(const float *)(const void *)((const char *)s + k->member);
        if (gguf_put_f32(w, architecture_key(a, k->name, key), value, e) != 0) return -1;
    }
    return 0;
}
