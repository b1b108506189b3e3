/* tokenizer_merges.c - reads the merges of a BPE vocabulary: which two pieces become which, the earliest first.
 *
 * Refused: a merge that is not two spellings with a space between them, one whose sides or whole are no tokens, and the
 * same merge twice. A merge into a control token never takes place, so that none arises from plain text.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/tokenizer/tokenizer_impl.h"

static const char KEY[] = "tokenizer.ggml.merges";

enum { QUOTED = 60 };

static int refuse(const gguf *g, size_t i, gguf_str s, const char *why, err *e) {
    char name[QUOTED];
    return err_input(e, "%s: %s: number %zu, %s, %s (two tokens with a space between them, which make a third one)",
                     gguf_path(g), KEY, i, quote(name, sizeof name, s.at, s.n), why);
}

/* As llama.cpp does, splits at the first space that is not the first byte. */
static int read_rule(const tokenizer *t, const gguf *g, size_t i, gguf_str s, merge_rule *rule, char *whole, err *e) {
    const char *space = s.n > 1 ? memchr(s.at + 1, ' ', s.n - 1) : NULL;
    if (space == NULL) return refuse(g, i, s, "has no space", e);
    size_t n_left = (size_t)(space - s.at), n_right = s.n - n_left - 1;
    if (n_left + n_right > PIECE_MAX) return refuse(g, i, s, "is too long", e);
    memcpy(whole, s.at, n_left);
    memcpy(whole + n_left, space + 1, n_right);
    rule->left = tokenizer_find(t, s.at, n_left);
    rule->right = tokenizer_find(t, space + 1, n_right);
    rule->id = tokenizer_find(t, whole, n_left + n_right);
    if (rule->left < 0) return refuse(g, i, s, "begins with no token", e);
    if (rule->right < 0) return refuse(g, i, s, "ends with no token", e);
    if (rule->id < 0) return refuse(g, i, s, "makes no token", e);
    return 0;
}

static int add_rule(tokenizer *t, const gguf *g, size_t i, gguf_str s, err *e) {
    merges     *m = &t->merges;
    merge_rule *rule = &m->rules[i];
    uint32_t    slot = merges_slot(m, rule->left, rule->right);
    if (m->slots[slot] != MERGES_NONE) {
        char name[QUOTED];
        return err_input(e, "%s: %s: numbers %u and %zu are both %s (each merge once)", gguf_path(g), KEY,
                         (unsigned)m->slots[slot], i, quote(name, sizeof name, s.at, s.n));
    }
    m->slots[slot] = (uint32_t)i;
    if (!piece_is_mergeable(&t->pieces[rule->id])) rule->id = -1;
    return 0;
}

int tokenizer_read_merges(tokenizer *t, const gguf *g, err *e) {
    merges   *m = &t->merges;
    gguf_str *texts = NULL;
    char     *whole = NULL;
    size_t    slots = 2;
    int       status = -1;
    if (gguf_strings(g, KEY, &texts, &m->n, e) != 0) return -1;
    if (m->n > INT32_MAX) {
        err_input(e, "%s: %s: there are %zu (at most %d)", gguf_path(g), KEY, m->n, INT32_MAX);
        goto out;
    }
    while (slots < 2 * m->n) slots *= 2;
    m->rules = mem_new(m->n, sizeof *m->rules, e);
    m->slots = mem_new(slots, sizeof *m->slots, e);
    whole = mem_new(PIECE_MAX, 1, e);
    if (m->rules == NULL || m->slots == NULL || whole == NULL) goto out;
    m->mask = (uint32_t)(slots - 1);
    for (size_t i = 0; i < slots; i++) m->slots[i] = MERGES_NONE;
    for (size_t i = 0; i < m->n; i++)
        if (read_rule(t, g, i, texts[i], &m->rules[i], whole, e) != 0 || add_rule(t, g, i, texts[i], e) != 0) goto out;
    status = 0;
out:
    free(texts);
    free(whole);
    return status;
}

void merges_free(merges *m) {
    free(m->rules);
    free(m->slots);
}
