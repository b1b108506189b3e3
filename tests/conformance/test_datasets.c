/* Public data sets: all of them can be read, and LLMA's records become the reference implementation's token ids. */
#include <jansson.h>
#include <string.h>

#include "datasets/sample.h"
#include "tests/conformance/conformance.h"

static const struct {
    const char *path, *format;
    size_t      records, outputs;
} files[] = {
    {"data/llma/rag.jsonl", "llma", 100, 100},
    {"data/llma/cnndm.jsonl", "llma", 100, 100},
    {"data/native/clapnq_dev.jsonl", "native", 150, 150},
    {"data/native/editeval.jsonl", "native", 97, 97},
    {"data/native/expertqa_rr.jsonl", "native", 74, 74},
    {"data/native/humanevalfix.jsonl", "native", 328, 328},
    {"data/native/llma_rag.jsonl", "native", 50, 50},
    {"data/native/mtbench_turn2.jsonl", "native", 160, 160},
    {"data/native/summedits_edit.jsonl", "native", 1436, 1436},
    {"data/native/summedits_seed.jsonl", "native", 47, 47},
    {"data/spec_bench/question.jsonl", "spec-bench", 560, 0}, /* 400 of one turn, 80 of two */
};

Test(conformance_datasets, public_files_are_read_whole) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const dataset_options o = {.format = "auto"};
        dataset               d;
        err                   e = {0};
        size_t                outputs = 0;
        cr_assert_eq(dataset_read(conformance_path(files[i].path), &o, NULL, NULL, &d, &e), 0, "%s", e.text);
        cr_assert_str_eq(d.format, files[i].format);
        cr_assert_eq(d.n, files[i].records, "%s: %zu records", files[i].path, d.n);
        cr_assert_eq(d.dropped, 0);
        for (size_t r = 0; r < d.n; r++) outputs += d.records[r].has_output;
        cr_assert_eq(outputs, files[i].outputs);
        dataset_free(&d);
    }
}

/* ---- LLMA's token ids ---- */

static samples prepare(const dataset *d, const tokenizer *tok) {
    const sample_options o = {.need_output = true};
    samples              s;
    err                  e = {0};
    cr_assert_eq(samples_prepare(d, tok, &o, NULL, NULL, &s, &e), 0, "%s", e.text);
    return s;
}

static void assert_ids(const json_t *want, const int32_t *ids, size_t n, const char *what, size_t sample_number) {
    cr_assert_eq(json_array_size(want), n, "%s of sample %zu: %zu ids, expected %zu", what, sample_number, n,
                 json_array_size(want));
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(json_integer_value(json_array_get(want, i)), ids[i], "%s of sample %zu differs at %zu", what,
                     sample_number, i);
}

/* The recorded prompts may or may not begin with BOS; ours do. */
static void assert_prompt(const json_t *want, const tokens *ours, int32_t bos, const char *what, size_t sample_number) {
    cr_assert_eq(ours->ids[0], bos);
    size_t skip = json_integer_value(json_array_get(want, 0)) == bos ? 0 : 1;
    assert_ids(want, ours->ids + skip, ours->n - skip, what, sample_number);
}

Test(conformance_datasets, llma_records_have_the_reference_ids) {
    err   e = {0};
    gguf *g = gguf_open(conformance_path("data/tokenizers/ggml-vocab-llama-spm.gguf"), &e);
    cr_assert_not_null(g, "%s", e.text);
    tokenizer *tok = tokenizer_from_gguf(g, &e);
    cr_assert_not_null(tok, "%s", e.text);
    gguf_close(g);

    dataset with_docs, bare;
    const dataset_options template = {.format = "llma", .append_docs = true, .doc_tokens = 768, .tok = tok};
    const dataset_options query = {.format = "llma"};
    const char           *path = conformance_path("data/llma/rag.jsonl");
    cr_assert_eq(dataset_read(path, &template, NULL, NULL, &with_docs, &e), 0, "%s", e.text);
    cr_assert_eq(dataset_read(path, &query, NULL, NULL, &bare, &e), 0, "%s", e.text);
    samples a = prepare(&with_docs, tok), b = prepare(&bare, tok);

    char command[4200];
    snprintf(command, sizeof command, "zcat '%s'", conformance_path("oracle/llma/rag_tokens.jsonl.gz"));
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    size_t checked = 0;
    for (json_t *o; (o = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)) != NULL; json_decref(o), checked++) {
        size_t i = (size_t)json_integer_value(json_object_get(o, "sample"));
        cr_assert_lt(i, a.n);
        const sample *s = &a.at[i];
        assert_prompt(json_object_get(o, "prompt_template"), &s->prompt, tokenizer_bos(tok), "prompt_template", i);
        assert_prompt(json_object_get(o, "prompt_query"), &b.at[i].prompt, tokenizer_bos(tok), "prompt_query", i);
        assert_ids(json_object_get(o, "output"), s->output.ids, s->output.n, "output", i);
        const json_t *docs = json_object_get(o, "docs");
        cr_assert_eq(json_array_size(docs), s->n_references);
        for (size_t d = 0; d < s->n_references; d++)
            assert_ids(json_array_get(docs, d), s->references[d].ids, s->references[d].n, "a document", i);
    }
    cr_assert_eq(pclose(f), 0);
    cr_assert_eq(checked, 30);
    samples_free(&a);
    samples_free(&b);
    dataset_free(&with_docs);
    dataset_free(&bare);
    tokenizer_close(tok);
}
