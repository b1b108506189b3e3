/* tables.c - `harness tables`: a results file as tables. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analysis/tables/table_kind.h"
#include "analysis/view.h"
#include "engine/base/file.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/output.h"
#include "experiments/sweep/results.h"
#include "store/store.h"

typedef struct {
    const table_format *format;
    const table_kind   *kind;
    const metric       *metric;
    const char         *output, *group, *by;
    text_list           operands, where; /* the table's name, where one is given, and files */
    bool                list;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"format", 'f', "F", &option_plugin, OPTION_AT(options, format), .preset = "text", .of = &table_format_registry,
     .help = "how to write it, one of the formats below"},
    {"output", 'o', "OUT", &option_path, OPTION_AT(options, output),
     .help = "write to the file OUT, which appears whole or not at all, instead of standard output"},
    {"where", 'w', "KEY=VALUE", &option_text, OPTION_AT(options, where), .list = true,
     .help = "only cells with this setting, or one of several: policy=llma,pld; KEY is id, another setting's column "
             "in --format csv, or named as above a table (llma.cut). Given again, cells must fit all"},
    {"group", 'g', "WHAT", &option_text, OPTION_AT(options, group),
     .help = "what intervals draw together: conversation (its turns), documents (records with the same references), or a "
             "regular expression: records whose ids have the same text where it, or its first part in parentheses, "
             "matches, as with '^(.*)_[0-9]+$'"},
    {"by", 'b', "KEY", &option_text, OPTION_AT(options, by),
     .help = "the table pivot: a column for each value of KEY, a row for all else that cells have in common"},
    {"metric", 'm', "M", &option_plugin, OPTION_AT(options, metric), .of = &metric_registry,
     .help = "what pivot shows, one of those that harness compare -h lists; without it, speedup, or what there is"},
    {"list", 'l', NULL, &option_flag, OPTION_AT(options, list), .alone = true, .help = "list the tables there are"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"[NAME] FILE.h5", .type = &option_path, OPTION_AT(options, operands), .required = true, .list = true,
     .of = &table_registry},
};

static void list_tables(void) {
    for (size_t i = 0; i < table_registry.n; i++) {
        const table_kind *k = table_registry.at[i];
        printf("%-10s  %s\n", k->name, k->help);
    }
}

typedef struct {
    const options    *o;
    const store_data *d;
} printing;

static int print(FILE *out, void *ctx, err *e) {
    const printing *p = ctx;
    table_options   how = {.format = p->o->format, .pattern = p->o->group, .by = p->o->by, .metric = p->o->metric};
    return table_print(p->o->kind, p->d, &how, out, e);
}

/* Takes the name off the operands: the first one, unless it is a file or looks like one. */
static int take_name(options *o, err *e) {
    const char *first = o->operands.at[0];
    bool        file = strchr(first, '/') != NULL || strstr(first, ".h5") != NULL || access(first, F_OK) == 0;
    o->kind = o->by != NULL ? registry_find(&table_registry, "pivot") : table_registry.at[0];
    if (file && (registry_find(&table_registry, first) == NULL || o->operands.n == 1)) return 0;
    if ((o->kind = registry_named(&table_registry, NULL, first, e)) == NULL) return -1;
    o->operands.at++;
    o->operands.n--;
    return o->operands.n > 0 ? 0 : err_input(e, "tables needs [NAME] FILE.h5... (see harness tables -h)");
}

static int run(void *opts, err *e) {
    options  *o = opts;
    text_list whole = o->operands;
    view      v;
    if (o->list) {
        list_tables();
        return 0;
    }
    int  status = take_name(o, e);
    bool pivot = status == 0 && strcmp(o->kind->name, "pivot") == 0;
    if (status == 0 && !pivot && (o->by != NULL || o->metric != NULL))
        status = err_input(e, "--by and --metric are for the table pivot, not for %s", o->kind->name);
    if (pivot && o->by == NULL) status = err_input(e, "the table pivot needs --by KEY (such as k, or dataset)");
    for (size_t i = 0; status == 0 && o->output != NULL && i < o->operands.n; i++)
        status = file_check_output(o->output, o->operands.at[i], e);
    if (status == 0 && (status = view_read(o->operands.at, o->operands.n, TWINS_REFUSED, results_open, &v, e)) == 0) {
        status = view_where(&v, o->where.at, o->where.n, e);
        if (status == 0) status = output_print(o->output, print, &(printing){o, &v.d}, e);
        view_free(&v);
    }
    o->operands = whole; /* its owner frees it */
    return status;
}

const command command_tables = {
    .name = "tables",
    .help = "print a results file as tables: text, Markdown, CSV or LaTeX",
    .about = "Prints one table of a results file (or cell file), or of several as if they were one; without NAME, the "
             "summary. analysis/README.md says what each number means.",
    .lists = output_list_formats,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
