#include "engine/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int fill(err *e, err_kind kind, const char *fmt, va_list args) {
    if (e != NULL) {
        e->kind = kind;
        e->code = 0;
        vsnprintf(e->text, sizeof e->text, fmt, args);
    }
    return -1;
}

int err_run(err *e, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fill(e, ERR_RUN, fmt, args);
    va_end(args);
    return -1;
}

int err_input(err *e, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fill(e, ERR_INPUT, fmt, args);
    va_end(args);
    return -1;
}

int err_stop(err *e, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fill(e, ERR_STOP, fmt, args);
    va_end(args);
    return -1;
}

int err_errno(err *e, const char *path, const char *what) {
    int code = errno;
    err_run(e, "%s: %s: %s", path, what, strerror(code));
    if (e != NULL) e->code = code;
    return -1;
}

int err_unreadable(err *e, const char *path) {
    int  code = errno;
    bool missing = code == ENOENT || code == ENOTDIR || code == ENAMETOOLONG || code == ELOOP || code == ENXIO;
    err_errno(e, path, missing ? "cannot open" : "cannot read");
    if (e != NULL && (missing || code == EISDIR)) e->kind = ERR_INPUT;
    return -1;
}

int err_prefix(err *e, const char *fmt, ...) {
    if (e == NULL) return -1;
    char    context[sizeof e->text - 2]; /* room for ": " */
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    size_t n = strlen(context), shift = n + 2, kept = strlen(e->text), room = sizeof e->text - 1 - shift;
    if (kept > room) kept = room;
    memmove(e->text + shift, e->text, kept);
    memcpy(e->text, context, n);
    memcpy(e->text + n, ": ", 2);
    e->text[shift + kept] = '\0';
    return -1;
}

void err_list(char *buf, size_t size, const char *const *names, size_t n) {
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < n && at < size; i++) {
        const char *sep = i == 0 ? "" : i + 1 == n ? " or " : ", ";
        int         k = snprintf(buf + at, size - at, "%s\"%s\"", sep, names[i]);
        if (k < 0) return;
        at += (size_t)k;
    }
}

int err_advise(err *e, const char *advice) {
    if (e != NULL) {
        size_t n = strlen(e->text);
        bool   more = n > 0 && e->text[n - 1] == ')';
        if (more) n--;
        snprintf(e->text + n, sizeof e->text - n, more ? "; %s)" : " (%s)", advice);
    }
    return -1;
}
