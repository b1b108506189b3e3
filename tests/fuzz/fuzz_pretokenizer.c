/* fuzz_pretokenizer.c - a text split by one of the pre-tokenizers, whole and repeated.
 *
 * The first byte chooses the pre-tokenizer, the second how often the rest is repeated: time that grows faster than the
 * text shows as a timeout. Nothing of the text may get lost.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/pretokenizer.h"
#include "tests/fuzz/fuzz.h"

enum { USUAL = 1 << 9, LONGEST = 1 << 15 };

typedef struct {
    const char *next; /* where the next piece begins */
    size_t      n;
} walk;

static int check_piece(void *of, const char *at, size_t n, err *e) {
    walk *w = of;
    (void)e;
    FUZZ_EXPECT(n > 0 && at == w->next && n <= w->n);
    w->next += n;
    w->n -= n;
    return 0;
}

/* Opened once each: a pre-tokenizer does not change. */
static pretokenizer *open_pretokenizer(size_t i) {
    static pretokenizer *all[256];
    const char *const   *names;
    err                  e;
    size_t               n = pretokenizer_names(&names);
    if (all[i % n] == NULL) all[i % n] = pretokenizer_open(names[i % n], NULL, &e);
    FUZZ_EXPECT(all[i % n] != NULL);
    return all[i % n];
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    fuzz_input          in = {bytes, n};
    const pretokenizer *p = open_pretokenizer(fuzz_byte(&in));
    unsigned            repeat = fuzz_byte(&in);
    size_t              most = repeat == 255 ? LONGEST : repeat >= 128 ? USUAL : 0, times = 1;
    if (in.n == 0) return 0;
    if (most > in.n) times = most / in.n;
    char *text = malloc(times * in.n);
    for (size_t i = 0; i < times; i++) memcpy(text + i * in.n, in.at, in.n);
    walk     w = {text, times * in.n};
    splitter s;
    err      e = {0};
    FUZZ_EXPECT(splitter_open(&s, p, check_piece, &w, &e) == 0);
    if (splitter_run(&s, text, times * in.n, &e) != 0) fuzz_fail(__FILE__, __LINE__, e.text);
    FUZZ_EXPECT(w.n == 0);
    splitter_close(&s);
    free(text);
    return 0;
}
