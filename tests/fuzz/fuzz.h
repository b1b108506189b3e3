/* fuzz.h - what all fuzzers share: a cursor over the input, files that are in memory only, and what must always hold.
 *
 * A fuzzer is one file, tests/fuzz/fuzz_NAME.c, with LLVMFuzzerTestOneInput: it turns any bytes into a use of a reader
 * through its public functions. The sanitizers find what is wrong with memory; FUZZ_EXPECT finds what else must hold.
 * make fuzz builds and runs all of them; build/fuzz/NAME FILE repeats one input.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/err.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* ---- the input, read from its start ----------------------------------------------------------------------- */

typedef struct {
    const unsigned char *at;
    size_t               n; /* bytes left */
} fuzz_input;

/* At the end of the input every number is 0 and every text is empty. */
uint8_t  fuzz_byte(fuzz_input *in);
uint64_t fuzz_number(fuzz_input *in, size_t bytes); /* little-endian; at most 8 bytes */
size_t   fuzz_below(fuzz_input *in, size_t n);      /* 0 to n - 1, from a byte */

/* What is before the next `end`, which is read as well, or all that is left. */
fuzz_input fuzz_until(fuzz_input *in, unsigned char end);
fuzz_input fuzz_line(fuzz_input *in);

/* As a C string in new memory, up to the first NUL. */
char *fuzz_text(fuzz_input part);

/* ---- files ------------------------------------------------------------------------------------------------ */

enum { FUZZ_FILES = 4 };

/* The path of a regular file with these bytes, in memory; `which` is 0 to FUZZ_FILES - 1. Valid until the next call
 * with the same `which`. */
const char *fuzz_file(size_t which, const void *bytes, size_t n);

/* A folder on a file system in memory, empty at first; it is removed when the program ends. */
const char *fuzz_folder(void);

/* Where a reader's or a table's text goes. */
FILE *fuzz_nowhere(void);

/* ---- what must hold --------------------------------------------------------------------------------------- */

/* Ends the program, as the sanitizers do, with the place and the condition. */
#define FUZZ_EXPECT(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_fail(const char *file, int line, const char *condition);

/* A failure has a kind and says why. Memory is never out here: an input that asks for too much is refused. */
void fuzz_expect_error(const err *e);

/* Reads all of it, so that the sanitizers see each byte. */
void fuzz_touch(const void *at, size_t n);

#endif
