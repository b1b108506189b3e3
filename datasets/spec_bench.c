/* spec_bench.c - Spec-Bench's question.jsonl: {"question_id", "category", "turns": [...]}.
 *
 * Each turn becomes a record: id "QUESTION/TURN" with turns from 1, scenario = category. The file holds questions and
 * no answers, so a later turn sees the earlier questions alone, in a plain transcript:
 *
 *     USER: first question          the whole is the prompt; the lines before the last
 *     USER: second question         "USER:" are this turn's history and its one reference
 *     ASSISTANT:                    (none for the first turn)
 *
 * "reference" is not read: it is what a judge compares with (a fact, advice on marking), not an answer that
 * was generated. There is no output, so the data cannot be forced.
 */
#include <stdlib.h>
#include <string.h>

#include "datasets/format.h"
#include "engine/base/mem.h"

static const char USER[] = "USER: ", ASSISTANT[] = "ASSISTANT:";

static bool fits(const json_t *o) {
    return jsonl_get(o, "turns") != NULL;
}

/* Writes turns 0 to n - 1 of the transcript, each line with its end, and returns the length; `to` may be NULL. */
static size_t write_history(const json_t *turns, size_t n, char *to) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *turn = json_array_get(turns, i);
        size_t        len = json_string_length(turn), prefix = sizeof USER - 1;
        if (to != NULL) {
            memcpy(to + at, USER, prefix);
            memcpy(to + at + prefix, json_string_value(turn), len);
            to[at + prefix + len] = '\n';
        }
        at += prefix + len + 1;
    }
    return at;
}

static int add_turn(dataset_builder *b, const json_t *turns, size_t turn, const char *question, const char *category,
                    err *e) {
    record *r = dataset_add(b, e);
    if (r == NULL || (r->id = mem_printf(e, "%s/%zu", question, turn + 1)) == NULL) return -1;
    if ((r->scenario = mem_strdup(category, e)) == NULL) return -1;

    size_t n = write_history(turns, turn + 1, NULL);
    char  *text = r->prompt.text = mem_new(n + sizeof ASSISTANT, 1, e);
    if (text == NULL) return -1;
    write_history(turns, turn + 1, text);
    memcpy(text + n, ASSISTANT, sizeof ASSISTANT);
    r->prompt.n_text = n + sizeof ASSISTANT - 1;

    if (turn == 0) return 0;
    if (record_references(r, 1, e) != 0) return -1;
    passage *history = &r->references[0];
    history->n_text = write_history(turns, turn, NULL);
    history->text = mem_strndup(text, history->n_text, e);
    return history->text != NULL ? 0 : -1;
}

static int check_turns(const jsonl *at, const json_t *turns, err *e) {
    if (jsonl_array(at, turns, "turns", e) != 0) return -1;
    if (json_array_size(turns) == 0) return jsonl_bad(at, e, "turns is empty (at least one question)");
    for (size_t i = 0; i < json_array_size(turns); i++)
        if (!json_is_string(json_array_get(turns, i)))
            return jsonl_bad(at, e, "turns[%zu] is not a string (every turn is a question)", i);
    return 0;
}

/* question_id as text: an integer in the original, a string in some offspring. */
static int read_id(const jsonl *at, const json_t *o, char **id, err *e) {
    const json_t *v = jsonl_need(at, o, "question_id", e);
    if (v == NULL) return -1;
    if (!json_is_integer(v) && !json_is_string(v))
        return jsonl_bad(at, e, "question_id is neither an integer nor a string");
    if (json_is_string(v)) return jsonl_name(at, v, "question_id", id, e);
    *id = mem_printf(e, "%lld", (long long)json_integer_value(v));
    return *id != NULL ? 0 : -1;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *turns = jsonl_need(at, o, "turns", e), *v = jsonl_get(o, "category");
    char         *id = NULL, *category = NULL;
    int           ret = -1;

    if (turns == NULL || check_turns(at, turns, e) != 0 || read_id(at, o, &id, e) != 0) goto out;
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
    .fits = fits,
    .read = read_object,
};
