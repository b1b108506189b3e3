#include "experiments/commands/writing.h"

#include <string.h>

#include "engine/model/mix.h"

static int parse_mix(const option_value *v, void *at, err *e) {
    *(const type_mix **)at = type_mix_named(v->name, v->text, e);
    return *(const type_mix **)at != NULL ? 0 : -1;
}

const option_type option_mix = {.parse = parse_mix};

/* Rounded up: a file that is not empty never shows as 0. */
static size_t megabytes(size_t bytes) {
    return (bytes + 999999) / 1000000;
}

void writing_add(writing *x, dtype type, size_t rows, size_t cols) {
    x->matrices++;
    x->bytes += dtype_bytes(type, rows * cols);
}

void writing_rows(writing *x, dtype type, size_t rows, size_t cols, bool last) {
    x->bytes_done += dtype_bytes(type, rows * cols);
    x->matrices_done += last;
    progress_update(&x->bar, x->matrices_done, megabytes(x->bytes_done));
}

int writing_save(writing *x, gguf_writer *w, const char *path, bool quiet, err *e) {
    const char *slash = strrchr(path, '/');
    progress_begin(&x->bar, slash != NULL ? slash + 1 : path, (progress_kind){"matrices", x->matrices},
                   (progress_kind){"MB", megabytes(x->bytes)}, quiet);
    if (gguf_writer_save(w, path, 3, 32, e) != 0) {
        progress_clear(&x->bar);
        return -1;
    }
    progress_end(&x->bar, x->matrices_done, megabytes(x->bytes_done));
    return 0;
}
