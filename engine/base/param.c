#include "engine/base/param.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/suggest.h"

/* ---- values ------------------------------------------------------------------------------------------- */

param_value param_preset(const param_spec *spec) {
    param_value v = {.type = spec->type};
    switch (spec->type) {
    case PARAM_IS_INTEGER:
        v.integer = (int64_t)spec->preset;
        break;
    case PARAM_IS_REAL:
        v.real = spec->preset;
        break;
    case PARAM_IS_CHOICE:
        v.choice = (size_t)spec->preset;
        break;
    case PARAM_IS_FILE:
        break;
    }
    return v;
}

void param_presets(const param_spec *specs, size_t n, param_values *out) {
    *out = (param_values){0};
    for (size_t i = 0; i < n; i++) out->at[i] = param_preset(&specs[i]);
}

double param_number(const param_value *v) {
    return v->type == PARAM_IS_INTEGER ? (double)v->integer : v->real;
}

bool param_equal(const param_value *a, const param_value *b) {
    if (a->type != b->type) return false;
    switch (a->type) {
    case PARAM_IS_INTEGER:
        return a->integer == b->integer;
    case PARAM_IS_REAL:
        return a->real == b->real;
    case PARAM_IS_CHOICE:
        return a->choice == b->choice;
    case PARAM_IS_FILE:
        if (*a->file->sha256 == '\0' || *b->file->sha256 == '\0') return strcmp(a->file->path, b->file->path) == 0;
        return strcmp(a->file->sha256, b->file->sha256) == 0;
    }
    return false;
}

static int format_number(const param_spec *spec, double x, char *buf, size_t size) {
    if (spec->type == PARAM_IS_INTEGER) return snprintf(buf, size, "%.0f", x);
    return snprintf(buf, size, "%.*g", real_digits(x), x);
}

int param_format(const param_spec *spec, const param_value *v, char *buf, size_t size) {
    if (spec->type == PARAM_IS_CHOICE) return snprintf(buf, size, "%s", spec->choices[v->choice]);
    if (spec->type == PARAM_IS_FILE) return snprintf(buf, size, "%s", v->file->path);
    return format_number(spec, param_number(v), buf, size);
}

static void file_free(param_file *f) {
    if (f == NULL) return;
    free(f->path);
    free(f->where);
    free(f);
}

/* where may be NULL */
static param_file *file_new(const char *path, const char *where, err *e) {
    param_file *f = mem_new(1, sizeof *f, e);
    if (f == NULL) return NULL;
    f->path = mem_strdup(path, e);
    f->where = where != NULL ? mem_strdup(where, e) : NULL;
    if (f->path != NULL && (where == NULL || f->where != NULL)) return f;
    file_free(f);
    return NULL;
}

void param_value_free(param_value *v) {
    if (v->type != PARAM_IS_FILE || v->file == NULL) return;
    file_free(v->file);
    v->file = NULL;
}

void param_values_free(param_values *v) {
    for (size_t i = 0; i < PARAM_MAX; i++) param_value_free(&v->at[i]);
    *v = (param_values){0};
}

int param_values_copy(const param_values *from, param_values *to, err *e) {
    *to = *from;
    for (size_t i = 0; i < PARAM_MAX; i++)
        if (to->at[i].type == PARAM_IS_FILE) to->at[i].file = NULL;
    for (size_t i = 0; i < PARAM_MAX; i++) {
        const param_value *v = &from->at[i];
        if (v->type != PARAM_IS_FILE || v->file == NULL) continue;
        if ((to->at[i].file = file_new(v->file->path, v->file->where, e)) == NULL) {
            param_values_free(to);
            return -1;
        }
        memcpy(to->at[i].file->sha256, v->file->sha256, sizeof v->file->sha256);
    }
    return 0;
}

/* ---- parsing ------------------------------------------------------------------------------------------ */

static int parse_number(const param_spec *spec, const char *text, param_value *out, err *e) {
    char       *end;
    double      x = strtod(text, &end);
    char        lo[40], hi[40];
    bool        whole = spec->type == PARAM_IS_INTEGER;
    const char *kind = whole ? "an integer" : "a number";
    format_number(spec, spec->min, lo, sizeof lo);
    format_number(spec, spec->max, hi, sizeof hi);
    bool wrong = end == text || *end != '\0' || !isfinite(x) || (whole && x != floor(x));
    if (wrong || x < spec->min || x > spec->max)
        return err_input(e, "%s = \"%s\" is not allowed (%s from %s to %s)", spec->name, text, kind, lo, hi);
    *out = (param_value){.type = spec->type};
    if (whole)
        out->integer = (int64_t)x;
    else
        out->real = x;
    return 0;
}

static int parse_choice(const param_spec *spec, const char *text, param_value *out, err *e) {
    size_t n = 0;
    for (; spec->choices[n] != NULL; n++) {
        if (strcmp(spec->choices[n], text) != 0) continue;
        *out = (param_value){.type = PARAM_IS_CHOICE, .choice = n};
        return 0;
    }
    return err_unknown(e, NULL, spec->name, text, spec->choices, n);
}

static int parse_file(const param_spec *spec, const char *text, param_value *out, err *e) {
    param_value v = {.type = PARAM_IS_FILE, .file = file_new(text, NULL, e)};
    if (v.file == NULL) return -1;
    if (digest_sha256_file(text, v.file->sha256, e) != 0) {
        param_value_free(&v);
        return err_prefix(e, "%s", spec->name);
    }
    *out = v;
    return 0;
}

int param_file_absent(const char *path, const char *where, param_value *out, err *e) {
    *out = (param_value){.type = PARAM_IS_FILE, .file = file_new(path, where, e)};
    return out->file != NULL ? 0 : -1;
}

int param_parse(const param_spec *spec, const char *text, param_value *out, err *e) {
    switch (spec->type) {
    case PARAM_IS_CHOICE:
        return parse_choice(spec, text, out, e);
    case PARAM_IS_FILE:
        return parse_file(spec, text, out, e);
    default:
        return parse_number(spec, text, out, e);
    }
}

/* ---- lists -------------------------------------------------------------------------------------------- */

int param_find(const param_spec *specs, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(specs[i].name, name) == 0) return (int)i;
    return -1;
}

int param_check_files(const char *owner, const param_spec *specs, size_t n, const param_values *v, err *e) {
    for (size_t i = 0; i < n; i++) {
        const param_file *f = v->at[i].file;
        if (specs[i].type != PARAM_IS_FILE) continue;
        if (f == NULL) return err_input(e, "%s needs %s = FILE (%s)", owner, specs[i].name, specs[i].help);
        if (*f->sha256 != '\0') continue;
        errno = ENOENT;
        err_unreadable(e, f->path);
        return err_prefix(e, "%s: %s", owner, specs[i].name);
    }
    return 0;
}

int param_check_unchanged(const param_values *v, err *e) {
    for (size_t i = 0; i < PARAM_MAX; i++) {
        char              now[DIGEST_HEX];
        const param_file *f = v->at[i].type == PARAM_IS_FILE ? v->at[i].file : NULL;
        if (f == NULL) continue;
        if (digest_sha256_file(f->path, now, e) != 0) return -1;
        if (strcmp(now, f->sha256) != 0)
            return err_input(e, "%s: has changed since this run began (its content is part of a cell's identity)",
                             f->path);
    }
    return 0;
}

int param_parse_list(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out,
                     err *e) {
    param_presets(specs, n, out);
    if (param_parse_over(owner, specs, n, text, out, e) == 0 && param_check_files(owner, specs, n, out, e) == 0)
        return 0;
    param_values_free(out);
    return -1;
}

/* One "name=value" of `length` bytes, none given before. */
static int parse_pair(const char *owner, const param_spec *specs, size_t n, const char *text, size_t length, bool *seen,
                      param_values *out, err *e) {
    char       *pair = mem_strndup(text, length, e), *value = pair != NULL ? strchr(pair, '=') : NULL;
    param_value v;
    int         ret = -1;
    if (pair == NULL) return -1;
    if (value == NULL) {
        err_input(e, "%s: \"%s\" is not a parameter (NAME=VALUE)", owner, pair);
        goto out;
    }
    *value++ = '\0';
    int i = param_find(specs, n, pair);
    if (i < 0) {
        const char *names[PARAM_MAX] = {0};
        for (size_t k = 0; k < n; k++) names[k] = specs[k].name;
        err_unknown(e, owner, "parameter", pair, names, n);
        goto out;
    }
    if (seen[i]) {
        err_input(e, "%s: parameter \"%s\" is given twice", owner, pair);
        goto out;
    }
    seen[i] = true;
    if (param_parse(&specs[i], value, &v, e) != 0) {
        err_prefix(e, "%s", owner);
        goto out;
    }
    param_value_free(&out->at[i]);
    out->at[i] = v;
    ret = 0;
out:
    free(pair);
    return ret;
}

int param_parse_over(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out,
                     err *e) {
    bool seen[PARAM_MAX] = {false};
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        if (parse_pair(owner, specs, n, text, length, seen, out, e) != 0) return -1;
        text += length;
        if (*text == ',' && *++text == '\0') return err_input(e, "%s: nothing follows the last comma", owner);
    }
    return 0;
}
