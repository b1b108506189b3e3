#include "experiments/recommend/records.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "engine/base/atomic.h"
#include "engine/base/mem.h"

static json_t *ids_json(const int32_t *ids, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static void outputs_free(tokens *of, const samples *set) {
    for (size_t s = 0; of != NULL && s < set->n; s++) tokens_free(&of[s]);
    free(of);
}

/* Takes the output of each sample's first repeat. ctx: [samples] */
static int take_output(const store_trial *t, void *ctx, err *e) {
    tokens *of = ctx;
    return t->trial->repeat == 0 ? tokens_append(&of[t->trial->sample], t->ids, t->trial->tokens, e) : 0;
}

/* The outputs of the first cell's trials, [set->n] in new memory. */
static tokens *outputs_of(const store_data *d, const samples *set, err *e) {
    tokens *out = mem_new(set->n, sizeof *out, e);
    if (out == NULL || d->n_cells == 0 || store_visit_cell(d, 0, VISIT_OUTPUTS, take_output, out, e) == 0) return out;
    outputs_free(out, set);
    return NULL;
}

static int add_record(text_buffer *t, const tokens *output, const samples *set, size_t s, err *e) {
    const sample *x = &set->at[s];
    json_t       *o = json_object(), *references = json_array();
    json_object_set_new(o, "id", json_string(x->rec->id));
    json_object_set_new(o, "scenario", json_string(x->rec->scenario));
    if (x->rec->conversation != NULL) json_object_set_new(o, "conversation", json_string(x->rec->conversation));
    json_object_set_new(o, "prompt_ids", ids_json(x->prompt.ids, x->prompt.n));
    for (size_t i = 0; i < x->n_references; i++)
        json_array_append_new(references, ids_json(x->references[i].ids, x->references[i].n));
    json_object_set_new(o, "references_ids", references);
    json_object_set_new(o, "output_ids", ids_json(output->ids, output->n));
    char *line = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (line == NULL) return err_run(e, "record \"%s\": out of memory", x->rec->id);
    text_add(t, "%s\n", line);
    free(line);
    return 0;
}

/* Whether two samples belong together: what is known of one tells of the other. */
static bool same_group(const sample *a, const sample *b) {
    if (a->rec->conversation != NULL && b->rec->conversation != NULL)
        return strcmp(a->rec->conversation, b->rec->conversation) == 0;
    return a->content == b->content || (a->documents != 0 && a->documents == b->documents);
}

/* The number of each sample's group: [set->n], in new memory. */
static size_t *number_groups(const samples *set, err *e) {
    size_t *group = mem_new(set->n, sizeof *group, e), n = 0;
    for (size_t s = 0; group != NULL && s < set->n; s++) {
        size_t before = 0;
        while (before < s && !same_group(&set->at[before], &set->at[s])) before++;
        group[s] = before < s ? group[before] : n++;
    }
    return group;
}

int records_write(const char *path, const plan *p, const store_data *decoded, record_half half, size_t *n, err *e) {
    const samples *set = &p->samples[0].set;
    text_buffer    t = {0};
    size_t        *group = number_groups(set, e);
    tokens        *outputs = decoded != NULL ? outputs_of(decoded, set, e) : NULL;
    int            ret = group != NULL && (outputs != NULL || decoded == NULL) ? 0 : -1;
    *n = 0;
    for (size_t s = 0; ret == 0 && s < set->n; s++) {
        if (half != RECORDS_ALL && group[s] % 2 != (half == RECORDS_ODD)) continue;
        ret = add_record(&t, outputs != NULL ? &outputs[s] : &set->at[s].output, set, s, e);
        ++*n;
    }
    if (ret == 0) ret = text_check(&t, e);
    if (ret == 0 && *n == 0) ret = err_input(e, "%s: no record is left for it", path);
    if (ret == 0) ret = atomic_write(path, t.at, t.n, false, e);
    free(group);
    outputs_free(outputs, set);
    text_free(&t);
    return ret;
}
