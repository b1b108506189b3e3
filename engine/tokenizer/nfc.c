/* nfc.c - finds what need not be normalized, and gives the rest to utf8proc.
 *
 * A character is called firm here when it is its own normalized form, has combining class 0 and joins none before it.
 * A text may be cut before each firm character and the parts normalized alone; a firm character before another one, or
 * at the end, stays as it is. The ranges below hold firm characters only (tests/unit/test_nfc.c), not all of them:
 * those in common use.
 */
#include "engine/tokenizer/nfc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "engine/base/mem.h"
#include "engine/base/utf8.h"

static const struct {
    uint32_t first, last;
} firm[] = {
    {0x0000, 0x02FF}, {0x0388, 0x0482}, {0x048A, 0x058F},   {0x05D0, 0x05EA},   {0x0620, 0x064A}, {0x0E01, 0x0E30},
    {0x1E00, 0x1EFF}, {0x2010, 0x205E}, {0x20A0, 0x20BF},   {0x2190, 0x2328},   {0x2460, 0x2ADB}, {0x3000, 0x3029},
    {0x3030, 0x3098}, {0x309B, 0x30FF}, {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xAC00, 0xD7A3}, {0xE000, 0xF8FF},
    {0xFE10, 0xFE1F}, {0xFE30, 0xFFEF}, {0x1F000, 0x1FAFF}, {0x20000, 0x2A6DF},
};

static bool is_firm(unsigned long code) {
    if (code <= firm[0].last) return true;
    size_t low = 1, high = sizeof firm / sizeof *firm;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > firm[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof firm / sizeof *firm && code >= firm[low].first;
}

/* The next stretch to be normalized: from a firm character, or the start, up to the next one or to the end of the
 * UTF-8. False when there is none; *begin and *end are the text's end then. */
static bool find_loose(const char *text, size_t n, size_t from, size_t *begin, size_t *end) {
    size_t        last = from, at = from, length;
    unsigned long code;
    for (; at < n; at += length) {
        length = utf8_length(text + at, n - at, &code);
        if (length > 0 && !is_firm(code)) break;
        if (length == 0) {
            last = at + 1; /* nothing joins a byte that is no character */
            length = 1;
        } else {
            last = at;
        }
    }
    *begin = at < n ? last : n;
    while (at < n && (length = utf8_length(text + at, n - at, &code)) > 0 && !is_firm(code)) at += length;
    *end = at;
    return *begin < n;
}

static int fail(utf8proc_ssize_t status, err *e) {
    return err_run(e, "cannot normalize the text: %s", utf8proc_errmsg(status));
}

/* Canonical order of the marks in a run: by class, else as they were. utf8proc's own sorting takes a time quadratic in
 * their number, and a text may be nothing but marks. */
static int by_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int sort_marks(nfc_buffer *b, size_t begin, size_t end, err *e) {
    enum { CODE_BITS = 21, PLACE_BITS = 32 }; /* a key: class, place, code */
    if (end - begin < 2) return 0;
    if (mem_reserve(&b->keys, &b->cap_keys, end - begin, e) != 0) return -1;
    for (size_t i = begin; i < end; i++) {
        uint64_t class = (uint64_t)utf8proc_get_property(b->codes[i])->combining_class;
        b->keys[i - begin] = class << (CODE_BITS + PLACE_BITS) | (i - begin) << CODE_BITS | (uint64_t)b->codes[i];
    }
    qsort(b->keys, end - begin, sizeof *b->keys, by_key);
    for (size_t i = begin; i < end; i++) b->codes[i] = (int32_t)(b->keys[i - begin] & ((1u << CODE_BITS) - 1));
    return 0;
}

static int order_marks(nfc_buffer *b, size_t n, err *e) {
    size_t begin = 0;
    for (size_t i = 0; i < n; i++) {
        if (utf8proc_get_property(b->codes[i])->combining_class != 0) continue;
        if (sort_marks(b, begin, i, e) != 0) return -1;
        begin = i + 1;
    }
    return sort_marks(b, begin, n, e);
}

/* Appends the normalized form of n bytes of UTF-8 to b->text, which holds *at bytes. */
static int append_normalized(nfc_buffer *b, const char *text, size_t n, size_t *at, err *e) {
    enum { LONGEST = 4 }; /* code points of a character taken apart */
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    size_t                  count = 0;
    for (size_t i = 0, length; i < n; i += length) {
        unsigned long code;
        int class = 0;
        if ((length = utf8_length(text + i, n - i, &code)) == 0) break; /* never: it was read before */
        if (mem_reserve(&b->codes, &b->cap_codes, count + LONGEST + 1, e) != 0) return -1; /* and a final NUL */
        utf8proc_ssize_t more =
            utf8proc_decompose_char((utf8proc_int32_t)code, b->codes + count, LONGEST, options, &class);
        if (more < 0) return fail(more, e);
        count += (size_t)more;
    }
    if (order_marks(b, count, e) != 0) return -1;
    utf8proc_ssize_t bytes = utf8proc_reencode(b->codes, (utf8proc_ssize_t)count, options); /* in place, to bytes */
    if (bytes < 0) return fail(bytes, e);
    if (mem_reserve(&b->text, &b->cap_text, *at + (size_t)bytes, e) != 0) return -1;
    memcpy(b->text + *at, b->codes, (size_t)bytes);
    *at += (size_t)bytes;
    return 0;
}

int nfc_normalize(nfc_buffer *b, const char *text, size_t n, const char **out, size_t *n_out, err *e) {
    size_t done = 0, at = 0, begin, end;
    bool   changed = find_loose(text, n, 0, &begin, &end);
    *out = text;
    *n_out = n;
    if (!changed) return 0;
    while (done < n) {
        if (mem_reserve(&b->text, &b->cap_text, at + (begin - done), e) != 0) return -1;
        if (begin > done) memcpy(b->text + at, text + done, begin - done);
        at += begin - done;
        if (end > begin && append_normalized(b, text + begin, end - begin, &at, e) != 0) return -1;
        done = end;
        find_loose(text, n, done, &begin, &end);
    }
    *out = b->text;
    *n_out = at;
    return 0;
}

void nfc_free(nfc_buffer *b) {
    free(b->text);
    free(b->codes);
    free(b->keys);
}

const char *nfc_unicode(void) {
    return utf8proc_unicode_version();
}
