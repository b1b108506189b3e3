/* gguf.c - opens one GGUF file: maps it and checks every byte that later access relies on. gguf_parts.c opens the
 * others of a model in several.
 *
 * The file, in order: magic, version, counts, metadata (key, type, value), tensor infos (name, shape, type,
 * offset), padding to the alignment, tensor data. Little-endian throughout, nothing aligned before the data.
 *
 * Refused: version 1 and big-endian files; keys or tensor names that are empty, too long or given twice; arrays
 * nested deeper than MAX_NESTING; tensors that are empty, share bytes, or reach outside the file. A type of
 * tensor that we cannot decode is not refused here: its file can still be inspected, and its tokenizer read.
 *
 * Invariants: a reader's `at` never exceeds the file's size, so `size - at` does not wrap. The memory
 * allocated is bounded by a small multiple of the file's size, whatever its counts claim. The file must not shrink
 * while it is mapped: reading beyond its new end would kill the process, as with every memory-mapped file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/fetch.h"
#include "engine/base/file.h"
#include "engine/base/filekind.h"
#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/gguf/gguf_impl.h"

/* The last page of a mapping goes on after the file. Sanitizer builds are told not to let anyone read there. */
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n)   ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

enum {
    MAX_KEY = 65535,  /* bytes; the format's limit */
    MAX_NAME = 64,    /* bytes of a tensor's name; the format's limit */
    MAX_NESTING = 4,  /* arrays within arrays */
    MIN_VALUE = 14,   /* bytes of the shortest metadata entry: length, 1 byte of key, type, 1 byte */
    MIN_TENSOR = 33,  /* bytes of the shortest tensor info: length, 1 byte of name, n_dims, 1 size, type, offset */
    MIN_ALIGNMENT = 8 /* the format's limit */
};

#define MOST_OFFSET ((uint64_t)1 << 50) /* beyond that, a file is damaged rather than cut */

/* ---- reading with bounds ------------------------------------------------------------------------------- */

typedef struct {
    const gguf *g;
    size_t      at;          /* next byte; <= g->size */
    char        subject[96]; /* what is being read, for messages */
    err        *e;
} reader;

#define REFUSE(r, at, ...)                                                                                             \
    (err_input((r)->e, __VA_ARGS__), err_prefix((r)->e, "%s: byte %zu, %s", (r)->g->path, (size_t)(at), (r)->subject))

/* Browsers and download tools add to a name until all is there; pieces of large files are named so as well. */
static void advise_piece(const reader *r) {
    static const char ending[] = ".gguf";
    const char       *slash = strrchr(r->g->path, '/'), *name = slash != NULL ? slash + 1 : r->g->path;
    const char       *at = strstr(name, ending);
    if (at != NULL && at[sizeof ending - 1] != '\0')
        (void)err_advise(r->e,
                         "by its name it is one piece of a file, which cat joins, or a download that has not ended");
}

/* The next n bytes; NULL when the file ends before. */
static const void *take(reader *r, uint64_t n, const char *what) {
    size_t left = r->g->size - r->at;
    if (n > left) {
        REFUSE(r, r->at, "%s takes %" PRIu64 " bytes (%zu are left in the file)", what, n, left);
        advise_piece(r);
        return NULL;
    }
    const void *p = r->g->base + r->at;
    r->at += (size_t)n;
    return p;
}

static int take_u32(reader *r, uint32_t *out, const char *what) {
    const void *p = take(r, sizeof *out, what);
    if (p == NULL) return -1;
    memcpy(out, p, sizeof *out);
    return 0;
}

static int take_u64(reader *r, uint64_t *out, const char *what) {
    const void *p = take(r, sizeof *out, what);
    if (p == NULL) return -1;
    memcpy(out, p, sizeof *out);
    return 0;
}

static int take_str(reader *r, gguf_str *out, const char *what) {
    uint64_t n;
    if (take_u64(r, &n, what) != 0) return -1;
    out->at = take(r, n, what);
    out->n = (size_t)n;
    return out->at != NULL ? 0 : -1;
}

/* A key or a tensor's name: 1 to `max` bytes. Becomes the reader's subject. */
static int take_name(reader *r, gguf_str *out, size_t max, const char *what) {
    size_t at = r->at;
    if (take_str(r, out, what) != 0) return -1;
    if (out->n == 0 || out->n > max) return REFUSE(r, at, "%s has %zu bytes (1 to %zu)", what, out->n, max);
    char shown[64];
    snprintf(r->subject, sizeof r->subject, "%s %s", what, quote(shown, sizeof shown, out->at, out->n));
    return 0;
}

static int take_type(reader *r, gguf_type *out) {
    size_t   at = r->at;
    uint32_t t;
    if (take_u32(r, &t, "its type") != 0) return -1;
    if (t >= GGUF_TYPES) return REFUSE(r, at, "type %" PRIu32 " is unknown (0 to %d)", t, GGUF_TYPES - 1);
    *out = (gguf_type)t;
    return 0;
}

/* ---- metadata ------------------------------------------------------------------------------------------ */

/* Steps over `count` items, checking each. Every item of varying size takes at least 8 bytes, so a loop ends
 * with the file. */
static int skip_items(reader *r, gguf_type type, uint64_t count, int nesting) {
    size_t bytes = gguf_type_bytes(type), left = r->g->size - r->at;
    if (count > left / (bytes > 0 ? bytes : 8))
        return REFUSE(r, r->at, "an array of %" PRIu64 " x %s (%zu bytes are left in the file)", count,
                      gguf_type_name(type), left);
    if (bytes > 0) {
        const unsigned char *items = take(r, count * bytes, "its value");
        if (items == NULL) return -1;
        for (size_t i = 0; type == GGUF_BOOL && i < count; i++)
            if (items[i] > 1) return REFUSE(r, r->at - count + i, "a bool is %d (0 or 1)", items[i]);
        return 0;
    }
    for (uint64_t i = 0; i < count; i++) {
        gguf_str  s;
        gguf_type item = GGUF_U8;
        uint64_t  n = 0;
        if (type == GGUF_STRING) {
            if (take_str(r, &s, "a string") != 0) return -1;
            continue;
        }
        if (nesting == MAX_NESTING) return REFUSE(r, r->at, "arrays are nested too deeply (%d levels)", MAX_NESTING);
        if (take_type(r, &item) != 0 || take_u64(r, &n, "an array") != 0) return -1;
        if (skip_items(r, item, n, nesting + 1) != 0) return -1;
    }
    return 0;
}

static int read_value(reader *r, gguf_value *v) {
    if (take_name(r, &v->key, MAX_KEY, "key") != 0 || take_type(r, &v->type) != 0) return -1;
    v->item = v->type;
    v->count = 1;
    if (v->type == GGUF_ARRAY && (take_type(r, &v->item) != 0 || take_u64(r, &v->count, "its length") != 0)) return -1;
    v->data = r->g->base + r->at;
    size_t start = r->at;
    if (skip_items(r, v->item, v->count, 1) != 0) return -1;
    v->bytes = r->at - start;
    return 0;
}

/* ---- tensors ------------------------------------------------------------------------------------------- */

/* Leaves the offset as the file has it: from the start of the data, which is not known yet. */
static int read_tensor(reader *r, gguf_tensor *t) {
    uint64_t offset;
    if (take_name(r, &t->name, MAX_NAME, "tensor") != 0) return -1;
    size_t at = r->at;
    if (take_u32(r, &t->n_dims, "its number of dimensions") != 0) return -1;
    if (t->n_dims < 1 || t->n_dims > GGUF_MAX_DIMS)
        return REFUSE(r, at, "it has %" PRIu32 " dimensions (1 to %d)", t->n_dims, GGUF_MAX_DIMS);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
        at = r->at;
        t->shape[i] = 1;
        if (i < t->n_dims && take_u64(r, &t->shape[i], "its shape") != 0) return -1;
        if (t->shape[i] == 0) return REFUSE(r, at, "dimension %" PRIu32 " is 0 (at least 1)", i);
        if (__builtin_mul_overflow(elements, t->shape[i], &elements) || elements > PTRDIFF_MAX)
            return REFUSE(r, at, "dimension %" PRIu32 " is %" PRIu64 ": more elements than 2^63 - 1", i, t->shape[i]);
    }
    at = r->at;
    if (take_u32(r, &t->gguf_type, "its type") != 0) return -1;
    t->type = dtype_from_gguf(t->gguf_type);
    if (t->type >= 0) {
        const dtype_info *d = dtype_get((dtype)t->type);
        if (t->shape[0] % d->block != 0)
            return REFUSE(r, at, "a row of %" PRIu64 " elements of type %s (a multiple of %zu)", t->shape[0], d->name,
                          d->block);
        if (__builtin_mul_overflow((size_t)(elements / d->block), d->block_bytes, &t->bytes))
            return REFUSE(r, at, "%" PRIu64 " elements of type %s take more than 2^64 bytes", elements, d->name);
    }
    at = r->at;
    if (take_u64(r, &offset, "its offset") != 0) return -1;
    if (offset % r->g->alignment != 0)
        return REFUSE(r, at, "its offset %" PRIu64 " is not aligned (a multiple of %" PRIu32 ")", offset,
                      r->g->alignment);
    if (offset > MOST_OFFSET) /* more exactly in place_tensors */
        return REFUSE(r, at, "its offset %" PRIu64 " is outside the file (%zu bytes)", offset, r->g->size);
    t->offset = (size_t)offset;
    return 0;
}

static int order_by_offset(const void *a, const void *b) {
    const gguf_tensor *x = *(const gguf_tensor *const *)a, *y = *(const gguf_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Bytes of data that the tensors take, from offset 0; SIZE_MAX when that cannot be. */
static size_t data_bytes(const gguf *g) {
    size_t most = 0, end;
    for (size_t i = 0; i < g->n_tensors; i++) {
        const gguf_tensor *t = &g->tensors[i];
        if (__builtin_add_overflow(t->offset, t->type >= 0 ? t->bytes : 1, &end)) return SIZE_MAX;
        most = end > most ? end : most;
    }
    return most;
}

/* Says how much of the file is missing. */
static void advise_cut(const reader *r, size_t start, size_t needed) {
    char   advice[160];
    size_t end;
    if (__builtin_add_overflow(start, needed, &end)) return;
    snprintf(advice, sizeof advice, "the file has %zu of at least %zu bytes: was its download or copy interrupted?",
             r->g->size, end);
    (void)err_advise(r->e, advice);
}

/* Turns offsets into addresses; refuses tensors outside the file or over one another. The size of a type that
 * we do not know is taken as one byte: its start must be inside the file and in nobody else's data. */
static int place_tensors(gguf *g, reader *r) {
    size_t gap = -r->at & (size_t)(g->alignment - 1), start = r->at;
    if (g->n_tensors == 0) return 0;
    snprintf(r->subject, sizeof r->subject, "tensor data");
    if (gap > g->size - start) return REFUSE(r, start, "the file ends before it (%zu bytes)", g->size);
    start += gap;

    const gguf_tensor **sorted =
        mem_new(g->n_tensors, sizeof *sorted, r->e); /* NOLINT(bugprone-sizeof-expression): pointers */
    if (sorted == NULL) return -1;
    int    result = -1;
    char   shown[96], other[96];
    size_t room = g->size - start, needed = data_bytes(g);
    for (size_t i = 0; i < g->n_tensors; i++) {
        gguf_tensor *t = &g->tensors[i];
        size_t       bytes = t->type >= 0 ? t->bytes : 1;
        if (t->offset > room || bytes > room - t->offset) {
            REFUSE(r, start, "tensor %s takes %zu bytes at offset %zu (the data has %zu bytes)",
                   quote(shown, sizeof shown, t->name.at, t->name.n), bytes, t->offset, room);
            advise_cut(r, start, needed);
            advise_piece(r);
            goto out;
        }
        t->offset += start;
        if (t->type >= 0) t->data = g->base + t->offset;
        sorted[i] = t;
    }
    qsort(sorted, g->n_tensors, sizeof *sorted, order_by_offset); /* NOLINT(bugprone-sizeof-expression): pointers */
    for (size_t i = 1; i < g->n_tensors; i++) {
        const gguf_tensor *a = sorted[i - 1], *b = sorted[i];
        if (a->offset + (a->type >= 0 ? a->bytes : 1) > b->offset) {
            REFUSE(r, b->offset, "tensors %s and %s overlap", quote(shown, sizeof shown, a->name.at, a->name.n),
                   quote(other, sizeof other, b->name.at, b->name.n));
            goto out;
        }
    }
    result = 0;
out:
    free(sorted);
    return result;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* Bytes of the mapping after the file's end. */
static size_t tail_bytes(const gguf *g) {
    return -g->size & ((size_t)sysconf(_SC_PAGESIZE) - 1);
}

static int map_file(gguf *g, err *e) {
    if ((g->base = file_map(g->path, "a GGUF file", &g->size, e)) == NULL) return fetch_advise(g->path, e);
    ASAN_POISON_MEMORY_REGION(g->base + g->size, tail_bytes(g));
    return 0;
}

void gguf_unload_file(const gguf *g, const void *data, size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = (size_t)((const char *)data - g->base), end = begin + n;
    begin = (begin + page - 1) & ~(page - 1); /* pages that hold nothing else */
    end &= ~(page - 1);
    if (begin < end) (void)madvise(g->base + begin, end - begin, MADV_DONTNEED); /* memory stays in use if it fails */
}

static int read_header(gguf *g, reader *r) {
    uint64_t    n_tensors, n_values;
    const char *magic = take(r, 4, "the magic number");
    if (magic == NULL) return -1;
    file_kind kind = file_kind_of(g->base, g->size);
    if (kind != FILE_GGUF && kind != FILE_OTHER) return file_kind_refuse(g->path, kind, "GGUF", r->e);
    if (memcmp(magic, "GGUF", 4) != 0) {
        char   shown[80];
        size_t n = g->size < FILE_HEAD ? g->size : FILE_HEAD;
        if (file_is_text(g->base, n))
            return err_input(
                r->e, "%s: is text, not GGUF (it begins %s; a server may have said that instead of giving the file)",
                g->path, quote(shown, sizeof shown, g->base, n));
        REFUSE(r, 0, "not a GGUF file (one begins with \"GGUF\")");
        advise_piece(r);
        return -1;
    }
    if (take_u32(r, &g->version, "the version") != 0) return -1;
    if (g->version != 2 && g->version != 3) {
        if (g->version != 0 && (g->version & 0xFFFF) == 0)
            return REFUSE(r, 4,
                          "the file is big-endian (little-endian; gguf_convert_endian.py of llama.cpp turns it round)");
        return REFUSE(r, 4, "GGUF version %" PRIu32 " (2 or 3%s)", g->version,
                      g->version == 1 ? "; version 1 was used in August 2023: get the model anew" : "");
    }
    if (take_u64(r, &n_tensors, "the number of tensors") != 0) return -1;
    if (take_u64(r, &n_values, "the number of keys") != 0) return -1;
    size_t left = g->size - r->at;
    if (n_tensors > left / MIN_TENSOR || n_values > left / MIN_VALUE) {
        if (n_tensors > left / MIN_TENSOR)
            REFUSE(r, 8, "%" PRIu64 " tensors (no more than %zu fit into the file)", n_tensors, left / MIN_TENSOR);
        else
            REFUSE(r, 16, "%" PRIu64 " keys (no more than %zu fit into the file)", n_values, left / MIN_VALUE);
        advise_piece(r);
        return -1;
    }
    g->n_tensors = (size_t)n_tensors;
    g->n_values = (size_t)n_values;
    g->values = mem_new(g->n_values, sizeof *g->values, r->e);
    g->tensors = mem_new(g->n_tensors, sizeof *g->tensors, r->e);
    return g->values != NULL && g->tensors != NULL ? 0 : -1;
}

static int read_file(gguf *g, err *e) {
    reader r = {.g = g, .subject = "header", .e = e};
    if (map_file(g, e) != 0 || read_header(g, &r) != 0) return -1;
    for (size_t i = 0; i < g->n_values; i++)
        if (read_value(&r, &g->values[i]) != 0) return -1;
    if (gguf_index_names(g, g->values, g->n_values, sizeof *g->values, "key", &g->by_key, e) != 0) return -1;

    if (gguf_u32_or(g, "general.alignment", 32, &g->alignment, e) != 0) return -1;
    if (g->alignment < MIN_ALIGNMENT || (g->alignment & (g->alignment - 1)) != 0)
        return err_input(e, "%s: general.alignment is %" PRIu32 " (a power of two, at least %d)", g->path, g->alignment,
                         MIN_ALIGNMENT);

    for (size_t i = 0; i < g->n_tensors; i++)
        if (read_tensor(&r, &g->tensors[i]) != 0) return -1;
    if (gguf_index_names(g, g->tensors, g->n_tensors, sizeof *g->tensors, "tensor", &g->by_name, e) != 0) return -1;
    return place_tensors(g, &r);
}

gguf *gguf_open_file(const char *path, err *e) {
    gguf *g = mem_new(1, sizeof *g, e);
    if (g == NULL) return NULL;
    g->path = mem_strdup(path, e);
    if (g->path != NULL && read_file(g, e) == 0) return g;
    gguf_close_file(g);
    return NULL;
}

void gguf_close_file(gguf *g) {
    if (g->base != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(g->base + g->size, tail_bytes(g));
        munmap(g->base, g->size);
    }
    free(g->values);
    free(g->tensors);
    free(g->by_key);
    free(g->by_name);
    free(g->path);
    free(g);
}
