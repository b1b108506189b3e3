/* gguf_impl.h - what the reader's own files share.
 *
 * gguf_access.c knows the struct and looks things up in it; gguf.c, above it, maps a file, checks it and fills the
 * struct. Nothing in gguf_access.c calls gguf.c.
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
};

/* Makes sorted pointers to the names at the front of n structs, `stride` bytes apart. ERR_INPUT when two are equal;
 * `what` names one in the message. *out is the caller's to free, also after an error. */
int gguf_index_names(const gguf *g, const void *structs, size_t n, size_t stride, const char *what, gguf_name **out,
                     err *e);

#endif
