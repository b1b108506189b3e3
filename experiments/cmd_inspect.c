/* cmd_inspect.c - `harness inspect`: says what a file is and what it holds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "datasets/dataset.h"
#include "experiments/commands.h"
#include "experiments/inspect.h"

static const char usage[] =
    "usage: harness inspect [OPTION]... FILE\n"
    "Says what FILE holds. Its kind is told by its first bytes: a GGUF file (metadata, tensors, whether the harness\n"
    "can run it), a results file in HDF5, and else a dataset in JSONL.\n"
    "\n"
    "  -f, --format F    format of a dataset (default: auto)\n"
    "  -h, --help        this text\n";

static void print_help(void) {
    fputs(usage, stdout);
    printf("\nFormats of datasets:\n");
    for (size_t i = 0; i < dataset_format_count(); i++)
        printf("  %-17s %s\n", dataset_format_name(i), dataset_format_help(i));
}

typedef enum { KIND_GGUF, KIND_RESULTS, KIND_DATASET } file_kind;

static int find_kind(const char *path, file_kind *out, err *e) {
    static const char hdf5[8] = "\x89HDF\r\n\x1a\n";
    struct stat       st;
    char              head[8];
    FILE             *f = fopen(path, "rb");
    if (f == NULL) return err_unreadable(e, path);
    if (fstat(fileno(f), &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe can be read once, and this reads twice */
        fclose(f);
        return err_input(e, "%s: is a %s (a GGUF, HDF5 or JSONL file)", path,
                         S_ISDIR(st.st_mode)    ? "folder"
                         : S_ISFIFO(st.st_mode) ? "pipe"
                                                : "device");
    }
    size_t n = fread(head, 1, sizeof head, f);
    int    failed = ferror(f), why = errno;
    fclose(f);
    if (failed) {
        errno = why;
        return err_unreadable(e, path);
    }
    /* No dataset begins with a G: a file that ends within the magic number is a GGUF that was cut. */
    *out = n > 0 && memcmp(head, "GGUF", n < 4 ? n : 4) == 0 ? KIND_GGUF
           : n == 8 && memcmp(head, hdf5, sizeof hdf5) == 0  ? KIND_RESULTS
                                                             : KIND_DATASET;
    return 0;
}

int cmd_inspect(int argc, char **argv, err *e) {
    static const struct option longs[] = {
        {"format", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *format = NULL;
    file_kind   kind = KIND_DATASET;
    for (int c; (c = command_option(argc, argv, ":f:h", longs, e)) != -1;) {
        if (c == '?') return -1;
        if (c == 'h') {
            print_help();
            return 0;
        }
        format = optarg;
    }
    if (command_operands(argc, argv, 1, 1, "FILE", e) != 0) return -1;
    const char *path = argv[optind];
    if (find_kind(path, &kind, e) != 0) return -1;
    if (format != NULL && kind != KIND_DATASET)
        return err_input(e, "%s: --format is given, but this is a %s file (a dataset)", path,
                         kind == KIND_GGUF ? "GGUF" : "HDF5");
    if (kind == KIND_GGUF) return inspect_gguf(path, e);
    if (kind == KIND_RESULTS) return inspect_results(path, e);
    return inspect_dataset(path, format != NULL ? format : "auto", e);
}
