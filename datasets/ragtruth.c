/* ragtruth.c - RAGTruth's responses, each joined with its source: {"id", "response", "task_type", "source_info",
 * "prompt"} on one line (datasets/README.md has the command that joins the two published files).
 *
 * Prompt and response are taken as they are; a blank response is left out and counted. What the prompt was made from
 * are the references: the passages of a question, one each; the text to summarize; or an object of facts as JSON.
 * The scenario follows from "task_type": QA is rag, Summary is summarize, other words stay as they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/prompt.h"
#include "engine/base/mem.h"

/* A record made from these for the native format keeps some of their keys, but has keys of its own. */
static bool fits(const json_t *o) {
    return jsonl_get(o, "source_id") != NULL && jsonl_get(o, "response") != NULL && jsonl_get(o, "output") == NULL &&
           jsonl_get(o, "references") == NULL;
}

/* ---- passages, which are in one text as "passage 1:TEXT\n\npassage 2:TEXT\n\n" ---- */

/* Where a line begins with "passage NUMBER:", or `end`; the label's length goes to *n. */
static const char *find_label(const char *s, const char *end, size_t number, size_t *n) {
    char label[32];
    *n = (size_t)snprintf(label, sizeof label, "passage %zu:", number);
    while (s < end) {
        if ((size_t)(end - s) >= *n && memcmp(s, label, *n) == 0) return s;
        const char *line_end = memchr(s, '\n', (size_t)(end - s));
        s = line_end != NULL ? line_end + 1 : end;
    }
    return end;
}

static size_t count_passages(const char *s, const char *end) {
    size_t count = 0;
    for (size_t n; (s = find_label(s, end, count + 1, &n)) != end; s += n) count++;
    return count;
}

static int copy(passage *p, const char *from, const char *to, err *e) {
    *p = (passage){.text = mem_strndup(from, (size_t)(to - from), e), .n_text = (size_t)(to - from)};
    return p->text != NULL ? 0 : -1;
}

/* A reference for each passage, without its label and the line ends after it. A text that does not begin with a label
 * is one reference, whole. */
static int read_passages(const jsonl *at, const json_t *passages, record *r, err *e) {
    if (jsonl_string(at, passages, "source_info.passages", e) != 0) return -1;
    const char *s = json_string_value(passages), *end = s + json_string_length(passages);
    size_t      label;
    if (s == end || find_label(s, end, 1, &label) != s)
        return record_references(r, 1, e) == 0 ? copy(&r->references[0], s, end, e) : -1;
    if (record_references(r, count_passages(s, end), e) != 0) return -1;
    for (size_t i = 0; i < r->n_references; i++) {
        const char *text = s + label, *stop = s = find_label(text, end, i + 2, &label);
        while (stop > text && stop[-1] == '\n') stop--;
        if (copy(&r->references[i], text, stop, e) != 0) return -1;
    }
    return 0;
}

/* ---- records ---- */

/* An object's JSON as it was read. 15 digits give each decimal of up to 15 back, however the file spelled it. */
static int read_facts(const json_t *facts, record *r, err *e) {
    char *text = json_dumps(facts, JSON_REAL_PRECISION(15));
    if (text == NULL) return err_run(e, "out of memory");
    int ret = record_references(r, 1, e);
    if (ret == 0) ret = copy(&r->references[0], text, text + strlen(text), e);
    free(text);
    return ret;
}

static int read_source(const jsonl *at, const json_t *source, record *r, err *e) {
    if (json_is_object(source)) {
        const json_t *passages = jsonl_get(source, "passages");
        if (passages != NULL) return read_passages(at, passages, r, e);
        return jsonl_odd(at, source, "source_info", e) != 0 ? -1 : read_facts(source, r, e);
    }
    if (jsonl_odd(at, source, "source_info", e) != 0) return -1;
    if (!json_is_string(source)) return jsonl_bad(at, e, "source_info is neither a string nor an object");
    if (record_references(r, 1, e) != 0) return -1;
    return jsonl_text(at, source, "source_info", &r->references[0].text, &r->references[0].n_text, e);
}

static int read_scenario(const jsonl *at, const json_t *o, record *r, err *e) {
    const json_t *task = jsonl_get(o, "task_type");
    if (task == NULL) return (r->scenario = mem_strdup("", e)) != NULL ? 0 : -1;
    if (jsonl_name(at, task, "task_type", &r->scenario, e) != 0) return -1;
    const char *ours = strcmp(r->scenario, "QA") == 0        ? "rag"
                       : strcmp(r->scenario, "Summary") == 0 ? "summarize"
                                                             : NULL;
    if (ours == NULL) return 0;
    free(r->scenario);
    return (r->scenario = mem_strdup(ours, e)) != NULL ? 0 : -1;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *id = jsonl_need(at, o, "id", e), *response, *source = jsonl_get(o, "source_info");
    const json_t *prompt = jsonl_get(o, "prompt");
    if (id == NULL || (response = jsonl_need(at, o, "response", e)) == NULL) return -1;
    if (source == NULL || prompt == NULL)
        return jsonl_missing(at, o, source == NULL ? "source_info" : "prompt",
                             " (join responses with their sources: datasets/README.md)", e);

    record *r = dataset_add(b, e);
    if (r == NULL || jsonl_id(at, id, "id", &r->id, e) != 0 || read_scenario(at, o, r, e) != 0) return -1;
    if (jsonl_text(at, prompt, "prompt", &r->prompt.text, &r->prompt.n_text, e) != 0) return -1;
    if (read_source(at, source, r, e) != 0) return -1;
    if (jsonl_text(at, response, "response", &r->output.text, &r->output.n_text, e) != 0) return -1;
    r->has_output = !text_blank(r->output.text, r->output.n_text);
    return r->has_output ? 0 : dataset_drop(b, "no response", e);
}

const dataset_format format_ragtruth = {
    .name = "ragtruth",
    .help = "RAGTruth, responses joined with sources: id, prompt, source_info, response",
    .keys = "\"source_id\" and \"response\"",
    .reads = {"source_id", "id", "prompt", "response", "source_info", "task_type"},
    .fits = fits,
    .read = read_object,
};
