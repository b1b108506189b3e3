#include "datasets/jsonl.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "datasets/odd_values.h"
#include "engine/base/fetch.h"
#include "engine/base/file.h"
#include "engine/base/filekind.h"
#include "engine/base/mem.h"
#include "engine/base/suggest.h"
#include "engine/base/utf8.h"

/* ---- lines ---- */

static bool blank(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') return false;
    return true;
}

static bool between(char c) {
    return c == '\n' || blank(&c, 1);
}

static int check_kind(const char *path, file_kind kind, err *e) {
    return kind == FILE_OTHER || kind == FILE_EMPTY ? 0 : file_kind_refuse(path, kind, "JSON Lines", e);
}

/* Whether a line from `at` on begins with a brace. */
static bool has_objects(const char *at, const char *end) {
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        while (at < stop && blank(at, 1)) at++;
        if (at < stop && *at == '{') return true;
        at = stop + 1;
    }
    return false;
}

/* Text that is as a whole something else: no line of it is bad by itself, so none is skipped. */
static int check_layout(jsonl *j, err *e) {
    const char *from = j->bytes + j->at, *end = j->bytes + j->n;
    while (from < end && between(*from)) from++;
    while (end > from && between(end[-1])) end--;
    if (from == end) return 0;
    const char *stop = memchr(from, '\n', (size_t)(end - from));
    size_t      first = stop != NULL ? (size_t)(stop - from) : (size_t)(end - from);
    const char *item = from + 1; /* of an array; a config begins with a [section] */
    while (item < end && between(*item)) item++;
    j->array = *from == '[' && item < end && strchr("{[]\"-0123456789", *item) != NULL;
    if (j->array) return 0;
    if (*from == '{' && stop != NULL && blank(from + 1, first - 1))
        return err_input(e,
                         "%s: holds objects over several lines, not JSON Lines (one object to a line: jq -c . "
                         "writes it so)",
                         j->path);
    if (!has_objects(from, end) && memchr(from, '{', first) == NULL && *from != '[' &&
        (memchr(from, ',', first) != NULL || memchr(from, '\t', first) != NULL))
        return err_input(e,
                         "%s: looks like a table (CSV), not JSON Lines (one object to a line; pandas writes it: "
                         "to_json(FILE, orient=\"records\", lines=True))",
                         j->path);
    return 0;
}

/* Appends what one run of inflate gives; the stream keeps the place. */
static int inflate_more(z_stream *z, char **out, size_t *n, size_t *cap, int *status, err *e) {
    enum { STEP = 1 << 16 };
    if (mem_reserve(out, cap, *n + STEP, e) != 0) return -1;
    size_t room = *cap - *n < INT_MAX ? *cap - *n : INT_MAX;
    z->next_out = (Bytef *)*out + *n;
    z->avail_out = (uInt)room;
    *status = inflate(z, Z_NO_FLUSH);
    *n += room - z->avail_out;
    return 0;
}

/* What is at byte `at`, after a member: 1 for another one, 0 for nothing. Zeros are nothing, as for gzip(1): they fill
 * up the blocks of tapes and of some copies. */
static int next_member(const jsonl *j, size_t at, err *e) {
    static const char magic[] = {'\x1f', '\x8b'};
    size_t            other = at;
    if (j->n - at >= sizeof magic && memcmp(j->bytes + at, magic, sizeof magic) == 0) return 1;
    while (other < j->n && j->bytes[other] == '\0') other++;
    if (other == j->n) return 0;
    return err_input(e, "%s: damaged gzip data (it ends at byte %zu, but at byte %zu is more; only zeros may follow)",
                     j->path, at, other);
}

/* Replaces gzip's bytes by what they hold: one or more members, one after the other. */
static int unpack(jsonl *j, err *e) {
    enum { ANY_HEADER = 16 + MAX_WBITS }; /* of gzip */
    z_stream z = {0};
    char    *out = NULL;
    size_t   n = 0, cap = 0, taken = 0;
    int      status = inflateInit2(&z, ANY_HEADER), ret = status == Z_OK ? 0 : err_run(e, "out of memory for zlib");
    if (ret != 0) return -1;
    while (ret == 0 && (z.avail_in > 0 || taken < j->n)) {
        if (status == Z_STREAM_END) {
            int more = next_member(j, taken - z.avail_in, e);
            if (more <= 0) ret = more;
            if (more <= 0 || (status = inflateReset(&z)) != Z_OK) break;
        }
        if (z.avail_in == 0) {
            size_t step = j->n - taken < INT_MAX ? j->n - taken : INT_MAX;
            z.next_in = (Bytef *)j->bytes + taken;
            z.avail_in = (uInt)step;
            taken += step;
        }
        ret = inflate_more(&z, &out, &n, &cap, &status, e);
        while (ret == 0 && status == Z_OK && z.avail_out == 0) ret = inflate_more(&z, &out, &n, &cap, &status, e);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) break;
    }
    if (ret == 0 && status != Z_STREAM_END)
        ret =
            err_input(e, "%s: damaged gzip data (%s)", j->path, z.msg != NULL ? z.msg : "it ends before the text does");
    inflateEnd(&z);
    if (ret != 0 || mem_reserve(&out, &cap, 1, e) != 0) {
        free(out);
        return -1;
    }
    free(j->bytes);
    j->bytes = out;
    j->n = n;
    return 0;
}

int jsonl_open(jsonl *j, const char *path, err *e) {
    static const char bom[] = "\xef\xbb\xbf";
    *j = (jsonl){.path = path};
    file_kind kind;
    if (file_kind_at(path, &kind, e) != 0) return fetch_advise(path, e);
    if (kind != FILE_GZIP && check_kind(path, kind, e) != 0) return -1; /* before gigabytes are read */
    if ((j->bytes = file_read(path, SIZE_MAX, &j->n, e)) == NULL) return fetch_advise(path, e);
    if (file_kind_of(j->bytes, j->n) == FILE_GZIP && unpack(j, e) != 0) {
        jsonl_close(j);
        return -1;
    }
    if (j->n >= sizeof bom - 1 && memcmp(j->bytes, bom, sizeof bom - 1) == 0) j->at = sizeof bom - 1;
    if (check_kind(path, file_kind_of(j->bytes, j->n), e) == 0 && check_layout(j, e) == 0) return 0; /* of a pipe too */
    jsonl_close(j);
    return -1;
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

/* ---- elements of an array ---- */

/* Skips what is between values. */
static void skip_blank(jsonl *j) {
    for (; j->at < j->n && between(j->bytes[j->at]); j->at++) j->lines += j->bytes[j->at] == '\n';
}

/* Bytes of the value that begins at s: up to the bracket that closes it, or to what follows a value without brackets.
 * What is in between is the parser's to judge. */
static size_t value_length(const char *s, size_t n) {
    size_t depth = 0, i = 0;
    bool   quoted = false;
    for (; i < n; i++) {
        char c = s[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
            return i;
        } else if (c == '}' || c == ']') {
            if (--depth == 0) return i + 1;
        }
    }
    return n;
}

/* Nothing after a damaged bracket or comma can be told apart. */
static int break_array(jsonl *j, err *e, const char *why) {
    j->line = j->lines + 1;
    j->ended = true;
    return jsonl_bad(j, e, "%s", why);
}

/* Takes one element: 1, 0 after the last, -1 when the array is broken here. */
static int take_element(jsonl *j, const char **text, size_t *n, err *e) {
    bool first = j->line == 0;
    if (j->ended) return 0;
    skip_blank(j);
    if (first) {
        j->at++; /* the bracket that check_layout saw */
        skip_blank(j);
    }
    if (j->at < j->n && j->bytes[j->at] == ']') {
        j->at++;
        skip_blank(j);
        if (j->at < j->n) return break_array(j, e, "there is text after the array (one array in a file)");
        j->ended = true;
        return 0;
    }
    if (!first && j->at < j->n) {
        if (j->bytes[j->at] != ',') return break_array(j, e, "not JSON: a comma or the array's end is missing");
        j->at++;
        skip_blank(j);
    }
    if (j->at == j->n) return break_array(j, e, "not JSON: the array has no end");
    *text = j->bytes + j->at;
    *n = value_length(*text, j->n - j->at);
    j->line = j->lines + 1;
    for (size_t i = 0; i < *n; i++) j->lines += (*text)[i] == '\n';
    j->at += *n;
    j->index++;
    return 1;
}

size_t jsonl_index(const jsonl *j) {
    return j->array ? j->index - 1 : j->line - 1;
}

/* ---- one object ---- */

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

/* Jansson's value of a line. A line that it does not take is read again without its odd values. */
static json_t *parse(jsonl *j, const char *line, size_t n, err *e) {
    enum { FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY };
    json_error_t why;
    j->odd = false;
    json_t *v = json_loadb(line, n, FLAGS, &why);
    if (v == NULL && json_error_code(&why) != json_error_out_of_memory) {
        char *copy = mem_strndup(line, n, e);
        if (copy == NULL) return NULL;
        j->odd = odd_values_replace(copy, n) > 0;
        if (j->odd) v = json_loadb(copy, n, FLAGS, &why);
        free(copy);
    }
    if (v != NULL) return v;
    const char *spelling = odd_spelling(line, n);
    if (json_error_code(&why) == json_error_out_of_memory)
        err_run(e, "%s:%zu: out of memory", j->path, j->line);
    else if (spelling != NULL)
        jsonl_bad(j, e, "not JSON: the %s holds %s", j->array ? "element" : "line", spelling);
    else if (j->array)
        jsonl_bad(j, e, "not JSON: %s, at byte %d of the element", why.text, why.position);
    else
        jsonl_bad(j, e, "not JSON: %s, at byte %d of the line (one object to a line)", why.text, why.position);
    return NULL;
}

int jsonl_next(jsonl *j, json_t **object, err *e) {
    const char *line = NULL;
    size_t      n = 0;
    int         got = j->array ? take_element(j, &line, &n, e) : 0;

    if (j->array && got <= 0) return got;
    while (!j->array && got == 0) {
        if (!take_line(j, &line, &n)) return 0;
        got = !blank(line, n);
    }

    json_t *v = parse(j, line, n, e);
    if (v == NULL) return -1;
    if (!json_is_object(v)) {
        jsonl_bad(j, e, "%s (%s)", type_name(v), j->array ? "an array of objects is needed" : "one object to a line");
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
    char *shown = utf8_clean(text, strlen(text), &utf8_one_line, e); /* what a file says must not steer a terminal */
    if (shown == NULL) return -1;
    if (j->array && j->index > 0)
        err_input(e, "%s:%zu: [%zu] %s", j->path, j->line, j->index - 1, shown);
    else
        err_input(e, "%s:%zu: %s", j->path, j->line, shown);
    free(shown);
    return -1;
}

/* ---- values ---- */

const json_t *jsonl_get(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

const json_t *jsonl_need(const jsonl *j, const json_t *object, const char *key, err *e) {
    const json_t *v = jsonl_get(object, key);
    if (v == NULL) jsonl_missing(j, object, key, "", e);
    return v;
}

/* The key of an object that was probably meant to be this one, which it has not; NULL when none is near. */
static const char *near_key(const jsonl *j, const json_t *object, const char *key) {
    enum { MOST = 256 }; /* keys that are looked at */
    const char *names[MOST], *name;
    json_t     *value, *whole = (json_t *)object; /* Jansson's loop takes no const */
    size_t      n = 0;
    json_object_foreach(whole, name, value) {
        bool known = false;
        for (size_t i = 0; i < j->n_reads && !known; i++) known = strcmp(name, j->reads[i]) == 0;
        if (known) continue;
        if (strcasecmp(name, key) == 0) return name;
        if (n < MOST) names[n++] = name;
    }
    return suggest(key, names, n);
}

int jsonl_missing(const jsonl *j, const json_t *object, const char *key, const char *more, err *e) {
    const char *near = near_key(j, object, key);
    if (near == NULL) return jsonl_bad(j, e, "\"%s\" is missing%s", key, more);
    return jsonl_bad(j, e, "\"%s\" is missing%s, but there is \"%.100s\"; did you mean \"%s\"?", key, more, near, key);
}

int jsonl_odd(const jsonl *j, const json_t *v, const char *what, err *e) {
    const char *odd = j->odd ? odd_value(v) : NULL;
    if (odd == NULL) return 0;
    bool inside = json_is_array(v) || json_is_object(v);
    return jsonl_bad(j, e, "%s %s %s", what, inside ? "holds" : "is", odd);
}

static int wrong_type(const jsonl *j, const json_t *v, const char *what, const char *needed, err *e) {
    if (jsonl_odd(j, v, what, e) != 0) return -1;
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
    if (jsonl_odd(j, v, what, e) != 0) return -1;
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
        if (!json_is_integer(id)) {
            char name[64];
            snprintf(name, sizeof name, "%s[%zu]", what, i);
            return wrong_type(j, id, name, "a token id", e);
        }
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
