#include "datasets/jsonl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"

/* ---- lines ---- */

int jsonl_open(jsonl *j, const char *path, err *e) {
    static const char bom[] = "\xef\xbb\xbf";
    *j = (jsonl){.path = path};
    if ((j->bytes = file_read(path, SIZE_MAX, &j->n, e)) == NULL) return -1;
    if (j->n >= sizeof bom - 1 && memcmp(j->bytes, bom, sizeof bom - 1) == 0) j->at = sizeof bom - 1;
    return 0;
}

void jsonl_close(jsonl *j) {
    free(j->bytes);
    j->bytes = NULL;
    j->n = j->at = 0;
}

/* Takes one line off the file; false at the end. */
static bool take_line(jsonl *j, const char **line, size_t *n) {
    if (j->at == j->n) return false;
    *line = j->bytes + j->at;
    const char *end = memchr(*line, '\n', j->n - j->at);
    *n = end != NULL ? (size_t)(end - *line) : j->n - j->at;
    j->at += *n + (end != NULL);
    j->line++;
    return true;
}

static bool blank(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') return false;
    return true;
}

static const char *type_name(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a real number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

int jsonl_next(jsonl *j, json_t **object, err *e) {
    const char  *line;
    size_t       n;
    json_error_t why;

    do {
        if (!take_line(j, &line, &n)) return 0;
    } while (blank(line, n));

    errno = 0;
    json_t *v = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (v == NULL) {
        if (errno == ENOMEM) /* Jansson may say that the line is wrong */
            return err_run(e, "%s:%zu: out of memory", j->path, j->line);
        return jsonl_bad(j, e, "not JSON: %s, at byte %d of the line (one object to a line)", why.text, why.position);
    }
    if (!json_is_object(v)) {
        jsonl_bad(j, e, "%s (one object to a line)", type_name(v));
        json_decref(v);
        return -1;
    }
    *object = v;
    return 1;
}

int jsonl_bad(const jsonl *j, err *e, const char *fmt, ...) {
    char    text[sizeof((err *)0)->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    /* What a file says must not steer a terminal: no C0 controls, and no C1 ones (C2 80 to C2 9F in UTF-8). */
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
        else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
            c[0] = c[1] = '?';
    return err_input(e, "%s:%zu: %s", j->path, j->line, text);
}

/* ---- values ---- */

const json_t *jsonl_get(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

const json_t *jsonl_need(const jsonl *j, const json_t *object, const char *key, err *e) {
    const json_t *v = jsonl_get(object, key);
    if (v == NULL) jsonl_bad(j, e, "\"%s\" is missing", key);
    return v;
}

static int wrong_type(const jsonl *j, const json_t *v, const char *what, const char *needed, err *e) {
    return jsonl_bad(j, e, "%s is %s (%s is needed)", what, type_name(v), needed);
}

int jsonl_string(const jsonl *j, const json_t *v, const char *what, err *e) {
    return json_is_string(v) ? 0 : wrong_type(j, v, what, "a string", e);
}

int jsonl_text(const jsonl *j, const json_t *v, const char *what, char **text, size_t *n, err *e) {
    if (jsonl_string(j, v, what, e) != 0) return -1;
    *n = json_string_length(v);
    *text = mem_strndup(json_string_value(v), *n, e);
    return *text != NULL ? 0 : -1;
}

int jsonl_name(const jsonl *j, const json_t *v, const char *what, char **name, err *e) {
    if (jsonl_string(j, v, what, e) != 0) return -1;
    size_t n = json_string_length(v);
    if (strlen(json_string_value(v)) != n) return jsonl_bad(j, e, "%s holds \\u0000 (only texts may)", what);
    *name = mem_strndup(json_string_value(v), n, e);
    return *name != NULL ? 0 : -1;
}

int jsonl_id(const jsonl *j, const json_t *v, const char *what, char **id, err *e) {
    if (json_is_string(v)) return jsonl_name(j, v, what, id, e);
    if (!json_is_integer(v)) return jsonl_bad(j, e, "%s is neither an integer nor a string", what);
    *id = mem_printf(e, "%lld", (long long)json_integer_value(v));
    return *id != NULL ? 0 : -1;
}

int jsonl_ids(const jsonl *j, const json_t *v, const char *what, tokens *ids, err *e) {
    if (!json_is_array(v)) return wrong_type(j, v, what, "an array of token ids", e);
    size_t n = json_array_size(v);
    if (tokens_reserve(ids, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_integer(id))
            return jsonl_bad(j, e, "%s[%zu] is %s (a token id is needed)", what, i, type_name(id));
        json_int_t value = json_integer_value(id);
        if (value < 0 || value > INT32_MAX)
            return jsonl_bad(j, e, "%s[%zu] is %lld (an id is 0 to %d)", what, i, (long long)value, INT32_MAX);
        ids->ids[ids->n++] = (int32_t)value;
    }
    return 0;
}

int jsonl_array(const jsonl *j, const json_t *v, const char *what, err *e) {
    return json_is_array(v) ? 0 : wrong_type(j, v, what, "an array", e);
}
