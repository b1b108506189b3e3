/* prompt.h - what readers build prompts from: LLMA's template. */
#ifndef DATASETS_PROMPT_H
#define DATASETS_PROMPT_H

#include "datasets/format.h"
#include "datasets/text.h"

/* Makes the record's prompt from its references, which must be texts, and a query of n bytes, in the template of LLMA's
 * reference code:
 *
 *     docs:\n DOC \n DOC ... \nquery: QUERY\nanswer:
 *
 * (no blanks around the line ends), each document first cut to doc_tokens tokens by way of its ids. The record must
 * have no prompt yet. */
int prompt_with_documents(dataset_builder *b, record *r, const char *query, size_t n, err *e);

/* The record's prompt from a query (a string, else ERR_INPUT): with append_docs as above, else the query alone. */
int prompt_query(dataset_builder *b, record *r, const json_t *query, err *e);

/* Appends a JSON string. */
void text_put_json(text_buffer *t, const json_t *s);

/* Hands the text over to a passage and leaves *t empty; -1 when memory ran out while it was written. */
int passage_take(passage *p, text_buffer *t, err *e);

#endif
