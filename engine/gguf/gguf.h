/* gguf.h - reads GGUF v2 and v3 files, memory-mapped; a model in several files by its first (gguf_parts.c).
 *
 * gguf_open checks everything before it returns: magic, version, counts against the file's size, key
 * and string lengths, array nesting, tensor names (unique), shapes (no overflow), offsets, alignment,
 * and that each tensor of a supported type lies inside the file. Afterwards access is unchecked.
 * All pointers given out point into the mapping and live until gguf_close.
 */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/digest.h"
#include "engine/base/err.h"
#include "engine/kernels/dtype.h"

/* Numbers as in the file. */
typedef enum {
    GGUF_U8 = 0,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
} gguf_type;

/* A byte string inside the mapping; not NUL-terminated, not necessarily UTF-8. */
typedef struct {
    const char *at;
    size_t      n;
} gguf_str;

bool gguf_str_is(gguf_str s, const char *text);

/* As a C string into out[size]; false when it does not fit or holds a NUL. */
bool gguf_str_copy(gguf_str s, char *out, size_t size);

enum { GGUF_MAX_DIMS = 4 };

typedef struct {
    gguf_str    name;
    uint32_t    gguf_type; /* the file's own type number */
    int         type;      /* dtype, or -1 when unsupported */
    uint32_t    n_dims;
    uint64_t    shape[GGUF_MAX_DIMS]; /* shape[0] is contiguous (a row); 1 beyond n_dims */
    size_t      part;                 /* the file that it is in, from 0 */
    size_t      offset;               /* of its data, from that file's start */
    const void *data;                 /* NULL when the type is unsupported */
    size_t      bytes;                /* 0 when the type is unsupported */
} gguf_tensor;

typedef struct {
    gguf_str    key;
    gguf_type   type;
    gguf_type   item;  /* of an array */
    uint64_t    count; /* of an array; else 1 */
    const void *data;  /* first byte of the value (of a string: its length; of an array: its first item) */
    size_t      bytes; /* from there to the value's end */
} gguf_value;

typedef struct gguf gguf;

gguf *gguf_open(const char *path, err *e);
void  gguf_close(gguf *g); /* NULL is fine */

const char *gguf_path(const gguf *g); /* of parts: the first one's, as all these */
uint32_t    gguf_version(const gguf *g);
uint32_t    gguf_alignment(const gguf *g);

/* The files that the model is in, at least one, and their bytes. */
size_t      gguf_part_count(const gguf *g);
const char *gguf_part_path(const gguf *g, size_t i);
size_t      gguf_part_size(const gguf *g, size_t i);
size_t      gguf_size(const gguf *g); /* of all */

/* ERR_INPUT when a file that is to be written is one of them (file_check_output). */
int gguf_check_output(const gguf *g, const char *output, err *e);

/* SHA-256 of the file; of parts, of their bytes one after another. Errors are err_unreadable's. */
int gguf_sha256(const gguf *g, char hex[DIGEST_HEX], err *e);

const char *gguf_type_name(gguf_type t);
size_t      gguf_type_bytes(gguf_type t); /* of one item; 0 for strings and arrays, which vary */

size_t             gguf_value_count(const gguf *g);
const gguf_value  *gguf_value_at(const gguf *g, size_t i);
const gguf_value  *gguf_find(const gguf *g, const char *key); /* NULL when absent */
size_t             gguf_tensor_count(const gguf *g);
const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i);
const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name); /* NULL when absent */

/* Releases the memory of a tensor's data: a hint. Later reads fetch it from the file again. */
void gguf_unload(const gguf *g, const void *data, size_t n);

/* Typed access by key. A missing key or a wrong type is an ERR_INPUT that names file and key. Integers
 * of any width are taken when the value fits. The *_or forms give `preset` when the key is absent. */
int gguf_u32(const gguf *g, const char *key, uint32_t *out, err *e);
int gguf_u32_or(const gguf *g, const char *key, uint32_t preset, uint32_t *out, err *e);

/* The same, of a key that may also say the number once for each of n layers. ERR_INPUT when they differ. */
int gguf_u32_same(const gguf *g, const char *key, size_t n, uint32_t *out, err *e);

int gguf_f32_or(const gguf *g, const char *key, float preset, float *out, err *e);
int gguf_bool_or(const gguf *g, const char *key, bool preset, bool *out, err *e);
int gguf_string(const gguf *g, const char *key, gguf_str *out, err *e);

/* Arrays. gguf_strings fills a new array of `*n` strings (free it; the strings live in the mapping).
 * gguf_array_f32 / _i32 copy a numeric array of exactly that item type into new memory. */
int gguf_strings(const gguf *g, const char *key, gguf_str **out, size_t *n, err *e);
int gguf_array_f32(const gguf *g, const char *key, float **out, size_t *n, err *e);
int gguf_array_i32(const gguf *g, const char *key, int32_t **out, size_t *n, err *e);

#endif
