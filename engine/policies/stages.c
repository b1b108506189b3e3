#include "engine/policies/stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

typedef struct {
    param_meaning base;
    policy_stage  at[STAGES_MAX];
    size_t        n;
} stages;

const char stages_at_least[] = "at_least";

static const param_spec at_least_spec =
    PARAM_INTEGER(stages_at_least, 1, 1, DRAFT_CAP, "fewest tokens of a draft that is taken");

static const char blanks[] = " \t";

const policy_stage *stages_of_value(const param_value *v, size_t *n) {
    const stages *s = (const stages *)v->meaning;
    *n = s->n;
    return s->at;
}

static void stages_free(param_meaning *m) {
    stages *s = (stages *)m;
    for (size_t i = 0; i < s->n; i++) param_values_free(&s->at[i].params);
    free(s);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* What one stage may be: in errors. */
#define STAGE_FORM "POLICY NAME=VALUE NAME=VALUE ..."

/* at_least, or a parameter. */
static int read_word(policy_stage *s, const char *owner, const param_origin *from, const char *word, size_t n,
                     bool *seen, err *e) {
    size_t      n_name = sizeof stages_at_least - 1;
    param_value least;
    if (n <= n_name || strncmp(word, stages_at_least, n_name) != 0 || word[n_name] != '=')
        return param_parse_pair(owner, s->ops->params, s->ops->n_params, from, word, n, seen, &s->params, e);
    char *text = mem_strndup(word + n_name + 1, n - n_name - 1, e);
    int   ret = text != NULL ? param_parse(&at_least_spec, text, &least, e) : -1;
    if (ret == 0) s->at_least = (size_t)least.integer;
    free(text);
    return ret == 0 ? 0 : err_prefix(e, "%s", owner);
}

/* The words of a stage after its name, up to `end`. */
static int read_params(policy_stage *s, const char *owner, const param_origin *from, const char *whole, const char *at,
                       const char *end, err *e) {
    bool seen[PARAM_MAX] = {false};
    int  ret = 0;
    param_presets(s->ops->params, s->ops->n_params, &s->params);
    while (ret == 0 && (at += strspn(at, blanks)) < end) {
        size_t n;
        ret = param_span(whole, at, " \t>", &n, e);
        if (ret == 0) ret = read_word(s, owner, from, at, n, seen, e);
        if (ret == 0) at += n;
    }
    if (ret == 0) ret = param_check_given(owner, s->ops->params, s->ops->n_params, &s->params, e);
    if (ret != 0) param_values_free(&s->params);
    return ret;
}

/* One stage, from `at` up to `end`. */
static int read_stage(stages *s, const param_origin *from, const char *whole, const char *at, const char *end, err *e) {
    char          owner[100];
    policy_stage *stage = &s->at[s->n];
    const char   *word = at + strspn(at, blanks);
    size_t        n = strcspn(word, " \t>");
    snprintf(owner, sizeof owner, "stage %zu", s->n + 1);
    if (word >= end || n == 0) return err_input(e, "%s is empty (" STAGE_FORM " > ...)", owner);
    char *name = mem_strndup(word, n, e);
    if (name == NULL) return -1;
    stage->ops = registry_named(&policy_registry, owner, name, e);
    free(name);
    if (stage->ops == NULL) return -1;
    if (stage->ops->stages != NULL)
        return err_input(e, "%s: %s is not allowed (a stage is a policy without stages)", owner, stage->ops->name);
    snprintf(owner, sizeof owner, "stage %zu, %s", s->n + 1, stage->ops->name);
    stage->at_least = (size_t)at_least_spec.preset;
    if (read_params(stage, owner, from, whole, word + n, end, e) != 0) return -1;
    s->n++;
    return 0;
}

/* Commas belong to lists of values, and to parameters outside a chain. */
static int check_commas(const char *text, err *e) {
    size_t n;
    if (param_span(text, text, ",", &n, e) != 0) return -1;
    if (text[n] == '\0') return 0;
    return err_input(e,
                     "the comma at character %zu is not allowed (stages are separated by >, and their parameters by "
                     "blanks; a path with a comma goes in quotes)",
                     n + 1);
}

static param_meaning *stages_read(const char *text, const param_origin *from, err *e) {
    stages *s = mem_new(1, sizeof *s, e);
    if (s == NULL) return NULL;
    s->base.by = &stages_reader;
    int ret = check_commas(text, e);
    for (const char *at = text; ret == 0 && at != NULL;) {
        size_t n;
        if ((ret = param_span(text, at, ">", &n, e)) != 0) break;
        ret = s->n < STAGES_MAX ? read_stage(s, from, text, at, at + n, e)
                                : err_input(e, "more than %d stages are not allowed", STAGES_MAX);
        at = at[n] == '>' ? at + n + 1 : NULL;
    }
    if (ret == 0) return &s->base;
    stages_free(&s->base);
    return NULL;
}

/* ---- values ------------------------------------------------------------------------------------------- */

static param_meaning *stages_copy(const param_meaning *m, err *e) {
    const stages *from = (const stages *)m;
    stages       *to = mem_new(1, sizeof *to, e);
    if (to == NULL) return NULL;
    to->base = from->base;
    for (; to->n < from->n; to->n++) {
        const policy_stage *stage = &from->at[to->n];
        to->at[to->n] = *stage;
        if (param_values_copy(&stage->params, &to->at[to->n].params, e) == 0) continue;
        stages_free(&to->base);
        return NULL;
    }
    return &to->base;
}

static bool stages_equal(const param_meaning *x, const param_meaning *y) {
    const stages *a = (const stages *)x, *b = (const stages *)y;
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const policy_stage *s = &a->at[i], *t = &b->at[i];
        if (s->ops != t->ops || s->at_least != t->at_least) return false;
        for (size_t k = 0; k < s->ops->n_params; k++)
            if (!param_equal(&s->params.at[k], &t->params.at[k])) return false;
    }
    return true;
}

/* A buffer as snprintf has it: `n` bytes are wanted, and those that fit are there. */
typedef struct {
    char  *buf;
    size_t size, n;
} text_out;

/* What is left of it. */
static char *out_at(const text_out *o) {
    return o->n < o->size ? o->buf + o->n : NULL;
}

static size_t out_room(const text_out *o) {
    return o->n < o->size ? o->size - o->n : 0;
}

static void out_param(text_out *o, const param_spec *spec, const param_value *v, bool identity) {
    o->n += (size_t)snprintf(out_at(o), out_room(o), " %s=", spec->name);
    if (v->type != PARAM_IS_FILE || v->file == NULL)
        o->n += (size_t)param_format(spec, v, out_at(o), out_room(o));
    else if (identity)
        o->n += (size_t)snprintf(out_at(o), out_room(o), "sha256:%s", v->file->sha256);
    else
        o->n += (size_t)param_quote(v->file->path, " \t,>", out_at(o), out_room(o));
}

/* brief: without what is at its preset. */
static int format(const stages *s, bool identity, bool brief, char *buf, size_t size) {
    text_out o = {buf, size, 0};
    for (size_t i = 0; i < s->n; i++) {
        const policy_stage *stage = &s->at[i];
        param_value         least = {.type = PARAM_IS_INTEGER, .integer = (int64_t)stage->at_least};
        o.n += (size_t)snprintf(out_at(&o), out_room(&o), "%s%s", i > 0 ? " > " : "", stage->ops->name);
        for (size_t k = 0; k < stage->ops->n_params; k++) {
            const param_value preset = param_preset(&stage->ops->params[k]), *v = &stage->params.at[k];
            if (!brief || !param_equal(&preset, v)) out_param(&o, &stage->ops->params[k], v, identity);
        }
        if (!brief || stage->at_least != (size_t)at_least_spec.preset) out_param(&o, &at_least_spec, &least, identity);
    }
    return (int)o.n;
}

static int stages_format(const param_meaning *m, bool identity, char *buf, size_t size) {
    return format((const stages *)m, identity, false, buf, size);
}

static int stages_brief(const param_meaning *m, char *buf, size_t size) {
    return format((const stages *)m, false, true, buf, size);
}

static int stages_each_file(const param_meaning *m, param_each *each, void *ctx, err *e) {
    const stages *s = (const stages *)m;
    int           ret = 0;
    for (size_t i = 0; ret == 0 && i < s->n; i++)
        for (size_t k = 0; ret == 0 && k < PARAM_MAX; k++) ret = param_each_file(&s->at[i].params.at[k], each, ctx, e);
    return ret;
}

const param_reader stages_reader = {
    .read = stages_read,
    .copy = stages_copy,
    .free = stages_free,
    .equal = stages_equal,
    .format = stages_format,
    .brief = stages_brief,
    .each_file = stages_each_file,
};
