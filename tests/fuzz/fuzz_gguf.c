/* fuzz_gguf.c - a GGUF file of any bytes: opened, read whole, its tokenizer used, its weights bound.
 *
 * make fuzz builds and runs it; build/fuzz/gguf FILE repeats one input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/model/model.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static volatile size_t sink; /* keeps reads from being optimized away */

static void read_all(const void *p, size_t n) {
    for (size_t i = 0; i < n; i++) sink += ((const unsigned char *)p)[i];
}

static void read_values(const gguf *g) {
    for (size_t i = 0; i < gguf_value_count(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        gguf_str         *strings;
        int32_t          *ints;
        size_t            n;
        err               e;
        read_all(v->data, v->bytes);
        char *key = strndup(v->key.at, v->key.n);
        if (key == NULL) abort();
        if (gguf_strings(g, key, &strings, &n, &e) == 0) {
            for (size_t j = 0; j < n; j++) read_all(strings[j].at, strings[j].n);
            free(strings);
        }
        if (gguf_array_i32(g, key, &ints, &n, &e) == 0) {
            read_all(ints, n * sizeof *ints);
            free(ints);
        }
        free(key);
    }
}

static void read_tensors(const gguf *g) {
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        read_all(t->data, t->bytes);
    }
}

static void use_tokenizer(const gguf *g) {
    static const char text[] = " the cat\n<s>\xe2\x96\x81\xff\x01";
    tokens            ids = {0};
    err               e;
    tokenizer        *t = tokenizer_from_gguf(g, &e);
    if (t == NULL) return;
    if (tokenizer_encode(t, text, sizeof text - 1, true, &ids, &e) == 0) {
        size_t n;
        free(tokenizer_decode(t, ids.ids, ids.n, &n, &e));
    }
    tokens_free(&ids);
    tokenizer_close(t);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    static int  fd = -1;
    static char path[64];
    err         e;
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        if (fd < 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, n, 0) != (ssize_t)n) abort();
    gguf *g = gguf_open(path, &e);
    if (g == NULL) return 0;
    read_values(g);
    read_tensors(g);
    use_tokenizer(g);
    gguf_close(g);
    model_close(model_open(path, &e));
    return 0;
}
