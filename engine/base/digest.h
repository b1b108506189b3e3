/* digest.h - hashes: XXH3-64 (xxHash) for logits and tables, SHA-256 (OpenSSL) for files and identities.
 * Both are defined over bytes; the project stores numbers little-endian and refuses big-endian hosts. */
#ifndef ENGINE_BASE_DIGEST_H
#define ENGINE_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#define DIGEST_HEX 65 /* 64 hexadecimal digits and a NUL */

uint64_t digest64(const void *bytes, size_t n);
int      digest_sha256(const void *bytes, size_t n, char hex[DIGEST_HEX], err *e);
int      digest_sha256_file(const char *path, char hex[DIGEST_HEX], err *e);
int      digest_sha256_files(const char *const *paths, size_t n, char hex[DIGEST_HEX], err *e); /* one after another */

#endif
