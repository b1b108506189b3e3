/* native.c - our own format: {"id", "scenario", "conversation", "prompt", "references", "output"}.
 *
 * "id" and the prompt are required; the rest may be missing or null. Records with the same "conversation" are turns of
 * one, and intervals can draw them as one. Any of the three can be token ids instead
 * of text, under "prompt_ids", "references_ids", "output_ids", but not both at once. With append_docs a record that has
 * references gets them into its prompt, in LLMA's template (prompt.h); all must be texts then. Without a prompt there
 * may be a conversation that ends with a user's turn, under "messages" (turns.h); "references" or "output" tell such
 * records from those of chat.c. Other keys are not read. Where outputs are what counts (dataset_options.outputs), id
 * and prompt may be missing as well; a record without an id gets its line's number, and then no record of the file may
 * have one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/prompt.h"
#include "datasets/turns.h"
#include "engine/base/mem.h"

static bool fits(const json_t *o) {
    static const char *const beside[] = {"references", "references_ids", "output", "output_ids"};
    bool                     found = false;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) found |= json_object_get(o, beside[i]) != NULL;
    return jsonl_get(o, "prompt") != NULL || jsonl_get(o, "prompt_ids") != NULL ||
           (found && jsonl_get(o, "messages") != NULL);
}

/* The two spellings of one thing; both is an error, neither leaves both NULL. */
static int either(const jsonl *at, const json_t *o, const char *key, const char *ids_key, const json_t **text,
                  const json_t **ids, err *e) {
    *text = jsonl_get(o, key);
    *ids = jsonl_get(o, ids_key);
    if (*text != NULL && *ids != NULL)
        return jsonl_bad(at, e, "both \"%s\" and \"%s\" are given (text or ids, not both)", key, ids_key);
    return 0;
}

static int read_passage(const jsonl *at, const json_t *o, const char *key, const char *ids_key, passage *p, bool *found,
                        err *e) {
    const json_t *text, *ids;
    if (either(at, o, key, ids_key, &text, &ids, e) != 0) return -1;
    *found = text != NULL || ids != NULL;
    if (text != NULL) return jsonl_text(at, text, key, &p->text, &p->n_text, e);
    if (ids != NULL) return jsonl_ids(at, ids, ids_key, &p->ids, e);
    return 0;
}

/* A conversation, and its transcript as the prompt. */
static int read_messages(const dataset_builder *b, const json_t *o, record *r, err *e) {
    turn_list   turns = {0};
    text_buffer prompt = {0};
    int         ret = turns_read(b, o, &turns, e);
    if (ret == 0 && (turns.n == 0 || turns.at[turns.n - 1].role != CHAT_USER))
        ret = jsonl_bad(b->file, e, "the last of messages is not a user's turn, so no answer is requested");
    if (ret == 0) ret = record_turns(r, turns.at, turns.n, e);
    for (size_t i = 0; ret == 0 && i < turns.n; i++)
        if (!turn_blank(&turns.at[i])) transcript_turn(&prompt, turns.at[i].role, turns.at[i].text, turns.at[i].n_text);
    transcript_ask(&prompt);
    if (ret == 0)
        ret = passage_take(&r->prompt, &prompt, e);
    else
        text_free(&prompt);
    turns_free(turns.at, turns.n);
    return ret;
}

static int read_prompt(const dataset_builder *b, const json_t *o, record *r, err *e) {
    bool found;
    if (read_passage(b->file, o, "prompt", "prompt_ids", &r->prompt, &found, e) != 0) return -1;
    if (!found && jsonl_get(o, "messages") != NULL) return read_messages(b, o, r, e);
    return found || b->options->outputs ? 0 : jsonl_missing(b->file, o, "prompt", " (or \"prompt_ids\")", e);
}

static int read_references(const jsonl *at, const json_t *o, record *r, err *e) {
    const json_t *texts, *ids;
    if (either(at, o, "references", "references_ids", &texts, &ids, e) != 0) return -1;
    if (texts != NULL) return record_texts(at, r, texts, "references", e);
    if (ids == NULL) return 0;
    if (jsonl_array(at, ids, "references_ids", e) != 0 || record_references(r, json_array_size(ids), e) != 0) return -1;
    for (size_t i = 0; i < r->n_references; i++) {
        char what[64];
        snprintf(what, sizeof what, "references_ids[%zu]", i);
        if (jsonl_ids(at, json_array_get(ids, i), what, &r->references[i].ids, e) != 0) return -1;
    }
    return 0;
}

/* The references into the prompt. */
static int append_documents(dataset_builder *b, record *r, err *e) {
    bool texts = r->prompt.text != NULL && r->n_turns == 0;
    for (size_t i = 0; i < r->n_references; i++) texts = texts && r->references[i].text != NULL;
    if (r->n_references == 0) return 0;
    if (!texts)
        return jsonl_bad(b->file, e, "append_docs needs \"prompt\" and \"references\" as texts, not ids or messages");
    passage query = r->prompt;
    r->prompt = (passage){0};
    int ret = prompt_with_documents(b, r, query.text, query.n_text, e);
    free(query.text);
    return ret;
}

static int read_id(const dataset_builder *b, const json_t *o, record *r, err *e) {
    const jsonl  *at = b->file;
    const json_t *id = b->options->outputs ? jsonl_get(o, "id") : jsonl_need(at, o, "id", e);
    r->numbered = id == NULL && b->options->outputs;
    if (b->data->n > 1 && r->numbered != b->data->records[0].numbered)
        return jsonl_bad(at, e, "this record has %s id, unlike those before it (all have one, or none)",
                         r->numbered ? "no" : "an");
    if (r->numbered) return (r->id = mem_printf(e, "%zu", jsonl_index(at) + 1)) != NULL ? 0 : -1;
    if (id == NULL || jsonl_name(at, id, "id", &r->id, e) != 0) return -1;
    return *r->id != '\0' ? 0 : jsonl_bad(at, e, "id is empty (a text that no other record has)");
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *scenario = jsonl_get(o, "scenario"), *conversation = jsonl_get(o, "conversation");
    record       *r = dataset_add(b, e);

    if (r == NULL || read_id(b, o, r, e) != 0) return -1;
    if (scenario != NULL) {
        if (jsonl_name(at, scenario, "scenario", &r->scenario, e) != 0) return -1;
    } else if ((r->scenario = mem_strdup("", e)) == NULL) {
        return -1;
    }
    if (conversation != NULL && jsonl_id(at, conversation, "conversation", &r->conversation, e) != 0) return -1;
    if (read_prompt(b, o, r, e) != 0 || read_references(at, o, r, e) != 0) return -1;
    if (b->options->append_docs && append_documents(b, r, e) != 0) return -1;
    return read_passage(at, o, "output", "output_ids", &r->output, &r->has_output, e);
}

const dataset_format format_native = {
    .name = "native",
    .help = "id, scenario, prompt or messages, references, output; text or token ids",
    .keys = "\"prompt\" or \"prompt_ids\"",
    .reads = {"id", "scenario", "conversation", "prompt", "prompt_ids", "messages", "references", "references_ids",
              "output", "output_ids"},
    .optional = {{"references", "references_ids"},
                 {"output", "output_ids"},
                 {"scenario", "scenario"},
                 {"conversation", "conversation"}},
    .fits = fits,
    .appends_docs = true,
    .read = read_object,
};
