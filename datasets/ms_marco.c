/* ms_marco.c - MS MARCO's question answering set, v2.1, a line for each query: {"query_id", "query", "passages",
 * "answers", "wellFormedAnswers"}.
 *
 * "passages" is an array of objects with "passage_text", as published, or an object of arrays, as exports of Hugging
 * Face's copy have it. The passages are the references, all of them, selected or not; the prompt is the query, with
 * append_docs in LLMA's template (prompt.h). The output is the first well-formed answer, else the first answer; a query
 * answered "No Answer Present." is left out and counted, one without answers (the eval split) has no output.
 */
#include <stdio.h>
#include <string.h>

#include "datasets/prompt.h"
#include "engine/base/mem.h"

static bool fits(const json_t *o) {
    return jsonl_get(o, "query") != NULL && jsonl_get(o, "passages") != NULL;
}

static int read_passages(const jsonl *at, const json_t *passages, record *r, err *e) {
    if (json_is_object(passages)) {
        const json_t *texts = jsonl_get(passages, "passage_text");
        if (texts == NULL) return jsonl_bad(at, e, "passages is an object without \"passage_text\"");
        return record_texts(at, r, texts, "passages.passage_text", e);
    }
    if (jsonl_array(at, passages, "passages", e) != 0 || record_references(r, json_array_size(passages), e) != 0)
        return -1;
    for (size_t i = 0; i < r->n_references; i++) {
        const json_t *text = jsonl_get(json_array_get(passages, i), "passage_text"); /* NULL for what is no object */
        char          what[64];
        snprintf(what, sizeof what, "passages[%zu].passage_text", i);
        if (text == NULL) return jsonl_bad(at, e, "%s is missing", what);
        if (jsonl_text(at, text, what, &r->references[i].text, &r->references[i].n_text, e) != 0) return -1;
    }
    return 0;
}

/* The first answer under a key that is not blank; NULL in *answer when there is none. */
static int find_answer(const jsonl *at, const json_t *o, const char *key, const json_t **answer, err *e) {
    const json_t *all = jsonl_get(o, key);
    *answer = NULL;
    if (all == NULL) return 0;
    if (json_is_string(all) && strcmp(json_string_value(all), "[]") == 0) return 0; /* an empty list, as published */
    if (jsonl_array(at, all, key, e) != 0) return -1;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *v = json_array_get(all, i);
        char          what[64];
        snprintf(what, sizeof what, "%s[%zu]", key, i);
        if (jsonl_string(at, v, what, e) != 0) return -1;
        if (*answer == NULL && !text_blank(json_string_value(v), json_string_length(v))) *answer = v;
    }
    return 0;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *id = jsonl_need(at, o, "query_id", e), *query = NULL, *passages = NULL, *formed, *answer;
    if (id == NULL || (query = jsonl_need(at, o, "query", e)) == NULL) return -1;
    if ((passages = jsonl_need(at, o, "passages", e)) == NULL) return -1;

    record *r = dataset_add(b, e);
    if (r == NULL || jsonl_id(at, id, "query_id", &r->id, e) != 0) return -1;
    if ((r->scenario = mem_strdup("rag", e)) == NULL) return -1;
    if (read_passages(at, passages, r, e) != 0 || prompt_query(b, r, query, e) != 0) return -1;
    if (find_answer(at, o, "wellFormedAnswers", &formed, e) != 0 || find_answer(at, o, "answers", &answer, e) != 0)
        return -1;
    if (formed != NULL) answer = formed;
    if (answer == NULL) return 0;
    if (strcmp(json_string_value(answer), "No Answer Present.") == 0) return dataset_drop(b, "no answer", e);
    r->has_output = true;
    return jsonl_text(at, answer, "answers", &r->output.text, &r->output.n_text, e);
}

const dataset_format format_ms_marco = {
    .name = "ms-marco",
    .help = "MS MARCO QA v2.1: query_id, query, passages, answers; unanswerable queries are left out",
    .keys = "\"query\" and \"passages\"",
    .reads = {"query_id", "query", "passages", "answers", "wellFormedAnswers"},
    .fits = fits,
    .appends_docs = true,
    .read = read_object,
};
