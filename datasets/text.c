/* text.c - appending. */
#include "datasets/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static bool room(text_buffer *t, size_t more) {
    if (t->failed || mem_reserve(&t->at, &t->cap, t->n + more + 1, NULL) != 0) t->failed = true;
    return !t->failed;
}

void text_put(text_buffer *t, const char *s, size_t n) {
    if (!room(t, n)) return;
    memcpy(t->at + t->n, s, n);
    t->n += n;
    t->at[t->n] = '\0';
}

void text_add(text_buffer *t, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) {
        t->failed = true;
    } else if (room(t, (size_t)n)) {
        vsnprintf(t->at + t->n, (size_t)n + 1, fmt, again);
        t->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void text_clear(text_buffer *t) {
    t->n = 0;
    t->failed = false;
    if (t->at != NULL) t->at[0] = '\0';
}

void text_free(text_buffer *t) {
    free(t->at);
    *t = (text_buffer){0};
}

bool text_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strchr(" \t\n\v\f\r", s[i]) == NULL || s[i] == '\0') return false;
    return true;
}

int text_check(const text_buffer *t, err *e) {
    return t->failed ? err_run(e, "out of memory for a text of %zu bytes", t->n) : 0;
}
