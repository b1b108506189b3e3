/* report.c - `harness report`: a results file as one HTML page. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analysis/report/report.h"
#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "experiments/commands/commands.h"
#include "experiments/sweep/results.h"
#include "experiments/texts/sweep_texts.h"
#include "store/store.h"

typedef struct {
    const char *file, *output, *model, *config, *group;
    text_list   sets;
    bool        no_texts;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"output", 'o', "OUT.html", &option_path, OPTION_AT(options, output),
     .help = "write to the file OUT.html, which appears whole or not at all, instead of standard output"},
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model),
     .help = "where the model is, or in replay its tokenizer, instead of where the sweep's config says"},
    {"config", 'c', "FILE.ini", &option_path, OPTION_AT(options, config),
     .help = "where the sweep's config is: relative paths in it start at its folder. Without this they are told from "
             "where the config says that results go"},
    {"set", 's', "SECTION.KEY=VAL", &option_text, OPTION_AT(options, sets), .list = true,
     .help = "override a value of the sweep's config, such as \"dataset rag.path=here.jsonl\""},
    {"group", 'g', "WHAT", &option_text, OPTION_AT(options, group),
     .help = "what intervals draw together: conversation, documents or a regular expression over ids, as harness tables "
             "-h says"},
    {"no-texts", 0, NULL, &option_flag, OPTION_AT(options, no_texts),
     .help = "show ids instead of texts, and nothing of prompts and references"},
};
static const option_spec operands[] = {
    {"FILE.h5", .type = &option_path, OPTION_AT(options, file), .required = true},
};
/* clang-format on */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* As in tables.c: a stream in memory would forget that memory was out. */
static int write_to_file(const options *o, const store_data *d, const report_texts *texts, err *e) {
    atomic_file file;
    FILE       *f = NULL;
    int         status = atomic_open(&file, o->output, e), fd = status == 0 ? dup(file.fd) : -1;
    if (status == 0 && (fd < 0 || (f = fdopen(fd, "w")) == NULL)) status = err_errno(e, o->output, "cannot write");
    if (status == 0) status = report_write(f, base_name(o->file), d, o->group, texts, e);
    if (f == NULL && fd >= 0) close(fd);
    if (f != NULL) {
        bool failed = ferror(f) != 0;
        if ((fclose(f) != 0 || failed) && status == 0) status = err_errno(e, o->output, "cannot write");
    }
    if (status == 0) status = atomic_commit(&file, false, e);
    atomic_close(&file);
    return status;
}

static int write_report(const options *o, const store_data *d, err *e) {
    static const report_texts withheld = {.missing = "left out on request (--no-texts)"};
    sweep_texts               found = {0};
    report_texts              texts = withheld;
    const recorded_paths      from = {o->file, o->config, o->model, o->sets.at, o->sets.n};
    int                       status = o->no_texts ? 0 : sweep_texts_open(&found, d, &from, &texts, e);
    if (status != 0 && e->kind == ERR_RUN) err_advise(e, "--no-texts makes a report without texts");
    if (status == 0 && texts.missing != NULL && !o->no_texts)
        fprintf(stderr, "harness: the report shows ids where it has no texts: %s%s\n", texts.missing,
                o->config == NULL && o->model == NULL && o->sets.n == 0
                    ? "; --config, --model and --set say where files are"
                    : "");
    if (status == 0)
        status = o->output != NULL ? write_to_file(o, d, &texts, e)
                                   : report_write(stdout, base_name(o->file), d, o->group, &texts, e);
    sweep_texts_close(&found);
    return status;
}

static int run(void *opts, err *e) {
    const options *o = opts;
    store_data     d = {0};
    if (o->output != NULL && (file_check_output(o->output, o->file, e) != 0 || atomic_check(o->output, e) != 0))
        return -1;
    if (results_open(o->file, &d, e) != 0) return -1;
    int status = write_report(o, &d, e);
    store_free(&d);
    return status;
}

const command command_report = {
    .name = "report",
    .help = "show a results file as one HTML page",
    .about = "Writes a page that needs no network and no other file: the summary with intervals, heat maps, speed-up "
             "against k, acceptance by position, where time goes, and trials token by token, each coloured by where it "
             "was copied from.\n"
             "\n"
             "Results hold ids, not texts. The texts come from the model and the data that the sweep's config names, "
             "where they are still what they were; where they are not, the page shows ids and says why. Large files "
             "are summed up, and a choice of trials is shown; the page says which.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
