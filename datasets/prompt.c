/* prompt.c - LLMA's template. */
#include "datasets/prompt.h"

#include <stdlib.h>

int passage_take(passage *p, text_buffer *t, err *e) {
    if (text_check(t, e) != 0) {
        text_free(t);
        return -1;
    }
    *p = (passage){.text = t->at, .n_text = t->n};
    *t = (text_buffer){0};
    return 0;
}

void text_put_json(text_buffer *t, const json_t *s) {
    text_put(t, json_string_value(s), json_string_length(s));
}

/* ---- a query with its documents ---- */

/* Appends the first max_tokens tokens of a document, as text; a shorter one as it stands. */
static int put_document(text_buffer *t, const passage *doc, const tokenizer *tok, size_t max_tokens, err *e) {
    tokens ids = {0};
    int    ret = tokenizer_encode(tok, doc->text, doc->n_text, false, &ids, e);
    if (ret == 0 && ids.n <= max_tokens) {
        text_put(t, doc->text, doc->n_text);
    } else if (ret == 0) {
        size_t n = 0;
        char  *cut = tokenizer_decode(tok, ids.ids, max_tokens, &n, e);
        if (cut != NULL) text_put(t, cut, n);
        ret = cut != NULL ? 0 : -1;
        free(cut);
    }
    tokens_free(&ids);
    return ret;
}

static int put_documents(text_buffer *t, dataset_builder *b, const record *r, err *e) {
    const dataset_options *o = b->options;
    if (o->doc_tokens > 0 && o->tok == NULL)
        return err_run(e, "cutting documents to %zu tokens takes a tokenizer", o->doc_tokens);
    b->data->cut = o->doc_tokens > 0;
    for (size_t i = 0; i < r->n_references; i++) {
        const passage *doc = &r->references[i];
        if (i > 0) text_add(t, "\n");
        if (o->doc_tokens == 0)
            text_put(t, doc->text, doc->n_text);
        else if (put_document(t, doc, o->tok, o->doc_tokens, e) != 0)
            return -1;
    }
    return 0;
}

int prompt_with_documents(dataset_builder *b, record *r, const char *query, size_t n, err *e) {
    text_buffer t = {0};
    text_add(&t, "docs:\n");
    if (put_documents(&t, b, r, e) != 0) {
        text_free(&t);
        return -1;
    }
    text_add(&t, "\nquery: ");
    text_put(&t, query, n);
    text_add(&t, "\nanswer:");
    return passage_take(&r->prompt, &t, e);
}

int prompt_query(dataset_builder *b, record *r, const json_t *query, err *e) {
    if (!b->options->append_docs || !json_is_string(query))
        return jsonl_text(b->file, query, "query", &r->prompt.text, &r->prompt.n_text, e);
    return prompt_with_documents(b, r, json_string_value(query), json_string_length(query), e);
}
