/* gguf_impl.h - what the reader's own files share.
 *
 * gguf_access.c knows the struct and looks things up in it; gguf.c, above it, maps a file, checks it and fills the
 * struct; gguf_parts.c, above both, joins files. Nothing calls upwards.
 */
#ifndef ENGINE_GGUF_IMPL_H
#define ENGINE_GGUF_IMPL_H

#include "engine/gguf/gguf.h"

enum { GGUF_TYPES = GGUF_F64 + 1 };

/* Points to the first member of a gguf_value or gguf_tensor: a found name is a found value or tensor. */
typedef const gguf_str *gguf_name;
_Static_assert(offsetof(gguf_value, key) == 0 && offsetof(gguf_tensor, name) == 0, "names come first");

struct gguf {
    char        *path;
    char        *base; /* the mapping; never written to */
    size_t       size;
    uint32_t     version, alignment;
    gguf_value  *values;
    size_t       n_values;
    gguf_tensor *tensors;
    size_t       n_tensors;
    gguf_name   *by_key, *by_name; /* of all values and all tensors, sorted; gguf_index_names makes them */
    gguf       **others;           /* the parts after this one, the first; their tensors are among the tensors */
    size_t       n_others;
};

/* One file, whatever it says of others; gguf_close_file takes no NULL and leaves the others alone. */
gguf *gguf_open_file(const char *path, err *e);
void  gguf_close_file(gguf *g);

/* gguf_unload of data in this file. */
void gguf_unload_file(const gguf *g, const void *data, size_t n);

/* Makes sorted pointers to the names at the front of n structs, `stride` bytes apart. ERR_INPUT when two are equal;
 * `what` names one in the message. *out is the caller's to free, also after an error. */
int gguf_index_names(const gguf *g, const void *structs, size_t n, size_t stride, const char *what, gguf_name **out,
                     err *e);

#endif
