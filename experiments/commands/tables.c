/* tables.c - `harness tables`: a results file as tables. */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/wrap.h"
#include "store/store.h"

typedef struct {
    const table_format *format;
    const table_kind   *kind;
    const char         *file, *output;
    bool                list;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"format", 'f', "F", &option_plugin, OPTION_AT(options, format), .preset = "text", .of = &table_format_registry,
     .help = "how to write it, one of the formats below"},
    {"output", 'o', "OUT", &option_path, OPTION_AT(options, output),
     .help = "write to the file OUT, which appears whole or not at all, instead of standard output"},
    {"list", 'l', NULL, &option_flag, OPTION_AT(options, list), .alone = true, .help = "list the tables there are"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"NAME", .type = &option_plugin, OPTION_AT(options, kind), .of = &table_registry},
    {"FILE.h5", .type = &option_path, OPTION_AT(options, file), .required = true},
};

static void list_formats(void) {
    printf("Formats:\n");
    for (size_t i = 0; i < table_format_registry.n; i++) {
        const table_format *f = table_format_registry.at[i];
        printf("  %-6s ", f->name);
        wrap_print(stdout, f->help, 9, 9);
    }
}

static void list_tables(void) {
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

static int run(void *opts, err *e) {
    options   *o = opts;
    store_data d = {0};
    if (o->list) {
        list_tables();
        return 0;
    }
    if (o->kind == NULL) o->kind = table_registry.at[0];
    if (o->output != NULL && file_check_output(o->output, o->file, e) != 0) return -1;
    if (store_read(o->file, &d, e) != 0) return -1;
    int status = o->output != NULL ? print_to_file(o, &d, e) : table_print(o->kind, &d, o->format, stdout, e);
    store_free(&d);
    return status;
}

const command command_tables = {
    .name = "tables",
    .help = "print a results file as tables: text, Markdown, CSV or LaTeX",
    .about =
        "Prints one table of a results file (or cell file); without NAME, the summary. analysis/README.md says what "
        "each number means.",
    .lists = list_formats,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
