/* gguf_access.c - what an open GGUF file holds: by index, by name, and as typed values. The values themselves were
 * checked by gguf_open. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/gguf/gguf_impl.h"

/* ---- strings and types --------------------------------------------------------------------------------- */

bool gguf_str_copy(gguf_str s, char *out, size_t size) {
    if (s.n >= size || memchr(s.at, '\0', s.n) != NULL) return false;
    memcpy(out, s.at, s.n);
    out[s.n] = '\0';
    return true;
}

bool gguf_str_is(gguf_str s, const char *text) {
    return s.n == strlen(text) && memcmp(s.at, text, s.n) == 0;
}

static const struct {
    const char *name;
    size_t      bytes;
} types[] = {
    [GGUF_U8] = {"u8", 1},         [GGUF_I8] = {"i8", 1},       [GGUF_U16] = {"u16", 2}, [GGUF_I16] = {"i16", 2},
    [GGUF_U32] = {"u32", 4},       [GGUF_I32] = {"i32", 4},     [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1},
    [GGUF_STRING] = {"string", 0}, [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8}, [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};
_Static_assert(sizeof types / sizeof *types == GGUF_TYPES, "a row for each type");

const char *gguf_type_name(gguf_type t) {
    return types[t].name;
}

size_t gguf_type_bytes(gguf_type t) {
    return types[t].bytes;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static int compare_names(gguf_name a, gguf_name b) {
    int c = memcmp(a->at, b->at, a->n < b->n ? a->n : b->n);
    return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
}

static int order_by_name(const void *a, const void *b) {
    return compare_names(*(const gguf_name *)a, *(const gguf_name *)b);
}

int gguf_index_names(const gguf *g, const void *structs, size_t n, size_t stride, const char *what, gguf_name **out,
                     err *e) {
    gguf_name *index = mem_new(n, sizeof(gguf_name), e);
    if (index == NULL) return -1;
    *out = index;
    for (size_t i = 0; i < n; i++) index[i] = (gguf_name)((const char *)structs + i * stride);
    qsort(index, n, sizeof(gguf_name), order_by_name);
    for (size_t i = 1; i < n; i++) {
        char shown[128];
        if (compare_names(index[i - 1], index[i]) == 0)
            return err_input(e, "%s: %s %s is given twice (once)", g->path, what,
                             quote(shown, sizeof shown, index[i]->at, index[i]->n));
    }
    return 0;
}

static const void *find_name(const gguf_name *index, size_t n, const char *name) {
    const gguf_str   key = {name, strlen(name)};
    gguf_name        wanted = &key;
    const gguf_name *found = bsearch(&wanted, index, n, sizeof(gguf_name), order_by_name);
    return found != NULL ? *found : NULL;
}

/* ---- values and tensors -------------------------------------------------------------------------------- */

const char *gguf_path(const gguf *g) {
    return g->path;
}

uint32_t gguf_version(const gguf *g) {
    return g->version;
}

uint32_t gguf_alignment(const gguf *g) {
    return g->alignment;
}

size_t gguf_value_count(const gguf *g) {
    return g->n_values;
}

const gguf_value *gguf_value_at(const gguf *g, size_t i) {
    return &g->values[i];
}

const gguf_value *gguf_find(const gguf *g, const char *key) {
    return find_name(g->by_key, g->n_values, key);
}

size_t gguf_tensor_count(const gguf *g) {
    return g->n_tensors;
}

const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i) {
    return &g->tensors[i];
}

const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name) {
    return find_name(g->by_name, g->n_tensors, name);
}

/* ---- typed values ------------------------------------------------------------------------------------------- */

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

int gguf_u32_same(const gguf *g, const char *key, size_t n, uint32_t *out, err *e) {
    const gguf_value *v = gguf_find(g, key);
    if (v == NULL || v->type != GGUF_ARRAY) return gguf_u32(g, key, out, e);
    size_t bytes = gguf_type_bytes(v->item);
    if (bytes == 0) return wrong_type(g, v, key, "an integer", e);
    if (n == 0 || v->count != n)
        return err_input(e, "%s: key \"%s\" has %" PRIu64 " values (one, or %zu)", gguf_path(g), key, v->count, n);
    for (size_t i = 0; i < n; i++) {
        gguf_value item = {v->key, v->item, v->item, 1, (const char *)v->data + i * bytes, bytes};
        uint32_t   x = 0;
        if (u32_of(g, &item, key, &x, e) != 0) return -1;
        if (i > 0 && x != *out)
            return err_input(e, "%s: key \"%s\" has different values, %" PRIu32 " and %" PRIu32 " (one for all layers)",
                             gguf_path(g), key, *out, x);
        *out = x;
    }
    return 0;
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
