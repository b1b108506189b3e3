/* text.h - a growing text that records that memory ran out, so that writers check only once, at the end. */
#ifndef DATASETS_TEXT_H
#define DATASETS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

typedef struct {
    char  *at; /* NUL-terminated; NULL while nothing was added */
    size_t n, cap;
    bool   failed; /* memory ran out: what was added since is missing */
} text_buffer;

void text_add(text_buffer *t, const char *fmt, ...) ERR_PRINTF(2, 3);
void text_put(text_buffer *t, const char *s, size_t n);
void text_clear(text_buffer *t); /* empty again; keeps its memory and forgets a failure */
void text_free(text_buffer *t);
bool text_blank(const char *s, size_t n);      /* nothing in it, or only blanks and line ends */
int  text_check(const text_buffer *t, err *e); /* ERR_RUN when it failed */

#endif
