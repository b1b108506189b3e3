/* spec_bench.c - Spec-Bench's question.jsonl: {"question_id", "category", "turns": [...]}.
 *
 * Each turn becomes a record: id "QUESTION/TURN" with turns from 1, scenario = category. The file holds questions and
 * no answers, so a later turn sees only the earlier questions; as a transcript:
 *
 *     USER: first question          the whole is the prompt; the lines before the last
 *     USER: second question         "USER:" are this turn's history and its one reference
 *     ASSISTANT:                    (none for the first turn)
 *
 * "reference" is not read: it is what a judge compares with (a fact, advice on marking), not an answer that
 * was generated. There is no output, so the data cannot be forced.
 */
#include <stdlib.h>

#include "datasets/prompt.h"
#include "datasets/turns.h"
#include "engine/base/mem.h"

static bool fits(const json_t *o) {
    return jsonl_get(o, "turns") != NULL;
}

/* The record of question n, counted from 0. */
static int add_turn(dataset_builder *b, const json_t *turns, size_t n, const char *question, const char *category,
                    err *e) {
    record *r = dataset_add(b, e);
    if (r == NULL || (r->id = mem_printf(e, "%s/%zu", question, n + 1)) == NULL) return -1;
    if ((r->scenario = mem_strdup(category, e)) == NULL) return -1;
    if ((r->conversation = mem_strdup(question, e)) == NULL) return -1;

    text_buffer t = {0};
    size_t      history = 0; /* how long the transcript was before this turn */
    if ((r->turns = mem_new(n + 1, sizeof *r->turns, e)) == NULL) return -1;
    for (size_t i = 0; i <= n; i++) {
        turn *q = &r->turns[i];
        q->role = CHAT_USER;
        if (jsonl_text(b->file, json_array_get(turns, i), "a turn", &q->text, &q->n_text, e) != 0) goto failed;
        r->n_turns++;
        history = t.n;
        transcript_turn(&t, CHAT_USER, q->text, q->n_text);
    }
    transcript_ask(&t);
    if (passage_take(&r->prompt, &t, e) != 0) return -1;

    if (n == 0) return 0;
    if (record_references(r, 1, e) != 0) return -1;
    r->references[0] = (passage){.text = mem_strndup(r->prompt.text, history, e), .n_text = history};
    return r->references[0].text != NULL ? 0 : -1;
failed:
    text_free(&t);
    return -1;
}

static int check_turns(const jsonl *at, const json_t *turns, err *e) {
    if (jsonl_array(at, turns, "turns", e) != 0) return -1;
    if (json_array_size(turns) == 0) return jsonl_bad(at, e, "turns is empty (at least one question)");
    for (size_t i = 0; i < json_array_size(turns); i++) {
        char what[64];
        snprintf(what, sizeof what, "turns[%zu]", i);
        if (jsonl_string(at, json_array_get(turns, i), what, e) != 0) return -1;
    }
    return 0;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *turns = jsonl_need(at, o, "turns", e), *v = jsonl_get(o, "category"), *q;
    char         *id = NULL, *category = NULL;
    int           ret = -1;

    if (turns == NULL || check_turns(at, turns, e) != 0) goto out;
    if ((q = jsonl_need(at, o, "question_id", e)) == NULL || jsonl_id(at, q, "question_id", &id, e) != 0) goto out;
    if (v != NULL && jsonl_name(at, v, "category", &category, e) != 0) goto out;
    for (size_t i = 0; i < json_array_size(turns); i++)
        if (add_turn(b, turns, i, id, category != NULL ? category : "", e) != 0) goto out;
    ret = 0;
out:
    free(id);
    free(category);
    return ret;
}

const dataset_format format_spec_bench = {
    .name = "spec-bench",
    .help = "Spec-Bench's question.jsonl: question_id, category, turns; a record for each turn",
    .keys = "\"turns\"",
    .reads = {"question_id", "category", "turns"},
    .fits = fits,
    .read = read_object,
};
