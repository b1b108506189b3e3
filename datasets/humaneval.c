/* humaneval.c - HumanEval, {"task_id", "prompt", "canonical_solution"}, and HumanEvalPack, which has bugs to fix too.
 *
 * Of HumanEval the prompt is the prompt and the canonical solution the output; there is no reference. A line with
 * "buggy_solution" (HumanEvalPack; its task is then HumanEvalFix) requests a correction:
 *
 *     prompt     Fix bugs in ENTRY_POINT.\n DECLARATION BUGGY_SOLUTION    (nothing between the last two)
 *     reference  DECLARATION BUGGY_SOLUTION
 *     output     DECLARATION CANONICAL_SOLUTION
 */
#include <stdlib.h>

#include "datasets/prompt.h"
#include "engine/base/mem.h"

/* Records of the native format have an "id", also those made from these. */
static bool fits(const json_t *o) {
    return jsonl_get(o, "task_id") != NULL && jsonl_get(o, "entry_point") != NULL && jsonl_get(o, "id") == NULL;
}

static const json_t *need_string(const jsonl *at, const json_t *o, const char *key, err *e) {
    const json_t *v = jsonl_need(at, o, key, e);
    return v != NULL && jsonl_string(at, v, key, e) == 0 ? v : NULL;
}

static int read_completion(const jsonl *at, const json_t *o, record *r, err *e) {
    const json_t *prompt = jsonl_need(at, o, "prompt", e), *solution = jsonl_get(o, "canonical_solution");
    if (prompt == NULL || jsonl_text(at, prompt, "prompt", &r->prompt.text, &r->prompt.n_text, e) != 0) return -1;
    r->has_output = solution != NULL;
    if (solution == NULL) return 0;
    return jsonl_text(at, solution, "canonical_solution", &r->output.text, &r->output.n_text, e);
}

/* The texts, one after the other. */
static int join(passage *p, const char *heading, const json_t *declaration, const json_t *body, err *e) {
    text_buffer t = {0};
    text_add(&t, "%s", heading);
    text_put_json(&t, declaration);
    text_put_json(&t, body);
    return passage_take(p, &t, e);
}

static int read_fix(const jsonl *at, const json_t *o, record *r, err *e) {
    const json_t *declaration = need_string(at, o, "declaration", e), *buggy = NULL, *solution = NULL, *name = NULL;
    if (declaration == NULL || (buggy = need_string(at, o, "buggy_solution", e)) == NULL) return -1;
    if ((solution = need_string(at, o, "canonical_solution", e)) == NULL) return -1;
    if ((name = jsonl_need(at, o, "entry_point", e)) == NULL) return -1;

    char *entry = NULL, *heading = NULL;
    int   ret = -1;
    if (jsonl_name(at, name, "entry_point", &entry, e) != 0) goto out;
    if ((heading = mem_printf(e, "Fix bugs in %s.\n", entry)) == NULL) goto out;
    r->has_output = true;
    if (join(&r->prompt, heading, declaration, buggy, e) != 0 || record_references(r, 1, e) != 0) goto out;
    if (join(&r->references[0], "", declaration, buggy, e) != 0) goto out;
    ret = join(&r->output, "", declaration, solution, e);
out:
    free(entry);
    free(heading);
    return ret;
}

static int read_object(const json_t *o, dataset_builder *b, err *e) {
    const jsonl  *at = b->file;
    const json_t *id = jsonl_need(at, o, "task_id", e);
    bool          fix = jsonl_get(o, "buggy_solution") != NULL;
    record       *r = id != NULL ? dataset_add(b, e) : NULL;
    if (r == NULL || jsonl_id(at, id, "task_id", &r->id, e) != 0) return -1;
    if ((r->scenario = mem_strdup(fix ? "edit" : "code", e)) == NULL) return -1;
    return fix ? read_fix(at, o, r, e) : read_completion(at, o, r, e);
}

const dataset_format format_humaneval = {
    .name = "humaneval",
    .help = "HumanEval and HumanEvalPack: task_id, prompt, canonical_solution; with buggy_solution, an edit",
    .keys = "\"task_id\" and \"entry_point\"",
    .reads = {"task_id", "prompt", "entry_point", "canonical_solution", "declaration", "buggy_solution"},
    .fits = fits,
    .read = read_object,
};
