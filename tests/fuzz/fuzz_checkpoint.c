/* fuzz_checkpoint.c - a checkpoint of any bytes; with an even first byte its hash, config and tokenizer fit. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/digest.h"
#include "experiments/training/train_state.h"
#include "tests/fuzz/fuzz.h"

enum { MAGIC = 8, NAME = 64 }; /* bytes at the start of the header: magic, config, vocabulary */
enum { SOURCES = 2 };

static train_config training(void) {
    train_config c = {.path = (char *)"t.ini", .n_sources = SOURCES};
    memset(c.digest, 'a', sizeof c.digest - 1);
    memset(c.vocabulary, 'b', sizeof c.vocabulary - 1);
    return c;
}

static void stamp(char *file, size_t n, const train_config *c) {
    uint64_t hash;
    if (n < MAGIC + 2 * NAME + sizeof hash) return;
    memcpy(file, "HTRAIN\0\2", MAGIC);
    memcpy(file + MAGIC, c->digest, NAME);
    memcpy(file + MAGIC + NAME, c->vocabulary, NAME);
    hash = digest64(file, n - sizeof hash);
    memcpy(file + n - sizeof hash, &hash, sizeof hash);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    const train_config c = training();
    trainer            t = {.o.shape = {.layers = 1, .dim = 4, .heads = 2, .ffn = 4, .vocab = 5}};
    size_t             params = net_params(&t.o.shape);
    curve              v = {0};
    err                e = {0};
    if (n < 1) return 0;
    t.o.optimizer.adamw.steps = 100;
    t.params = calloc(params, sizeof *t.params);
    t.m = calloc(params, sizeof *t.m);
    t.v = calloc(params, sizeof *t.v);
    char *file = malloc(n);
    memcpy(file, bytes + 1, n - 1);
    if ((bytes[0] & 1) == 0) stamp(file, n - 1, &c);
    const char *path = fuzz_file(0, file, n - 1);
    if (checkpoint_check_place(path, &c, &e) != 0) fuzz_expect_error(&e);
    if (checkpoint_read(path, &c, &t, &v, &e) == 1) {
        FUZZ_EXPECT(t.step <= t.o.optimizer.adamw.steps);
        for (size_t i = 0; i < v.n; i++) FUZZ_EXPECT(v.points[i].source >= -1 && v.points[i].source < SOURCES);
    } else {
        fuzz_expect_error(&e);
    }
    free(v.points);
    free(file);
    free(t.params);
    free(t.m);
    free(t.v);
    return 0;
}
