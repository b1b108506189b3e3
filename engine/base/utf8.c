#include "engine/base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "engine/base/mem.h"

size_t utf8_length(const char *s, size_t n, unsigned long *code) {
    const unsigned char       *b = (const unsigned char *)s;
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = b[0] < 0x80 ? 1 : b[0] < 0xC0 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF8 ? 4 : 0;
    if (length == 0 || length > n) return 0;
    unsigned long c = length == 1 ? b[0] : b[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((b[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (b[i] & 0x3Fu);
    }
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    if (code != NULL) *code = c;
    return length;
}

size_t utf8_valid(const char *s, size_t n) {
    size_t at = 0;
    for (size_t length; at < n && (length = utf8_length(s + at, n - at, NULL)) > 0;) at += length;
    return at;
}

int utf8_check(const char *where, const char *s, size_t n, err *e) {
    size_t valid = utf8_valid(s, n), line = 1;
    if (valid == n) return 0;
    for (size_t i = 0; i < valid; i++) line += s[i] == '\n';
    return err_input(e, "%s:%zu: byte 0x%02X is not text (UTF-8 is needed)", where, line, (unsigned char)s[valid]);
}

/* ---- kinds of characters ------------------------------------------------------------------------------- */

typedef struct {
    uint32_t first, last;
} code_range;

static bool within(unsigned long code, const code_range *ranges, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return true;
    return false;
}
#define WITHIN(code, ranges) within(code, ranges, sizeof(ranges) / sizeof *(ranges))

size_t utf8_cut(const char *s, size_t n, size_t most) {
    if (n <= most) return n;
    while (most > 0 && ((unsigned char)s[most] & 0xc0) == 0x80) most--; /* s[most] begins a character */
    return most;
}

bool utf8_is_control(unsigned long c) {
    return c < 0x20 || (c >= 0x7F && c <= 0x9F);
}

bool utf8_is_hidden(unsigned long c) {
    static const code_range hidden[] = {{0xAD, 0xAD},     {0x61C, 0x61C},   {0x200B, 0x200F}, {0x2028, 0x202E},
                                        {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF}};
    return utf8_is_control(c) || WITHIN(c, hidden);
}

size_t utf8_width(const char *s, size_t n) {
    static const code_range zero[] = {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x64B, 0x65F},
                                      {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x20D0, 0x20FF},
                                      {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
    static const code_range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF}, {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6},
                                      {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
    size_t                  width = 0;
    for (size_t length; n > 0; s += length, n -= length) {
        unsigned long code = 0;
        if ((length = utf8_length(s, n, &code)) == 0) {
            length = 1;
            width++;
        } else
            width += WITHIN(code, zero) ? 0 : WITHIN(code, wide) ? 2 : 1;
    }
    return width;
}

/* ---- text to be shown ---------------------------------------------------------------------------------- */

const utf8_rules utf8_one_line = {.invalid = "?", .control = "?", .newline = "?", .tab = "?", .hidden = "?"};

/* The rules' word for the character at s (n >= 1 bytes), NULL when it stays; *length becomes its bytes. */
static const char *replacement(const char *s, size_t n, const utf8_rules *rules, size_t *length) {
    unsigned long code = 0;
    *length = utf8_length(s, n, &code);
    if (*length == 0) {
        *length = 1;
        return rules->invalid;
    }
    if (code == '\n') return rules->newline;
    if (code == '\t') return rules->tab;
    if (utf8_is_control(code)) return rules->control;
    return utf8_is_hidden(code) ? rules->hidden : NULL;
}

char *utf8_clean(const char *s, size_t n, const utf8_rules *rules, err *e) {
    size_t size = 1;
    for (size_t i = 0, length; i < n; i += length) {
        const char *as = replacement(s + i, n - i, rules, &length);
        size_t      shown = as != NULL ? strlen(as) : length;
        if (shown > SIZE_MAX - size) {
            err_run(e, "out of memory (%zu bytes of text)", n);
            return NULL;
        }
        size += shown;
    }
    char *out = mem_new(size, 1, e), *at = out;
    for (size_t i = 0, length; out != NULL && i < n; i += length) {
        const char *as = replacement(s + i, n - i, rules, &length);
        at = as != NULL ? stpcpy(at, as) : mempcpy(at, s + i, length);
    }
    return out;
}

void utf8_write(const char *s, size_t n, const utf8_rules *rules, FILE *out) {
    size_t from = 0; /* what stays goes out in one piece */
    for (size_t i = 0, length; i < n; i += length) {
        const char *as = replacement(s + i, n - i, rules, &length);
        if (as == NULL) continue;
        fwrite(s + from, 1, i - from, out);
        fputs(as, out);
        from = i + length;
    }
    fwrite(s + from, 1, n - from, out);
}
