/* registry.h - the plug-ins that a .def file lists, by name.
 *
 * A plug-in is a constant struct whose first member is `const char *name`. A registry holds pointers to those of one
 * kind, in the order of the .def file:
 *
 *     #define POLICY(name) extern const policy_ops policy_##name;
 *     #include "engine/policies/policies.def"
 *     static const void *const all[] = {
 *     #define POLICY(name) &policy_##name,
 *     #include "engine/policies/policies.def"
 *     };
 *     const registry policy_registry = REGISTRY("policy", all);
 *
 * Pointers come back as const void *, which C converts: `const policy_ops *p = registry_find(&policy_registry,
 * "llma")`.
 */
#ifndef ENGINE_BASE_REGISTRY_H
#define ENGINE_BASE_REGISTRY_H

#include <stddef.h>

#include "engine/base/err.h"

typedef struct {
    const char        *what; /* one of them, as errors call it */
    const void *const *at;   /* [n] */
    size_t             n;
} registry;

#define REGISTRY(kind, all)                                                                                            \
    { .what = (kind), .at = (all), .n = sizeof(all) / sizeof *(all) }

/* NULL when there is none of this name. */
const void *registry_find(const registry *r, const char *name);

/* The same for a name that a user gave: NULL comes with an ERR_INPUT "WHERE: unknown WHAT ..." that lists the known
 * names. `where` may be NULL. */
const void *registry_named(const registry *r, const char *where, const char *name, err *e);

/* The name of plug-in i. */
const char *registry_name(const registry *r, size_t i);

#endif
