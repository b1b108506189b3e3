/* err.h - the one error idiom of the project.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and, on failure, fills the `err`
 * that its caller passed. Only main() prints and exits. The text is one sentence without a final full
 * stop, in the form "FILE:LINE: what is wrong (what is allowed)" where a place is known; the program
 * adds its "harness: ".
 */
#ifndef ENGINE_BASE_ERR_H
#define ENGINE_BASE_ERR_H

#include <stddef.h>

#include "engine/base/strict.h" /* here, because every file includes this one */

/* Decides the exit status (README, "Exit status"). */
typedef enum {
    ERR_NONE = 0,
    ERR_RUN,   /* failed while working: I/O, memory, numbers that are not finite; exit status 1 */
    ERR_INPUT, /* usage, configuration or input is at fault; exit status 2 */
    ERR_STOP   /* the user asked to stop (SIGINT, SIGTERM); what is finished is kept; exit status 1 */
} err_kind;

typedef struct {
    err_kind kind;
    int      code; /* the errno that caused it, else 0: a full disk, say, fails the next file too */
    char     text[1024];
} err;

#if defined(__GNUC__)
#define ERR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ERR_PRINTF(fmt, args)
#endif

/* Fill `e` (which may be NULL) and return -1, so that callers write `return err_input(e, ...)`.
 * Texts over the buffer's length are cut at its end. */
int err_run(err *e, const char *fmt, ...) ERR_PRINTF(2, 3);
int err_input(err *e, const char *fmt, ...) ERR_PRINTF(2, 3);
int err_stop(err *e, const char *fmt, ...) ERR_PRINTF(2, 3);

/* An ERR_RUN made from errno: "PATH: WHAT: strerror". `what` names the operation ("cannot write"). */
int err_errno(err *e, const char *path, const char *what);

/* The same for a file that cannot be opened or read. ERR_INPUT "PATH: cannot open: ..." where the path is at fault
 * (nothing is there, a folder is, the name is too long), ERR_RUN "PATH: cannot read: ..." for all else: a disk that
 * fails, a missing permission. */
int err_unreadable(err *e, const char *path);

/* Puts "CONTEXT: " before the text that `e` already holds and returns -1. Keeps kind and code. */
int err_prefix(err *e, const char *fmt, ...) ERR_PRINTF(2, 3);

/* The same with " (ADVICE)" after the text; inside parentheses that are there already, "; ADVICE". */
int err_advise(err *e, const char *advice);

/* Writes into buf (size >= 3) `"name", "name" or "name"`, for messages that list what is allowed. */
void err_list(char *buf, size_t size, const char *const *names, size_t n);

#endif
