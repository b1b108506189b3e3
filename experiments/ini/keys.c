/* keys.c - types of keys, and how a section is read by its table. */
#include "experiments/ini/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/registry.h"
#include "engine/base/suggest.h"

/* ---- numbers ------------------------------------------------------------------------------------------ */

static int refuse(const key_value *v, const char *allowed, err *e) {
    return err_input(e, "%s: %s = \"%s\" is not allowed (%s: %s)", v->where, v->key->name, v->text, allowed,
                     v->key->help);
}

/* 2e6: digits, an e and more digits. */
static bool parse_power(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    static const char digits[] = "0123456789";
    char              head[24];
    uint64_t          power;
    size_t            n = strspn(text, digits);
    if (n == 0 || n >= sizeof head || (text[n] != 'e' && text[n] != 'E')) return false;
    snprintf(head, sizeof head, "%.*s", (int)n, text);
    if (!count_parse(head, 0, UINT64_MAX, out) || !count_parse(text + n + 1, 0, 19, &power)) return false;
    for (; power > 0; power--) {
        if (*out > UINT64_MAX / 10) return false;
        *out *= 10;
    }
    return *out >= min && *out <= max;
}

static int integer_range(const key_spec *k, char *buf, size_t size) {
    return snprintf(buf, size, "%" PRIu64 " to %" PRIu64, k->min, k->max);
}

static int parse_integer(const key_value *v, uint64_t *out, err *e) {
    char range[64], allowed[96];
    if (count_parse(v->text, v->key->min, v->key->max, out)) return 0;
    if (parse_power(v->text, v->key->min, v->key->max, out)) return 0;
    integer_range(v->key, range, sizeof range);
    snprintf(allowed, sizeof allowed, "an integer from %s", range);
    return refuse(v, allowed, e);
}

static int parse_u64(const key_value *v, void *at, err *e) {
    return parse_integer(v, at, e);
}

static int parse_size(const key_value *v, void *at, err *e) {
    uint64_t n;
    if (parse_integer(v, &n, e) != 0) return -1;
    *(size_t *)at = (size_t)n;
    return 0;
}

static int parse_int(const key_value *v, void *at, err *e) {
    uint64_t n;
    if (parse_integer(v, &n, e) != 0) return -1;
    *(int *)at = (int)n;
    return 0;
}

static int parse_item(const key_value *v, void *at, err *e) {
    uint64_t n;
    if (parse_integer(v, &n, e) != 0) return -1;
    *(param_value *)at = (param_value){.type = PARAM_IS_INTEGER, .integer = (int64_t)n};
    return 0;
}

static int real_range(const key_spec *k, char *buf, size_t size) {
    return snprintf(buf, size, "%.*g to %.*g", real_digits(k->low), k->low, real_digits(k->high), k->high);
}

static int parse_real(const key_value *v, void *at, err *e) {
    char  *end, range[64], allowed[96];
    double x = strtod(v->text, &end);
    if (end != v->text && *end == '\0' && x >= v->key->low && x <= v->key->high) {
        *(double *)at = x;
        return 0;
    }
    real_range(v->key, range, sizeof range);
    snprintf(allowed, sizeof allowed, "a number from %s", range);
    return refuse(v, allowed, e);
}

static double number_of_u64(const void *at) {
    return (double)*(const uint64_t *)at;
}

static double number_of_size(const void *at) {
    return (double)*(const size_t *)at;
}

static double number_of_int(const void *at) {
    return (double)*(const int *)at;
}

static double number_of_real(const void *at) {
    return *(const double *)at;
}

const key_type key_u64 = {"integer", parse_u64, .number = number_of_u64, .range = integer_range};
const key_type key_size = {"integer", parse_size, .number = number_of_size, .range = integer_range};
const key_type key_int = {"integer", parse_int, .number = number_of_int, .range = integer_range};
const key_type key_item = {"integer", parse_item, .range = integer_range};
const key_type key_real = {"number", parse_real, .number = number_of_real, .range = real_range};

/* ---- words, names, paths ------------------------------------------------------------------------------ */

static int parse_bool(const key_value *v, void *at, err *e) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < KEY_COUNT(words); i++) {
        if (strcmp(v->text, words[i]) != 0) continue;
        *(bool *)at = i % 2 == 1;
        return 0;
    }
    return refuse(v, "yes or no", e);
}

int key_keep(const char *text, void *at, err *e) {
    char *copy = mem_strdup(text, e);
    if (copy == NULL) return -1;
    *(char **)at = copy;
    return 0;
}

static int parse_name(const key_value *v, void *at, err *e) {
    return ini_plain_name(v->text) ? key_keep(v->text, at, e) : refuse(v, INI_PLAIN_NAME, e);
}

int key_path_parse(const key_value *v, void *at, err *e) {
    char *path = ini_path(v->file->path, v->key->name, v->part, e);
    if (path == NULL) return -1;
    *(char **)at = path;
    return 0;
}

int key_unknown(const key_value *v, err *e) {
    const char *names[KEY_NAMES];
    size_t      n = v->key->type->names(v->key, names);
    return err_unknown(e, v->where, v->key->name, v->text, names, n);
}

static size_t choice_names(const key_spec *k, const char *names[static KEY_NAMES]) {
    const char *const *texts = k->of;
    size_t             n = 0;
    for (; n < KEY_NAMES && texts[n] != NULL; n++) names[n] = texts[n];
    return n;
}

static int parse_choice(const key_value *v, void *at, err *e) {
    const char *names[KEY_NAMES];
    size_t      n = choice_names(v->key, names);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], v->text) == 0) return key_keep(v->text, at, e);
    return key_unknown(v, e);
}

static size_t plugin_names(const key_spec *k, const char *names[static KEY_NAMES]) {
    const registry *r = k->of;
    size_t          n = 0;
    for (; n < KEY_NAMES && n < r->n; n++) names[n] = registry_name(r, n);
    return n;
}

static int parse_plugin(const key_value *v, void *at, err *e) {
    const void *found = registry_named(v->key->of, v->where, v->text, e);
    memcpy(at, &found, sizeof found); /* the field points to a type of its own */
    return found != NULL ? 0 : -1;
}

static int parse_line(const key_value *v, void *at, err *e) {
    return key_keep(v->part->raw, at, e);
}

static int parse_remark(const key_value *v, void *at, err *e) {
    (void)v, (void)at, (void)e;
    return 0;
}

const key_type key_bool = {.what = "yes or no", .parse = parse_bool};
const key_type key_texts = {.what = "text", .texts = true};
const key_type key_name = {.what = "name", .parse = parse_name};
const key_type key_path = {.what = "path", .parse = key_path_parse};
const key_type key_choice = {NULL, parse_choice, .names = choice_names};
const key_type key_plugin = {NULL, parse_plugin, .names = plugin_names};
const key_type key_line = {"text", parse_line, .whole_line = true};
const key_type key_remark = {"text", parse_remark, .whole_line = true};

/* ---- lists and parameters ----------------------------------------------------------------------------- */

void value_list_free(value_list *l) {
    for (size_t i = 0; i < l->n; i++) param_value_free(&l->at[i]);
    free(l->at);
    *l = (value_list){0};
}

typedef struct {
    const char     *key;
    key_item_parse *parse;
    const void     *ctx;
    value_list     *out;
} list_reading;

/* Equal items would make equal cells, so they are errors. */
static int add_value(void *ctx, const ini_part *item, err *e) {
    const list_reading *r = ctx;
    value_list         *out = r->out;
    if (mem_reserve(&out->at, &out->cap, out->n + 1, e) != 0) return -1;
    param_value *v = &out->at[out->n];
    if (r->parse(r->ctx, item, v, e) != 0) return -1;
    out->n++;
    for (size_t i = 0; i + 1 < out->n; i++)
        if (param_equal(&out->at[i], v))
            return err_input(e, "%s: %s lists %s%s twice (each value once)", item->where, r->key,
                             v->type == PARAM_IS_FILE ? "the content of " : "", item->text);
    return 0;
}

int keys_list(const ini_entry *entry, key_item_parse *parse, const void *ctx, value_list *out, err *e) {
    list_reading r = {entry->key, parse, ctx, out};
    return ini_items(entry, add_value, &r, e);
}

void text_items_free(text_items *l) {
    for (size_t i = 0; i < l->n; i++) free(l->at[i]);
    free(l->at);
    *l = (text_items){0};
}

typedef struct {
    const char *key;
    text_items *out;
} text_reading;

static int add_text(void *ctx, const ini_part *item, err *e) {
    const text_reading *r = ctx;
    text_items         *out = r->out;
    for (size_t i = 0; i < out->n; i++)
        if (strcmp(out->at[i], item->text) == 0)
            return err_input(e, "%s: %s lists %s twice (each value once)", item->where, r->key, item->text);
    if (mem_reserve(&out->at, &out->cap, out->n + 1, e) != 0) return -1;
    out->at[out->n] = mem_strdup(item->text, e);
    return out->at[out->n] != NULL ? (out->n++, 0) : -1;
}

int key_param(const inifile *f, const param_spec *spec, const ini_part *v, param_value *out, err *e) {
    if (spec->type == PARAM_IS_FILE && ini_check_path(spec->name, v, e) != 0) return -1;
    char *folder = file_folder(f->path, e);
    int   ret = folder != NULL ? param_parse_from(spec, &(param_origin){folder, v->where}, v->text, out, e) : -1;
    free(folder);
    return ret == 0 ? 0 : err_prefix(e, "%s", v->where);
}

/* ---- sections ----------------------------------------------------------------------------------------- */

typedef struct {
    const inifile  *file;
    const key_spec *key;
} key_context;

static key_value value_of(const inifile *f, const key_spec *key, const ini_part *part) {
    return (key_value){f, key, part, part->text, part->where};
}

static int parse_list_item(const void *ctx, const ini_part *item, param_value *out, err *e) {
    const key_context *k = ctx;
    key_value          v = value_of(k->file, k->key, item);
    return k->key->type->parse(&v, out, e);
}

int keys_check(const ini_section *s, const key_section *keys, const param_spec *params, size_t n_params, err *e) {
    const char *names[KEY_NAMES];
    size_t      n = 0;
    for (size_t i = 0; keys != NULL && i < keys->n_keys && n < KEY_NAMES; i++) names[n++] = keys->keys[i].name;
    for (size_t i = 0; i < n_params && n < KEY_NAMES; i++) names[n++] = params[i].name;
    for (size_t i = 0; i < s->n_entries; i++) {
        const ini_entry *entry = &s->entries[i];
        bool             known = false;
        for (size_t k = 0; k < n && !known; k++) known = strcmp(entry->key, names[k]) == 0;
        if (known) continue;
        char what[128];
        snprintf(what, sizeof what, "key of [%s]", s->title);
        return err_unknown(e, entry->parts[0].where, what, entry->key, names, n);
    }
    return 0;
}

static int read_entry(const inifile *f, const key_spec *key, const ini_entry *entry, void *at, err *e) {
    if (key->list && key->type->texts) return ini_items(entry, add_text, &(text_reading){key->name, at}, e);
    if (key->list) return keys_list(entry, parse_list_item, &(key_context){f, key}, at, e);
    if (key->type->whole_line && ini_line(entry, e) == NULL) return -1;
    const ini_part *part = key->type->whole_line ? &entry->parts[0] : ini_value(entry, e);
    if (part == NULL) return -1;
    key_value v = value_of(f, key, part);
    return key->type->parse(&v, at, e);
}

static int read_preset(const inifile *f, const ini_section *s, const key_spec *key, void *at, err *e) {
    char     *text = (char *)key->preset;
    ini_part  part = {.raw = text, .text = text, .where = s != NULL ? s->where : f->path};
    ini_entry entry = {.key = (char *)key->name, .parts = &part, .n_parts = 1};
    return read_entry(f, key, &entry, at, e);
}

int keys_read(const inifile *f, const ini_section *s, const key_section *keys, void *base, err *e) {
    for (size_t i = 0; i < keys->n_keys; i++) {
        const key_spec  *key = &keys->keys[i];
        const ini_entry *entry = s != NULL ? ini_find(s, key->name) : NULL;
        void            *at = (char *)base + key->offset;
        int              ret = 0;
        if (entry != NULL) {
            if (key->place != 0) ret = key_keep(entry->parts[0].where, (char *)base + key->place, e);
            if (ret == 0) ret = read_entry(f, key, entry, at, e);
        } else if (key->required) {
            ret = err_input(e, "%s: [%s] has no \"%s\" (%s)", s != NULL ? s->where : f->path,
                            s != NULL ? s->title : keys->title, key->name, key->help);
        } else if (key->preset != NULL) {
            ret = read_preset(f, s, key, at, e);
        }
        if (ret != 0) return -1;
    }
    return 0;
}
