/* suggest.h - errors about unknown names: what is allowed, and what was probably meant. */
#ifndef ENGINE_BASE_SUGGEST_H
#define ENGINE_BASE_SUGGEST_H

#include <stddef.h>

#include "engine/base/err.h"

/* The name nearest to `wrong` in edits (insert, delete, replace), or NULL when none is near. */
const char *suggest(const char *wrong, const char *const *names, size_t n);

/* ERR_INPUT: `WHERE: unknown WHAT "WRONG"; did you mean "..."? (allowed: ...)`. */
int err_unknown(err *e, const char *where, const char *what, const char *wrong, const char *const *names, size_t n);

#endif
