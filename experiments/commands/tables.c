/* tables.c - `harness tables`: a results file as tables. */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "experiments/commands/commands.h"
#include "store/store.h"

static const char usage[] =
    "usage: harness tables [OPTION]... [NAME] FILE.h5\n"
    "Prints one table of a results file (or cell file); without NAME, the summary. analysis/README.md says what\n"
    "each number means.\n"
    "\n"
    "  -f, --format F    how to write it, one of the formats below; without it, the first\n"
    "  -o, --output OUT  write to the file OUT, which appears whole or not at all, instead of standard output\n"
    "  -l, --list        list the tables there are\n"
    "  -h, --help        this text\n"
    "\n"
    "Formats:\n";

typedef struct {
    const table_format *format;
    const table_kind   *kind;
    const char         *file, *output;
    bool                help, list;
} options;

static int parse_options(int argc, char **argv, options *o, err *e) {
    static const struct option longs[] = {
        {"format", required_argument, NULL, 'f'},
        {"output", required_argument, NULL, 'o'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    *o = (options){.format = table_format_registry.at[0], .kind = table_registry.at[0]};
    while ((c = command_option(argc, argv, ":f:o:lh", longs, e)) != -1) {
        switch (c) {
        case 'f':
            if ((o->format = registry_named(&table_format_registry, NULL, optarg, e)) == NULL) return -1;
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'l':
            o->list = true;
            return 0;
        case 'h':
            o->help = true;
            return 0;
        default:
            return -1;
        }
    }
    if (command_operands(argc, argv, 1, 2, "[NAME] FILE.h5", e) != 0) return -1;
    if (argc - optind == 2 && (o->kind = registry_named(&table_registry, NULL, argv[optind++], e)) == NULL) return -1;
    o->file = argv[optind];
    return 0;
}

static void print_help(void) {
    fputs(usage, stdout);
    for (size_t i = 0; i < table_format_registry.n; i++) {
        const table_format *f = table_format_registry.at[i];
        printf("  %-16s  %s\n", f->name, f->help);
    }
}

static void print_list(void) {
    for (size_t i = 0; i < table_registry.n; i++) {
        const table_kind *k = table_registry.at[i];
        printf("%-10s  %s\n", k->name, k->help);
    }
}

/* Not through a stream in memory: glibc's forgets that memory was out, and the table would lack a part. */
static int print_to_file(const options *o, const store_data *d, err *e) {
    atomic_file file;
    FILE       *f = NULL;
    int         status = atomic_open(&file, o->output, e), fd = status == 0 ? dup(file.fd) : -1;
    if (status == 0 && (fd < 0 || (f = fdopen(fd, "w")) == NULL)) status = err_errno(e, o->output, "cannot write");
    if (status == 0 && (status = table_print(o->kind, d, o->format, f, e)) != 0 && e->code != 0)
        err_prefix(e, "%s", o->output);
    if (f == NULL && fd >= 0) close(fd);
    if (f != NULL && fclose(f) != 0 && status == 0) status = err_errno(e, o->output, "cannot write");
    if (status == 0) status = atomic_commit(&file, false, e);
    atomic_close(&file);
    return status;
}

int cmd_tables(int argc, char **argv, err *e) {
    options    o;
    store_data d = {0};
    if (parse_options(argc, argv, &o, e) != 0) return -1;
    if (o.help || o.list) {
        if (o.help) print_help();
        if (o.list) print_list();
        return 0;
    }
    if (o.output != NULL && file_check_output(o.output, o.file, e) != 0) return -1;
    if (store_read(o.file, &d, e) != 0) return -1;
    int status = o.output != NULL ? print_to_file(&o, &d, e) : table_print(o.kind, &d, o.format, stdout, e);
    store_free(&d);
    return status;
}
