/* inspect.c - `harness inspect`: tells what a file is and what it holds. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "datasets/dataset.h"
#include "engine/base/fetch.h"
#include "engine/base/file.h"
#include "engine/base/filekind.h"
#include "experiments/commands/commands.h"
#include "experiments/inspect/inspect.h"
#include "experiments/terminal/wrap.h"
#include "experiments/training/train_state.h"

typedef struct {
    const char *path, *format; /* NULL: not given */
    size_t      tools;         /* dataset_tools */
    bool        skip_bad, hash;
} options;

static const option_spec specs[] = {
    {"format", 'f', "F", &option_text, OPTION_AT(options, format), .of = &format_registry,
     .help = "format of a dataset (default auto)"},
    {"skip-bad", 0, NULL, &option_flag, OPTION_AT(options, skip_bad),
     .help = "count and report bad dataset lines instead of stopping at the first"},
    {"tools", 0, "CHOICE", &option_choice, OPTION_AT(options, tools), .preset = "error", .of = dataset_tools_names,
     .help = "turns of tools in a dataset's conversations: error, skip (left out) or text (kept as text)"},
    {"hash", 0, NULL, &option_flag, OPTION_AT(options, hash),
     .help = "of a results file only hashes: of all results, then of each cell's"},
};
static const option_spec operands[] = {
    {"FILE", .type = &option_path, OPTION_AT(options, path), .required = true},
};

static void list_formats(FILE *out) {
    fprintf(out, "Formats of datasets:\n");
    for (size_t i = 0; i < format_registry.n; i++) {
        fprintf(out, "  %-11s ", registry_name(&format_registry, i));
        wrap_print(out, dataset_format_help(i), 14, 14);
    }
}

static int inspect_file(const options *o, err *e) {
    file_kind kind;
    if (file_kind_at(o->path, &kind, e) != 0) return -1;
    bool is_dataset = kind == FILE_OTHER || kind == FILE_EMPTY || kind == FILE_GZIP;
    if (kind != FILE_GGUF && kind != FILE_HDF5 && !is_dataset)
        return file_kind_refuse(o->path, kind, "GGUF, HDF5 or JSON Lines", e);
    if ((o->format != NULL || o->skip_bad) && !is_dataset)
        return err_input(e, "%s: %s is given, but this is a %s file (a dataset)", o->path,
                         o->format != NULL ? "--format" : "--skip-bad", kind == FILE_GGUF ? "GGUF" : "HDF5");
    bool is_results = kind == FILE_HDF5 && !curve_is_at(o->path);
    if (o->hash && !is_results) return err_input(e, "%s: --hash is given, but this is no results file", o->path);
    if (kind == FILE_GGUF) return inspect_gguf(o->path, e);
    if (is_results) return o->hash ? inspect_hashes(o->path, e) : inspect_results(o->path, e);
    if (kind == FILE_HDF5) return inspect_training(o->path, e);
    dataset_options how = {
        .format = o->format != NULL ? o->format : "auto", .skip_bad = o->skip_bad, .tools = (dataset_tools)o->tools};
    return inspect_dataset(o->path, &how, e);
}

static int run(void *opts, err *e) {
    const options *o = opts;
    struct stat    st;
    if (stat(o->path, &st) != 0) {
        err_unreadable(e, o->path);
        return fetch_advise(o->path, e);
    }
    if (S_ISDIR(st.st_mode) && o->hash) return err_input(e, "%s: --hash is given, but this is a folder", o->path);
    if (S_ISDIR(st.st_mode)) return inspect_folder(o->path, e);
    /* A pipe can be read once, and this reads twice. */
    return file_check_regular(o->path, "a GGUF, HDF5 or JSONL file", e) != 0 ? -1 : inspect_file(o, e);
}

const command command_inspect = {
    .name = "inspect",
    .help = "say what is in a GGUF, JSONL or HDF5 file",
    .about =
        "Says what FILE holds. Its first bytes tell its kind: a GGUF file (metadata, tensors, whether the harness can "
        "run it), a results file or a training's loss curve in HDF5, or else a dataset in JSONL. FILE may also be a "
        "sweep's folder, OUTPUT/NAME. A file of another kind is named, with what to do.",
    .notes =
        "The hashes of --hash are over tokens, steps, drafts and hashes of logits, and not over times or what a sweep "
        "ran on: equal hashes, equal results, on any machine (results/README.md).",
    .lists = list_formats,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
