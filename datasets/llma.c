/* llma.c - the format of LLMA's data (microsoft/LMOps, llma/data): {"query", "docs", "result": {"text"}}.
 *
 * With append_docs the prompt is built from the reference code's template:
 *
 *     docs:\n DOC \n DOC ... \nquery: QUERY\nanswer:
 *
 * (no blanks around the line ends), each document first cut to doc_tokens tokens by way of its ids; otherwise it is
 * the bare query. The references are the whole documents: the policy cuts them for itself. Records without
 * result.text, or with a blank one, are left out and counted, as the reference code does, forced or not.
 * Ids are "llma/LINE", counted from 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/format.h"
#include "engine/base/mem.h"

static bool fits(const json_t *o) {
    return jsonl_get(o, "query") != NULL && jsonl_get(o, "docs") != NULL;
}

/* ---- a growing text ---- */

typedef struct {
    char  *at;
    size_t n, cap;
} text;

/* Appends n bytes and keeps a NUL behind them. */
static int append(text *t, const char *s, size_t n, err *e) {
    if (mem_reserve(&t->at, &t->cap, t->n + n + 1, e) != 0) return -1;
    memcpy(t->at + t->n, s, n);
    t->n += n;
    t->at[t->n] = '\0';
    return 0;
}

static int append_literal(text *t, const char *s, err *e) {
    return append(t, s, strlen(s), e);
}

/* Appends the first max_tokens tokens of a document, as text; a shorter one as it stands. */
static int append_document(text *t, const passage *doc, const tokenizer *tok, size_t max_tokens, err *e) {
    if (max_tokens == 0) return append(t, doc->text, doc->n_text, e);
    tokens ids = {0};
    int    ret = tokenizer_encode(tok, doc->text, doc->n_text, false, &ids, e);
    if (ret == 0 && ids.n <= max_tokens) {
        ret = append(t, doc->text, doc->n_text, e);
    } else if (ret == 0) {
        size_t n = 0;
        char  *cut = tokenizer_decode(tok, ids.ids, max_tokens, &n, e);
        ret = cut != NULL ? append(t, cut, n, e) : -1;
        free(cut);
    }
    tokens_free(&ids);
    return ret;
}

static int fill_template(text *t, const record *r, const passage *query, const dataset_options *o, err *e) {
    if (o->doc_tokens > 0 && o->tok == NULL)
        return err_run(e, "cutting documents to %zu tokens takes a tokenizer", o->doc_tokens);
    if (append_literal(t, "docs:\n", e) != 0) return -1;
    for (size_t i = 0; i < r->n_references; i++) {
        if (i > 0 && append_literal(t, "\n", e) != 0) return -1;
        if (append_document(t, &r->references[i], o->tok, o->doc_tokens, e) != 0) return -1;
    }
    if (append_literal(t, "\nquery: ", e) != 0 || append(t, query->text, query->n_text, e) != 0) return -1;
    return append_literal(t, "\nanswer:", e);
}

/* ---- records ---- */

static bool blank(const passage *p) {
    for (size_t i = 0; i < p->n_text; i++)
        if (strchr(" \t\n\v\f\r", p->text[i]) == NULL || p->text[i] == '\0') return false;
    return true;
}

/* result.text; no result, no text or null leave has_output false. */
static int read_output(const jsonl *at, const json_t *o, record *r, err *e) {
    const json_t *result = jsonl_get(o, "result");
    if (result == NULL) return 0;
    if (!json_is_object(result)) return jsonl_bad(at, e, "result is not an object (with \"text\" in it)");
    const json_t *output = jsonl_get(result, "text");
    if (output == NULL) return 0;
    if (jsonl_text(at, output, "result.text", &r->output.text, &r->output.n_text, e) != 0) return -1;
    r->has_output = !blank(&r->output);
    return 0;
}

static int read_prompt(const jsonl *at, const json_t *o, const dataset_options *options, record *r, err *e) {
    const json_t *v = jsonl_need(at, o, "query", e);
    passage       query = {0};
    if (v == NULL || jsonl_text(at, v, "query", &query.text, &query.n_text, e) != 0) return -1;
    if (!options->append_docs) {
        r->prompt = query;
        return 0;
    }
    text prompt = {0};
    int  ret = fill_template(&prompt, r, &query, options, e);
    r->prompt = (passage){.text = prompt.at, .n_text = prompt.n};
    free(query.text);
    return ret;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *docs = jsonl_need(at, o, "docs", e);
    record       *r = docs != NULL ? dataset_add(b, e) : NULL;

    if (r == NULL || jsonl_array(at, docs, "docs", e) != 0) return -1;
    if ((r->id = mem_printf(e, "llma/%zu", at->line - 1)) == NULL || (r->scenario = mem_strdup("", e)) == NULL)
        return -1;
    if (record_references(r, json_array_size(docs), e) != 0) return -1;
    for (size_t i = 0; i < r->n_references; i++) {
        passage *p = &r->references[i];
        char     what[32];
        snprintf(what, sizeof what, "docs[%zu]", i);
        if (jsonl_text(at, json_array_get(docs, i), what, &p->text, &p->n_text, e) != 0) return -1;
    }
    if (read_prompt(at, o, b->options, r, e) != 0 || read_output(at, o, r, e) != 0) return -1;
    if (!r->has_output) dataset_drop(b);
    return 0;
}

const dataset_format format_llma = {
    .name = "llma",
    .help = "LLMA's data: query, docs, result.text; records without a result are left out",
    .keys = "\"query\" and \"docs\"",
    .fits = fits,
    .read = read_object,
};
