/* render.c - `harness render`: the records of a dataset as a model gets them: token ids, and conversations in its chat
 * format.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/sample.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/data_report.h"
#include "experiments/terminal/wrap.h"

typedef struct {
    const char *model, *path, *chat, *format;
    size_t      tools; /* dataset_tools */
    uint64_t    limit;
    bool        as_turn, skip_bad;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model), .required = true,
     .help = "GGUF with a tokenizer; no weights are needed"},
    {"chat", 0, "NAME", &option_text, OPTION_AT(options, chat), .preset = "auto",
     .help = "format of conversations: auto (the model's own, none if its file has none), none (a transcript) or a name"},
    {"as-turn", 0, NULL, &option_flag, OPTION_AT(options, as_turn),
     .help = "make each prompt that is a text the user's turn of a conversation"},
    {"tools", 0, "CHOICE", &option_choice, OPTION_AT(options, tools), .preset = "error", .of = dataset_tools_names,
     .help = "turns of tools in conversations: error, skip (left out) or text (kept as text)"},
    {"format", 'f', "F", &option_text, OPTION_AT(options, format), .preset = "auto", .help = "format of the dataset"},
    {"limit", 0, "N", &option_count, OPTION_AT(options, limit), .preset = "0", OPTION_RANGE(0, INT32_MAX),
     .help = "records to take from the start; 0 = all"},
    {"skip-bad", 0, NULL, &option_flag, OPTION_AT(options, skip_bad),
     .help = "count and report bad lines instead of stopping at the first"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"FILE.jsonl", .type = &option_path, OPTION_AT(options, path), .required = true},
};

typedef struct {
    tokenizer *tok;
    chat       chat;
    dataset    data;
    samples    samples;
} rendering;

static void list_formats(void) {
    printf("Chat formats:\n");
    for (size_t i = 0; i < chat_registry.n; i++) {
        printf("  %-17s ", registry_name(&chat_registry, i));
        wrap_print(stdout, chat_format_help(i), 20, 20);
    }
}

static int open_rendering(rendering *r, const options *o, err *e) {
    dataset_options how = {.format = o->format,
                           .limit = (size_t)o->limit,
                           .skip_bad = o->skip_bad,
                           .as_turn = o->as_turn,
                           .tools = (dataset_tools)o->tools};
    sample_options  s = {.chat = &r->chat, .skip_bad = o->skip_bad};
    if (chat_check_name("--chat", o->chat, e) != 0) return -1;
    gguf *g = gguf_open(o->model, e);
    if (g == NULL) return -1;
    r->tok = tokenizer_from_gguf(g, e);
    gguf_close(g);
    if (r->tok == NULL || dataset_read(o->path, &how, data_report_skipped, NULL, &r->data, e) != 0) return -1;
    data_report_left_out(&r->data);
    if (r->data.has_turns && chat_choose(&r->chat, o->chat, r->tok, e) != 0)
        return err_prefix(e, "%s: --chat %s", o->model, o->chat);
    return samples_prepare(&r->data, r->tok, &s, data_report_skipped, NULL, &r->samples, e);
}

static json_t *ids_json(const tokens *t) {
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < t->n; i++) json_array_append_new(array, json_integer(t->ids[i]));
    return array;
}

static json_t *references_json(const sample *s) {
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < s->n_references; i++) json_array_append_new(array, ids_json(&s->docs[i]));
    return array;
}

/* What the prompt's ids stand for, control tokens included; NULL for a prompt that was given as ids. */
static int prompt_text(const rendering *r, const record *rec, json_t **text, err *e) {
    *text = NULL;
    if (rec->n_turns == 0 || r->chat.format == NULL) {
        *text = rec->prompt.text != NULL ? json_stringn(rec->prompt.text, rec->prompt.n_text) : json_null();
        return 0;
    }
    size_t len;
    char  *rendered = record_chat_text(rec, &r->chat, r->tok, &len, e);
    if (rendered == NULL) return -1;
    *text = json_stringn(rendered, len);
    free(rendered);
    return 0;
}

static int print_record(const rendering *r, const sample *s, err *e) {
    json_t *text;
    if (prompt_text(r, s->rec, &text, e) != 0) return -1;
    json_t *o = json_pack("{s:s, s:s, s:o, s:o, s:o}", "id", s->rec->id, "scenario", s->rec->scenario, "text", text,
                          "prompt_ids", ids_json(&s->prompt), "references_ids", references_json(s));
    if (o != NULL && s->has_output) json_object_set_new(o, "output_ids", ids_json(&s->output));
    char *line = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(o);
    if (line == NULL) return err_run(e, "out of memory for record %.100s", s->rec->id);
    puts(line);
    free(line);
    return 0;
}

static int render(rendering *r, const options *o, err *e) {
    if (open_rendering(r, o, e) != 0) return -1;
    for (size_t i = 0; i < r->samples.n; i++)
        if (print_record(r, &r->samples.at[i], e) != 0) return -1;
    return 0;
}

static int run(void *opts, err *e) {
    rendering r = {0};
    int       ret = render(&r, opts, e);
    samples_free(&r.samples);
    dataset_free(&r.data);
    chat_free(&r.chat);
    tokenizer_close(r.tok);
    return ret;
}

const command command_render = {
    .name = "render",
    .help = "show a dataset's records as a model gets them",
    .about = "Prints each record as a line of JSON in the native format: the token ids of its prompt, references and "
             "output. \"text\" is what the prompt's ids stand for, with the control tokens of the chat format.",
    .lists = list_formats,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
