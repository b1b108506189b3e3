#include "engine/gguf/gguf_write.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/atomic.h"
#include "engine/base/mem.h"

typedef struct {
    char  *at;
    size_t n, cap;
} bytes;

typedef struct {
    char       *name;
    dtype       type;
    uint32_t    n_dims;
    uint64_t    shape[GGUF_MAX_DIMS];
    const void *data; /* not ours; NULL when `make` makes it */
    gguf_rows  *make;
    void       *ctx;
    size_t      bytes;
} tensor;

struct gguf_writer {
    bytes    values; /* metadata entries, encoded */
    uint64_t n_values;
    tensor  *tensors;
    size_t   n_tensors, cap_tensors;
};

gguf_writer *gguf_writer_new(err *e) {
    return mem_new(1, sizeof(gguf_writer), e);
}

void gguf_writer_free(gguf_writer *w) {
    if (w == NULL) return;
    for (size_t i = 0; i < w->n_tensors; i++) free(w->tensors[i].name);
    free(w->tensors);
    free(w->values.at);
    free(w);
}

/* ---- metadata ------------------------------------------------------------------------------------------ */

/* Room is reserved first, for a whole entry, so that an entry is added whole or not at all. */
static int make_room(bytes *b, size_t n, err *e) {
    if (n > SIZE_MAX - b->n) return err_run(e, "GGUF metadata is too large");
    return mem_reserve(&b->at, &b->cap, b->n + n, e);
}

static void add(bytes *b, const void *p, size_t n) {
    if (n > 0) memcpy(b->at + b->n, p, n);
    b->n += n;
}

static void add_u32(bytes *b, uint32_t v) {
    add(b, &v, sizeof v);
}

static void add_u64(bytes *b, uint64_t v) {
    add(b, &v, sizeof v);
}

static void add_string(bytes *b, const char *s, size_t n) {
    add_u64(b, n);
    add(b, s, n);
}

static const char alignment_key[] = "general.alignment";

/* Makes room for an entry whose value takes n bytes, and writes all before the value. */
static int begin_value(gguf_writer *w, const char *key, gguf_type type, gguf_type item, uint64_t count, size_t n,
                       err *e) {
    size_t head = 8 + strlen(key) + 4 + 4 + 8;
    if (strcmp(key, alignment_key) == 0) return err_run(e, "%s is written when the file is saved", key);
    if (n > SIZE_MAX - head || make_room(&w->values, head + n, e) != 0) return -1;
    add_string(&w->values, key, strlen(key));
    add_u32(&w->values, type);
    if (type == GGUF_ARRAY) {
        add_u32(&w->values, item);
        add_u64(&w->values, count);
    }
    w->n_values++;
    return 0;
}

int gguf_put_raw(gguf_writer *w, const char *key, gguf_type type, gguf_type item, uint64_t count, const void *data,
                 size_t n, err *e) {
    if (begin_value(w, key, type, item, count, n, e) != 0) return -1;
    add(&w->values, data, n);
    return 0;
}

int gguf_put_u32(gguf_writer *w, const char *key, uint32_t v, err *e) {
    return gguf_put_raw(w, key, GGUF_U32, GGUF_U32, 1, &v, sizeof v, e);
}

int gguf_put_f32(gguf_writer *w, const char *key, float v, err *e) {
    return gguf_put_raw(w, key, GGUF_F32, GGUF_F32, 1, &v, sizeof v, e);
}

int gguf_put_bool(gguf_writer *w, const char *key, bool v, err *e) {
    uint8_t b = v;
    return gguf_put_raw(w, key, GGUF_BOOL, GGUF_BOOL, 1, &b, sizeof b, e);
}

int gguf_put_string(gguf_writer *w, const char *key, const char *v, err *e) {
    size_t n = strlen(v);
    if (begin_value(w, key, GGUF_STRING, GGUF_STRING, 1, 8 + n, e) != 0) return -1;
    add_string(&w->values, v, n);
    return 0;
}

int gguf_put_strings(gguf_writer *w, const char *key, const gguf_str *v, size_t n, err *e) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += 8 + v[i].n;
    if (begin_value(w, key, GGUF_ARRAY, GGUF_STRING, n, total, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) add_string(&w->values, v[i].at, v[i].n);
    return 0;
}

int gguf_put_f32s(gguf_writer *w, const char *key, const float *v, size_t n, err *e) {
    return gguf_put_raw(w, key, GGUF_ARRAY, GGUF_F32, n, v, n * sizeof *v, e);
}

int gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *v, size_t n, err *e) {
    return gguf_put_raw(w, key, GGUF_ARRAY, GGUF_I32, n, v, n * sizeof *v, e);
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

static int put(gguf_writer *w, const char *name, dtype type, uint32_t n_dims, const uint64_t *shape, tensor t, err *e) {
    const dtype_info *d = dtype_get(type);
    if (n_dims < 1 || n_dims > GGUF_MAX_DIMS)
        return err_input(e, "tensor \"%s\" has %u dimensions (1 to %d)", name, n_dims, GGUF_MAX_DIMS);
    size_t elements = 1;
    t.type = type;
    t.n_dims = n_dims;
    for (uint32_t i = 0; i < n_dims; i++) {
        t.shape[i] = shape[i];
        if (shape[i] == 0 || __builtin_mul_overflow(elements, shape[i], &elements))
            return err_input(e, "tensor \"%s\" is empty or too large", name);
    }
    if (shape[0] % d->block != 0)
        return err_input(e, "tensor \"%s\" has rows of %zu %s elements (a multiple of %zu)", name, (size_t)shape[0],
                         d->name, d->block);
    if (__builtin_mul_overflow(elements / d->block, d->block_bytes, &t.bytes))
        return err_input(e, "tensor \"%s\" is too large", name);
    if (mem_reserve(&w->tensors, &w->cap_tensors, w->n_tensors + 1, e) != 0) return -1;
    t.name = mem_strdup(name, e);
    if (t.name == NULL) return -1;
    w->tensors[w->n_tensors++] = t;
    return 0;
}

int gguf_put_tensor(gguf_writer *w, const char *name, dtype type, uint32_t n_dims, const uint64_t *shape,
                    const void *data, err *e) {
    return put(w, name, type, n_dims, shape, (tensor){.data = data}, e);
}

int gguf_put_rows(gguf_writer *w, const char *name, dtype type, uint32_t n_dims, const uint64_t *shape, gguf_rows *make,
                  void *ctx, err *e) {
    return put(w, name, type, n_dims, shape, (tensor){.make = make, .ctx = ctx}, e);
}

/* ---- saving -------------------------------------------------------------------------------------------- */

/* All before the tensors' data: header, metadata, tensor infos. */
static int encode_head(const gguf_writer *w, uint32_t version, uint32_t alignment, bytes *head, err *e) {
    bool   own = alignment != 32; /* the format's default goes unsaid */
    size_t n = 64 + sizeof alignment_key + w->values.n;
    for (size_t i = 0; i < w->n_tensors; i++) n += 8 + strlen(w->tensors[i].name) + 4 + 8 * GGUF_MAX_DIMS + 4 + 8;
    if (make_room(head, n, e) != 0) return -1;

    add(head, "GGUF", 4);
    add_u32(head, version);
    add_u64(head, w->n_tensors);
    add_u64(head, w->n_values + own);
    if (own) {
        add_string(head, alignment_key, sizeof alignment_key - 1);
        add_u32(head, GGUF_U32);
        add_u32(head, alignment);
    }
    add(head, w->values.at, w->values.n);
    uint64_t offset = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const tensor *t = &w->tensors[i];
        add_string(head, t->name, strlen(t->name));
        add_u32(head, t->n_dims);
        add(head, t->shape, t->n_dims * sizeof *t->shape);
        add_u32(head, dtype_get(t->type)->gguf_id);
        add_u64(head, offset);
        offset += (t->bytes + alignment - 1) / alignment * alignment;
    }
    return 0;
}

/* Writes zeros after n bytes, up to the next multiple of the alignment. */
static int pad(atomic_file *f, size_t n, uint32_t alignment, err *e) {
    static const char zeros[64];
    for (size_t gap = -n & (size_t)(alignment - 1), part; gap > 0; gap -= part) {
        part = gap < sizeof zeros ? gap : sizeof zeros;
        if (atomic_put(f, zeros, part, e) != 0) return -1;
    }
    return 0;
}

enum { CHUNK = 16 << 20 }; /* bytes of rows that are made at a time */

static int write_rows(const tensor *t, atomic_file *f, err *e) {
    size_t row_bytes = dtype_bytes(t->type, t->shape[0]), rows = t->bytes / row_bytes;
    size_t most = row_bytes < CHUNK ? CHUNK / row_bytes : 1;
    void  *chunk = mem_new(most < rows ? most : rows, row_bytes, e);
    int    ret = chunk != NULL ? 0 : -1;
    for (size_t row = 0, n; row < rows && ret == 0; row += n) {
        n = rows - row < most ? rows - row : most;
        ret = t->make(t->ctx, row, n, chunk, e);
        if (ret == 0) ret = atomic_put(f, chunk, n * row_bytes, e);
    }
    free(chunk);
    return ret;
}

static int write_all(const gguf_writer *w, const bytes *head, uint32_t alignment, atomic_file *f, err *e) {
    if (atomic_put(f, head->at, head->n, e) != 0 || pad(f, head->n, alignment, e) != 0) return -1;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const tensor *t = &w->tensors[i];
        int           ret = t->make != NULL ? write_rows(t, f, e) : atomic_put(f, t->data, t->bytes, e);
        if (ret != 0 || pad(f, t->bytes, alignment, e) != 0) return -1;
    }
    return 0;
}

/* A file that we cannot read ourselves does not get its name. */
static int check_readable(const atomic_file *f, err *e) {
    gguf *g = gguf_open(f->part, e);
    gguf_close(g);
    return g != NULL ? 0 : -1;
}

int gguf_writer_save(gguf_writer *w, const char *path, uint32_t version, uint32_t alignment, err *e) {
    if (version != 2 && version != 3) return err_input(e, "%s: GGUF version %u (2 or 3)", path, version);
    if (alignment < 8 || (alignment & (alignment - 1)) != 0)
        return err_input(e, "%s: alignment %u (a power of two, at least 8)", path, alignment);
    bytes       head = {0};
    atomic_file f;
    int         result = encode_head(w, version, alignment, &head, e);
    if (result == 0) {
        result = atomic_open(&f, path, e);
        if (result == 0) result = write_all(w, &head, alignment, &f, e);
        if (result == 0) result = check_readable(&f, e);
        if (result == 0) result = atomic_commit(&f, false, e);
        atomic_close(&f);
    }
    free(head.at);
    return result;
}
