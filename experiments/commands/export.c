/* export.c - `harness export`: results as flat CSV files in a folder. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/export/export.h"
#include "analysis/view.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/output.h"
#include "experiments/sweep/results.h"

typedef struct {
    const char *folder;
    text_list   files, where;
} options;

static const option_spec specs[] = {
    {"output", 'o', "DIR", &option_path, OPTION_AT(options, folder), .required = true,
     .help = "the folder for the files, which is made when it is missing; files of these names in it are replaced"},
    {"where", 'w', "KEY=VALUE", &option_text, OPTION_AT(options, where), .list = true,
     .help = "only cells with this setting, as in harness tables"},
};
static const option_spec operands[] = {
    {"FILE.h5", .type = &option_path, OPTION_AT(options, files), .required = true, .list = true},
};

static void list_files(FILE *out) {
    fprintf(out, "Files:\n");
    for (size_t i = 0; i < export_registry.n; i++) {
        const export_kind *k = export_registry.at[i];
        fprintf(out, "  %s.csv%*s  %s\n", k->name, (int)(9 - strlen(k->name)), "", k->help);
    }
}

typedef struct {
    const export_kind *kind;
    const store_data  *d;
    const cell_keys   *keys;
} printing;

static int print(FILE *out, void *ctx, err *e) {
    const printing *p = ctx;
    if (p->kind->print(p->d, p->keys, out, e) != 0) return -1;
    return ferror(out) || fflush(out) != 0 ? err_errno(e, p->kind->name, "cannot write") : 0;
}

static int write_file(const options *o, const printing *p, err *e) {
    char *path = mem_printf(e, "%s/%s.csv", o->folder, p->kind->name);
    int   status = path != NULL ? 0 : -1;
    for (size_t i = 0; status == 0 && i < o->files.n; i++) status = file_check_output(path, o->files.at[i], e);
    if (status == 0) status = output_print(path, print, (void *)p, e);
    size_t rows = p->kind->rows(p->d);
    if (status == 0) printf("%s: %zu row%s\n", path, rows, plural(rows));
    free(path);
    return status;
}

static int write_files(const options *o, const store_data *d, err *e) {
    cell_keys keys;
    if (mkdir(o->folder, 0777) != 0 && errno != EEXIST) return err_errno(e, o->folder, "cannot make the folder");
    if (cell_keys_make(d, &keys, e) != 0) return -1;
    int status = 0;
    for (size_t i = 0; status == 0 && i < export_registry.n; i++)
        status = write_file(o, &(printing){export_registry.at[i], d, &keys}, e);
    cell_keys_free(&keys);
    return status;
}

static int run(void *opts, err *e) {
    const options *o = opts;
    view           v;
    if (view_read(o->files.at, o->files.n, TWINS_REFUSED, results_open, &v, e) != 0) return -1;
    int status = view_where(&v, o->where.at, o->where.n, e);
    if (status == 0) status = write_files(o, &v.d, e);
    view_free(&v);
    return status;
}

const command command_export = {
    .name = "export",
    .help = "write a results file as flat CSV files",
    .about =
        "Writes a results file, or several as if they were one, as CSV files for R, pandas and others. Every trial has "
        "all settings and parameters of its cell in its row; results/README.md says what the columns mean.",
    .lists = list_files,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
