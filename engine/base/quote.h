/* quote.h - bytes from a file, made fit for a message or a terminal. */
#ifndef ENGINE_BASE_QUOTE_H
#define ENGINE_BASE_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes `n` bytes of `s` in double quotes into buf (size >= 8) and returns buf. Control characters, bytes
 * that are not UTF-8, and the code points that reorder or hide text are written as \n, \t, \r, \", \\ or
 * \xNN; other UTF-8 stays. What does not fit is cut between characters, with "..." after the closing quote. */
const char *quote(char *buf, size_t size, const char *s, size_t n);

/* Length of the UTF-8 character at s (n >= 1 bytes), 1 to 4; 0 when those bytes are not one (overlong forms,
 * surrogates and values over U+10FFFF are not). *code, if not NULL, becomes its code point. */
size_t utf8_length(const char *s, size_t n, unsigned long *code);

/* Whether all n bytes are UTF-8. */
bool utf8_valid(const char *s, size_t n);

/* Characters that move a terminal's cursor, reorder the line or cannot be seen. */
bool utf8_is_hidden(unsigned long code);

#endif
