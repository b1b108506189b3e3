/* The tokenizer on public vocabularies: llama.cpp's own test pairs, its ids of many other strings, and the ids that
 * SentencePiece gives for LLMA's records. */
#include <jansson.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/conformance/conformance.h"

static tokenizer *open_tokenizer(const char *relative) {
    err   e = {0};
    gguf *g = gguf_open(conformance_path(relative), &e);
    cr_assert_not_null(g, "%s", e.text);
    tokenizer *t = tokenizer_from_gguf(g, &e);
    cr_assert_not_null(t, "%s", e.text);
    gguf_close(g);
    return t;
}

/* ---- test pairs ----------------------------------------------------------------------------------- */

static char *read_all(const char *path) {
    static const size_t room = 1 << 20;
    FILE               *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    char  *text = calloc(room, 1);
    size_t n = fread(text, 1, room - 1, f);
    cr_assert(n > 0 && n < room - 1, "%s", path);
    fclose(f);
    return text;
}

static void check_pairs(const char *vocabulary, size_t want) {
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char              relative[200];
    tokenizer        *t = open_tokenizer(vocabulary);
    snprintf(relative, sizeof relative, "%s.inp", vocabulary);
    char *texts = read_all(conformance_path(relative));
    snprintf(relative, sizeof relative, "%s.out", vocabulary);
    char  *lines = read_all(conformance_path(relative)), *line = lines;
    size_t pairs = 0;
    for (char *text = texts, *end; (end = strstr(text, separator)) != NULL; text = end + strlen(separator), pairs++) {
        err    e = {0};
        tokens ids = {0};
        size_t n = (size_t)(end - text), len;
        cr_assert_eq(tokenizer_encode(t, text, n, false, &ids, &e), 0, "%s", e.text);
        char *line_end = strchr(line, '\n');
        cr_assert_not_null(line_end);
        for (size_t i = 0; i < ids.n; i++) {
            char *after;
            cr_assert_eq(strtol(line, &after, 10), ids.ids[i], "pair %zu, id %zu", pairs, i);
            cr_assert(after > line && after <= line_end, "pair %zu has fewer ids than %zu", pairs, ids.n);
            line = after;
        }
        cr_assert_eq(strspn(line, " "), (size_t)(line_end - line), "pair %zu has more ids than %zu", pairs, ids.n);
        line = line_end + 1;

        char *back = tokenizer_decode(t, ids.ids, ids.n, &len, &e);
        cr_assert_not_null(back, "%s", e.text);
        cr_assert(len == n && memcmp(back, text, n) == 0, "pair %zu reads \"%s\"", pairs, back);
        free(back);
        tokens_free(&ids);
    }
    cr_assert_eq(pairs, want);
    free(texts);
    free(lines);
    tokenizer_close(t);
}

Test(conformance_tokenizer, llama_pairs) {
    check_pairs("data/tokenizers/ggml-vocab-llama-spm.gguf", 46);
}

Test(conformance_tokenizer, phi3_pairs) {
    check_pairs("data/tokenizers/ggml-vocab-phi-3.gguf", 46);
}

Test(conformance_tokenizer, gpt2_pairs) {
    check_pairs("data/tokenizers/ggml-vocab-gpt-2.gguf", 46);
}

Test(conformance_tokenizer, llama_bpe_pairs) {
    check_pairs("data/tokenizers/ggml-vocab-llama-bpe.gguf", 46);
}

Test(conformance_tokenizer, qwen2_pairs) {
    check_pairs("data/tokenizers/ggml-vocab-qwen2.gguf", 46);
}

Test(conformance_tokenizer, deepseek_llm_pairs) {
    check_pairs("data/tokenizers/ggml-vocab-deepseek-llm.gguf", 46);
}

Test(conformance_tokenizer, gemma4_pairs) {
    check_pairs("data/tokenizers/ggml-vocab-gemma-4.gguf", 45);
}

/* ---- strings of every kind ------------------------------------------------------------------------ */

/* Of 1,665 strings, documents and hard Unicode: the ids of llama.cpp, or of the model's own tokenizer where that
 * normalizes. */
static void check_strings(const char *name) {
    char relative[200], normalized[64], command[4200];
    snprintf(relative, sizeof relative, "data/tokenizers/ggml-vocab-%s.gguf", name);
    snprintf(normalized, sizeof normalized, "%s/nfc", name);
    snprintf(command, sizeof command, "zcat '%s'", conformance_path("oracle/tokens/strings.jsonl.gz"));
    tokenizer *t = open_tokenizer(relative);
    FILE      *strings = popen(command, "r");
    cr_assert_not_null(strings);
    char  *line = NULL;
    size_t cap = 0, n = 0;
    for (; getline(&line, &cap, strings) > 0; n++) {
        err           e = {0};
        tokens        ids = {0};
        json_t       *record = json_loads(line, JSON_ALLOW_NUL, NULL);
        const json_t *text = json_object_get(record, "text"), *own = json_object_get(record, normalized);
        const json_t *want = own != NULL ? own : json_object_get(record, name);
        const char   *at = json_string_value(text);
        size_t        length = json_string_length(text), len;
        cr_assert_eq(tokenizer_encode(t, at, length, false, &ids, &e), 0, "%s", e.text);
        cr_assert_eq(ids.n, json_array_size(want), "string %zu: %s", n, at);
        for (size_t i = 0; i < ids.n; i++)
            cr_assert_eq(ids.ids[i], json_integer_value(json_array_get(want, i)), "id %zu of string %zu: %s", i, n, at);
        char *back = tokenizer_decode(t, ids.ids, ids.n, &len, &e);
        cr_assert_not_null(back, "%s", e.text);
        cr_assert(own != NULL || (len == length && memcmp(back, at, len) == 0), "string %zu reads %s", n, back);
        free(back);
        tokens_free(&ids);
        json_decref(record);
    }
    cr_assert_eq(n, 1665);
    free(line);
    cr_assert_eq(pclose(strings), 0);
    tokenizer_close(t);
}

Test(conformance_tokenizer, llama_strings) {
    check_strings("llama-spm");
}

Test(conformance_tokenizer, phi3_strings) {
    check_strings("phi-3");
}

Test(conformance_tokenizer, gpt2_strings) {
    check_strings("gpt-2");
}

Test(conformance_tokenizer, llama_bpe_strings) {
    check_strings("llama-bpe");
}

Test(conformance_tokenizer, qwen2_strings) {
    check_strings("qwen2");
}

Test(conformance_tokenizer, deepseek_llm_strings) {
    check_strings("deepseek-llm");
}

Test(conformance_tokenizer, gemma4_strings) {
    check_strings("gemma-4");
}

/* ---- what ends a text ----------------------------------------------------------------------------- */

/* llama.cpp's sets of end-of-generation tokens. */
Test(conformance_tokenizer, sets_of_stop_tokens) {
    static const struct {
        const char *vocabulary, *ids;
    } sets[] = {
        {"deepseek-llm", "100001"},        {"gemma-4", "1 50 106"}, {"gpt-2", "50256"},
        {"llama-bpe", "128001 128009"},    {"llama-spm", "2"},      {"phi-3", "2 32000 32007"},
        {"qwen2", "128247 151643 151645"},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char relative[80];
        snprintf(relative, sizeof relative, "data/tokenizers/ggml-vocab-%s.gguf", sets[i].vocabulary);
        err        e = {0};
        tokenizer *t = open_tokenizer(relative);
        stops      s = tokenizer_stops(t);
        char      *text = stops_text(s, &e);
        cr_assert_str_eq(text, sets[i].ids, "%s", relative);
        free(text);
        for (size_t k = 0; k < s.n; k++) {
            tokens   ids = {0};
            gguf_str spelling = tokenizer_spelling(t, s.ids[k]);
            cr_assert_eq(tokenizer_encode(t, spelling.at, spelling.n, false, &ids, &e), 0, "%s", e.text);
            cr_assert_gt(ids.n, 1, "%s: %.*s", relative, (int)spelling.n, spelling.at);
            for (size_t at = 0; at < ids.n; at++) cr_assert_not(stops_have(s, ids.ids[at]), "%s", relative);
            tokens_free(&ids);
        }
        tokenizer_close(t);
    }
}

/* ---- LLMA's records ------------------------------------------------------------------------------- */

static void check_ids(const tokenizer *t, const char *text, bool bos, bool eos, size_t limit, const json_t *want) {
    err    e = {0};
    tokens ids = {0};
    if (bos) tokens_push(&ids, tokenizer_bos(t), &e);
    cr_assert_eq(tokenizer_encode(t, text, strlen(text), false, &ids, &e), 0, "%s", e.text);
    if (eos) tokens_push(&ids, tokenizer_eos(t), &e);
    if (ids.n > limit) ids.n = limit;
    cr_assert_eq(ids.n, json_array_size(want), "%s", text);
    for (size_t i = 0; i < ids.n; i++)
        cr_assert_eq(ids.ids[i], json_integer_value(json_array_get(want, i)), "id %zu of %s", i, text);
    tokens_free(&ids);
}

/* The template's parts joined; the record's documents are at most a few kilobytes. */
static char *fill_template(const json_t *docs, const char *query) {
    err   e = {0};
    char *text = mem_strdup("docs:\n", &e);
    for (size_t i = 0; i < json_array_size(docs); i++) {
        char *more = mem_printf(&e, "%s%s%s", text, i > 0 ? "\n" : "", json_string_value(json_array_get(docs, i)));
        free(text);
        text = more;
    }
    char *whole = mem_printf(&e, "%s\nquery: %s\nanswer:", text, query);
    free(text);
    return whole;
}

Test(conformance_tokenizer, llma_records) {
    tokenizer *t = open_tokenizer("data/tokenizers/ggml-vocab-llama-spm.gguf");
    FILE      *records = fopen(conformance_path("data/llma/rag.jsonl"), "r");
    char       command[4200];
    snprintf(command, sizeof command, "zcat '%s'", conformance_path("oracle/llma/rag_tokens.jsonl.gz"));
    FILE *ids = popen(command, "r");
    cr_assert(records != NULL && ids != NULL);
    char  *line = NULL;
    size_t cap = 0, n = 0;
    for (; getline(&line, &cap, ids) > 0; n++) {
        json_t *want = json_loads(line, 0, NULL);
        cr_assert(getline(&line, &cap, records) > 0);
        json_t *record = json_loads(line, 0, NULL);
        cr_assert(want != NULL && record != NULL);
        const json_t *docs = json_object_get(record, "docs"), *want_docs = json_object_get(want, "docs");
        const char   *query = json_string_value(json_object_get(record, "query"));
        const char   *output = json_string_value(json_object_get(json_object_get(record, "result"), "text"));
        cr_assert_eq(json_array_size(docs), json_array_size(want_docs));
        for (size_t i = 0; i < json_array_size(docs); i++)
            check_ids(t, json_string_value(json_array_get(docs, i)), false, false, 768, json_array_get(want_docs, i));
        check_ids(t, output, false, true, SIZE_MAX, json_object_get(want, "output"));
        check_ids(t, query, true, false, SIZE_MAX, json_object_get(want, "prompt_query"));
        char *prompt = fill_template(docs, query);
        check_ids(t, prompt, true, false, SIZE_MAX, json_object_get(want, "prompt_template"));
        free(prompt);
        json_decref(want);
        json_decref(record);
    }
    cr_assert_eq(n, 30);
    free(line);
    fclose(records);
    cr_assert_eq(pclose(ids), 0);
    tokenizer_close(t);
}
