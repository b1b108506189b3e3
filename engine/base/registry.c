#include "engine/base/registry.h"

#include <string.h>

#include "engine/base/suggest.h"

enum { MAX_NAMES = 128 }; /* listed in an error */

const char *registry_name(const registry *r, size_t i) {
    return *(const char *const *)r->at[i]; /* the first member */
}

const void *registry_find(const registry *r, const char *name) {
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(registry_name(r, i), name) == 0) return r->at[i];
    return NULL;
}

const void *registry_named(const registry *r, const char *where, const char *name, err *e) {
    const char *names[MAX_NAMES];
    size_t      n = 0;
    const void *found = registry_find(r, name);
    if (found != NULL) return found;
    for (; n < r->n && n < MAX_NAMES; n++) names[n] = registry_name(r, n);
    err_unknown(e, where, r->what, name, names, n);
    return NULL;
}
