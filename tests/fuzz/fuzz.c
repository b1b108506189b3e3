#include "tests/fuzz/fuzz.h"

#include <gsl/gsl_errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char folder[] = "/dev/shm/fuzz-XXXXXX";

static void remove_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", folder);
}

/* As main does. What commands print goes nowhere; the fuzzers' own messages are on stderr. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    gsl_set_error_handler_off();
    if (freopen("/dev/null", "w", stdout) == NULL) abort();
    return 0;
}

/* ---- the input ---------------------------------------------------------------------------------------------- */

uint8_t fuzz_byte(fuzz_input *in) {
    if (in->n == 0) return 0;
    in->n--;
    return *in->at++;
}

uint64_t fuzz_number(fuzz_input *in, size_t bytes) {
    uint64_t x = 0;
    for (size_t i = 0; i < bytes; i++) x |= (uint64_t)fuzz_byte(in) << (8 * i);
    return x;
}

size_t fuzz_below(fuzz_input *in, size_t n) {
    return n > 0 ? fuzz_byte(in) % n : 0;
}

fuzz_input fuzz_until(fuzz_input *in, unsigned char end) {
    const unsigned char *at = in->n > 0 ? memchr(in->at, end, in->n) : NULL;
    fuzz_input           part = {in->at, at != NULL ? (size_t)(at - in->at) : in->n};
    size_t               read = part.n + (at != NULL);
    *in = (fuzz_input){read > 0 ? in->at + read : in->at, in->n - read};
    return part;
}

fuzz_input fuzz_line(fuzz_input *in) {
    return fuzz_until(in, '\n');
}

char *fuzz_text(fuzz_input part) {
    char *text = malloc(part.n + 1);
    if (text == NULL) abort();
    if (part.n > 0) memcpy(text, part.at, part.n);
    text[part.n] = '\0';
    return text;
}

/* ---- files -------------------------------------------------------------------------------------------------- */

const char *fuzz_file(size_t which, const void *bytes, size_t n) {
    static int  fd[FUZZ_FILES];
    static char path[FUZZ_FILES][64];
    if (fd[which] == 0) {
        if ((fd[which] = memfd_create("fuzz", 0)) <= 0) abort();
        snprintf(path[which], sizeof path[which], "/proc/self/fd/%d", fd[which]);
    }
    if (ftruncate(fd[which], 0) != 0 || pwrite(fd[which], bytes, n, 0) != (ssize_t)n) abort();
    return path[which];
}

const char *fuzz_folder(void) {
    static bool made;
    if (!made && (mkdtemp(folder) == NULL || atexit(remove_folder) != 0)) abort();
    made = true;
    return folder;
}

FILE *fuzz_nowhere(void) {
    static FILE *out;
    if (out == NULL && (out = fopen("/dev/null", "w")) == NULL) abort();
    return out;
}

/* ---- what must hold ----------------------------------------------------------------------------------------- */

_Noreturn void fuzz_fail(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

void fuzz_expect_error(const err *e) {
    if (e->kind == ERR_RUN) fprintf(stderr, "ERR_RUN: %s\n", e->text);
    FUZZ_EXPECT(e->kind == ERR_INPUT);
    FUZZ_EXPECT(e->text[0] != '\0');
}

void fuzz_touch(const void *at, size_t n) {
    for (size_t i = 0; i < n; i++) (void)((const volatile unsigned char *)at)[i];
}
