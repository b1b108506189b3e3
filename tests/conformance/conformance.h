/* conformance.h - tests against public data in the folder that HARNESS_DATA names; skipped without it. */
#ifndef TESTS_CONFORMANCE_CONFORMANCE_H
#define TESTS_CONFORMANCE_CONFORMANCE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Path of a file under HARNESS_DATA, in a static buffer; skips the running test when it is not set. */
static inline const char *conformance_path(const char *relative) {
    static char path[4096];
    const char *root = getenv("HARNESS_DATA");
    if (root == NULL || *root == '\0') cr_skip_test("HARNESS_DATA is not set");
    snprintf(path, sizeof path, "%s/%s", root, relative);
    return path;
}

#endif
