/* regex.h - what all that compiles regexes with PCRE2 shares. */
#ifndef ENGINE_BASE_REGEX_H
#define ENGINE_BASE_REGEX_H

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

enum { REGEX_MESSAGE = 128 };

/* A context that takes memory as mem.h does. NULL: no memory. Free it with pcre2_general_context_free. */
pcre2_general_context *regex_memory(void);

/* What PCRE2 says of one of its errors: `text`. */
const char *regex_message(int code, char text[static REGEX_MESSAGE]);

#endif
