/* seed_files.c - binary seeds that the program's own writers make: build/fuzz/seed_files FOLDER. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/model/random.h"
#include "engine/policies/index/datastore.h"
#include "experiments/training/train_state.h"
#include "tests/fuzz/results.h"

static const char *folder;

static const char *place(const char *fuzzer, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, fuzzer);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder, fuzzer, name);
    return path;
}

static void expect(int status, const err *e) {
    if (status != 0) fuzz_fail(__FILE__, __LINE__, e->text);
}

/* ---- models ----------------------------------------------------------------------------------------------------- */

static int put_tokenizer(gguf_writer *w, err *e) {
    static const char *const text[] = {"<unk>", "<s>", "</s>", "\xe2\x96\x81", "a", "b", "ab", "ba"};
    enum { N = sizeof text / sizeof *text };
    const float   scores[N] = {0, 0, 0, -1, -2, -3, -4, -5};
    const int32_t types[N] = {2, 3, 3, 1, 1, 1, 1, 1};
    gguf_str      pieces[N];
    for (size_t i = 0; i < N; i++) pieces[i] = (gguf_str){text[i], strlen(text[i])};
    if (gguf_put_string(w, "tokenizer.ggml.model", "llama", e) != 0 ||
        gguf_put_strings(w, "tokenizer.ggml.tokens", pieces, N, e) != 0 ||
        gguf_put_f32s(w, "tokenizer.ggml.scores", scores, N, e) != 0 ||
        gguf_put_i32s(w, "tokenizer.ggml.token_type", types, N, e) != 0)
        return -1;
    if (gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1, e) != 0) return -1;
    return gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2, e);
}

static model_shape small_shape(const architecture *a, bool experts) {
    model_shape m = a->preset;
    m.n_layers = m.n_kv_heads = 1;
    m.dim = m.ffn_dim = 8;
    m.n_heads = 2;
    m.head_dim = m.rope_dim = 4;
    m.vocab = 8;
    m.context = 16;
    m.rms_eps = 1e-5f;
    m.n_experts = experts ? 2 : 0;
    m.n_used_experts = experts ? 1 : 0;
    m.expert_dim = experts ? 8 : 0;
    m.rope_scale = 1;
    m.attention_scale = 0.2f;
    m.embedding_scale = 3;
    m.residual_scale = 0.3f;
    m.logit_scale = 1.7f;
    return m;
}

static void write_model(const architecture *a, bool experts, bool whole) {
    char              name[64];
    err               e = {0};
    const random_spec spec = {.arch = a,
                              .shape = small_shape(a, experts),
                              .mix = type_mix_named("type", "f32", &e),
                              .whole = whole,
                              .biases = whole,
                              .factors = whole,
                              .tied = !whole,
                              .seed = 1,
                              .threads = 1};
    gguf_writer      *w = gguf_writer_new(&e);
    random_model     *m = w != NULL && put_tokenizer(w, &e) == 0 ? random_model_put(&spec, w, &e) : NULL;
    snprintf(name, sizeof name, "%s%s%s.gguf", a->name, experts ? "-experts" : "", whole ? "-whole" : "");
    if (m == NULL || gguf_writer_save(w, place("gguf", name), 3, 8, &e) != 0) fprintf(stderr, "%s: %s\n", name, e.text);
    random_model_free(m);
    gguf_writer_free(w);
}

/* ---- the others ------------------------------------------------------------------------------------------------- */

/* With a byte of options before it. */
static void prefix(const char *path) {
    err    e = {0};
    size_t n;
    char  *bytes = file_read(path, SIZE_MAX, &n, &e);
    FILE  *f = bytes != NULL ? fopen(path, "w") : NULL;
    FUZZ_EXPECT(f != NULL && fputc(0, f) == 0 && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    free(bytes);
}

static void write_datastore(const char *name, size_t vocab, bool joined, size_t n) {
    datastore_corpus c;
    char             vocabulary[DIGEST_HEX];
    err              e = {0};
    memset(vocabulary, 'a', sizeof vocabulary);
    vocabulary[DIGEST_HEX - 1] = '\0';
    datastore_corpus_begin(&c, vocab, joined);
    for (size_t k = 0; k < 3; k++) {
        int32_t ids[200];
        for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(i * i % 7 + k) % (int32_t)vocab;
        expect(datastore_corpus_add(&c, ids, n, &e), &e);
    }
    expect(datastore_write(&c, place("datastore", name), vocabulary, 1, &e), &e);
    prefix(place("datastore", name));
    datastore_corpus_free(&c);
}

static void write_results(const char *name, bool one_cell) {
    store_data d = results_some(one_cell);
    err        e = {0};
    expect(store_write(place("results", name), &d, false, &e), &e);
    store_free(&d);
}

static void write_training(void) {
    train_config c = {.path = (char *)"t.ini", .text = (char *)"[train]\n", .name = (char *)"t"};
    trainer      t = {.o.shape = {.layers = 1, .dim = 4, .heads = 2, .ffn = 4, .vocab = 5}, .step = 2};
    curve_point  points[] = {{.step = 0, .source = -1, .loss = 1}, {.step = 1, .source = 0, .loss = 0.5}};
    curve        v = {points, 2, 2};
    err          e = {0};
    memset(c.digest, 'a', sizeof c.digest - 1);
    memset(c.vocabulary, 'b', sizeof c.vocabulary - 1);
    t.params = t.m = t.v = calloc(net_params(&t.o.shape), sizeof(float));
    expect(checkpoint_write(place("checkpoint", "two_steps"), &c, &t, &v, &e), &e);
    prefix(place("checkpoint", "two_steps"));
    c.n_sources = 1;
    c.sources[0].name = (char *)"qa";
    expect(curve_write(place("results", "curve.h5"), &c, &v, &e), &e);
    free(t.params);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    folder = argv[1];
    for (size_t i = 0; i < architecture_registry.n; i++)
        for (int how = 0; how < 4; how++) write_model(architecture_registry.at[i], how & 1, how & 2);
    write_datastore("borders", 9, false, 20);
    write_datastore("joined", 70000, true, 3);
    write_datastore("long", 8, false, 200);
    write_results("cells.h5", false);
    write_results("cell.h5", true);
    write_training();
    return 0;
}
