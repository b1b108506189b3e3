/* llma.c - the format of LLMA's data (microsoft/LMOps, llma/src/data): {"query", "docs", "result": {"text"}}.
 *
 * The prompt is the query, with append_docs in the reference code's template (prompt.h). The references are the whole
 * documents: the policy cuts them for itself. Records without result.text, or with a blank one, are left out and
 * counted, as the reference code does, forced or not. Ids are "llma/LINE", counted from 0.
 */
#include "datasets/prompt.h"
#include "engine/base/mem.h"

static bool fits(const json_t *o) {
    return jsonl_get(o, "query") != NULL && jsonl_get(o, "docs") != NULL;
}

/* result.text; no result, no text or null leave has_output false. */
static int read_output(const jsonl *at, const json_t *o, record *r, err *e) {
    const json_t *result = jsonl_get(o, "result");
    if (result == NULL) return 0;
    if (!json_is_object(result)) return jsonl_bad(at, e, "result is not an object (with \"text\" in it)");
    const json_t *output = jsonl_get(result, "text");
    if (output == NULL) return 0;
    if (jsonl_text(at, output, "result.text", &r->output.text, &r->output.n_text, e) != 0) return -1;
    r->has_output = !text_blank(r->output.text, r->output.n_text);
    return 0;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *docs = jsonl_need(at, o, "docs", e), *query = docs != NULL ? jsonl_need(at, o, "query", e) : NULL;
    record       *r = query != NULL ? dataset_add(b, e) : NULL;

    if (r == NULL || (r->id = mem_printf(e, "llma/%zu", jsonl_index(at))) == NULL) return -1;
    if ((r->scenario = mem_strdup("", e)) == NULL || record_texts(at, r, docs, "docs", e) != 0) return -1;
    if (prompt_query(b, r, query, e) != 0 || read_output(at, o, r, e) != 0) return -1;
    return r->has_output ? 0 : dataset_drop(b, "no result text", e);
}

const dataset_format format_llma = {
    .name = "llma",
    .help = "LLMA's data: query, docs, result.text; records without a result are left out",
    .keys = "\"query\" and \"docs\"",
    .reads = {"query", "docs", "result"},
    .fits = fits,
    .appends_docs = true,
    .read = read_object,
};
