#include "tests/peers/suffix_requests.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

void fail(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

/* ---- both engines ------------------------------------------------------------------------------------ */

static const param_value *value(const suffix_pair *p, const char *name) {
    return &p->ours->spec.params.at[param_find(p->ours->ops->params, p->ours->ops->n_params, name)];
}

void suffix_pair_open(suffix_pair *p, const char *text) {
    err               e = {0};
    policy_spec       spec = {.vocab = INT32_MAX};
    const policy_ops *ops = registry_find(&policy_registry, "suffix_tree");
    *p = (suffix_pair){0};
    if (param_parse_list(ops->name, ops->params, ops->n_params, text, &spec.params, &e) != 0) fail("%s", e.text);
    if ((p->ours = policy_open(ops, &spec, &e)) == NULL) fail("%s", e.text);
    p->settings = (arctic_settings){
        .max_tokens = (int)value(p, "k")->integer,
        .factor = (float)value(p, "factor")->real,
        .offset = (float)value(p, "offset")->real,
        .min_prob = (float)value(p, "min_prob")->real,
        .tree = value(p, "form")->choice == 1,
    };
    p->depth = (int)value(p, "max_depth")->integer;
    p->requests = (int)value(p, "requests")->integer;
    p->keeps = policy_remembers(ops, &spec.params);
    p->theirs = arctic_open(p->depth, p->requests);
}

void suffix_pair_forget(suffix_pair *p) {
    policy_forget(p->ours);
    arctic_close(p->theirs);
    p->theirs = arctic_open(p->depth, p->requests);
}

void suffix_pair_close(suffix_pair *p) {
    policy_close(p->ours);
    arctic_close(p->theirs);
}

/* ---- requests ---------------------------------------------------------------------------------------- */

static void add(requests *r, tokens ids, size_t n_prompt) {
    err e = {0};
    if (mem_reserve(&r->at, &r->cap, r->n + 1, &e) != 0) fail("%s", e.text);
    r->at[r->n] = (request){r->n, ids.ids, ids.n, n_prompt};
    r->n++;
}

/* Adds the ids of a text, and returns what follows them. */
static const char *read_ids(const char *text, tokens *ids) {
    err e = {0};
    for (char *end; text[strspn(text, " ")] >= '0' && text[strspn(text, " ")] <= '9'; text = end)
        if (tokens_push(ids, (int32_t)strtol(text, &end, 10), &e) != 0) fail("%s", e.text);
    return text + strspn(text, " \n");
}

void requests_read(requests *r, const char *path, size_t limit) {
    FILE  *f = fopen(path, "r");
    char  *line = NULL;
    size_t size = 0;
    if (f == NULL) fail("%s: cannot open", path);
    while (r->n < limit && getline(&line, &size, f) > 0) {
        tokens      ids = {0};
        const char *rest = read_ids(line, &ids);
        size_t      n_prompt = ids.n;
        if (*rest != '|' || *read_ids(rest + 1, &ids) != '\0') fail("%s:%zu: not ids, \"|\" and ids", path, r->n + 1);
        add(r, ids, n_prompt);
    }
    free(line);
    fclose(f);
    if (r->n == 0) fail("%s: no requests", path);
}

/* Some tokens, and after each a span that was there before, or not. */
static tokens draw_one(gsl_rng *g, const requests *r, size_t from, size_t most, unsigned long alphabet) {
    err    e = {0};
    tokens t = {0};
    size_t n = gsl_rng_uniform_int(g, most + 1);
    while (t.n < n) {
        if (tokens_push(&t, (int32_t)gsl_rng_uniform_int(g, alphabet), &e) != 0) fail("%s", e.text);
        if (gsl_rng_uniform_int(g, 4) > 0) continue;
        size_t         which = from + gsl_rng_uniform_int(g, r->n - from + 1);
        const int32_t *ids = which < r->n ? r->at[which].ids : t.ids;
        size_t         n_ids = which < r->n ? r->at[which].n : t.n;
        if (n_ids == 0) continue;
        size_t at = gsl_rng_uniform_int(g, n_ids), span = gsl_rng_uniform_int(g, most / 2);
        for (size_t i = at; i < at + span && i < n_ids; i++) {
            int32_t id = (which < r->n ? ids : t.ids)[i];
            if (tokens_push(&t, id, &e) != 0) fail("%s", e.text);
        }
    }
    return t;
}

void requests_draw(requests *r, size_t n, size_t most, size_t group) {
    gsl_rng      *g = rng_new(1, 0);
    unsigned long alphabet = 1;
    for (size_t i = 0; i < n; i++) {
        if (i % group == 0) alphabet = 1 + gsl_rng_uniform_int(g, 6);
        tokens t = draw_one(g, r, i - i % group, most, alphabet);
        add(r, t, gsl_rng_uniform_int(g, t.n + 1));
    }
    gsl_rng_free(g);
}

void requests_free(requests *r) {
    for (size_t i = 0; i < r->n; i++) free(r->at[i].ids);
    free(r->at);
    *r = (requests){0};
}
