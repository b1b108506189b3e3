/* datastore.c - `harness datastore`: builds a datastore for the policy rest, and says what is in one.
 *
 * A text file is one document. Of a dataset, each chosen passage of each record is one; a conversation's prompt is its
 * transcript. Documents get neither BOS nor EOS: they are found by what is in the middle of an output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/dataset.h"
#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "engine/base/filekind.h"
#include "engine/base/number.h"
#include "engine/base/parallel.h"
#include "engine/base/utf8.h"
#include "engine/policies/index/datastore.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/tokenizer_report.h"

enum { BUILD, SHOW };
static const char *const jobs[] = {[BUILD] = "build", [SHOW] = "show", NULL};

enum { PROMPTS, REFERENCES, OUTPUTS, ALL };
static const char *const passages[] = {
    [PROMPTS] = "prompts", [REFERENCES] = "references", [OUTPUTS] = "outputs", [ALL] = "all", NULL};

typedef struct {
    size_t      job, take, tools; /* in the lists above; dataset_tools */
    text_list   paths;
    const char *model, *output, *format;
    size_t      threads;
    bool        joined, skip_bad, take_given, tools_given;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model),
     .help = "build: a GGUF with the tokenizer (a vocabulary will do), or \"bytes\""},
    {"output", 'o', "STORE", &option_path, OPTION_AT(options, output),
     .help = "build: the datastore, which appears only when it is complete"},
    {"format", 'f', "F", &option_text, OPTION_AT(options, format), .of = &format_registry,
     .help = "text, or the format of datasets (harness inspect -h lists them; auto: told by the first record). "
             "Default: auto for names that end in .jsonl or .jsonl.gz, else text"},
    {"take", 0, "WHAT", &option_choice, OPTION_AT(options, take), .preset = "references", .of = passages,
     OPTION_GIVEN(options, take_given),
     .help = "of a dataset's records: prompts, references, outputs or all"},
    {"joined", 0, NULL, &option_flag, OPTION_AT(options, joined),
     .help = "documents follow each other without a border, as REST has it: matches and copies may cross"},
    {"tools", 0, "CHOICE", &option_choice, OPTION_AT(options, tools), .preset = "error", .of = dataset_tools_names,
     OPTION_GIVEN(options, tools_given),
     .help = "turns of tools in conversations: error, skip (left out) or text (kept as text)"},
    {"skip-bad", 0, NULL, &option_flag, OPTION_AT(options, skip_bad),
     .help = "leave out and report bad lines of datasets instead of stopping at the first"},
    {"threads", 't', "N", &option_size, OPTION_AT(options, threads), .preset = "0", OPTION_RANGE(0, PARALLEL_THREADS),
     .help = "for sorting; 0 = all processors. The file does not depend on it"},
};
static const option_spec operands[] = {
    {"job", .type = &option_choice, OPTION_AT(options, job), .required = true, .of = jobs},
    {"FILE", .type = &option_path, OPTION_AT(options, paths), .required = true, .list = true},
};
/* clang-format on */

/* ---- build ------------------------------------------------------------------------------------------------- */

typedef struct {
    const options    *o;
    const tokenizer  *tok;
    datastore_corpus *corpus;
    tokens            ids;     /* of the document at hand */
    size_t            omitted; /* bytes that no token spells */
    size_t            empty;   /* documents without a token, which are none in the datastore */
} building;

static int add_ids(building *b, const int32_t *ids, size_t n, err *e) {
    b->empty += n == 0;
    return datastore_corpus_add(b->corpus, ids, n, e);
}

static int add_text(building *b, const char *text, size_t n, err *e) {
    b->ids.n = 0;
    b->omitted += tokenizer_omitted(b->tok, text, n);
    if (tokenizer_encode(b->tok, text, n, false, &b->ids, e) != 0) return -1;
    return add_ids(b, b->ids.ids, b->ids.n, e);
}

static int add_passage(building *b, const passage *p, err *e) {
    if (p->text != NULL) return add_text(b, p->text, p->n_text, e);
    return add_ids(b, p->ids.ids, p->ids.n, e);
}

static int add_record(building *b, const record *r, err *e) {
    size_t take = b->o->take;
    int    ret = take == PROMPTS || take == ALL ? add_passage(b, &r->prompt, e) : 0;
    for (size_t i = 0; ret == 0 && i < r->n_references && (take == REFERENCES || take == ALL); i++)
        ret = add_passage(b, &r->references[i], e);
    if (ret == 0 && r->has_output && (take == OUTPUTS || take == ALL)) ret = add_passage(b, &r->output, e);
    return ret;
}

static void report_bad(void *ctx, const err *why) {
    (void)ctx;
    fprintf(stderr, "harness: %s: left out\n", why->text);
}

static int add_dataset(building *b, const char *path, const char *format, err *e) {
    dataset_options how = {
        .format = format, .tok = b->tok, .skip_bad = b->o->skip_bad, .tools = (dataset_tools)b->o->tools};
    dataset d = {0};
    int     ret = dataset_read(path, &how, report_bad, NULL, &d, e);
    for (size_t i = 0; ret == 0 && i < d.n; i++)
        if (add_record(b, &d.records[i], e) != 0) ret = err_prefix(e, "%s:%zu", path, d.records[i].line);
    dataset_free(&d);
    return ret;
}

static int add_text_file(building *b, const char *path, err *e) {
    file_kind kind;
    size_t    n;
    if (file_kind_at(path, &kind, e) != 0) return -1;
    if (kind != FILE_OTHER && kind != FILE_EMPTY) return file_kind_refuse(path, kind, "text or JSON Lines", e);
    char *text = file_read(path, SIZE_MAX - 1, &n, e);
    int   ret = text == NULL || utf8_check(path, text, n, e) != 0 ? -1 : 0;
    if (ret == 0 && add_text(b, text, n, e) != 0) ret = err_prefix(e, "%s", path);
    free(text);
    return ret;
}

static bool ends_in(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n >= m && strcmp(path + n - m, ending) == 0;
}

static const char *format_of(const options *o, const char *path) {
    if (o->format != NULL) return o->format;
    return ends_in(path, ".jsonl") || ends_in(path, ".jsonl.gz") ? "auto" : "text";
}

/* Options that say something of datasets need one. */
static int check_for_datasets(const options *o, err *e) {
    const char *option = o->take_given ? "--take" : o->tools_given ? "--tools" : o->skip_bad ? "--skip-bad" : NULL;
    for (size_t i = 0; i < o->paths.n && option != NULL; i++)
        if (strcmp(format_of(o, o->paths.at[i]), "text") != 0) return 0;
    if (option == NULL) return 0;
    return err_input(e, "%s is about the records of datasets, but %s is read as text (-f auto: as a dataset)", option,
                     o->paths.at[0]);
}

static int add_file(building *b, const char *path, err *e) {
    const char *format = format_of(b->o, path);
    if (file_check_output(b->o->output, path, e) != 0) return -1;
    return strcmp(format, "text") == 0 ? add_text_file(b, path, e) : add_dataset(b, path, format, e);
}

static int build(building *b, err *e) {
    const options *o = b->o;
    for (size_t i = 0; i < o->paths.n; i++)
        if (add_file(b, o->paths.at[i], e) != 0) return -1;
    if (b->omitted > 0)
        fprintf(stderr, "harness: %zu byte%s left out: no token spells %s\n", b->omitted, plural(b->omitted),
                b->omitted == 1 ? "it" : "them");
    if (b->empty > 0)
        fprintf(stderr, "harness: %zu empty document%s left out\n", b->empty, b->empty == 1 ? " is" : "s are");
    size_t documents = b->corpus->documents, places = b->corpus->places;
    int    threads = o->threads > 0 ? (int)o->threads : parallel_processors();
    if (datastore_write(b->corpus, o->output, tokenizer_digest(b->tok), threads, e) != 0) return -1;
    fprintf(stderr, "harness: %s: %zu tokens of %zu document%s\n", o->output, places, documents,
            documents == 1 ? "" : "s");
    return 0;
}

static int datastore_build(const options *o, err *e) {
    if (o->model == NULL) return err_input(e, "datastore build needs -m MODEL.gguf, or -m bytes");
    if (o->output == NULL) return err_input(e, "datastore build needs -o STORE");
    if (o->format != NULL && strcmp(o->format, "text") != 0 && dataset_format_check("--format", o->format, e) != 0)
        return err_advise(e, "or \"text\"");
    if (check_for_datasets(o, e) != 0) return -1;
    if (atomic_check(o->output, e) != 0) return -1;
    tokenizer *tok = tokenizer_open(o->model, e);
    if (tok == NULL) return -1;
    tokenizer_report(tok, o->model);
    datastore_corpus corpus;
    datastore_corpus_begin(&corpus, tokenizer_vocab(tok), o->joined);
    building b = {.o = o, .tok = tok, .corpus = &corpus};
    int      ret = build(&b, e);
    tokens_free(&b.ids);
    datastore_corpus_free(&corpus);
    tokenizer_close(tok);
    return ret;
}

/* ---- show -------------------------------------------------------------------------------------------------- */

static int datastore_show(const char *path, err *e) {
    datastore s;
    if (datastore_open(&s, path, e) != 0) return -1;
    printf("%s\n", path);
    printf("  tokens       %zu in %zu document%s%s\n", s.n, s.documents, s.documents == 1 ? "" : "s",
           s.joined ? ", joined: matches may cross" : "");
    printf("  vocabulary   %zu ids, %u bytes each\n", s.vocab, s.width);
    printf("  tokenizer    sha256 %s\n", s.vocabulary);
    printf("  table        %zu n-grams with more than %d places before their last token\n", s.used, DATASTORE_SMALL);
    printf("  size         %zu bytes, %.1f per token\n", s.size, (double)s.size / (double)s.n);
    datastore_close(&s);
    return 0;
}

static int run(void *opts, err *e) {
    const options *o = opts;
    if (o->job == BUILD) return datastore_build(o, e);
    if (o->model != NULL || o->output != NULL || o->format != NULL || o->joined || o->skip_bad || o->take_given ||
        o->tools_given || o->threads > 0)
        return err_input(e, "datastore show takes no options (they are for datastore build)");
    for (size_t i = 0; i < o->paths.n; i++)
        if (datastore_show(o->paths.at[i], e) != 0) return -1;
    return 0;
}

const command command_datastore = {
    .name = "datastore",
    .help = "make texts a datastore, from which the policy rest copies",
    .usage = "build -m MODEL.gguf -o STORE [OPTION]... FILE...\nshow STORE...",
    .about =
        "The first form tokenizes texts and writes them as one file, sorted so that what follows any n-gram is found "
        "at once. A FILE of text is one document; of a dataset in JSONL, --take says what of each record. The file "
        "fits models with this tokenizer only. The second form says what a datastore holds, after checking all of it.",
    .notes =
        "A sweep uses a datastore by [policy rest] store = STORE, generate by --policy rest:store=STORE. Documents get "
        "neither BOS nor EOS, and control tokens that they spell out are text.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
