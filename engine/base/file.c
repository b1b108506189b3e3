#include "engine/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/mem.h"

char *file_read(const char *path, size_t most, size_t *n, err *e) {
    enum { CHUNK = 1 << 16 };
    char  *bytes = NULL;
    size_t cap = 0, got;

    *n = 0;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        err_input(e, "%s: cannot open: %s", path, strerror(errno));
        return NULL;
    }
    do {
        if (mem_reserve(&bytes, &cap, *n + CHUNK, e) != 0) goto fail;
        errno = 0;
        got = fread(bytes + *n, 1, cap - 1 - *n, f);
        *n += got;
    } while (got > 0 && *n <= most);
    if (ferror(f)) {
        err_input(e, "%s: cannot read: %s", path, strerror(errno)); /* a folder, for example */
        goto fail;
    }
    if (*n > most) {
        err_input(e, "%s: is too large (at most %zu bytes)", path, most);
        goto fail;
    }
    fclose(f);
    bytes[*n] = '\0';
    return bytes;
fail:
    fclose(f);
    free(bytes);
    return NULL;
}

int file_check_output(const char *output, const char *input, err *e) {
    struct stat to, from;
    if (stat(output, &to) != 0 || stat(input, &from) != 0) return 0;
    if (to.st_dev != from.st_dev || to.st_ino != from.st_ino) return 0;
    return err_input(e, "%s: cannot be the output: it is the same file as the input %s", output, input);
}
