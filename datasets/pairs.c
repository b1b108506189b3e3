#include "datasets/pairs.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

typedef struct {
    const dataset  *a, *b;
    bool            skip;
    dataset_report *report;
    void           *ctx;
} pairing;

/* A record that cannot be paired: an error, or, where such are left out, a report and 1. */
static int refuse(const pairing *x, const err *why, err *e) {
    if (!x->skip) {
        if (e != NULL) *e = *why;
        return -1;
    }
    if (x->report != NULL) x->report(x->ctx, why);
    return 1;
}

/* Of each id of a dataset its record's index. NULL: memory is out. */
static json_t *index_ids(const dataset *d, err *e) {
    json_t *ids = json_object();
    for (size_t i = 0; ids != NULL && i < d->n; i++)
        if (json_object_set_new_nocheck(ids, d->records[i].id, json_integer((json_int_t)i)) != 0) {
            json_decref(ids);
            ids = NULL;
        }
    if (ids == NULL) err_run(e, "out of memory for the ids of %s", d->path);
    return ids;
}

/* About a record of d that has none in the other file. */
static int no_partner(const pairing *x, const dataset *d, const dataset *to, const record *r, err *e) {
    err why = {0};
    if (r->numbered)
        err_input(&why, "%s:%zu: no partner: %s has %zu records (as many outputs in both files, or ids in both)",
                  d->path, r->line, to->path, to->n);
    else
        err_input(&why, "%s:%zu: no record of %s has the id \"%.100s\" (the same ids in both files)", d->path, r->line,
                  to->path, r->id);
    return refuse(x, &why, e);
}

static bool is_empty(const passage *p) {
    return p->text == NULL && p->ids.n == 0;
}

static bool same_passage(const passage *p, const passage *q) {
    if (p->text != NULL && q->text != NULL) return p->n_text == q->n_text && memcmp(p->text, q->text, p->n_text) == 0;
    return p->text == NULL && q->text == NULL && tokens_equal(&p->ids, &q->ids);
}

/* 0 when the two fit together (P2). */
static int check_pair(const pairing *x, const record *r, const record *s, err *e) {
    const record  *lacking = !r->has_output ? r : !s->has_output ? s : NULL;
    const passage *p = &r->prompt, *q = &s->prompt;
    err            why = {0};
    if (lacking != NULL) {
        const dataset *d = lacking == r ? x->a : x->b;
        err_input(&why, "%s:%zu: no output (each record needs \"output\" or \"output_ids\")", d->path, lacking->line);
    } else if ((r->output.text != NULL) != (s->output.text != NULL)) {
        err_input(&why, "%s:%zu: the output is %s, in %s:%zu it is %s (texts in both files, or ids in both)",
                  x->b->path, s->line, s->output.text != NULL ? "a text" : "ids", x->a->path, r->line,
                  r->output.text != NULL ? "a text" : "ids");
    } else if (!is_empty(p) && !is_empty(q) && !same_passage(p, q)) {
        err_input(&why, "%s:%zu: the prompt is not that of %s:%zu (the same prompt in both files, or in one of them)",
                  x->b->path, s->line, x->a->path, r->line);
    }
    return why.kind == ERR_NONE ? 0 : refuse(x, &why, e);
}

/* Pairs the records of a; `paired[i]`: record i of b has a partner. */
static int pair_all(const pairing *x, const json_t *ids, bool *paired, record_pairs *out, err *e) {
    for (size_t i = 0; i < x->a->n; i++) {
        const record *r = &x->a->records[i];
        const json_t *found = json_object_get(ids, r->id);
        size_t        b = found != NULL ? (size_t)json_integer_value(found) : 0;
        if (found != NULL) paired[b] = true;
        int ret = found == NULL ? no_partner(x, x->a, x->b, r, e) : check_pair(x, r, &x->b->records[b], e);
        if (ret < 0) return -1;
        if (ret == 0) out->at[out->n++] = (record_pair){i, b};
    }
    for (size_t b = 0; b < x->b->n; b++)
        if (!paired[b] && no_partner(x, x->b, x->a, &x->b->records[b], e) < 0) return -1;
    return out->n > 0 ? 0 : err_input(e, "%s and %s: no records that can be compared", x->a->path, x->b->path);
}

/* Both files have ids, or neither has (P1). */
static int check_ids(const dataset *a, const dataset *b, err *e) {
    bool in_a = !a->records[0].numbered, in_b = !b->records[0].numbered;
    return in_a == in_b
               ? 0
               : err_input(e, "%s: the records have %s, those of %s have %s (ids in both files, or in neither)",
                           b->path, in_b ? "ids" : "no ids", a->path, in_a ? "some" : "none");
}

int pairs_make(const dataset *a, const dataset *b, bool skip, dataset_report *report, void *ctx, record_pairs *out,
               err *e) {
    const pairing x = {a, b, skip, report, ctx};
    *out = (record_pairs){0};
    if (check_ids(a, b, e) != 0) return -1;
    json_t *ids = index_ids(b, e);
    bool   *paired = mem_new(b->n, sizeof *paired, e);
    out->at = mem_new(a->n, sizeof *out->at, e);
    int ret = ids != NULL && paired != NULL && out->at != NULL ? pair_all(&x, ids, paired, out, e) : -1;
    json_decref(ids);
    free(paired);
    return ret;
}

void pairs_free(record_pairs *p) {
    free(p->at);
    *p = (record_pairs){0};
}
