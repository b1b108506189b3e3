#include "tests/fuzz/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "engine/gguf/gguf.h"

enum { MOST_TOKENS = 600, MOST_BYTES = 1 << 18 };
enum { NORMAL = 1, CONTROL = 3, BYTE = 6 }; /* tokenizer.ggml.token_type */

typedef struct {
    char   bytes[MOST_BYTES];
    size_t n;
    size_t values;
} file;

typedef struct {
    const char *at[MOST_TOKENS];
    size_t      length[MOST_TOKENS];
    int32_t     type[MOST_TOKENS];
    char        made[256][8];
    size_t      n;
} token_list;

static void put(file *f, const void *bytes, size_t n) {
    if (n > sizeof f->bytes - f->n) n = sizeof f->bytes - f->n;
    if (n > 0) memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static void put_number(file *f, uint64_t x, size_t bytes) {
    put(f, &x, bytes);
}

static void put_text(file *f, const char *text, size_t n) {
    put_number(f, n, 8);
    put(f, text, n);
}

static void put_key(file *f, const char *key, gguf_type type) {
    put_text(f, key, strlen(key));
    put_number(f, type, 4);
    f->values++;
}

static void put_string(file *f, const char *key, const char *text, size_t n) {
    put_key(f, key, GGUF_STRING);
    put_text(f, text, n);
}

static void put_array(file *f, const char *key, gguf_type item, size_t n) {
    put_key(f, key, GGUF_ARRAY);
    put_number(f, item, 4);
    put_number(f, n, 8);
}

/* ---- tokens --------------------------------------------------------------------------------------------------- */

static void add(token_list *t, const char *text, size_t n, int32_t type) {
    if (t->n == MOST_TOKENS) return;
    t->at[t->n] = text;
    t->length[t->n] = n;
    t->type[t->n++] = type;
}

/* GPT-2's letter for a byte: itself where it can be seen, else the next code point from U+0100 on. */
static size_t byte_letter(unsigned byte, char out[8]) {
    unsigned code = byte, hidden = 0;
    for (unsigned b = 0; b <= byte; b++) {
        bool seen = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        if (b == byte && !seen) code = 0x100 + hidden;
        hidden += !seen;
    }
    if (code < 0x80) return (size_t)snprintf(out, 8, "%c", (char)code);
    return (size_t)snprintf(out, 8, "%c%c", (char)(0xc0 | code >> 6), (char)(0x80 | (code & 0x3f)));
}

static void add_tokens(token_list *t, const vocabulary *v) {
    fuzz_input lines = v->tokens;
    add(t, "<s>", 3, CONTROL);
    add(t, "</s>", 4, CONTROL);
    for (unsigned b = 0; v->bytes && b < 256; b++) {
        size_t n = v->bpe ? byte_letter(b, t->made[b]) : (size_t)snprintf(t->made[b], 8, "<0x%02X>", b);
        add(t, t->made[b], n, v->bpe ? NORMAL : BYTE);
    }
    while (lines.n > 0 && t->n < MOST_TOKENS) {
        fuzz_input line = fuzz_line(&lines);
        int32_t    type = line.n > 0 ? line.at[0] - '0' : NORMAL;
        if (line.n > 1) add(t, (const char *)line.at + 1, line.n - 1, type);
    }
}

static void put_tokens(file *f, const token_list *t, bool scores) {
    put_array(f, "tokenizer.ggml.tokens", GGUF_STRING, t->n);
    for (size_t i = 0; i < t->n; i++) put_text(f, t->at[i], t->length[i]);
    put_array(f, "tokenizer.ggml.token_type", GGUF_I32, t->n);
    for (size_t i = 0; i < t->n; i++) put_number(f, (uint32_t)t->type[i], 4);
    if (!scores) return;
    put_array(f, "tokenizer.ggml.scores", GGUF_F32, t->n);
    for (size_t i = 0; i < t->n; i++) {
        float score = -(float)i;
        put(f, &score, sizeof score);
    }
}

static void put_merges(file *f, fuzz_input lines) {
    fuzz_input again = lines;
    size_t     n = 0;
    for (; again.n > 0; n++) fuzz_line(&again);
    put_array(f, "tokenizer.ggml.merges", GGUF_STRING, n);
    while (lines.n > 0) {
        fuzz_input line = fuzz_line(&lines);
        put_text(f, (const char *)line.at, line.n);
    }
}

const char *vocabulary_file(const vocabulary *v) {
    static file       f;
    static token_list t;
    f.n = f.values = t.n = 0;
    add_tokens(&t, v);
    put(&f, "GGUF\3\0\0\0", 8);
    put_number(&f, 0, 8);
    put_number(&f, 0, 8);
    put_string(&f, "general.architecture", "llama", 5);
    put_string(&f, "tokenizer.ggml.model", v->bpe ? "gpt2" : "llama", v->bpe ? 4 : 5);
    if (v->bpe) put_string(&f, "tokenizer.ggml.pre", v->pre, strlen(v->pre));
    put_tokens(&f, &t, !v->bpe);
    if (v->bpe) put_merges(&f, v->merges);
    put_key(&f, "tokenizer.ggml.bos_token_id", GGUF_U32);
    put_number(&f, 0, 4);
    put_key(&f, "tokenizer.ggml.eos_token_id", GGUF_U32);
    put_number(&f, 1, 4);
    put_key(&f, "tokenizer.ggml.add_bos_token", GGUF_BOOL);
    put_number(&f, v->adds_bos, 1);
    if (v->template.n > 0) put_string(&f, "tokenizer.chat_template", (const char *)v->template.at, v->template.n);
    memcpy(f.bytes + 16, &f.values, 8);
    while (f.n % 32 != 0) put_number(&f, 0, 1);
    return fuzz_file(0, f.bytes, f.n);
}
