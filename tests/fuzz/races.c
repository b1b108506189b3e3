/* races.c - what computes on several threads, for ThreadSanitizer (Criterion's own memory has no place beside it): a
 * model packed and run, a datastore sorted, a training's steps. */
#include <stdlib.h>
#include <string.h>

#include "engine/model/model.h"
#include "engine/policies/index/datastore.h"
#include "engine/target/target.h"
#include "engine/train/trainer.h"
#include "tests/fixtures/tiny_model.h"
#include "tests/fuzz/fuzz.h"

enum { THREADS = 4 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    (void)bytes, (void)n;
    return 0;
}

static void expect(int status, const err *e) {
    if (status != 0) fuzz_fail(__FILE__, __LINE__, e->text);
}

static void run_model(void) {
    static draft none;
    int32_t      ids[64];
    tiny_spec    s = tiny_default();
    err          e = {0};
    rows         out;
    draft_clear(&none);
    s.dim = s.ffn = 256; /* enough work for each thread */
    for (int32_t i = 0; i < 64; i++) ids[i] = i;
    model *m = tiny_open(&s, &e);
    expect(m != NULL ? model_pack(m, &e) : -1, &e);
    const target_spec spec = {.weights = m, .vocab = m->shape.vocab, .context = 128, .threads = THREADS};
    target           *t = target_open(&target_transformer, &spec, &e);
    expect(t != NULL ? target_begin(t, NULL, 0, &e) : -1, &e);
    expect(target_verify(t, ids, 64, &none, &out, &e), &e);
    expect(target_keep(t, NULL, 0, &e), &e);
    for (int i = 0; i < 3; i++) expect(target_verify(t, ids, 1, &none, &out, &e) | target_keep(t, NULL, 0, &e), &e);
    target_close(t);
    model_close(m);
}

static void sort_datastore(void) {
    enum { N = 200000 };
    char             path[128], vocabulary[DIGEST_HEX];
    datastore_corpus c;
    err              e = {0};
    int32_t         *ids = malloc(N * sizeof *ids);
    memset(vocabulary, 'a', sizeof vocabulary);
    vocabulary[DIGEST_HEX - 1] = '\0';
    snprintf(path, sizeof path, "%s/store", fuzz_folder());
    for (int32_t i = 0; i < N; i++) ids[i] = (int32_t)((unsigned)i * 2654435761u >> 7) % 50;
    datastore_corpus_begin(&c, 50, false);
    expect(datastore_corpus_add(&c, ids, N, &e), &e);
    expect(datastore_write(&c, path, vocabulary, THREADS, &e), &e);
    datastore_corpus_free(&c);
    free(ids);
}

static void train(double muon_lr) {
    enum { LESSONS = 8, LENGTH = 20 };
    trainer_options o = {
        .shape = {.layers = 2, .dim = 16, .heads = 2, .ffn = 24, .vocab = 500, .rope_theta = 1e4, .rms_eps = 1e-5},
        .optimizer =
            {.adamw = {.lr = 1e-3, .min_lr = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .clip = 1, .steps = 9},
             .muon_lr = muon_lr,
             .muon_momentum = 0.9},
        .lanes = THREADS,
        .context = 64,
        .micro_tokens = 40,
        .prompt_weight = 0.25,
        .threads = THREADS};
    lesson         l[LESSONS] = {{{0}, 0}};
    trainer        t;
    trainer_report r;
    err            e = {0};
    for (int32_t i = 0; i < LESSONS; i++) {
        l[i].n_prompt = 4;
        for (int32_t k = 0; k < LENGTH; k++) expect(tokens_push(&l[i].ids, (k * k + i) % 500, &e), &e);
    }
    expect(trainer_open(&o, 5, &t, &e), &e);
    for (int i = 0; i < 2; i++) expect(trainer_step(&t, l, LESSONS, &r, &e), &e);
    expect(trainer_score(&t, l, LESSONS, &r, &e), &e);
    for (int i = 0; i < LESSONS; i++) tokens_free(&l[i].ids);
    trainer_close(&t);
}

int main(void) {
    run_model();
    fprintf(stderr, "a model has run\n");
    sort_datastore();
    fprintf(stderr, "a datastore is sorted\n");
    train(0);
    train(0.01);
    fprintf(stderr, "steps were trained\n");
    return 0;
}
