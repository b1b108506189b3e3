/* compare.c - `harness compare`: cells of one run, or two runs of the same cells, paired by record. */
#include <stdio.h>

#include "analysis/compare/compare.h"
#include "engine/base/file.h"
#include "engine/policies/policy.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/output.h"
#include "experiments/sweep/results.h"
#include "experiments/terminal/wrap.h"

typedef struct {
    const table_format *format;
    const metric       *metric;
    const char         *output, *group, *base;
    text_list           files, where;
    double              least;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"metric", 'm', "M", &option_plugin, OPTION_AT(options, metric), .of = &metric_registry,
     .help = "one of those below; without it, speedup, or what there is: time, modeled_speedup, tokens_per_step"},
    {"base", 'b', "NAME[:P=V,..]", &option_text, OPTION_AT(options, base), .of = &policy_registry,
     .help = "compare with this cell instead of the best one: none, or llma:n=1,k=20"},
    {"fail-below", 0, "RATIO", &option_real, OPTION_AT(options, least), OPTION_REALS(0.001, 1000),
     .help = "exit with status 1 when the performance of some cell is below RATIO times its base's, or its first run's, "
             "beyond doubt: all of the ratio's interval lies below, and p < 0.05"},
    {"where", 'w', "KEY=VALUE", &option_text, OPTION_AT(options, where), .list = true,
     .help = "only cells with this setting, as in harness tables"},
    {"group", 'g', "WHAT", &option_text, OPTION_AT(options, group),
     .help = "records that belong together: conversation, documents or a regular expression of ids, as in harness "
             "tables"},
    {"format", 'f', "F", &option_plugin, OPTION_AT(options, format), .preset = "text", .of = &table_format_registry,
     .help = "how to write it, one of the formats below"},
    {"output", 'o', "OUT", &option_path, OPTION_AT(options, output),
     .help = "write to the file OUT, which appears whole or not at all, instead of standard output"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"FILE.h5", .type = &option_path, OPTION_AT(options, files), .required = true, .list = true},
};

static void list_metrics(FILE *out) {
    fprintf(out, "Metrics:\n");
    for (size_t i = 0; i < metric_registry.n; i++) {
        const metric *m = metric_registry.at[i];
        fprintf(out, "  %-16s ", m->name);
        wrap_print(out, m->help, 19, 19);
    }
    fprintf(out, "\n");
    output_list_formats(out);
}

typedef struct {
    const view     *v;
    compare_options how;
    compare_verdict verdict;
} printing;

static int print(FILE *out, void *ctx, err *e) {
    printing *p = ctx;
    return compare_print(p->v, &p->how, out, &p->verdict, e);
}

static int compare(const options *o, const view *v, err *e) {
    printing p = {v,
                  {.files = o->files.at,
                   .n_files = o->files.n,
                   .metric = o->metric,
                   .base = o->base,
                   .pattern = o->group,
                   .least = o->least,
                   .format = o->format},
                  {0}};
    if (output_print(o->output, print, &p, e) != 0) return -1;
    return compare_judge(&p.how, &p.verdict, e);
}

static int run(void *opts, err *e) {
    const options *o = opts;
    view           v;
    view_twins     twins = o->files.n == 2 ? TWINS_KEPT : TWINS_REFUSED;
    for (size_t i = 0; o->output != NULL && i < o->files.n; i++)
        if (file_check_output(o->output, o->files.at[i], e) != 0) return -1;
    if (view_read(o->files.at, o->files.n, twins, results_open, &v, e) != 0) return -1;
    int status = view_where(&v, o->where.at, o->where.n, e);
    if (status == 0) status = compare(o, &v, e);
    view_free(&v);
    return status;
}

const command command_compare = {
    .name = "compare",
    .help = "the best cell and those not told apart from it; two runs",
    .about =
        "Compares cells record by record. One file, or several with different cells: the best cell, those that are not "
        "told apart from it, and what the others lose. Two files with the same cells: what the second run gained or "
        "lost, and whose outputs and logits differ. analysis/README.md says how.",
    .lists = list_metrics,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
