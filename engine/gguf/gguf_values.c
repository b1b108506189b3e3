/* Typed access to a GGUF file's metadata. The values themselves were checked by gguf_open. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/gguf/gguf.h"

bool gguf_str_copy(gguf_str s, char *out, size_t size) {
    if (s.n >= size || memchr(s.at, '\0', s.n) != NULL) return false;
    memcpy(out, s.at, s.n);
    out[s.n] = '\0';
    return true;
}

bool gguf_str_is(gguf_str s, const char *text) {
    return s.n == strlen(text) && memcmp(s.at, text, s.n) == 0;
}

static int missing(const gguf *g, const char *key, err *e) {
    return err_input(e, "%s: key \"%s\" is missing", gguf_path(g), key);
}

static int wrong_type(const gguf *g, const gguf_value *v, const char *key, const char *allowed, err *e) {
    bool array = v->type == GGUF_ARRAY;
    return err_input(e, "%s: key \"%s\" has type %s%s (%s)", gguf_path(g), key, array ? "array of " : "",
                     gguf_type_name(v->item), allowed);
}

/* An integer of any width. False when the value is none. */
static bool integer_of(const gguf_value *v, bool *negative, uint64_t *magnitude) {
    int64_t  s = 0;
    uint64_t u = 0;
    switch (v->type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64:
        memcpy(&u, v->data, v->bytes); /* little-endian: the low bytes come first */
        break;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        if (((const signed char *)v->data)[v->bytes - 1] < 0) s = -1; /* the sign goes into the bytes above */
        memcpy(&s, v->data, v->bytes);
        break;
    default:
        return false;
    }
    *negative = s < 0;
    *magnitude = s < 0 ? -(uint64_t)s : u + (uint64_t)s;
    return true;
}

static int u32_of(const gguf *g, const gguf_value *v, const char *key, uint32_t *out, err *e) {
    bool     negative;
    uint64_t magnitude;
    if (!integer_of(v, &negative, &magnitude)) return wrong_type(g, v, key, "an integer", e);
    if (negative || magnitude > UINT32_MAX)
        return err_input(e, "%s: key \"%s\" is %s%" PRIu64 " (0 to %" PRIu32 ")", gguf_path(g), key,
                         negative ? "-" : "", magnitude, UINT32_MAX);
    *out = (uint32_t)magnitude;
    return 0;
}

int gguf_u32(const gguf *g, const char *key, uint32_t *out, err *e) {
    const gguf_value *v = gguf_find(g, key);
    return v != NULL ? u32_of(g, v, key, out, e) : missing(g, key, e);
}

int gguf_u32_or(const gguf *g, const char *key, uint32_t preset, uint32_t *out, err *e) {
    const gguf_value *v = gguf_find(g, key);
    *out = preset;
    return v != NULL ? u32_of(g, v, key, out, e) : 0;
}

int gguf_f32_or(const gguf *g, const char *key, float preset, float *out, err *e) {
    const gguf_value *v = gguf_find(g, key);
    *out = preset;
    if (v == NULL) return 0;
    if (v->type != GGUF_F32) return wrong_type(g, v, key, "f32", e);
    memcpy(out, v->data, sizeof *out);
    return 0;
}

int gguf_bool_or(const gguf *g, const char *key, bool preset, bool *out, err *e) {
    const gguf_value *v = gguf_find(g, key);
    *out = preset;
    if (v == NULL) return 0;
    if (v->type != GGUF_BOOL) return wrong_type(g, v, key, "bool", e);
    *out = *(const unsigned char *)v->data != 0;
    return 0;
}

/* The string at p: a length, then its bytes. */
static gguf_str string_at(const char *p) {
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return (gguf_str){p + sizeof n, (size_t)n};
}

int gguf_string(const gguf *g, const char *key, gguf_str *out, err *e) {
    const gguf_value *v = gguf_find(g, key);
    if (v == NULL) return missing(g, key, e);
    if (v->type != GGUF_STRING) return wrong_type(g, v, key, "string", e);
    *out = string_at(v->data);
    return 0;
}

static const gguf_value *find_array(const gguf *g, const char *key, gguf_type item, err *e) {
    const gguf_value *v = gguf_find(g, key);
    if (v == NULL) {
        missing(g, key, e);
        return NULL;
    }
    if (v->type == GGUF_ARRAY && v->item == item) return v;
    char allowed[32];
    snprintf(allowed, sizeof allowed, "array of %s", gguf_type_name(item));
    wrong_type(g, v, key, allowed, e);
    return NULL;
}

int gguf_strings(const gguf *g, const char *key, gguf_str **out, size_t *n, err *e) {
    const gguf_value *v = find_array(g, key, GGUF_STRING, e);
    if (v == NULL) return -1;
    gguf_str *strings = mem_new((size_t)v->count, sizeof *strings, e);
    if (strings == NULL) return -1;
    const char *p = v->data;
    for (size_t i = 0; i < v->count; i++) {
        strings[i] = string_at(p);
        p = strings[i].at + strings[i].n;
    }
    *out = strings;
    *n = (size_t)v->count;
    return 0;
}

/* Items of exactly 4 bytes, copied: those in the file are not aligned. */
static void *copy_items(const gguf *g, const char *key, gguf_type item, size_t *n, err *e) {
    const gguf_value *v = find_array(g, key, item, e);
    if (v == NULL) return NULL;
    void *items = mem_new((size_t)v->count, gguf_type_bytes(item), e);
    if (items == NULL) return NULL;
    memcpy(items, v->data, v->bytes);
    *n = (size_t)v->count;
    return items;
}

int gguf_array_f32(const gguf *g, const char *key, float **out, size_t *n, err *e) {
    float *items = copy_items(g, key, GGUF_F32, n, e);
    if (items == NULL) return -1;
    *out = items;
    return 0;
}

int gguf_array_i32(const gguf *g, const char *key, int32_t **out, size_t *n, err *e) {
    int32_t *items = copy_items(g, key, GGUF_I32, n, e);
    if (items == NULL) return -1;
    *out = items;
    return 0;
}
