/* fuzz_tokenizer.c - a vocabulary and a text: encoded in one part and in two, and decoded again.
 *
 * Two bytes of options; lines of tokens up to a NUL; lines of merges up to a NUL; the text.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "engine/tokenizer/pretokenizer.h"
#include "engine/tokenizer/tokenizer.h"
#include "tests/fuzz/vocabulary.h"

/* Where a text is cut must not matter. */
static void encode_cut(const tokenizer *t, fuzz_input text, bool special, size_t cut, const tokens *whole) {
    const char     *at = (const char *)text.at;
    const text_part parts[] = {{at, cut, special}, {at + cut, text.n - cut, special}};
    tokens          ids = {0};
    err             e = {0};
    FUZZ_EXPECT(tokenizer_encode_parts(t, parts, 2, &ids, &e) == 0);
    FUZZ_EXPECT(ids.n == whole->n && (ids.n == 0 || memcmp(ids.ids, whole->ids, ids.n * sizeof *ids.ids) == 0));
    tokens_free(&ids);
}

/* One id at a time gives the same text as all at once. */
static void decode(const tokenizer *t, const tokens *ids) {
    size_t      n, at = 0;
    err         e = {0};
    detokenizer d;
    char       *text = tokenizer_decode(t, ids->ids, ids->n, &n, &e);
    FUZZ_EXPECT(text != NULL && utf8_valid(text, n) == n);
    detokenizer_begin(&d, t, true);
    for (size_t i = 0; i <= ids->n; i++) {
        size_t room = i < ids->n ? tokenizer_piece(t, ids->ids[i]).n * 3 + 16 : 16;
        char  *buf = malloc(room);
        size_t got = i < ids->n ? detokenizer_push(&d, ids->ids[i], buf) : detokenizer_end(&d, buf);
        FUZZ_EXPECT(got < room && got <= n - at && memcmp(buf, text + at, got) == 0);
        at += got;
        free(buf);
    }
    FUZZ_EXPECT(at == n);
    free(text);
}

/* Bytes in, bytes out: where every byte has a token of its own, and the text is not normalized. */
static void check_bytes(const tokenizer *t, const tokens *ids, fuzz_input text) {
    size_t at = 0;
    for (size_t i = 0; i < ids->n; i++) {
        gguf_str piece = tokenizer_piece(t, ids->ids[i]);
        FUZZ_EXPECT(piece.n <= text.n - at && memcmp(piece.at, text.at + at, piece.n) == 0);
        at += piece.n;
    }
    FUZZ_EXPECT(at == text.n);
}

static void use(const tokenizer *t, fuzz_input text, bool special, size_t cut, bool same_bytes) {
    tokens ids = {0};
    err    e = {0};
    FUZZ_EXPECT(tokenizer_encode(t, (const char *)text.at, text.n, special, &ids, &e) == 0);
    for (size_t i = 0; i < ids.n; i++) FUZZ_EXPECT(ids.ids[i] >= 0 && (size_t)ids.ids[i] < tokenizer_vocab(t));
    encode_cut(t, text, special, cut, &ids);
    decode(t, &ids);
    if (same_bytes && !special) check_bytes(t, &ids, text);
    (void)tokenizer_omitted(t, (const char *)text.at, text.n);
    tokens_free(&ids);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    const char *const *names;
    fuzz_input         in = {bytes, n};
    size_t             n_names = pretokenizer_names(&names);
    unsigned           flags = fuzz_byte(&in);
    vocabulary         v = {.bpe = (flags & 1) != 0, .bytes = (flags & 2) == 0, .adds_bos = (flags & 4) != 0};
    v.pre = names[fuzz_below(&in, n_names)];
    size_t cut = fuzz_byte(&in);
    v.tokens = fuzz_until(&in, '\0');
    v.merges = fuzz_until(&in, '\0');
    err        e = {0};
    tokenizer *t = tokenizer_open(vocabulary_file(&v), &e);
    if (t == NULL) {
        fuzz_expect_error(&e);
        return 0;
    }
    pretokenizer *pre = pretokenizer_open(v.pre, NULL, &e);
    bool          plain = v.bpe && !pretokenizer_is(pre, PRETOKENIZER_NFC) && !pretokenizer_is(pre, PRETOKENIZER_RAW);
    pretokenizer_close(pre);
    if (in.n > 0)
        use(t, in, (flags & 8) != 0, cut % (in.n + 1),
            plain && tokenizer_unk(t) < 0 && tokenizer_missing_bytes(t) == 0);
    tokenizer_close(t);
    return 0;
}
