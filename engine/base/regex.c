#include "engine/base/regex.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"

static void *new_memory(size_t n, void *unused) {
    (void)unused;
    return mem_new(n, 1, NULL);
}

static void free_memory(void *at, void *unused) {
    (void)unused;
    free(at);
}

pcre2_general_context *regex_memory(void) {
    return pcre2_general_context_create(new_memory, free_memory, NULL);
}

const char *regex_message(int code, char text[static REGEX_MESSAGE]) {
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)text, REGEX_MESSAGE) < 0)
        snprintf(text, REGEX_MESSAGE, "error %d", code);
    return text;
}
