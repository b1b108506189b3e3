/* What ends a text: how a vocabulary's set is found, that none of it comes out of plain text, and what a user may add.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/gguf/gguf_write.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
enum { BYTES = 256, MOST = 32 };

typedef struct {
    const char *spelling;
    int32_t     type;
} entry;

/* A key and its id. */
typedef struct {
    const char *name;
    uint32_t    id;
} key;

static const entry usual[] = {{"<unk>", UNKNOWN}, {"<s>", CONTROL}, {"</s>", CONTROL}};

/* A SentencePiece vocabulary: these entries, up to one without a spelling, then all bytes but those that are left out.
 * Keys end with a NULL. */
static gguf *vocabulary(const entry *entries, const key *keys, size_t bytes) {
    err          e = {0};
    char         path[] = "/tmp/stopsXXXXXX", text[BYTES][8];
    int          fd = mkstemp(path);
    gguf_writer *w = gguf_writer_new(&e);
    gguf_str     spelled[BYTES + MOST];
    float        scores[BYTES + MOST];
    int32_t      types[BYTES + MOST];
    size_t       n = 0;
    for (; entries[n].spelling != NULL; n++) {
        spelled[n] = (gguf_str){entries[n].spelling, strlen(entries[n].spelling)};
        types[n] = entries[n].type;
        scores[n] = -(float)n;
    }
    for (size_t i = 0; i < bytes; i++, n++) {
        snprintf(text[i], sizeof text[i], "<0x%02X>", (unsigned char)i);
        spelled[n] = (gguf_str){text[i], strlen(text[i])};
        types[n] = BYTE;
        scores[n] = 0;
    }
    gguf_put_string(w, "tokenizer.ggml.model", "llama", &e);
    gguf_put_strings(w, "tokenizer.ggml.tokens", spelled, n, &e);
    gguf_put_f32s(w, "tokenizer.ggml.scores", scores, n, &e);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", types, n, &e);
    gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false, &e);
    for (; keys->name != NULL; keys++) {
        char name[64];
        snprintf(name, sizeof name, "tokenizer.ggml.%s_token_id", keys->name);
        gguf_put_u32(w, name, keys->id, &e);
    }
    cr_assert_eq(gguf_writer_save(w, path, 3, 32, &e), 0, "%s", e.text);
    gguf_writer_free(w);
    gguf *g = gguf_open(path, &e);
    cr_assert_not_null(g, "%s", e.text);
    close(fd);
    unlink(path);
    return g;
}

static tokenizer *open_with(const entry *entries, const key *keys) {
    err        e = {0};
    gguf      *g = vocabulary(entries, keys, BYTES);
    tokenizer *t = tokenizer_from_gguf(g, &e);
    cr_assert_not_null(t, "%s", e.text);
    gguf_close(g);
    return t;
}

#define ENTRIES(...) ((const entry[]){__VA_ARGS__, {NULL, 0}})
#define KEYS(...)    ((const key[]){__VA_ARGS__, {NULL, 0}})
#define NO_KEYS      ((const key[]){{NULL, 0}})

static void expect_set(stops s, const char *want) {
    err   e = {0};
    char *text = stops_text(s, &e);
    cr_assert_str_eq(text, want);
    free(text);
}

/* Opens, compares set and EOS, and checks that no token of the set comes out of a text that spells it. */
static void expect(const entry *entries, const key *keys, const char *want, int32_t eos) {
    err        e = {0};
    tokenizer *t = open_with(entries, keys);
    stops      s = tokenizer_stops(t);
    expect_set(s, want);
    cr_assert_eq(tokenizer_eos(t), eos);
    for (size_t i = 0; i < s.n; i++) {
        tokens   ids = {0};
        gguf_str spelling = tokenizer_spelling(t, s.ids[i]);
        cr_assert_eq(tokenizer_encode(t, spelling.at, spelling.n, false, &ids, &e), 0, "%s", e.text);
        for (size_t k = 0; k < ids.n; k++) cr_assert_not(stops_have(s, ids.ids[k]), "%s", want);
        ids.n = 0;
        cr_assert_eq(tokenizer_encode(t, spelling.at, spelling.n, true, &ids, &e), 0, "%s", e.text);
        cr_assert(spelling.n == 0 || (ids.n == 1 && ids.ids[0] == s.ids[i]), "a template gives it");
        cr_assert_eq(tokenizer_piece(t, s.ids[i]).n, 0, "it has no text");
        tokens_free(&ids);
    }
    tokenizer_close(t);
}

/* ---- the set ---------------------------------------------------------------------------------------- */

Test(stops, keys_name_them) {
    const entry *e = ENTRIES({"<unk>", UNKNOWN}, {"<b>", CONTROL}, {"<e>", CONTROL}, {"<t>", CONTROL}, {"<m>", CONTROL},
                             {"<p>", CONTROL}, {"<r>", CONTROL}, {"<f>", CONTROL});
    expect(e, KEYS({"eos", 2}, {"eot", 3}, {"eom", 4}), "2 3 4", 2);
    expect(e, KEYS({"eos", 4}, {"eot", 3}, {"eom", 4}), "3 4", 4);
    expect(e, KEYS({"eos", 2}, {"fim_pad", 5}, {"fim_rep", 6}, {"fim_sep", 7}), "2 5 6 7", 2);
    expect(e, KEYS({"eos", UINT32_MAX}, {"eot", 3}, {"fim_pad", 1}), "1 3", 3);
    expect(e, KEYS({"eos", UINT32_MAX}), "", -1);
}

Test(stops, a_key_out_of_range_is_refused) {
    static const char *const names[] = {"eos", "eot", "eom", "fim_pad"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        err   e = {0};
        char  want[64];
        gguf *g = vocabulary(ENTRIES(usual[0], usual[1], usual[2]), KEYS({names[i], 259}), BYTES);
        snprintf(want, sizeof want, "tokenizer.ggml.%s_token_id is 259 (0 to 258)", names[i]);
        cr_assert_null(tokenizer_from_gguf(g, &e));
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_not_null(strstr(e.text, want), "%s", e.text);
        gguf_close(g);
    }
}

Test(stops, names_are_known_whatever_the_type) {
    expect(ENTRIES(usual[0], usual[1], usual[2], {"<|im_start|>", CONTROL}, {"<|im_end|>", USER},
                   {"<|eot_id|>", NORMAL}, {"<|fim_prefix|>", CONTROL}, {"<|fim_middle|>", CONTROL},
                   {"<|fim_pad|>", CONTROL}, {"<|file_sep|>", UNUSED}, {"<PRE>", CONTROL}),
           KEYS({"eos", 2}), "2 4 5 8 9", 2);
    expect(ENTRIES(usual[0], usual[1], {"<\uFF5Cend\u2581of\u2581sentence\uFF5C>", NORMAL}, {"<|reserved|>", CONTROL}),
           KEYS({"eos", 3}), "2 3", 3);
}

/* Where no key names EOS, one of the names does; padding only where there is nothing else. */
Test(stops, a_name_stands_for_a_missing_key) {
    const key *none = KEYS({"eos", UINT32_MAX});
    expect(ENTRIES(usual[0], {"[PAD]", CONTROL}, {"<|im_end|>", CONTROL}), none, "1 2", 2);
    expect(ENTRIES(usual[0], {"</s>", CONTROL}, {"<|endoftext|>", CONTROL}), none, "1 2", 2);
    expect(ENTRIES(usual[0], {"[PAD]", CONTROL}), none, "1", 1);
}

Test(stops, neighbours_tell_what_ends_nothing) {
    const entry harmony[] = {
        usual[0], usual[1], {"<|end|>", USER}, {"<|return|>", CONTROL}, {"<|call|>", USER}, {"<|message|>", CONTROL},
        {NULL, 0}};
    expect(harmony, KEYS({"eos", 3}), "3 4", 3);
    expect(harmony, KEYS({"eos", 3}, {"eot", 2}), "2 3 4", 3); /* the file's own word */
    expect(ENTRIES(usual[0], usual[1], {"<|end|>", CONTROL}, {"<|call|>", CONTROL}), KEYS({"eos", UINT32_MAX}), "2 3",
           2);
    expect(ENTRIES(usual[0], usual[1], {"<|end|>", CONTROL}, {"<|calls|>", CONTROL}, {"<|flush|>", CONTROL}),
           KEYS({"eos", 3}), "3 4", 3);
    expect(ENTRIES(usual[0], {"</s>", NORMAL}, {"<eos>", CONTROL}, {"<|tool_response>", USER}, {"<turn|>", CONTROL}),
           KEYS({"eos", 2}), "2 3 4", 2);
}

Test(stops, what_ends_nothing_keeps_its_type) {
    err        e = {0};
    tokens     ids = {0};
    tokenizer *t =
        open_with(ENTRIES(usual[0], {"</s>", USER}, {"<eos>", CONTROL}, {"<|tool_response>", USER}), KEYS({"eos", 2}));
    cr_assert_eq(tokenizer_encode(t, "</s>", 4, false, &ids, &e), 0, "%s", e.text);
    cr_assert(ids.n == 1 && ids.ids[0] == 1);
    tokens_free(&ids);
    tokenizer_close(t);
}

Test(stops, sentencepiece_has_defaults) {
    expect(ENTRIES({"<u>", CONTROL}, {"<b>", CONTROL}, {"<e>", CONTROL}), NO_KEYS, "2", 2);
    tokenizer *t = open_with(ENTRIES({"<u>", CONTROL}, {"<b>", CONTROL}, {"<e>", USER}), NO_KEYS);
    cr_assert_eq(tokenizer_bos(t), 1);
    cr_assert_eq(tokenizer_eos(t), 2);
    cr_assert(tokenizer_adds_bos(t));
    tokenizer_close(t);
    t = open_with(ENTRIES({"a", NORMAL}, {"b", NORMAL}, {"c", NORMAL}), NO_KEYS); /* ordinary text has no such place */
    cr_assert_eq(tokenizer_bos(t), -1);
    cr_assert_eq(tokenizer_eos(t), -1);
    cr_assert_eq(tokenizer_stops(t).n, 0);
    tokenizer_close(t);
    err   e = {0};
    gguf *g = vocabulary(ENTRIES({"<u>", CONTROL}, {"<b>", CONTROL}, {"<e>", CONTROL}), NO_KEYS, 8);
    t = tokenizer_from_gguf(g, &e); /* the unknown piece, 0, stands for the other bytes */
    tokens ids = {0};
    cr_assert_not_null(t, "%s", e.text);
    cr_assert_eq(tokenizer_encode(t, "x", 1, false, &ids, &e), 0);
    cr_assert(ids.n == 1 && ids.ids[0] == 0);
    tokens_free(&ids);
    tokenizer_close(t);
    gguf_close(g);
}

/* ---- plain text --------------------------------------------------------------------------------------- */

/* "</s>" as a user-defined piece would match in a text, and as an ordinary one be the result of merges. */
Test(stops, neither_a_match_nor_a_merge_gives_one) {
    static const int32_t types[] = {NORMAL, CONTROL, USER, UNUSED};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        err        e = {0};
        tokens     ids = {0};
        tokenizer *t = open_with(ENTRIES(usual[0], usual[1], {"</s>", types[i]}, {"<", NORMAL}, {"/", NORMAL},
                                         {"s", NORMAL}, {">", NORMAL}, {"</", NORMAL}, {"s>", NORMAL}),
                                 KEYS({"eos", 1}));
        cr_assert_eq(tokenizer_encode(t, "</s></s>", 8, false, &ids, &e), 0, "%s", e.text);
        cr_assert(ids.n == 4 && ids.ids[0] == 7 && ids.ids[1] == 8 && ids.ids[2] == 7 && ids.ids[3] == 8, "type %d",
                  (int)types[i]);
        tokens_free(&ids);
        tokenizer_close(t);
    }
}

/* A byte or the unknown piece as EOS would end a text wherever one is needed. */
Test(stops, no_fallback_gives_one) {
    err    e = {0};
    tokens ids = {0};
    gguf  *g =
        vocabulary(ENTRIES(usual[0], usual[1], {"<|end|>", CONTROL}), KEYS({"eos", 3 + 'a'}, {"unknown", 0}), BYTES);
    tokenizer *t = tokenizer_from_gguf(g, &e);
    cr_assert_not_null(t, "%s", e.text);
    cr_assert_eq(tokenizer_encode(t, "a", 1, false, &ids, &e), 0, "%s", e.text);
    cr_assert(ids.n == 1 && ids.ids[0] == 0, "the unknown piece");
    tokens_free(&ids);
    tokenizer_close(t);
    gguf_close(g);
    g = vocabulary(ENTRIES(usual[0], usual[1], usual[2]), KEYS({"eos", 3 + 'a'}, {"unknown", 3 + 'a'}), BYTES);
    cr_assert_null(tokenizer_from_gguf(g, &e));
    cr_assert_not_null(strstr(e.text, "cannot spell every text: 255 of 256 byte tokens"), "%s", e.text);
    gguf_close(g);
}

Test(stops, they_are_part_of_the_digest) {
    const entry *entries = ENTRIES(usual[0], usual[1], usual[2], {"<t>", CONTROL});
    tokenizer   *a = open_with(entries, KEYS({"eos", 2})), *b = open_with(entries, KEYS({"eos", 2}, {"eot", 3}));
    cr_assert_str_neq(tokenizer_digest(a), tokenizer_digest(b));
    tokenizer_close(a);
    tokenizer_close(b);
}

/* ---- additions ---------------------------------------------------------------------------------------- */

Test(stops, a_set_is_in_order_and_has_each_id_once) {
    static const int32_t added[] = {5, 2, 9, 5, 0, 2, 7};
    tokens               set = {0};
    err                  e = {0};
    for (size_t i = 0; i < sizeof added / sizeof *added; i++) cr_assert_eq(stops_add(&set, added[i], &e), 0);
    expect_set(stops_of(&set), "0 2 5 7 9");
    cr_assert(stops_have(stops_of(&set), 7) && !stops_have(stops_of(&set), 6));
    tokens_free(&set);
    expect_set((stops){0}, "");
}

Test(stops, tokens_are_named_by_spelling_or_id) {
    err        e = {0};
    tokens     set = {0};
    tokenizer *t =
        open_with(ENTRIES(usual[0], usual[1], usual[2], {"\u2581the", NORMAL}, {"7", NORMAL}), KEYS({"eos", 2}));
    cr_assert_eq(stops_add_named(&set, t, "<0x0A>", &e), 0, "%s", e.text);
    cr_assert_eq(stops_add_named(&set, t, "\u2581the", &e), 0, "%s", e.text);
    cr_assert_eq(stops_add_named(&set, t, "7", &e), 0, "%s", e.text); /* an id, whatever is spelled so */
    cr_assert_eq(stops_add_named(&set, t, "260", &e), 0, "%s", e.text);
    expect_set(stops_of(&set), "3 7 15 260");
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"the", "text \"the\" is not a token (a spelling in the vocabulary, or an id from 0 to 260)"},
        {"261", "id 261 is not a token (a spelling in the vocabulary, or an id from 0 to 260)"},
        {"99999999999999999999", "id 99999999999999999999 is not a token"},
        {"-1", "text \"-1\" is not a token"},
        {"a\nb", "text \"a\\nb\" is not a token"},
        {"", "text \"\" is not a token (a spelling in the vocabulary, or an id from 0 to 260)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(stops_add_named(&set, t, bad[i].text, &e), -1, "%s", bad[i].text);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, bad[i].why, strlen(bad[i].why)), 0, "%s", e.text);
    }
    expect_set(stops_of(&set), "3 7 15 260");
    tokens_free(&set);
    tokenizer_close(t);
}

Test(stops, bytes_end_with_their_own_token_and_can_be_added) {
    err        e = {0};
    tokens     set = {0};
    tokenizer *t = tokenizer_bytes(&e);
    expect_set(tokenizer_stops(t), "257");
    cr_assert_eq(stops_add_named(&set, t, "a", &e), 0, "%s", e.text);
    cr_assert_eq(stops_add_named(&set, t, "10", &e), 0, "%s", e.text);
    cr_assert_eq(stops_add_named(&set, t, "ab", &e), -1);
    expect_set(stops_of(&set), "10 97");
    tokens_free(&set);
    tokenizer_close(t);
}

Test(stops, every_failed_allocation_is_reported) {
    const entry *entries = ENTRIES(usual[0], usual[1], usual[2], {"<|im_end|>", USER});
    gguf        *g = vocabulary(entries, KEYS({"eot", 1}), BYTES);
    tokenizer   *t = NULL;
    err          e = {0};
    for (size_t k = 1; t == NULL; k++) {
        mem_fail_at(k);
        t = tokenizer_from_gguf(g, &e);
        mem_fail_at(0);
        cr_assert_lt(k, 200);
        cr_assert(t != NULL || e.kind == ERR_RUN, "%s", e.text);
    }
    expect_set(tokenizer_stops(t), "1 2 3");
    tokenizer_close(t);
    gguf_close(g);
}
