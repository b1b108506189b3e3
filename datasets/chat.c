/* chat.c - conversations, as turns.h reads them.
 *
 * Each answer becomes a record: what stands before it is the prompt, as turns and as a transcript, and each earlier
 * turn is a reference of its own, with the question at hand as the last.
 *
 *     SYSTEM: text          only the first turn may be of the system
 *     USER: text
 *     ASSISTANT: text
 *     USER: text
 *     ASSISTANT:            the output is this turn's text
 *
 * Turns need not alternate. A blank turn is in no transcript, and is no reference. An assistant's turn that is blank,
 * or that no user's turn stands before, gives no record and is counted as left out; when it has a text, later prompts
 * hold it. Ids are "CONVERSATION/ANSWER": "id", or "chat/LINE" counted from 0; the assistant's turns from 1.
 */
#include <stdlib.h>

#include "datasets/prompt.h"
#include "datasets/turns.h"
#include "engine/base/mem.h"

/* All turns of a conversation, which must have an answer. Free them also after an error. */
static int read_turns(const dataset_builder *b, const json_t *o, turn_list *out, err *e) {
    if (turns_read(b, o, out, e) != 0) return -1;
    for (size_t i = 0; i < out->n; i++)
        if (out->at[i].role == CHAT_ASSISTANT) return 0;
    return jsonl_bad(b->file, e, "%s has no turn of the assistant (each one becomes a record)", turns_key(o));
}

/* ---- records ---- */

static int copy_text(passage *p, const turn *t, err *e) {
    *p = (passage){.text = mem_strndup(t->text, t->n_text, e), .n_text = t->n_text};
    return p->text != NULL ? 0 : -1;
}

/* The answer turns[n]; `before` is the transcript of all turns before it. */
static int add_answer(dataset_builder *b, const turn *turns, size_t n, const text_buffer *before,
                      const char *conversation, size_t answer, err *e) {
    size_t      n_before = 0;
    const char *scenario = "single-turn";
    for (size_t i = 0; i < n; i++) {
        if (turn_blank(&turns[i])) continue;
        n_before++;
        if (turns[i].role == CHAT_ASSISTANT) scenario = "multi-turn";
    }
    record *r = dataset_add(b, e);
    if (r == NULL || (r->id = mem_printf(e, "%s/%zu", conversation, answer)) == NULL) return -1;
    if ((r->scenario = mem_strdup(scenario, e)) == NULL) return -1;
    if ((r->conversation = mem_strdup(conversation, e)) == NULL) return -1;

    text_buffer prompt = {0};
    text_put(&prompt, before->at, before->n);
    transcript_ask(&prompt);
    size_t asked = n; /* blank answers after the question are no part of the prompt */
    while (turns[asked - 1].role != CHAT_USER) asked--;
    if (passage_take(&r->prompt, &prompt, e) != 0 || record_turns(r, turns, asked, e) != 0) return -1;
    if (record_references(r, n_before, e) != 0) return -1;
    passage *p = r->references;
    for (size_t i = 0; i < n; i++)
        if (!turn_blank(&turns[i]) && copy_text(p++, &turns[i], e) != 0) return -1;
    r->has_output = true;
    return copy_text(&r->output, &turns[n], e);
}

static int leave_out(dataset_builder *b, const char *conversation, size_t answer, err *e) {
    char *id = mem_printf(e, "%s/%zu", conversation, answer);
    int   ret = id != NULL ? dataset_leave_out(b, id, "no question before the answer, or no answer", e) : -1;
    free(id);
    return ret;
}

static int add_answers(dataset_builder *b, const turn *turns, size_t n, const char *conversation, err *e) {
    text_buffer before = {0};
    chat_role   last = CHAT_SYSTEM; /* who spoke last */
    size_t      answer = 0;
    int         ret = -1;
    for (size_t i = 0; i < n; i++) {
        bool asked = last == CHAT_USER && !turn_blank(&turns[i]);
        if (turns[i].role == CHAT_ASSISTANT) {
            answer++;
            if (!asked && leave_out(b, conversation, answer, e) != 0) goto out;
            if (asked &&
                (text_check(&before, e) != 0 || add_answer(b, turns, i, &before, conversation, answer, e) != 0))
                goto out;
        }
        if (turn_blank(&turns[i])) continue;
        last = turns[i].role;
        transcript_turn(&before, last, turns[i].text, turns[i].n_text);
    }
    ret = text_check(&before, e);
out:
    text_free(&before);
    return ret;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const json_t *id = jsonl_get(o, "id");
    char         *conversation = NULL;
    turn_list     turns = {0};
    int           ret = -1;
    if (id != NULL && jsonl_id(b->file, id, "id", &conversation, e) != 0) return -1;
    if (id == NULL && (conversation = mem_printf(e, "chat/%zu", jsonl_index(b->file))) == NULL) return -1;
    if (read_turns(b, o, &turns, e) == 0) ret = add_answers(b, turns.at, turns.n, conversation, e);
    turns_free(turns.at, turns.n);
    free(conversation);
    return ret;
}

const dataset_format format_chat = {
    .name = "chat",
    .help = "messages (role, content) or conversations (from, value); a record for each answer",
    .keys = "\"messages\" or \"conversations\"",
    .reads = {"messages", "conversations", "id"},
    .fits = turns_there,
    .read = read_object,
};
