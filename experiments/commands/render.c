/* render.c - `harness render`: the records of a dataset as a model gets them: token ids, and conversations in its chat
 * format.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/reading.h"
#include "experiments/terminal/tokenizer_report.h"

typedef struct {
    const char     *model;
    reading_options read;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model), .required = true,
     .help = "a GGUF with a tokenizer (a vocabulary will do), or \"bytes\""},
    READING_OPTIONS(options, read),
};
static const option_spec operands[] = {
    READING_OPERAND(options, read),
};
/* clang-format on */

typedef struct {
    tokenizer *tok;
    reading    read;
} rendering;

/* ---- one record as JSON -------------------------------------------------------------------------------- */

static void put_string(text_buffer *out, const char *text, size_t n) {
    json_t *string = json_stringn(text, n);
    char   *json = json_dumps(string, JSON_ENCODE_ANY);
    if (json != NULL)
        text_put(out, json, strlen(json));
    else
        out->failed = true;
    free(json);
    json_decref(string);
}

static void put_ids(text_buffer *out, const tokens *t) {
    text_put(out, "[", 1);
    for (size_t i = 0; i < t->n; i++) text_add(out, "%s%d", i > 0 ? "," : "", (int)t->ids[i]);
    text_put(out, "]", 1);
}

/* What the prompt's ids stand for, control tokens included; null for a prompt that was given as ids. */
static int put_prompt_text(const rendering *r, const record *rec, text_buffer *out, err *e) {
    if (rec->n_turns > 0 && r->read.chat.format != NULL) {
        size_t n;
        char  *text = record_chat_text(rec, &r->read.chat, r->tok, &n, e);
        if (text == NULL) return -1;
        put_string(out, text, n);
        free(text);
    } else if (rec->prompt.text != NULL) {
        put_string(out, rec->prompt.text, rec->prompt.n_text);
    } else {
        text_add(out, "null");
    }
    return 0;
}

/* A line of JSONL, with its line end. */
static int put_record(const rendering *r, const sample *s, text_buffer *out, err *e) {
    text_add(out, "{\"id\":");
    put_string(out, s->rec->id, strlen(s->rec->id));
    text_add(out, ",\"scenario\":");
    put_string(out, s->rec->scenario, strlen(s->rec->scenario));
    text_add(out, ",\"text\":");
    if (put_prompt_text(r, s->rec, out, e) != 0) return -1;
    text_add(out, ",\"prompt_ids\":");
    put_ids(out, &s->prompt);
    text_add(out, ",\"references_ids\":[");
    for (size_t i = 0; i < s->n_references; i++) {
        if (i > 0) text_add(out, ",");
        put_ids(out, &s->docs[i]);
    }
    text_add(out, "]");
    if (s->has_output) {
        text_add(out, ",\"output_ids\":");
        put_ids(out, &s->output);
    }
    text_add(out, "}\n");
    return text_check(out, e);
}

/* ---- the command --------------------------------------------------------------------------------------- */

static int print_records(const rendering *r, err *e) {
    text_buffer line = {0};
    int         ret = 0;
    for (size_t i = 0; ret == 0 && i < r->read.samples.n; i++) {
        text_clear(&line);
        ret = put_record(r, &r->read.samples.at[i], &line, e);
        if (ret == 0) ret = command_write(line.at, line.n, e);
    }
    text_free(&line);
    return ret;
}

static int render(rendering *r, const options *o, err *e) {
    if (reading_check(&o->read, "--format", e) != 0 || (r->tok = tokenizer_open(o->model, e)) == NULL) return -1;
    tokenizer_report(r->tok, o->model);
    if (reading_open(&r->read, &o->read, o->model, r->tok, (sample_options){0}, e) != 0) return -1;
    return print_records(r, e);
}

static int run(void *opts, err *e) {
    rendering r = {0};
    int       ret = render(&r, opts, e);
    reading_free(&r.read);
    tokenizer_close(r.tok);
    return ret;
}

const command command_render = {
    .name = "render",
    .help = "show a dataset's records as a model gets them",
    .about = "Prints each record as a line of JSON in the native format: the token ids of its prompt, references and "
             "output. \"text\" is what the prompt's ids stand for, with the control tokens of the chat format.",
    .lists = reading_list,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
