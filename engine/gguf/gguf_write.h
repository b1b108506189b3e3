/* gguf_write.h - writes GGUF v3 (or v2, for tests): add values, add tensors, then write once.
 *
 * The file appears under its name only when it is complete: it is written beside it, synced and renamed.
 * Keys and values are copied when they are added; a tensor's data is not: it must live until gguf_writer_save
 * returns, or is made then, some rows at a time.
 */
#ifndef ENGINE_GGUF_WRITE_H
#define ENGINE_GGUF_WRITE_H

#include "engine/gguf/gguf.h"

typedef struct gguf_writer gguf_writer;

gguf_writer *gguf_writer_new(err *e);
void         gguf_writer_free(gguf_writer *w); /* NULL is fine */

/* All of these return -1 when memory runs out, and refuse (ERR_RUN) the key "general.alignment": saving writes it. */
int gguf_put_u32(gguf_writer *w, const char *key, uint32_t v, err *e);
int gguf_put_f32(gguf_writer *w, const char *key, float v, err *e);
int gguf_put_bool(gguf_writer *w, const char *key, bool v, err *e);
int gguf_put_string(gguf_writer *w, const char *key, const char *v, err *e);
int gguf_put_strings(gguf_writer *w, const char *key, const gguf_str *v, size_t n, err *e);
int gguf_put_f32s(gguf_writer *w, const char *key, const float *v, size_t n, err *e);
int gguf_put_i32s(gguf_writer *w, const char *key, const int32_t *v, size_t n, err *e);
/* Any value: `data` holds `bytes` bytes as the file wants them (for an array: its items). */
int gguf_put_raw(gguf_writer *w, const char *key, gguf_type type, gguf_type item, uint64_t count, const void *data,
                 size_t bytes, err *e);

/* shape[0] is the row length. `data` is in the type's storage layout. ERR_INPUT for more than GGUF_MAX_DIMS dimensions,
 * an empty or too large tensor, and rows that are no whole blocks of the type. */
int gguf_put_tensor(gguf_writer *w, const char *name, dtype type, uint32_t n_dims, const uint64_t *shape,
                    const void *data, err *e);

/* Makes rows [row, row + n) of a tensor in its storage layout. */
typedef int gguf_rows(void *ctx, size_t row, size_t n, void *out, err *e);

/* A tensor whose rows are made while it is written, in order; `ctx` must live until then. */
int gguf_put_rows(gguf_writer *w, const char *name, dtype type, uint32_t n_dims, const uint64_t *shape, gguf_rows *make,
                  void *ctx, err *e);

/* Version 2 or 3; the alignment of tensors is a power of two, at least 8 (32 is usual). ERR_INPUT when it is not, when
 * a row cannot be made, or when the file is one that gguf_open refuses; nothing is left of it then. */
int gguf_writer_save(gguf_writer *w, const char *path, uint32_t version, uint32_t alignment, err *e);

#endif
