/* quote.h - bytes from a file, made fit for a message or a terminal. */
#ifndef ENGINE_BASE_QUOTE_H
#define ENGINE_BASE_QUOTE_H

#include <stddef.h>

/* Writes `n` bytes of `s` in double quotes into buf (size >= 8) and returns buf. Control characters, bytes
 * that are not UTF-8, and the code points that reorder or hide text are written as \n, \t, \r, \", \\ or
 * \xNN; other UTF-8 stays. What does not fit is cut between characters, with "..." after the closing quote. */
const char *quote(char *buf, size_t size, const char *s, size_t n);

#endif
