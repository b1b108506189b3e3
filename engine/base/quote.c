#include "engine/base/quote.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/utf8.h"

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
