/* native.c - our own format: {"id", "scenario", "prompt", "references", "output"}.
 *
 * "id" and the prompt are required; the rest may be missing or null. Any of the three can be token ids instead
 * of text, under "prompt_ids", "references_ids", "output_ids", but not both at once. Other keys are not read.
 */
#include <stdio.h>
#include <string.h>

#include "datasets/format.h"
#include "engine/base/mem.h"

static bool fits(const json_t *o) {
    return jsonl_get(o, "prompt") != NULL || jsonl_get(o, "prompt_ids") != NULL;
}

/* The two spellings of one thing; both is an error, neither leaves both NULL. */
static int either(const jsonl *at, const json_t *o, const char *key, const char *ids_key, const json_t **text,
                  const json_t **ids, err *e) {
    *text = jsonl_get(o, key);
    *ids = jsonl_get(o, ids_key);
    if (*text != NULL && *ids != NULL)
        return jsonl_bad(at, e, "both \"%s\" and \"%s\" are given (text or ids, not both)", key, ids_key);
    return 0;
}

static int read_passage(const jsonl *at, const json_t *o, const char *key, const char *ids_key, passage *p, bool *found,
                        err *e) {
    const json_t *text, *ids;
    if (either(at, o, key, ids_key, &text, &ids, e) != 0) return -1;
    *found = text != NULL || ids != NULL;
    if (text != NULL) return jsonl_text(at, text, key, &p->text, &p->n_text, e);
    if (ids != NULL) return jsonl_ids(at, ids, ids_key, &p->ids, e);
    return 0;
}

static int read_references(const jsonl *at, const json_t *o, record *r, err *e) {
    const json_t *texts, *ids;
    if (either(at, o, "references", "references_ids", &texts, &ids, e) != 0) return -1;
    if (texts != NULL) return record_texts(at, r, texts, "references", e);
    if (ids == NULL) return 0;
    if (jsonl_array(at, ids, "references_ids", e) != 0 || record_references(r, json_array_size(ids), e) != 0) return -1;
    for (size_t i = 0; i < r->n_references; i++) {
        char what[64];
        snprintf(what, sizeof what, "references_ids[%zu]", i);
        if (jsonl_ids(at, json_array_get(ids, i), what, &r->references[i].ids, e) != 0) return -1;
    }
    return 0;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *id = jsonl_need(at, o, "id", e), *scenario = jsonl_get(o, "scenario");
    record       *r = id != NULL ? dataset_add(b, e) : NULL;
    bool          has_prompt;

    if (r == NULL || jsonl_name(at, id, "id", &r->id, e) != 0) return -1;
    if (*r->id == '\0') return jsonl_bad(at, e, "id is empty (a text that no other record has)");
    if (scenario != NULL) {
        if (jsonl_name(at, scenario, "scenario", &r->scenario, e) != 0) return -1;
    } else if ((r->scenario = mem_strdup("", e)) == NULL) {
        return -1;
    }
    if (read_passage(at, o, "prompt", "prompt_ids", &r->prompt, &has_prompt, e) != 0) return -1;
    if (!has_prompt) return jsonl_missing(at, o, "prompt", " (or \"prompt_ids\")", e);
    if (read_references(at, o, r, e) != 0) return -1;
    return read_passage(at, o, "output", "output_ids", &r->output, &r->has_output, e);
}

const dataset_format format_native = {
    .name = "native",
    .help = "id, scenario, prompt, references, output; text or token ids",
    .keys = "\"prompt\" or \"prompt_ids\"",
    .reads = {"id", "scenario", "prompt", "prompt_ids", "references", "references_ids", "output", "output_ids"},
    .optional = {{"references", "references_ids"}, {"output", "output_ids"}, {"scenario", "scenario"}},
    .fits = fits,
    .read = read_object,
};
