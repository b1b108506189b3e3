/* chat.c - conversations: {"messages": [{"role", "content"}]} (OpenAI) or {"conversations": [{"from", "value"}]}
 * (ShareGPT).
 *
 * Each answer becomes a record: what stands before it, as a transcript, is the prompt, and each earlier turn is
 * a reference of its own, with the question at hand as the last.
 *
 *     SYSTEM: text          only the first turn may be of the system
 *     USER: text
 *     ASSISTANT: text
 *     USER: text
 *     ASSISTANT:            the output is this turn's text
 *
 * Turns need not alternate. A blank turn counts as not there. An assistant's turn that is blank, or that no user's turn
 * stands before, gives no record and is counted as left out; when it has a text, later prompts hold it. Roles other
 * than these and contents other than text (images, tool calls) are errors: without them the transcript would not be
 * what was said. Ids are "CONVERSATION/ANSWER": "id", or "chat/LINE" counted from 0; the assistant's turns from 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/prompt.h"
#include "engine/base/mem.h"
#include "engine/base/suggest.h"

static const struct schema {
    const char *turns, *role, *text;
} schemas[] = {{"messages", "role", "content"}, {"conversations", "from", "value"}};
enum { N_SCHEMAS = sizeof schemas / sizeof *schemas };

static const char USER[] = "USER", ASSISTANT[] = "ASSISTANT", SYSTEM[] = "SYSTEM";

static const struct {
    const char *role, *speaker;
} roles[] = {{"user", USER},  {"assistant", ASSISTANT}, {"system", SYSTEM},
             {"human", USER}, {"gpt", ASSISTANT},       {"developer", SYSTEM}};
enum { N_ROLES = sizeof roles / sizeof *roles };

typedef struct {
    const char   *speaker; /* USER, ASSISTANT or SYSTEM: compared by address */
    const json_t *text;    /* a string */
} turn;

static bool fits(const json_t *o) {
    return jsonl_get(o, schemas[0].turns) != NULL || jsonl_get(o, schemas[1].turns) != NULL;
}

static bool blank(const turn *t) {
    return text_blank(json_string_value(t->text), json_string_length(t->text));
}

/* ---- turns ---- */

static int read_role(const jsonl *at, const json_t *v, const char *what, const char **speaker, err *e) {
    const char *names[N_ROLES];
    err         why;
    if (jsonl_string(at, v, what, e) != 0) return -1;
    if (strlen(json_string_value(v)) != json_string_length(v))
        return jsonl_bad(at, e, "%s holds \\u0000 (only texts may)", what);
    for (size_t i = 0; i < N_ROLES; i++) {
        names[i] = roles[i].role;
        *speaker = roles[i].speaker;
        if (strcmp(json_string_value(v), names[i]) == 0) return 0;
    }
    err_unknown(&why, what, "role", json_string_value(v), names, N_ROLES);
    return jsonl_bad(at, e, "%s", why.text);
}

static int read_turn(const jsonl *at, const struct schema *s, const json_t *o, size_t i, turn *t, err *e) {
    char what[64];
    snprintf(what, sizeof what, "%s[%zu]", s->turns, i);
    if (!json_is_object(o)) return jsonl_bad(at, e, "%s is not an object (with \"%s\" in it)", what, s->role);
    const json_t *role = jsonl_get(o, s->role);
    t->text = jsonl_get(o, s->text);
    if (role == NULL || t->text == NULL)
        return jsonl_bad(at, e, "%s.%s is missing", what, role == NULL ? s->role : s->text);
    snprintf(what, sizeof what, "%s[%zu].%s", s->turns, i, s->role);
    if (read_role(at, role, what, &t->speaker, e) != 0) return -1;
    if (t->speaker == SYSTEM && i > 0)
        return jsonl_bad(at, e, "%s is \"%s\" (only the first turn may be)", what, json_string_value(role));
    snprintf(what, sizeof what, "%s[%zu].%s", s->turns, i, s->text);
    return jsonl_string(at, t->text, what, e);
}

/* All turns of a conversation, which must have an answer: *out[*n], to be freed; *out is NULL on failure. */
static int read_turns(const jsonl *at, const json_t *o, turn **out, size_t *n, err *e) {
    const struct schema *s = jsonl_get(o, schemas[0].turns) != NULL ? &schemas[0] : &schemas[1];
    const json_t        *all = jsonl_get(o, s->turns);
    size_t               answers = 0;
    *out = NULL;
    if (all == NULL) return jsonl_missing(at, o, "messages", " (or \"conversations\")", e);
    if (s == &schemas[0] && jsonl_get(o, schemas[1].turns) != NULL)
        return jsonl_bad(at, e, "both \"messages\" and \"conversations\" are given (one or the other)");
    if (jsonl_array(at, all, s->turns, e) != 0) return -1;
    *n = json_array_size(all);
    if ((*out = mem_new(*n, sizeof **out, e)) == NULL) return -1;
    for (size_t i = 0; i < *n; i++) {
        if (read_turn(at, s, json_array_get(all, i), i, &(*out)[i], e) != 0) goto fail;
        answers += (*out)[i].speaker == ASSISTANT;
    }
    if (answers > 0) return 0;
    jsonl_bad(at, e, "%s has no turn of the assistant (each one becomes a record)", s->turns);
fail:
    free(*out);
    *out = NULL;
    return -1;
}

/* ---- records ---- */

/* The answer turns[n]; `before` is the transcript of all turns before it. */
static int add_answer(dataset_builder *b, const turn *turns, size_t n, const text_buffer *before,
                      const char *conversation, size_t answer, err *e) {
    size_t      n_before = 0;
    const char *scenario = "single-turn";
    for (size_t i = 0; i < n; i++) {
        if (blank(&turns[i])) continue;
        n_before++;
        if (turns[i].speaker == ASSISTANT) scenario = "multi-turn";
    }
    record *r = dataset_add(b, e);
    if (r == NULL || (r->id = mem_printf(e, "%s/%zu", conversation, answer)) == NULL) return -1;
    if ((r->scenario = mem_strdup(scenario, e)) == NULL) return -1;

    text_buffer prompt = {0};
    text_put(&prompt, before->at, before->n);
    transcript_ask(&prompt);
    if (passage_take(&r->prompt, &prompt, e) != 0 || record_references(r, n_before, e) != 0) return -1;
    passage *p = r->references;
    for (size_t i = 0; i < n; i++)
        if (!blank(&turns[i])) {
            if (jsonl_text(b->file, turns[i].text, "a turn", &p->text, &p->n_text, e) != 0) return -1;
            p++;
        }
    r->has_output = true;
    return jsonl_text(b->file, turns[n].text, "an answer", &r->output.text, &r->output.n_text, e);
}

static int leave_out(dataset_builder *b, const char *conversation, size_t answer, err *e) {
    char *id = mem_printf(e, "%s/%zu", conversation, answer);
    int   ret = id != NULL ? dataset_leave_out(b, id, "no question before the answer, or no answer", e) : -1;
    free(id);
    return ret;
}

static int add_answers(dataset_builder *b, const turn *turns, size_t n, const char *conversation, err *e) {
    text_buffer before = {0};
    const char *last = SYSTEM; /* who spoke last */
    size_t      answer = 0;
    int         ret = -1;
    for (size_t i = 0; i < n; i++) {
        bool asked = last == USER && !blank(&turns[i]);
        if (turns[i].speaker == ASSISTANT) {
            answer++;
            if (!asked && leave_out(b, conversation, answer, e) != 0) goto out;
            if (asked &&
                (text_check(&before, e) != 0 || add_answer(b, turns, i, &before, conversation, answer, e) != 0))
                goto out;
        }
        if (blank(&turns[i])) continue;
        last = turns[i].speaker;
        transcript_turn(&before, last, turns[i].text);
    }
    ret = text_check(&before, e);
out:
    text_free(&before);
    return ret;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const json_t *id = jsonl_get(o, "id");
    char         *conversation = NULL;
    turn         *turns = NULL;
    size_t        n = 0;
    int           ret = -1;
    if (id != NULL && jsonl_id(b->file, id, "id", &conversation, e) != 0) return -1;
    if (id == NULL && (conversation = mem_printf(e, "chat/%zu", b->file->line - 1)) == NULL) return -1;
    if (read_turns(b->file, o, &turns, &n, e) == 0) ret = add_answers(b, turns, n, conversation, e);
    free(turns);
    free(conversation);
    return ret;
}

const dataset_format format_chat = {
    .name = "chat",
    .help = "messages (role, content) or conversations (from, value); a record for each answer",
    .keys = "\"messages\" or \"conversations\"",
    .reads = {"messages", "conversations", "id"},
    .fits = fits,
    .read = read_object,
};
