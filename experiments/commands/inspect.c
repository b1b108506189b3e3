/* inspect.c - `harness inspect`: says what a file is and what it holds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "datasets/dataset.h"
#include "engine/base/fetch.h"
#include "engine/base/filekind.h"
#include "experiments/commands/commands.h"
#include "experiments/inspect/inspect.h"
#include "experiments/training/train_state.h"

static const char usage[] =
    "usage: harness inspect [OPTION]... FILE\n"
    "Says what FILE holds. Its kind is told by its first bytes: a GGUF file (metadata, tensors, whether the harness\n"
    "can run it), a results file or a training's loss curve in HDF5, and else a dataset in JSONL. FILE may also be a\n"
    "sweep's folder, OUTPUT/NAME. Files of other kinds are named, with what to do.\n"
    "\n"
    "  -f, --format F    format of a dataset (default: auto)\n"
    "      --skip-bad    count and report bad dataset lines instead of stopping at the first\n"
    "  -h, --help        this text\n";

static void print_help(void) {
    fputs(usage, stdout);
    printf("\nFormats of datasets:\n");
    for (size_t i = 0; i < format_registry.n; i++)
        printf("  %-17s %s\n", registry_name(&format_registry, i), dataset_format_help(i));
}

typedef struct {
    const char *path, *format; /* NULL: not given */
    bool        skip_bad;
} options;

static int inspect_file(const options *o, err *e) {
    file_kind kind;
    if (file_kind_at(o->path, &kind, e) != 0) return -1;
    bool is_dataset = kind == FILE_OTHER || kind == FILE_EMPTY;
    if (kind != FILE_GGUF && kind != FILE_HDF5 && !is_dataset)
        return file_kind_refuse(o->path, kind, "GGUF, HDF5 or JSON Lines", e);
    if ((o->format != NULL || o->skip_bad) && !is_dataset)
        return err_input(e, "%s: %s is given, but this is a %s file (a dataset)", o->path,
                         o->format != NULL ? "--format" : "--skip-bad", kind == FILE_GGUF ? "GGUF" : "HDF5");
    if (kind == FILE_GGUF) return inspect_gguf(o->path, e);
    if (kind == FILE_HDF5) return curve_is_at(o->path) ? inspect_training(o->path, e) : inspect_results(o->path, e);
    return inspect_dataset(o->path, o->format != NULL ? o->format : "auto", o->skip_bad, e);
}

static int inspect(const options *o, err *e) {
    struct stat st = {0};
    FILE       *f = fopen(o->path, "rb"); /* also what is refused: who writes into a pipe waits for a reader */
    if (f == NULL) {
        err_unreadable(e, o->path);
        return fetch_advise(o->path, e);
    }
    int failed = fstat(fileno(f), &st), why = errno;
    fclose(f);
    if (failed != 0) {
        errno = why;
        return err_unreadable(e, o->path);
    }
    if (S_ISDIR(st.st_mode)) return inspect_folder(o->path, e);
    if (!S_ISREG(st.st_mode)) /* a pipe can be read once, and this reads twice */
        return err_input(e, "%s: is a %s (a GGUF, HDF5 or JSONL file)", o->path,
                         S_ISFIFO(st.st_mode) ? "pipe" : "device");
    return inspect_file(o, e);
}

int cmd_inspect(int argc, char **argv, err *e) {
    enum { SKIP_BAD = 256 };
    static const struct option longs[] = {
        {"format", required_argument, NULL, 'f'},
        {"skip-bad", no_argument, NULL, SKIP_BAD},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    options o = {0};
    for (int c; (c = command_option(argc, argv, ":f:h", longs, e)) != -1;) {
        if (c == '?') return -1;
        if (c == 'h') {
            print_help();
            return 0;
        }
        if (c == 'f') o.format = optarg;
        if (c == SKIP_BAD) o.skip_bad = true;
    }
    if (command_operands(argc, argv, 1, 1, "FILE", e) != 0) return -1;
    o.path = argv[optind];
    return inspect(&o, e);
}
