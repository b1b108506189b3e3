/* A real model, stories260K: greedy text and logits against llama.cpp's. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "conformance.h"
#include "engine/engine.h"

typedef struct {
    model  *m;
    target *t;
    int32_t bos, eos; /* either one ends a story */
} subject;

static subject subject_open(int threads) {
    err     e = {0};
    subject s = {.m = model_open(conformance_path("data/models/stories260K.gguf"), &e)};
    cr_assert_not_null(s.m, "%s", e.text);
    const target_spec spec = {
        .weights = s.m, .vocab = s.m->shape.vocab, .context = s.m->shape.context, .threads = threads};
    cr_assert_eq(target_prepare(&target_transformer, &spec, &e), 0);
    s.t = target_open(&target_transformer, &spec, &e);
    cr_assert_not_null(s.t, "%s", e.text);
    s.bos = tokenizer_bos(s.m->tok);
    s.eos = tokenizer_eos(s.m->tok);
    return s;
}

static void subject_close(subject *s) {
    target_close(s->t);
    model_close(s->m);
}

static int32_t argmax(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

static void ids_of(const json_t *array, tokens *out) {
    size_t  i;
    json_t *id;
    err     e = {0};
    out->n = 0;
    json_array_foreach(array, i, id) cr_assert_eq(tokens_push(out, (int32_t)json_integer_value(id), &e), 0);
}

/* Continues `all` greedily, a token per pass, to `length` tokens or the story's end. */
static void extend_greedily(subject *s, tokens *all, size_t length) {
    err    e = {0};
    rows   r;
    draft  d;
    size_t from = 0;
    draft_clear(&d);
    cr_assert_eq(target_begin(s->t, NULL, 0, &e), 0);
    while (all->n < length) {
        cr_assert_eq(target_verify(s->t, all->ids + from, all->n - from, &d, &r, &e), 0, "%s", e.text);
        cr_assert_eq(target_keep(s->t, NULL, 0, &e), 0);
        from = all->n;
        int32_t next = argmax(r.logits, r.vocab);
        if (next == s->eos || next == s->bos) return;
        cr_assert_eq(tokens_push(all, next, &e), 0);
    }
}

Test(conformance_stories260k, greedy_text_is_llama_cpps) {
    subject s = subject_open(1);
    FILE   *f = fopen(conformance_path("oracle/llama_cpp/stories260K_greedy.jsonl"), "r");
    cr_assert_not_null(f);
    err     e = {0};
    tokens  all = {0}, encoded = {0};
    size_t  n = 0;
    json_t *line;
    while ((line = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
        const char *prompt = json_string_value(json_object_get(line, "prompt"));
        const char *text = json_string_value(json_object_get(line, "text"));
        size_t      steps = (size_t)json_integer_value(json_object_get(line, "steps")), length;
        ids_of(json_object_get(line, "prompt_ids"), &all);

        encoded.n = 0;
        cr_assert_eq(tokens_push(&encoded, s.bos, &e), 0);
        cr_assert_eq(tokenizer_encode(s.m->tok, prompt, strlen(prompt), false, &encoded, &e), 0);
        cr_assert(tokens_equal(&encoded, &all), "prompt %zu", n);

        extend_greedily(&s, &all, steps + 1); /* BOS and the word of each position */
        char *got = tokenizer_decode(s.m->tok, all.ids, all.n, &length, &e);
        cr_assert_not_null(got);
        cr_assert_str_eq(got, text, "prompt %zu", n);
        free(got);
        json_decref(line);
        n++;
    }
    cr_assert_gt(n, 0);
    fclose(f);
    tokens_free(&all);
    tokens_free(&encoded);
    subject_close(&s);
}

Test(conformance_stories260k, logits_are_within_1e_4_of_llama_cpps) {
    subject s = subject_open(2);
    json_t *index = json_load_file(conformance_path("oracle/llama_cpp/logits_index.json"), 0, NULL), *entry;
    cr_assert_not_null(index);
    err    e = {0};
    tokens ids = {0};
    size_t i;
    double worst = 0;
    cr_assert_gt(json_array_size(index), 0);
    json_array_foreach(index, i, entry) {
        char        relative[256];
        const char *name = json_string_value(json_object_get(entry, "logits"));
        ids_of(json_object_get(entry, "ids"), &ids);
        snprintf(relative, sizeof relative, "oracle/llama_cpp/%s", name);
        size_t vocab = s.m->shape.vocab, count = ids.n * vocab;
        float *want = mem_new(count, sizeof *want, &e), *got = mem_new(count, sizeof *got, &e);
        FILE  *f = fopen(conformance_path(relative), "rb");
        cr_assert(f != NULL && want != NULL && got != NULL);
        cr_assert_eq(fread(want, sizeof *want, count, f), count);
        fclose(f);

        transformer *t = transformer_new(s.m, ids.n, 2, NULL, &e);
        cr_assert_not_null(t, "%s", e.text);
        cr_assert_eq(transformer_forward(t, ids.ids, ids.n, ids.n, got, &e), 0);
        for (size_t j = 0; j < count; j++) {
            double difference = fabs((double)got[j] - (double)want[j]);
            if (!(difference <= worst)) worst = difference;
        }
        cr_assert(worst <= 1e-4, "%s: %g", name, worst);
        transformer_free(t);
        free(want);
        free(got);
    }
    cr_log_info("largest difference %g", worst);
    json_decref(index);
    tokens_free(&ids);
    subject_close(&s);
}
