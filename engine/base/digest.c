#include "engine/base/digest.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "digests, GGUF and results are little-endian; this host is not"
#endif

uint64_t digest64(const void *bytes, size_t n) {
    return XXH3_64bits(bytes, n);
}

struct digest64_state {
    XXH3_state_t *of;
};

digest64_state *digest64_new(err *e) {
    digest64_state *s = mem_new(1, sizeof *s, e);
    if (s == NULL) return NULL;
    if ((s->of = XXH3_createState()) == NULL) {
        free(s);
        err_run(e, "out of memory");
        return NULL;
    }
    (void)XXH3_64bits_reset(s->of); /* both fail only without a state */
    return s;
}

void digest64_add(digest64_state *s, const void *bytes, size_t n) {
    if (n > 0) (void)XXH3_64bits_update(s->of, bytes, n);
}

uint64_t digest64_take(digest64_state *s) {
    uint64_t digest = XXH3_64bits_digest(s->of);
    (void)XXH3_64bits_reset(s->of);
    return digest;
}

void digest64_free(digest64_state *s) {
    if (s == NULL) return;
    XXH3_freeState(s->of);
    free(s);
}

static int hex_of(EVP_MD_CTX *ctx, char hex[DIGEST_HEX]) {
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned      n = 0;
    if (EVP_DigestFinal_ex(ctx, md, &n) != 1 || n != 32) return -1;
    for (unsigned i = 0; i < n; i++) {
        hex[2 * i] = "0123456789abcdef"[md[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[md[i] & 15];
    }
    hex[64] = '\0';
    return 0;
}

int digest_sha256(const void *bytes, size_t n, char hex[DIGEST_HEX], err *e) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(ctx, bytes, n) == 1 &&
             hex_of(ctx, hex) == 0;
    EVP_MD_CTX_free(ctx);
    return ok ? 0 : err_run(e, "SHA-256 failed");
}

/* Adds a file's bytes. */
static int add_file(EVP_MD_CTX *ctx, const char *path, unsigned char *buf, size_t size, err *e) {
    size_t  all;
    ssize_t got = 0;
    bool    ok = true;
    int     fd = file_open(path, "a regular file", &all, e);
    if (fd < 0) return -1;
    while (ok && (got = file_read_some(fd, buf, size)) > 0) ok = EVP_DigestUpdate(ctx, buf, (size_t)got) == 1;
    int ret = !ok ? err_run(e, "SHA-256 failed") : got < 0 ? err_unreadable(e, path) : 0;
    close(fd);
    return ret;
}

int digest_sha256_files(const char *const *paths, size_t n, char hex[DIGEST_HEX], err *e) {
    enum { CHUNK = 1 << 20 };
    unsigned char *buf = mem_new(CHUNK, 1, e);
    EVP_MD_CTX    *ctx = EVP_MD_CTX_new();
    int            ret = buf != NULL ? 0 : -1;
    if (ret == 0 && (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1))
        ret = err_run(e, "SHA-256 failed");
    for (size_t i = 0; ret == 0 && i < n; i++) ret = add_file(ctx, paths[i], buf, CHUNK, e);
    if (ret == 0 && hex_of(ctx, hex) != 0) ret = err_run(e, "SHA-256 failed");
    EVP_MD_CTX_free(ctx);
    free(buf);
    return ret;
}

int digest_sha256_file(const char *path, char hex[DIGEST_HEX], err *e) {
    return digest_sha256_files(&path, 1, hex, e);
}
