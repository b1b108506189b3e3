/* digest.h - hashes: XXH3-64 (xxHash) for logits and tables, SHA-256 (OpenSSL) for files and identities.
 * Both are defined over bytes; the project stores numbers little-endian and refuses big-endian hosts. */
#ifndef ENGINE_BASE_DIGEST_H
#define ENGINE_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#define DIGEST_HEX 65 /* 64 hexadecimal digits and a NUL */

uint64_t digest64(const void *bytes, size_t n);

/* The same of bytes that come piece by piece. NULL without memory. digest64_take gives the digest of what was added and
 * begins again. */
typedef struct digest64_state digest64_state;
digest64_state               *digest64_new(err *e);
void                          digest64_add(digest64_state *s, const void *bytes, size_t n);
uint64_t                      digest64_take(digest64_state *s);
void                          digest64_free(digest64_state *s); /* NULL is fine */

int digest_sha256(const void *bytes, size_t n, char hex[DIGEST_HEX], err *e);
int digest_sha256_file(const char *path, char hex[DIGEST_HEX], err *e);
int digest_sha256_files(const char *const *paths, size_t n, char hex[DIGEST_HEX], err *e); /* one after another */

#endif
