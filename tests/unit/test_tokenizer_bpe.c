/* BPE on small handmade vocabularies, and the pre-tokenizers on short texts. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/gguf/gguf_write.h"
#include "engine/tokenizer/pretokenizer.h"

/* ---- making vocabularies -------------------------------------------------------------------------- */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
enum { MAX = 600 };

typedef struct {
    char        text[MAX][24], merge[MAX][24]; /* NUL-terminated */
    gguf_str    spelled[MAX], merged[MAX];
    int32_t     type[MAX];
    size_t      n, n_merges;
    const char *model, *pre; /* NULL: no key */
    int32_t     bos, unk;    /* -1: no key */
    int         add_bos;     /* -1: no key */
} vocab;

static void add(vocab *v, const char *text, int type) {
    cr_assert_lt(v->n, MAX);
    snprintf(v->text[v->n], sizeof v->text[0], "%s", text);
    v->type[v->n++] = type;
}

/* A rule and, if it is new, the token that it makes. */
static void merge(vocab *v, const char *left, const char *right) {
    char whole[64];
    snprintf(v->merge[v->n_merges++], sizeof v->merge[0], "%s %s", left, right);
    snprintf(whole, sizeof whole, "%s%s", left, right);
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->text[i], whole) == 0) return;
    add(v, whole, NORMAL);
}

/* The letter of a byte, as GPT-2 has it. */
static void letter_of(int byte, char out[4]) {
    int code = byte, next = 0x100;
    for (int i = 0; i <= byte; i++) {
        bool seen = (i >= 0x21 && i <= 0x7E) || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;
        code = seen ? i : next++;
    }
    snprintf(out, 4, code < 0x80 ? "%c" : "%c%c", code < 0x80 ? code : 0xC0 | code >> 6, 0x80 | (code & 0x3F));
}

/* The letters of all bytes: token i is byte i. */
static vocab *begin(const char *pre) {
    vocab *v = calloc(1, sizeof *v);
    *v = (vocab){.model = "gpt2", .pre = pre, .bos = -1, .unk = -1, .add_bos = -1};
    for (int i = 0; i < 256; i++) {
        char letter[4];
        letter_of(i, letter);
        add(v, letter, NORMAL);
    }
    return v;
}

static gguf *save(vocab *v) {
    err          e = {0};
    char         path[] = "/tmp/tokenizerXXXXXX";
    int          fd = mkstemp(path);
    gguf_writer *w = gguf_writer_new(&e);
    for (size_t i = 0; i < v->n; i++) v->spelled[i] = (gguf_str){v->text[i], strlen(v->text[i])};
    for (size_t i = 0; i < v->n_merges; i++) v->merged[i] = (gguf_str){v->merge[i], strlen(v->merge[i])};
    gguf_put_string(w, "tokenizer.ggml.model", v->model, &e);
    if (v->pre != NULL) gguf_put_string(w, "tokenizer.ggml.pre", v->pre, &e);
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->spelled, v->n, &e);
    gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->n, &e);
    if (v->n_merges < MAX) gguf_put_strings(w, "tokenizer.ggml.merges", v->merged, v->n_merges, &e);
    if (v->bos >= 0) gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos, &e);
    if (v->unk >= 0) gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)v->unk, &e);
    if (v->add_bos >= 0) gguf_put_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos != 0, &e);
    cr_assert_eq(gguf_writer_save(w, path, 3, 32, &e), 0, "%s", e.text);
    gguf_writer_free(w);
    gguf *g = gguf_open(path, &e);
    cr_assert_not_null(g, "%s", e.text);
    close(fd);
    unlink(path);
    return g;
}

static tokenizer *open_vocab(vocab *v) {
    err        e = {0};
    gguf      *g = save(v);
    tokenizer *t = tokenizer_from_gguf(g, &e);
    cr_assert_not_null(t, "%s", e.text);
    gguf_close(g);
    return t;
}

/* Encodes and compares with a list of spellings separated by spaces ("" for none). */
static void check_ids(const vocab *v, const tokenizer *t, const char *text, size_t n, bool special, const char *want) {
    char   got[1024] = "";
    err    e = {0};
    tokens ids = {0};
    cr_assert_eq(tokenizer_encode(t, text, n, special, &ids, &e), 0, "%s", e.text);
    for (size_t i = 0; i < ids.n; i++) sprintf(got + strlen(got), "%s%s", i > 0 ? " " : "", v->text[ids.ids[i]]);
    cr_assert_str_eq(got, want, "%s", text);
    size_t len;
    char  *back = tokenizer_decode(t, ids.ids, ids.n, &len, &e);
    if (!special) cr_assert(len == n && memcmp(back, text, n) == 0, "%s reads %s", text, back);
    free(back);
    tokens_free(&ids);
}

static void check_pieces(const vocab *v, const tokenizer *t, const char *text, const char *want) {
    check_ids(v, t, text, strlen(text), false, want);
}

#define SPACE   "\u0120" /* GPT-2's letters */
#define NEWLINE "\u010A"

/* ---- merging -------------------------------------------------------------------------------------- */

Test(bpe, merges_the_earliest_rule_first_and_the_leftmost_of_equals) {
    vocab *v = begin("gpt-2");
    merge(v, "b", "c");
    merge(v, "a", "b");
    merge(v, "a", "a");
    merge(v, "ab", "ab");
    merge(v, SPACE, "a");
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "", "");
    check_pieces(v, t, "abcd", "a bc d");
    check_pieces(v, t, "abd", "ab d");
    check_pieces(v, t, "aaa", "aa a");
    check_pieces(v, t, "ababab", "abab ab");
    check_pieces(v, t, "a a", "a " SPACE "a");
    check_pieces(v, t, "x\n", "x " NEWLINE);
    cr_assert_str_eq(tokenizer_kind(t), "bpe");
    cr_assert_not(tokenizer_adds_bos(t));
    cr_assert_null(tokenizer_warning(t));
    cr_assert(strstr(tokenizer_pre(t), "gpt-2, Unicode ") == tokenizer_pre(t));
    tokenizer_close(t);
    free(v);
}

Test(bpe, pieces_that_are_tokens_are_left_alone_where_the_pre_tokenizer_says_so) {
    vocab *v = begin("llama-bpe");
    merge(v, "a", "b");
    merge(v, "b", "c");
    add(v, "abc", NORMAL); /* no merges lead to it */
    add(v, "<s>", CONTROL);
    v->bos = (int32_t)v->n - 1;
    tokenizer *whole = open_vocab(v);
    v->pre = "dbrx";
    tokenizer *merged = open_vocab(v);
    check_pieces(v, whole, "abc", "abc");
    check_pieces(v, whole, "abcd", "ab c d");
    check_pieces(v, merged, "abc", "ab c");
    check_pieces(v, whole, "<s>", "< s >");
    cr_assert(tokenizer_adds_bos(whole));
    cr_assert_not(tokenizer_adds_bos(merged));
    cr_assert_str_neq(tokenizer_digest(whole), tokenizer_digest(merged));
    tokenizer_close(whole);
    tokenizer_close(merged);
    free(v);
}

Test(bpe, control_tokens_come_from_special_text_alone) {
    vocab *v = begin("gpt-2");
    add(v, "xyz", CONTROL);
    add(v, "<u>", USER);
    merge(v, "x", "y");
    merge(v, "xy", "z"); /* makes the control token */
    tokenizer *t = open_vocab(v);
    check_ids(v, t, "axyzb", 5, false, "a xy z b");
    check_ids(v, t, "axyzb<u>", 8, true, "a xyz b <u>");
    check_ids(v, t, "a<u>b", 5, false, "a <u> b");
    tokenizer_close(t);
    free(v);
}

Test(bpe, bytes_that_are_not_utf8_are_their_own_tokens) {
    vocab *v = begin("gpt-2");
    merge(v, "a", "b");
    tokenizer *t = open_vocab(v);
    err        e = {0};
    tokens     ids = {0};
    const char text[] = "ab\xFF\xC3 ab\xE2\x82z\0ab";
    const int  want[] = {256, 0xFF, 0xC3, ' ', 256, 0xE2, 0x82, 'z', 0, 256};
    cr_assert_eq(tokenizer_encode(t, text, sizeof text - 1, false, &ids, &e), 0, "%s", e.text);
    cr_assert_eq(ids.n, sizeof want / sizeof *want);
    for (size_t i = 0; i < ids.n; i++) cr_assert_eq(ids.ids[i], want[i], "id %zu", i);
    tokens_free(&ids);
    tokenizer_close(t);
    free(v);
}

/* Quadratic merging over strings: the definition. */
static void reference_merge(const vocab *v, const char *text, char *out) {
    char   sym[64][24];
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) snprintf(sym[i], sizeof sym[0], "%c", text[i]);
    for (size_t rank = 0; rank < v->n_merges;) {
        size_t best = SIZE_MAX;
        char   both[64];
        for (rank = 0; rank < v->n_merges && best == SIZE_MAX; rank++)
            for (size_t i = 0; i + 1 < n && best == SIZE_MAX; i++) {
                snprintf(both, sizeof both, "%.23s %.23s", sym[i], sym[i + 1]);
                if (strcmp(both, v->merge[rank]) == 0) best = i;
            }
        if (best == SIZE_MAX) break;
        snprintf(both, sizeof both, "%.23s%.23s", sym[best], sym[best + 1]);
        memcpy(sym[best], both, sizeof sym[0]);
        memmove(sym[best + 1], sym[best + 2], (n - best - 2) * sizeof sym[0]);
        n--;
        rank = 0;
    }
    *out = '\0';
    for (size_t i = 0; i < n; i++) sprintf(out + strlen(out), "%s%s", i > 0 ? " " : "", sym[i]);
}

Test(bpe, equals_the_quadratic_definition_on_random_vocabularies) {
    gsl_rng *r = rng_new(5, 0);
    for (int round = 0; round < 60; round++) {
        vocab *v = begin("gpt-2");
        char   parts[64][24] = {"a", "b", "c"};
        size_t n = 3;
        while (n < 40) {
            const char *left = parts[gsl_rng_uniform_int(r, n)], *right = parts[gsl_rng_uniform_int(r, n)];
            char        both[64];
            bool        known = strlen(left) + strlen(right) > 8;
            snprintf(both, sizeof both, "%s %s", left, right);
            for (size_t k = 0; k < v->n_merges; k++) known |= strcmp(v->merge[k], both) == 0;
            if (known) continue;
            merge(v, left, right);
            snprintf(both, sizeof both, "%s%s", left, right);
            memcpy(parts[n++], both, sizeof parts[0]);
        }
        tokenizer *t = open_vocab(v);
        for (int k = 0; k < 40; k++) {
            char text[64] = "", want[256];
            for (unsigned long i = gsl_rng_uniform_int(r, 40); i > 0; i--)
                strcat(text, (const char *[]){"a", "b", "c"}[gsl_rng_uniform_int(r, 3)]);
            reference_merge(v, text, want);
            check_pieces(v, t, text, want);
        }
        tokenizer_close(t);
        free(v);
    }
    gsl_rng_free(r);
}

/* Long enough for words to be looked up: the same ids as from a text in pieces. */
Test(bpe, long_texts_are_encoded_like_short_ones) {
    vocab *v = begin("gpt-2");
    merge(v, SPACE, "a");
    merge(v, "b", "c");
    merge(v, SPACE "a", "bc");
    tokenizer *t = open_vocab(v);
    gsl_rng   *r = rng_new(9, 0);
    tokens     all = {0}, one = {0};
    char       text[20000] = "";
    size_t     n = 0;
    err        e = {0};
    while (n < sizeof text - 40) {
        char   word[40] = " ";
        size_t length = 1 + gsl_rng_uniform_int(r, 20);
        for (size_t i = 1; i <= length; i++) word[i] = "abc"[gsl_rng_uniform_int(r, 3)];
        cr_assert_eq(tokenizer_encode(t, word, length + 1, false, &one, &e), 0);
        memcpy(text + n, word, length + 1);
        n += length + 1;
    }
    cr_assert_eq(tokenizer_encode(t, text, n, false, &all, &e), 0);
    cr_assert(tokens_equal(&all, &one));
    tokens_free(&all);
    tokens_free(&one);
    gsl_rng_free(r);
    tokenizer_close(t);
    free(v);
}

/* ---- vocabularies of characters ------------------------------------------------------------------- */

#define MARK "\u2581"

Test(bpe, gemma4_merges_characters_and_falls_back_to_bytes) {
    vocab *v = calloc(1, sizeof *v);
    *v = (vocab){.model = "gemma4", .bos = 0, .unk = -1, .add_bos = 0};
    add(v, "<bos>", CONTROL);
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        add(v, text, BYTE);
    }
    const char *letters[] = {MARK, "a", "b", "\u00E9", "\n"};
    for (int i = 0; i < 5; i++) add(v, letters[i], NORMAL);
    merge(v, "a", "b");
    merge(v, MARK, "ab");
    merge(v, MARK, MARK);
    add(v, "\n\n", NORMAL); /* no merge leads there */
    tokenizer *t = open_vocab(v);
    check_pieces(v, t, "ab ab", "ab " MARK "ab");
    check_pieces(v, t, "a  b", "a " MARK MARK " b");
    check_pieces(v, t, "a\n\nb\n", "a \n\n b \n");
    check_pieces(v, t, "\n\n\n", "\n \n \n");
    check_pieces(v, t, "\u00E9\u00E8z", "\u00E9 <0xC3> <0xA8> <0x7A>");
    check_ids(v, t, "<bos>a", 6, true, "<bos> a");
    cr_assert(tokenizer_adds_bos(t)); /* whatever the file says */
    err    e = {0};
    tokens ids = {0};
    cr_assert_eq(tokenizer_encode(t, "\xFF", 1, false, &ids, &e), 0);
    cr_assert_eq(ids.ids[0], 256);
    tokens_free(&ids);
    tokenizer_close(t);
    free(v);
}

/* Some vocabularies have "</s>" or "[EOS]" as ordinary tokens, with merges that lead there. */
Test(bpe, no_merge_gives_what_ends_a_text) {
    vocab *v = calloc(1, sizeof *v);
    *v = (vocab){.model = "gemma4", .bos = 0, .unk = -1, .add_bos = 0};
    add(v, "<bos>", CONTROL);
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        add(v, text, BYTE);
    }
    const char *letters[] = {"<", "/", "s", ">"};
    for (int i = 0; i < 4; i++) add(v, letters[i], NORMAL);
    merge(v, "<", "/");
    merge(v, "s", ">");
    merge(v, "</", "s>");
    tokenizer *t = open_vocab(v);
    cr_assert_eq(tokenizer_stops(t).n, 1);
    check_pieces(v, t, "s</s>s", "s </ s> s");
    check_ids(v, t, "s</s>s", 6, true, "s </s> s");
    tokenizer_close(t);
    free(v);
}

/* ---- decoding ------------------------------------------------------------------------------------- */

Test(bpe, decoding_gives_whole_characters_however_tokens_split_them) {
    vocab *v = begin("gpt-2");
    merge(v, "\u00C3", "\u00A9"); /* the bytes of U+00E9 */
    add(v, "[PAD] x", USER);
    add(v, "odd \u2603", NORMAL); /* not in letters */
    tokenizer  *t = open_vocab(v);
    detokenizer d;
    char        buf[64];
    const int   snowman[] = {0xE2, 0x98, 0x83};
    detokenizer_begin(&d, t, true);
    cr_assert_eq(detokenizer_push(&d, snowman[0], buf), 0);
    cr_assert_eq(detokenizer_push(&d, snowman[1], buf), 0);
    cr_assert_eq(detokenizer_push(&d, snowman[2], buf), 3);
    cr_assert_str_eq(buf, "\u2603");
    cr_assert_eq(detokenizer_push(&d, 256, buf), 2);
    cr_assert_eq(detokenizer_push(&d, 0xC3, buf), 0);
    cr_assert_eq(detokenizer_push(&d, 'a', buf), 4);
    cr_assert_str_eq(buf, "\uFFFDa");
    cr_assert_eq(detokenizer_push(&d, ' ', buf), 1);
    cr_assert_eq(detokenizer_push(&d, 257, buf), 7);
    cr_assert_str_eq(buf, "[PAD] x");
    cr_assert_eq(detokenizer_push(&d, 258, buf), 7);
    cr_assert_str_eq(buf, "odd \u2603");
    cr_assert_eq(detokenizer_push(&d, 0xE2, buf), 0);
    cr_assert_eq(detokenizer_end(&d, buf), 3);
    cr_assert_eq(tokenizer_piece(t, ' ').n, 1);
    cr_assert_eq(tokenizer_piece(t, ' ').at[0], ' ');
    tokenizer_close(t);
    free(v);
}

/* ---- pre-tokenizers ------------------------------------------------------------------------------- */

static int join(void *of, const char *at, size_t n, err *e) {
    (void)e;
    sprintf((char *)of + strlen(of), "[%.*s]", (int)n, at);
    return 0;
}

static void check_split(const char *name, const char *text, const char *want) {
    char          got[512] = "";
    err           e = {0};
    splitter      s;
    pretokenizer *p = pretokenizer_open(name, NULL, &e);
    cr_assert_not_null(p, "%s", e.text);
    cr_assert_eq(splitter_open(&s, p, join, got, &e), 0, "%s", e.text);
    cr_assert_eq(splitter_run(&s, text, strlen(text), &e), 0, "%s", e.text);
    cr_assert_str_eq(got, want, "%s: %s", name, text);
    splitter_close(&s);
    pretokenizer_close(p);
}

Test(pretokenizer, families_split_as_their_models_learned) {
    check_split("gpt-2", "I'll don't DON'T  x 123!?\n\ny",
                "[I]['ll][ don]['t][ DON]['][T][ ][ x][ 123][!?][\n][\n][y]");
    check_split("gpt-2", "a\u3000b \u00A0", "[a][\u3000][b][ \u00A0]");
    check_split("smollm", "ab 12 x2", "[ab][ ][1][2][ x][2]");
    check_split("llama-bpe", "I'LL 1234 (x)\r\n\r\n  y\u00BD", "[I]['LL][ ][123][4][ (][x][)\r\n\r\n][ ][ y][\u00BD]");
    check_split("qwen2", "a1234\u0915\u094D\u0937", "[a][1][2][3][4][\u0915][\u094D\u0937]");
    check_split("qwen35", "a12\u0915\u094D\u0937", "[a][1][2][\u0915\u094D\u0937]");
    check_split("tekken", "camelCaseHTML \u041F\u0440\u0418\u0432 12/\n",
                "[camel][Case][HTML][ \u041F\u0440][\u0418\u0432][ ][1][2][/\n]");
    check_split("tekken", "e\u0301te\u0301 Xe\u0301X", "[e\u0301te\u0301][ Xe\u0301][X]"); /* marks stay in words */
    check_split("gpt-4o", "I'Ve HTMLs 1234\u0915\u094D", "[I'Ve][ HTMLs][ ][123][4][\u0915\u094D]");
    check_split("deepseek-llm", "ab12 \u4E2D\u6587!\n x  ", "[ab][12][ ][\u4E2D\u6587][!][\n][ x][  ]");
    check_split("deepseek-coder", "ab12 !", "[ab][1][2][ !]");
    check_split("deepseek-v3", "x.y \u3042\u4E2D12345 +=", "[x][.y][ ][\u3042\u4E2D][123][45][ +=]");
    check_split("falcon", "a+b 12345`", "[a][+][b][ ][123][45][`]");
    check_split("default", "a, 1234 b", "[a][,][ ][123][4][ b]");
    check_split("gemma4", "a b\n\n\nc", "[a b][\n\n\n][c]");
}

Test(pretokenizer, nothing_is_lost_and_bad_bytes_are_pieces) {
    const char *const *names;
    size_t             n = pretokenizer_names(&names);
    cr_assert_gt(n, 40);
    for (size_t i = 0; i < n; i++) {
        char          got[512] = "", *to = got;
        err           e = {0};
        splitter      s;
        pretokenizer *p = pretokenizer_open(names[i], NULL, &e);
        cr_assert_not_null(p, "%s", e.text);
        cr_assert_str_eq(pretokenizer_name(p), names[i]);
        cr_assert_eq(splitter_open(&s, p, join, got, &e), 0, "%s", e.text);
        static const char text[] = "\xC3\xFF 'll \n\tIt's 12,345 \u00E9\u0301\u4E2D\u3000\x01\x7F \xE2\x82 x";
        cr_assert_eq(splitter_run(&s, text, sizeof text - 1, &e), 0, "%s", e.text);
        cr_assert(strncmp(got, "[\xC3\xFF]", 4) == 0, "%s", got);
        for (const char *at = got; *at != '\0'; at++)
            if (*at != '[' && *at != ']') *to++ = *at;
        *to = '\0';
        cr_assert_str_eq(got, text, "%s", names[i]);
        splitter_close(&s);
        pretokenizer_close(p);
    }
}

static int count_bytes(void *of, const char *at, size_t n, err *e) {
    (void)at, (void)e;
    *(size_t *)of += n;
    return 0;
}

/* A run of anything, however long: within the limits, which grow with the text, and in a time that does, too. */
Test(pretokenizer, long_runs_are_split, .timeout = 60) {
    static const char *const runs[] = {"a",  "A",   "aA",     "\u01C5", "\u0301", "\u4E2D", " ",
                                       "\n", " \n", "\u3000", "1",      "!",      "'",      "a'"};
    enum { LONG = 1 << 17 };
    const char *const *names;
    char              *text = malloc(LONG);
    size_t             n = pretokenizer_names(&names);
    for (size_t i = 0; i < n; i++) {
        err           e = {0};
        pretokenizer *p = pretokenizer_open(names[i], NULL, &e);
        for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
            splitter s;
            size_t   length = strlen(runs[k]), times = LONG / length, got = 0;
            for (size_t at = 0; at < times; at++) memcpy(text + at * length, runs[k], length);
            cr_assert_eq(splitter_open(&s, p, count_bytes, &got, &e), 0, "%s", e.text);
            cr_assert_eq(splitter_run(&s, text, times * length, &e), 0, "%s, run %zu: %s", names[i], k, e.text);
            cr_assert_eq(got, times * length);
            splitter_close(&s);
        }
        pretokenizer_close(p);
    }
    free(text);
}

/* ---- refusals ------------------------------------------------------------------------------------- */

static void refuse(vocab *v, const char *word) {
    err   e = {0};
    gguf *g = save(v);
    cr_assert_null(tokenizer_from_gguf(g, &e), "%s was taken", word);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strstr(e.text, word) != NULL, "\"%s\" in: %s", word, e.text);
    cr_assert(strstr(e.text, gguf_path(g)) == e.text, "%s", e.text);
    gguf_close(g);
    free(v);
}

static vocab *with_merge(const char *text) {
    vocab *v = begin("gpt-2");
    merge(v, "a", "b");
    snprintf(v->merge[v->n_merges++], sizeof v->merge[0], "%s", text);
    return v;
}

Test(bpe, refuses_what_it_cannot_read) {
    refuse(with_merge("ab"), "tokenizer.ggml.merges: number 1, \"ab\", has no space");
    refuse(with_merge(" "), "has no space");
    refuse(with_merge("zz b"), "number 1, \"zz b\", begins with no token");
    refuse(with_merge("a zz"), "ends with no token");
    refuse(with_merge("a c"), "makes no token");
    refuse(with_merge("a b"), "numbers 0 and 1 are both \"a b\"");
    vocab *v = begin("qwen9");
    refuse(v, "tokenizer.ggml.pre: unknown pre-tokenizer \"qwen9\"; did you mean \"qwen2\"? (allowed: \"default\"");
    v = begin("gpt-2");
    v->n_merges = MAX; /* writes none */
    refuse(v, "tokenizer.ggml.merges");
    v = begin("gpt-2");
    add(v, "a", NORMAL);
    refuse(v, "tokens 97 and 256 are both spelled \"a\"");
    v = begin("gpt-2");
    snprintf(v->text['x'], sizeof v->text[0], "ex");
    refuse(v, "in ASCII: 95 of 96 byte tokens");
    refuse(begin("llama-bpe"), "no tokenizer.ggml.bos_token_id");
    v = begin("gpt-2");
    v->add_bos = 1;
    refuse(v, "tokenizer.ggml.add_bos_token is true");
    v = begin("gpt-2");
    v->model = "bert";
    refuse(v, "\"bert\" is not supported (\"llama\"");
}

Test(bpe, a_byte_without_token_is_unknown_or_left_out) {
    vocab *v = begin("gpt-2");
    snprintf(v->text[4], sizeof v->text[0], "no byte");
    add(v, "<end>", CONTROL);
    v->unk = (int32_t)v->n - 1; /* a control token never comes from text */
    tokenizer *t = open_vocab(v);
    err        e = {0};
    tokens     ids = {0};
    cr_assert_eq(tokenizer_encode(t, "a\4b", 3, false, &ids, &e), 0, "%s", e.text);
    cr_assert_eq(ids.n, 2);
    cr_assert_eq(tokenizer_missing_bytes(t), 1);
    tokenizer_close(t);
    add(v, "<unk>", UNKNOWN);
    t = open_vocab(v);
    ids.n = 0;
    cr_assert_eq(tokenizer_encode(t, "a\4b", 3, false, &ids, &e), 0);
    cr_assert_eq(ids.n, 3);
    cr_assert_eq(ids.ids[1], 257);
    cr_assert_eq(tokenizer_missing_bytes(t), 0);
    tokens_free(&ids);
    tokenizer_close(t);
    free(v);
}

Test(bpe, a_file_without_a_pre_tokenizer_is_read_with_a_warning) {
    vocab     *v = begin(NULL);
    tokenizer *t = open_vocab(v);
    cr_assert(strstr(tokenizer_warning(t), "tokenizer.ggml.pre") != NULL);
    cr_assert(strstr(tokenizer_pre(t), "default, Unicode ") == tokenizer_pre(t));
    tokenizer_close(t);
    free(v);
}

Test(bpe, digests_tell_merges_and_pre_tokenizers_apart) {
    vocab *a = begin("gpt-2"), *b = begin("gpt-2"), *c = begin("falcon");
    merge(a, "a", "b");
    merge(a, "b", "c");
    add(b, "ab", NORMAL);
    merge(b, "b", "c");
    merge(b, "a", "b");
    merge(c, "a", "b");
    merge(c, "b", "c");
    tokenizer *x = open_vocab(a), *again = open_vocab(a), *y = open_vocab(b), *z = open_vocab(c);
    cr_assert_str_eq(tokenizer_digest(x), tokenizer_digest(again));
    cr_assert_str_neq(tokenizer_digest(x), tokenizer_digest(y));
    cr_assert_str_neq(tokenizer_digest(x), tokenizer_digest(z));
    tokenizer_close(x);
    tokenizer_close(again);
    tokenizer_close(y);
    tokenizer_close(z);
    free(a);
    free(b);
    free(c);
}

Test(bpe, every_failing_allocation_is_an_error) {
    vocab *v = begin("qwen2");
    merge(v, "a", "b");
    gguf *g = save(v);
    bool  done = false;
    for (size_t k = 1; !done; k++) {
        err        e = {0};
        tokens     ids = {0};
        tokenizer *t;
        mem_fail_at(k);
        t = tokenizer_from_gguf(g, &e);
        if (t != NULL) done = tokenizer_encode(t, "ab e\u0301 ab", 9, false, &ids, &e) == 0;
        mem_fail_at(0);
        if (!done) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
        tokens_free(&ids);
        tokenizer_close(t);
        cr_assert_lt(k, 5000);
    }
    gguf_close(g);
    free(v);
}
