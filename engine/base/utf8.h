/* utf8.h - UTF-8: what is a character, what a terminal makes of it, and text made fit to be shown. */
#ifndef ENGINE_BASE_UTF8_H
#define ENGINE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/base/err.h"

/* Length of the UTF-8 character at s (n >= 1 bytes), 1 to 4; 0 when those bytes are not one (overlong forms,
 * surrogates and values over U+10FFFF are not). *code, if not NULL, becomes its code point. */
size_t utf8_length(const char *s, size_t n, unsigned long *code);

/* How many bytes of s are UTF-8 from its start on: n when all are. */
size_t utf8_valid(const char *s, size_t n);

/* ERR_INPUT "WHERE:LINE: ..." unless all n bytes are UTF-8. */
int utf8_check(const char *where, const char *s, size_t n, err *e);

/* The most bytes of s, at most `most` of its n, that end at a character's end. */
size_t utf8_cut(const char *s, size_t n, size_t most);

/* C0 (newline and tab are in it), DEL and C1: what a terminal may act on. */
bool utf8_is_control(unsigned long code);

/* Control characters, and those that reorder the line or cannot be seen. */
bool utf8_is_hidden(unsigned long code);

/* Columns that a terminal needs for n bytes: 0 for combining marks, 2 for East Asian wide characters, 1 for each byte
 * that is not UTF-8. */
size_t utf8_width(const char *s, size_t n);

/* What is shown in place of what; where it is NULL, those characters stay as they are. All else stays. */
typedef struct {
    const char *invalid; /* for each byte that is not UTF-8 */
    const char *control; /* for each control character except the next two */
    const char *newline, *tab;
    const char *hidden; /* for each other character that utf8_is_hidden names */
} utf8_rules;

/* Nothing but printable text on one line: "?" for all else. */
extern const utf8_rules utf8_one_line;

/* n bytes of s by these rules, in new memory. */
char *utf8_clean(const char *s, size_t n, const utf8_rules *rules, err *e);

/* The same onto a stream; the caller checks that for errors. */
void utf8_write(const char *s, size_t n, const utf8_rules *rules, FILE *out);

#endif
