#include "experiments/commands/output.h"

#include <unistd.h>

#include "analysis/formats/table_format.h"
#include "engine/base/atomic.h"
#include "experiments/terminal/wrap.h"

/* Not through a stream in memory: glibc's forgets that memory was out, and the table would lack a part. */
static int print_to_file(const char *path, output_printer *print, void *ctx, err *e) {
    atomic_file file;
    FILE       *f = NULL;
    int         status = atomic_open(&file, path, e), fd = status == 0 ? dup(file.fd) : -1;
    if (status == 0 && (fd < 0 || (f = fdopen(fd, "w")) == NULL)) status = err_errno(e, path, "cannot write");
    if (status == 0 && (status = print(f, ctx, e)) != 0 && e->code != 0) err_prefix(e, "%s", path);
    if (f == NULL && fd >= 0) close(fd);
    if (f != NULL && fclose(f) != 0 && status == 0) status = err_errno(e, path, "cannot write");
    if (status == 0) status = atomic_commit(&file, false, e);
    atomic_close(&file);
    return status;
}

int output_print(const char *path, output_printer *print, void *ctx, err *e) {
    return path != NULL ? print_to_file(path, print, ctx, e) : print(stdout, ctx, e);
}

void output_list_formats(FILE *out) {
    fprintf(out, "Formats:\n");
    for (size_t i = 0; i < table_format_registry.n; i++) {
        const table_format *f = table_format_registry.at[i];
        fprintf(out, "  %-6s ", f->name);
        wrap_print(out, f->help, 9, 9);
    }
}
