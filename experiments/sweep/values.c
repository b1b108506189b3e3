#include "experiments/sweep/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"

/* ---- parameters --------------------------------------------------------------------------------------- */

typedef struct {
    const inifile    *file;
    const param_spec *spec;
} param_context;

static int parse_param(const void *ctx, const ini_part *item, param_value *out, err *e) {
    const param_context *c = ctx;
    bool                 blanks = c->spec->type == PARAM_IS_FILE || c->spec->type == PARAM_IS_TEXT;
    if (!blanks && strpbrk(item->text, " \t") != NULL)
        return err_input(e, "%s: %s = \"%s\" is not one value (VALUE, VALUE, ... with commas)", item->where,
                         c->spec->name, item->text);
    return key_param(c->file, c->spec, item, out, e);
}

int values_read(const inifile *f, const ini_section *s, const param_spec *specs, size_t n, value_list *values, err *e) {
    if (keys_check(s, NULL, specs, n, e) != 0) return -1;

    for (size_t i = 0; i < n; i++) {
        const ini_entry *entry = ini_find(s, specs[i].name);
        if (entry != NULL) {
            if (keys_list(entry, parse_param, &(param_context){f, &specs[i]}, &values[i], e) != 0) return -1;
        } else if ((specs[i].type == PARAM_IS_FILE && !specs[i].optional) || specs[i].type == PARAM_IS_TEXT) {
            return err_input(e, "%s: [%s] has no \"%s\" (%s)", s->where, s->title, specs[i].name, specs[i].help);
        } else {
            if (mem_reserve(&values[i].at, &values[i].cap, 1, e) != 0) return -1;
            values[i].at[values[i].n++] = param_preset(&specs[i]);
        }
    }
    return 0;
}

/* ---- grids -------------------------------------------------------------------------------------------- */

static bool lists_meet(const value_list *a, const value_list *b) {
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            if (param_equal(&a->at[i], &b->at[k])) return true;
    return false;
}

bool values_meet(const value_list *a, const value_list *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!lists_meet(&a[i], &b[i])) return false;
    return true;
}

/* ---- JSON --------------------------------------------------------------------------------------------- */

static json_t *text_json(const param_meaning *m) {
    err   ignored = {0};
    int   n = m->by->format(m, true, NULL, 0);
    char *text = mem_new(1, (size_t)n + 1, &ignored);
    if (text != NULL) m->by->format(m, true, text, (size_t)n + 1);
    json_t *json = text != NULL ? json_string(text) : NULL;
    free(text);
    return json;
}

static json_t *value_json(const param_spec *spec, const param_value *v) {
    switch (v->type) {
    case PARAM_IS_INTEGER:
        return json_integer((json_int_t)v->integer);
    case PARAM_IS_REAL:
        return json_real(v->real);
    case PARAM_IS_CHOICE:
        return json_string(spec->choices[v->choice]);
    case PARAM_IS_FILE:
        if (v->file == NULL) return json_string("none");
        return json_sprintf("sha256:%s", v->file->sha256);
    case PARAM_IS_TEXT:
        return text_json(v->meaning);
    }
    return NULL;
}

json_t *values_json(const param_spec *specs, size_t n, const param_values *v) {
    json_t *object = json_object();
    for (size_t i = 0; i < n && object != NULL; i++) {
        if (json_object_set_new(object, specs[i].name, value_json(&specs[i], &v->at[i])) == 0) continue;
        json_decref(object);
        object = NULL;
    }
    return object;
}

int values_digits(const param_spec *specs, size_t n, const param_values *v, int digits) {
    for (size_t i = 0; i < n; i++)
        if (specs[i].type == PARAM_IS_REAL && real_digits(v->at[i].real) > digits) digits = real_digits(v->at[i].real);
    return digits;
}
