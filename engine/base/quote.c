#include "engine/base/quote.h"

#include <stdio.h>
#include <string.h>

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

bool utf8_valid(const char *s, size_t n) {
    size_t length = 1;
    for (size_t i = 0; i < n && length > 0; i += length) length = utf8_length(s + i, n - i, NULL);
    return length > 0;
}

bool utf8_is_hidden(unsigned long c) {
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

const char *quote(char *buf, size_t size, const char *s, size_t n) {
    const size_t tail = sizeof "\"..."; /* what must still fit after any character */
    char        *out = buf;
    *out++ = '"';
    for (size_t i = 0; i < n;) {
        char          shown[4 * 4 + 1];
        unsigned long c = 0;
        size_t        length = utf8_length(s + i, n - i, &c), used = 0;
        if (length == 1 && (c == '"' || c == '\\' || c == '\n' || c == '\t' || c == '\r')) {
            shown[used++] = '\\';
            shown[used++] = c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : (char)c;
        } else if (length > 0 && !utf8_is_hidden(c)) {
            memcpy(shown, s + i, length);
            used = length;
        } else {
            if (length == 0) length = 1;
            for (size_t j = 0; j < length; j++)
                used += (size_t)snprintf(shown + used, sizeof shown - used, "\\x%02x", (unsigned char)s[i + j]);
        }
        if ((size_t)(out - buf) + used + tail > size) {
            memcpy(out, "\"...", tail);
            return buf;
        }
        memcpy(out, shown, used);
        out += used;
        i += length;
    }
    memcpy(out, "\"", 2);
    return buf;
}
