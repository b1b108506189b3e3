/* tokenizer_seams.c - where a text may be cut without a change to its ids.
 *
 * Neighbouring characters that no piece holds next to each other are never merged into one piece, so what is on either
 * side of them is encoded alone. Most words end at such a seam, and merging a word needs no memory but the cache.
 *
 * The pairs of neighbours in pieces are kept as bits at their hashes. Two pairs may share a bit: then a seam is missed,
 * which costs time only.
 */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/tokenizer_impl.h"

enum { SEAM_BITS = 20 }; /* the table has two to this power */

/* The symbol at `at` as a number, a byte that is not UTF-8 beyond all characters; returns its length. */
static size_t read_symbol(const char *at, size_t n, unsigned long *code) {
    size_t length = utf8_length(at, n, code);
    if (length > 0) return length;
    *code = 0x110000 + (unsigned char)*at;
    return 1;
}

static size_t bit_of(unsigned long left, unsigned long right) {
    uint64_t both = (uint64_t)left << 32 | (uint64_t)right;
    return (size_t)(both * 0x9E3779B97F4A7C15u >> (64 - SEAM_BITS));
}

int tokenizer_index_seams(tokenizer *t, err *e) {
    t->joined = mem_new(((size_t)1 << SEAM_BITS) / 8, 1, e);
    if (t->joined == NULL) return -1;
    for (size_t i = 0; i < t->vocab; i++) {
        const piece *p = &t->pieces[i];
        if (!piece_is_mergeable(p)) continue;
        unsigned long left = 0, right;
        for (size_t at = 0; at < p->n_spelling; left = right) {
            size_t n = read_symbol(p->spelling + at, p->n_spelling - at, &right);
            if (at > 0) t->joined[bit_of(left, right) / 8] |= (unsigned char)(1u << bit_of(left, right) % 8);
            at += n;
        }
    }
    return 0;
}

size_t tokenizer_seam(const tokenizer *t, const char *text, size_t n) {
    unsigned long left, right;
    size_t        at = read_symbol(text, n, &left);
    while (at < n) {
        size_t length = read_symbol(text + at, n - at, &right), bit = bit_of(left, right);
        if ((t->joined[bit / 8] >> bit % 8 & 1) == 0) return at;
        left = right;
        at += length;
    }
    return n;
}
