#include "engine/base/param.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/suggest.h"

const char *const param_no_yes[] = {"no", "yes", NULL};

static const char none[] = "none"; /* of an optional file */

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
    case PARAM_IS_TEXT:
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
        if (a->file == NULL || b->file == NULL) return a->file == b->file;
        if (*a->file->sha256 == '\0' || *b->file->sha256 == '\0') return strcmp(a->file->path, b->file->path) == 0;
        return strcmp(a->file->sha256, b->file->sha256) == 0;
    case PARAM_IS_TEXT:
        return a->meaning->by->equal(a->meaning, b->meaning);
    }
    return false;
}

static int format_number(const param_spec *spec, double x, char *buf, size_t size) {
    if (spec->type == PARAM_IS_INTEGER) return snprintf(buf, size, "%.0f", x);
    return snprintf(buf, size, "%.*g", real_digits(x), x);
}

int param_format(const param_spec *spec, const param_value *v, char *buf, size_t size) {
    if (spec->type == PARAM_IS_CHOICE) return snprintf(buf, size, "%s", spec->choices[v->choice]);
    if (spec->type == PARAM_IS_FILE) return snprintf(buf, size, "%s", v->file != NULL ? v->file->path : none);
    if (spec->type == PARAM_IS_TEXT) return v->meaning->by->format(v->meaning, false, buf, size);
    return format_number(spec, param_number(v), buf, size);
}

int param_brief(const param_spec *spec, const param_value *v, char *buf, size_t size) {
    bool has = spec->type == PARAM_IS_TEXT && v->meaning->by->brief != NULL;
    return has ? v->meaning->by->brief(v->meaning, buf, size) : param_format(spec, v, buf, size);
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
    if (v->type == PARAM_IS_TEXT) {
        if (v->meaning != NULL) v->meaning->by->free(v->meaning);
        v->meaning = NULL;
    }
    if (v->type != PARAM_IS_FILE || v->file == NULL) return;
    file_free(v->file);
    v->file = NULL;
}

void param_values_free(param_values *v) {
    for (size_t i = 0; i < PARAM_MAX; i++) param_value_free(&v->at[i]);
    *v = (param_values){0};
}

static int value_copy(const param_value *from, param_value *to, err *e) {
    if (from->type == PARAM_IS_TEXT && from->meaning != NULL) {
        to->meaning = from->meaning->by->copy(from->meaning, e);
        return to->meaning != NULL ? 0 : -1;
    }
    if (from->type != PARAM_IS_FILE || from->file == NULL) return 0;
    if ((to->file = file_new(from->file->path, from->file->where, e)) == NULL) return -1;
    memcpy(to->file->sha256, from->file->sha256, sizeof from->file->sha256);
    return 0;
}

int param_values_copy(const param_values *from, param_values *to, err *e) {
    *to = *from;
    for (size_t i = 0; i < PARAM_MAX; i++) {
        if (to->at[i].type == PARAM_IS_FILE) to->at[i].file = NULL;
        if (to->at[i].type == PARAM_IS_TEXT) to->at[i].meaning = NULL;
    }
    for (size_t i = 0; i < PARAM_MAX; i++) {
        if (value_copy(&from->at[i], &to->at[i], e) == 0) continue;
        param_values_free(to);
        return -1;
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

static int parse_path(const param_spec *spec, const param_origin *from, const char *text, param_value *out, err *e) {
    if (spec->optional && strcmp(text, none) == 0) {
        *out = (param_value){.type = PARAM_IS_FILE};
        return 0;
    }
    char *path = mem_printf(e, "%s%s", *text != '/' ? from->folder : "", text);
    int   ret = -1;
    if (path != NULL && from->where != NULL && access(path, F_OK) != 0 && errno == ENOENT)
        ret = param_file_absent(path, from->where, out, e);
    else if (path != NULL)
        ret = parse_file(spec, path, out, e);
    free(path);
    return ret;
}

static int parse_text(const param_spec *spec, const param_origin *from, const char *text, param_value *out, err *e) {
    param_value v = {.type = PARAM_IS_TEXT, .meaning = spec->reader->read(text, from, e)};
    if (v.meaning == NULL) return err_prefix(e, "%s", spec->name);
    *out = v;
    return 0;
}

int param_parse(const param_spec *spec, const char *text, param_value *out, err *e) {
    return param_parse_from(spec, &(param_origin){.folder = ""}, text, out, e);
}

int param_parse_from(const param_spec *spec, const param_origin *from, const char *text, param_value *out, err *e) {
    switch (spec->type) {
    case PARAM_IS_CHOICE:
        return parse_choice(spec, text, out, e);
    case PARAM_IS_FILE:
        return parse_path(spec, from, text, out, e);
    case PARAM_IS_TEXT:
        return parse_text(spec, from, text, out, e);
    default:
        return parse_number(spec, text, out, e);
    }
}

int param_each_file(const param_value *v, param_each *each, void *ctx, err *e) {
    if (v->type == PARAM_IS_FILE && v->file != NULL) return each(ctx, v->file, e);
    if (v->type == PARAM_IS_TEXT && v->meaning != NULL) return v->meaning->by->each_file(v->meaning, each, ctx, e);
    return 0;
}

/* The files belong to the values that were given. */
static int place_file(void *ctx, const param_file *f, err *e) {
    param_file *own = (param_file *)f;
    char       *place = file_place(f->path, e);
    (void)ctx;
    if (place == NULL) return -1;
    free(own->path);
    own->path = place;
    return 0;
}

int param_values_place(param_values *v, err *e) {
    for (size_t i = 0; i < PARAM_MAX; i++)
        if (param_each_file(&v->at[i], place_file, NULL, e) != 0) return -1;
    return 0;
}

/* ---- lists -------------------------------------------------------------------------------------------- */

int param_find(const param_spec *specs, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(specs[i].name, name) == 0) return (int)i;
    return -1;
}

int param_check_given(const char *owner, const param_spec *specs, size_t n, const param_values *v, err *e) {
    for (size_t i = 0; i < n; i++) {
        if (specs[i].type == PARAM_IS_TEXT && v->at[i].meaning == NULL)
            return err_input(e, "%s needs %s = TEXT (%s)", owner, specs[i].name, specs[i].help);
        if (specs[i].type == PARAM_IS_FILE && v->at[i].file == NULL && !specs[i].optional)
            return err_input(e, "%s needs %s = FILE (%s)", owner, specs[i].name, specs[i].help);
    }
    return 0;
}

int param_check_present(const char *owner, const param_spec *specs, size_t n, const param_values *v, err *e) {
    if (param_check_given(owner, specs, n, v, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        const param_file *f = specs[i].type == PARAM_IS_FILE ? v->at[i].file : NULL;
        if (f == NULL || *f->sha256 != '\0') continue;
        errno = ENOENT;
        err_unreadable(e, f->path);
        return err_prefix(e, "%s: %s", owner, specs[i].name);
    }
    return 0;
}

static int check_file(void *ctx, const param_file *f, err *e) {
    (void)ctx;
    char now[DIGEST_HEX];
    if (digest_sha256_file(f->path, now, e) != 0) return -1;
    if (strcmp(now, f->sha256) == 0) return 0;
    return err_input(e, "%s: has changed since this run began (its content is part of a cell's identity)", f->path);
}

int param_check_unchanged(const param_values *v, err *e) {
    for (size_t i = 0; i < PARAM_MAX; i++)
        if (param_each_file(&v->at[i], check_file, NULL, e) != 0) return -1;
    return 0;
}

int param_parse_list(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out,
                     err *e) {
    param_presets(specs, n, out);
    if (param_parse_over(owner, specs, n, text, out, e) == 0 && param_check_given(owner, specs, n, out, e) == 0)
        return 0;
    param_values_free(out);
    return -1;
}

static bool is_quote(char c) {
    return c == '"' || c == '\'';
}

int param_span(const char *whole, const char *at, const char *ends, size_t *n, err *e) {
    const char *c = at;
    for (; *c != '\0' && strchr(ends, *c) == NULL; c++) {
        if (c == at || c[-1] != '=' || !is_quote(*c)) continue;
        const char *close = strchr(c + 1, *c);
        if (close == NULL)
            return err_input(e, "%s: the quote at character %zu has no end (quotes enclose a whole value)", whole,
                             (size_t)(c - whole) + 1);
        c = close;
        if (c[1] != '\0' && strchr(ends, c[1]) == NULL && strchr(" \t>,", c[1]) == NULL)
            return err_input(e,
                             "%s: the quote at character %zu does not end the value (quotes enclose a whole value; one "
                             "inside it is of the other kind)",
                             whole, (size_t)(c - whole) + 1);
    }
    *n = (size_t)(c - at);
    return 0;
}

int param_quote(const char *text, const char *special, char *buf, size_t size) {
    bool        needed = text[strcspn(text, special)] != '\0' || is_quote(*text);
    const char *mark = !needed ? "" : strchr(text, '"') != NULL ? "'" : "\"";
    return snprintf(buf, size, "%s%s%s", mark, text, mark);
}

/* Takes the quotes off. NULL: they do not enclose the value. */
static char *unquote(char *value) {
    size_t n = strlen(value);
    if (!is_quote(*value)) return value;
    if (n < 2 || strchr(value + 1, *value) != value + n - 1) return NULL;
    value[n - 1] = '\0';
    return value + 1;
}

static int unknown_param(const char *owner, const param_spec *specs, size_t n, const char *name, err *e) {
    const char *names[PARAM_MAX] = {0};
    for (size_t k = 0; k < n; k++) names[k] = specs[k].name;
    return err_unknown(e, owner, "parameter", name, names, n);
}

int param_parse_pair(const char *owner, const param_spec *specs, size_t n_specs, const param_origin *from,
                     const char *text, size_t n, bool *seen, param_values *out, err *e) {
    char       *pair = mem_strndup(text, n, e), *value = pair != NULL ? strchr(pair, '=') : NULL, *bare;
    param_value v;
    int         ret = -1, i = -1;
    if (pair == NULL) return -1;
    if (value == NULL) {
        err_input(e, "%s: \"%s\" is not a parameter (NAME=VALUE)", owner, pair);
    } else {
        *value++ = '\0';
        if ((i = param_find(specs, n_specs, pair)) < 0)
            unknown_param(owner, specs, n_specs, pair, e);
        else if (seen[i])
            err_input(e, "%s: parameter \"%s\" is given twice", owner, pair);
        else if ((bare = unquote(value)) == NULL)
            err_input(e, "%s: %s = %s: quotes do not enclose the value (one inside is of the other kind)", owner, pair,
                      value);
        else if (param_parse_from(&specs[i], from, bare, &v, e) != 0)
            err_prefix(e, "%s", owner);
        else
            ret = 0;
    }
    if (ret == 0) {
        seen[i] = true;
        param_value_free(&out->at[i]);
        out->at[i] = v;
    }
    free(pair);
    return ret;
}

int param_parse_over(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out,
                     err *e) {
    const param_origin here = {.folder = ""};
    bool               seen[PARAM_MAX] = {false};
    for (const char *at = text; *at != '\0';) {
        size_t length = 0;
        if (param_span(text, at, ",", &length, e) != 0) return err_prefix(e, "%s", owner);
        if (param_parse_pair(owner, specs, n, &here, at, length, seen, out, e) != 0) return -1;
        at += length;
        if (*at == ',' && *++at == '\0') return err_input(e, "%s: nothing follows the last comma", owner);
    }
    return 0;
}
