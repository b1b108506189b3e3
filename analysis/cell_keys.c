#include "analysis/cell_keys.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"

void cell_keys_free(cell_keys *k) {
    for (size_t i = 0; i < k->n; i++) {
        free(k->keys[i].name);
        free(k->keys[i].column);
        free(k->keys[i].owner);
        for (size_t c = 0; k->keys[i].at != NULL && c < k->n_cells; c++) free(k->keys[i].at[c]);
        free(k->keys[i].at);
    }
    free(k->keys);
    *k = (cell_keys){0};
}

/* The key with this column name, made when there is none. The pointer is good until the next call. */
static cell_key *key_for(cell_keys *k, const char *name, const char *prefix, bool number, err *e) {
    char *column = mem_printf(e, "%s%s", prefix, name);
    if (column == NULL) return NULL;
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->keys[i].column, column) == 0) {
            free(column);
            return &k->keys[i];
        }
    if (mem_reserve(&k->keys, &k->cap, k->n + 1, e) != 0) {
        free(column);
        return NULL;
    }
    cell_key *key = &k->keys[k->n++];
    *key = (cell_key){.name = mem_strdup(name, e), .column = column, .number = number};
    key->at = mem_new(k->n_cells, sizeof *key->at, e);
    return key->name != NULL && key->at != NULL ? key : NULL;
}

static int set(cell_key *key, size_t cell, const char *value, err *e) {
    if (key == NULL) return -1;
    key->at[cell] = mem_strdup(value, e);
    return key->at[cell] != NULL ? 0 : -1;
}

static int set_text(cell_keys *k, const char *name, const char *prefix, size_t cell, const char *value, err *e) {
    cell_key *key = key_for(k, name, prefix, false, e);
    if (key != NULL) key->number = false; /* a name here, whatever it is elsewhere */
    return set(key, cell, value, e);
}

static int set_real(cell_keys *k, const char *name, const char *prefix, size_t cell, double x, err *e) {
    char value[40];
    snprintf(value, sizeof value, "%.*g", real_digits(x), x);
    return set(key_for(k, name, prefix, true, e), cell, value, e);
}

/* n and k are -1 in policies that have none. */
static int set_int(cell_keys *k, const char *name, size_t cell, int32_t x, err *e) {
    char value[16];
    snprintf(value, sizeof value, "%d", x);
    cell_key *key = key_for(k, name, "", true, e);
    return key != NULL && x < 0 ? 0 : set(key, cell, value, e);
}

/* The parameters of params[section]; those with a column of their own in /cells are not repeated. */
static int set_params(cell_keys *k, size_t cell, const json_t *params, const char *section, const char *prefix,
                      err *e) {
    const char *name;
    json_t     *value, *values = json_object_get(params, section);
    json_object_foreach(values, name, value) {
        bool has_column = strcmp(name, "n") == 0 || strcmp(name, "k") == 0 || strcmp(name, "temperature") == 0;
        if (has_column && json_is_number(value)) continue;
        if (!json_is_number(value) && !json_is_string(value))
            return err_input(e, "cell %zu: params.%s.%s is neither a number nor a text", cell, section, name);
        int ret = json_is_number(value) ? set_real(k, name, prefix, cell, json_number_value(value), e)
                                        : set_text(k, name, prefix, cell, json_string_value(value), e);
        if (ret != 0) return -1;
    }
    return 0;
}

/* ---- the order in which people read keys --------------------------------------------------------------- */

/* As cells are sorted: what is compared (the policy) changes fastest. */
enum { PLACES = 15, PLACE_RULE_PARAMETER = 9, PLACE_POLICY = 10, PLACE_POLICY_PARAMETER = 13, PLACE_DIGEST = 14 };
enum { DIGEST_SHOWN = 12, SHORT_SIZE = 32 }; /* of a digest's digits, to people; room for them and what is before */

static size_t place(const cell_key *key) {
    static const char *const order[PLACES] = {"config", "model",  "dataset", "target",      "threads",
                                              "gemm",   "forced", "rule",    "temperature", [PLACE_POLICY] = "policy",
                                              "n",      "k"};
    for (size_t i = 0; i < PLACES; i++)
        if (order[i] != NULL && strcmp(order[i], key->column) == 0) return i;
    static const char *const digests[] = {"build", "dataset_sha256", "model_sha256"};
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
        if (strcmp(digests[i], key->column) == 0) return PLACE_DIGEST;
    return strncmp(key->column, "rule_", 5) == 0 ? PLACE_RULE_PARAMETER : PLACE_POLICY_PARAMETER;
}

/* The keys one after another: start with *i = 0, *at = 0; NULL at the end. */
static const cell_key *next_key(const cell_keys *k, size_t *at, size_t *i) {
    for (; *at < PLACES; (*at)++, *i = 0)
        while (*i < k->n) {
            const cell_key *key = &k->keys[(*i)++];
            if (place(key) == *at) return key;
        }
    return NULL;
}

static const cell_key *key_named(const cell_keys *k, const char *column) {
    size_t i = 0;
    while (strcmp(k->keys[i].column, column) != 0) i++;
    return &k->keys[i];
}

static int find_owner(const cell_keys *k, cell_key *key, err *e) {
    size_t      at = place(key);
    const char *owner = NULL;
    if (at != PLACE_RULE_PARAMETER && (at <= PLACE_POLICY || at == PLACE_DIGEST)) return 0;
    const cell_key *owners = key_named(k, at == PLACE_RULE_PARAMETER ? "rule" : "policy");
    for (size_t c = 0; c < k->n_cells; c++) {
        if (key->at[c] == NULL) continue;
        if (owner != NULL && strcmp(owner, owners->at[c]) != 0) return 0;
        owner = owners->at[c];
    }
    if (owner == NULL) return 0;
    return (key->owner = mem_strdup(owner, e)) != NULL ? 0 : -1;
}

static bool same(const cell_key *key, size_t a, size_t b) {
    const char *x = key->at[a], *y = key->at[b];
    return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

static bool is_digest(const cell_key *key) {
    return place(key) == PLACE_DIGEST;
}

/* The key's value as people see it: the first digits of a digest will do. NULL where the key does not apply. */
static const char *shown(const cell_key *key, size_t cell, char buf[SHORT_SIZE]) {
    static const char file[] = "sha256:"; /* a file parameter, by its content */
    const char       *text = key->at[cell];
    if (text == NULL) return NULL;
    size_t prefix = strncmp(text, file, sizeof file - 1) == 0 ? sizeof file - 1 : 0;
    if (prefix == 0 && !is_digest(key)) return text;
    snprintf(buf, SHORT_SIZE, "%.*s", (int)(prefix + DIGEST_SHOWN), text);
    return buf;
}

/* Hides digests unless they alone tell two cells apart, which then are neighbours (store_cell_compare). */
static void hide_digests(cell_keys *k) {
    for (size_t i = 0; i < k->n; i++) k->keys[i].hidden = is_digest(&k->keys[i]);
    for (size_t c = 1; c < k->n_cells; c++) {
        bool twins = true, told = false;
        for (size_t i = 0; twins && i < k->n; i++) twins = is_digest(&k->keys[i]) || same(&k->keys[i], c - 1, c);
        for (size_t i = 0; twins && i < k->n; i++) {
            cell_key *key = &k->keys[i];
            if (!is_digest(key) || same(key, c - 1, c)) continue;
            key->hidden = false;
            told = true;
        }
        k->need_ids = k->need_ids || (twins && !told);
    }
}

int cell_keys_make(const store_data *d, cell_keys *out, err *e) {
    *out = (cell_keys){.n_cells = d->n_cells};
    for (size_t pass = 0; pass < 2; pass++) /* all policy keys come before any rule key, whatever the cells' order */
        for (size_t c = 0; c < d->n_cells; c++) {
            const cell_row *row = &d->cells[c];
            json_error_t    why;
            errno = 0;
            json_t *params = json_loads(row->params, 0, &why);
            if (params == NULL) {
                if (errno == ENOMEM) /* Jansson may say that the text is wrong */
                    err_run(e, "out of memory");
                else
                    err_input(e, "cell %zu: params are not JSON: %s", c, why.text);
                goto fail;
            }
            int status = 0;
            if (pass == 0) {
                status = set_text(out, "policy", "", c, row->policy, e) != 0 || set_int(out, "n", c, row->n, e) != 0 ||
                         set_int(out, "k", c, row->k, e) != 0 ||
                         set_params(out, c, params, "policy", "policy_", e) != 0;
            } else {
                status = set_text(out, "rule", "", c, row->rule, e) != 0 ||
                         set_real(out, "temperature", "", c, row->temperature, e) != 0 ||
                         set_params(out, c, params, "rule", "rule_", e) != 0 ||
                         set_text(out, "dataset", "", c, row->dataset, e) != 0 ||
                         set_text(out, "model", "", c, row->model, e) != 0 ||
                         set_text(out, "target", "", c, row->target, e) != 0 ||
                         set_text(out, "forced", "", c, row->forced ? "yes" : "no", e) != 0 ||
                         set_int(out, "threads", c, row->threads, e) != 0 ||
                         set_text(out, "gemm", "", c, row->gemm, e) != 0 ||
                         set_text(out, "config", "", c, row->config, e) != 0 ||
                         set_text(out, "dataset_sha256", "", c, row->dataset_sha256, e) != 0 ||
                         set_text(out, "model_sha256", "", c, row->model_sha256, e) != 0 ||
                         set_text(out, "build", "", c, row->build, e) != 0;
            }
            json_decref(params);
            if (status != 0) goto fail;
        }
    for (size_t i = 0; i < out->n; i++) {
        cell_key   *key = &out->keys[i];
        const char *first = NULL;
        for (size_t c = 0; c < out->n_cells; c++) {
            if (key->at[c] == NULL) continue;
            if (first == NULL) first = key->at[c];
            key->applies = true;
            key->varies = key->varies || strcmp(first, key->at[c]) != 0;
        }
        if (find_owner(out, key, e) != 0) goto fail;
    }
    hide_digests(out);
    return 0;
fail:
    cell_keys_free(out);
    return -1;
}

static bool is_column(const cell_key *key) {
    return !key->hidden && (key->varies || strcmp(key->column, "policy") == 0);
}

void cell_keys_columns(const cell_keys *k, table *t) {
    const cell_key *key;
    for (size_t at = 0, i = 0; (key = next_key(k, &at, &i)) != NULL;)
        if (is_column(key)) table_column(t, key->number ? COLUMN_RIGHT : COLUMN_LEFT, key->name, NULL);
    for (size_t i = 0; i < k->n; i++) table_column(t, COLUMN_LEFT, NULL, k->keys[i].column);
}

void cell_keys_put(const cell_keys *k, size_t cell, table *t) {
    const cell_key *key;
    for (size_t at = 0, i = 0; (key = next_key(k, &at, &i)) != NULL;) {
        char text[SHORT_SIZE];
        if (is_column(key)) table_put_text(t, shown(key, cell, text));
    }
    for (size_t i = 0; i < k->n; i++) table_put_text(t, k->keys[i].at[cell]);
}

/* Puts ", name = value" behind *list. */
static int list_add(char **list, const cell_key *key, size_t cell, err *e) {
    char  text[SHORT_SIZE];
    char *longer =
        mem_printf(e, "%s%s%s%s%s = %s", *list, **list != '\0' ? ", " : "", key->owner != NULL ? key->owner : "",
                   key->owner != NULL ? "." : "", key->name, shown(key, cell, text));
    free(*list);
    *list = longer;
    return longer != NULL ? 0 : -1;
}

char *cell_keys_constant(const cell_keys *k, err *e) {
    const cell_key *key;
    char           *list = mem_strdup("", e);
    for (size_t at = 0, i = 0; list != NULL && (key = next_key(k, &at, &i)) != NULL;) {
        if (is_column(key) || !key->applies || key->hidden) continue;
        size_t c = 0;
        while (key->at[c] == NULL) c++;
        if (list_add(&list, key, c, e) != 0) return NULL;
    }
    return list;
}

static bool is_n_or_k(const cell_key *key) {
    return strcmp(key->column, "n") == 0 || strcmp(key->column, "k") == 0;
}

bool cell_keys_same_but_nk(const cell_keys *k, size_t a, size_t b) {
    for (size_t i = 0; i < k->n; i++)
        if (!is_n_or_k(&k->keys[i]) && !k->keys[i].hidden && !same(&k->keys[i], a, b)) return false;
    return true;
}

bool cell_keys_same_but_policy(const cell_keys *k, size_t a, size_t b) {
    for (size_t i = 0; i < k->n; i++)
        if (place(&k->keys[i]) < PLACE_POLICY && !same(&k->keys[i], a, b)) return false;
    return true;
}

char *cell_keys_group(const cell_keys *k, size_t cell, err *e) {
    const cell_key *key;
    char           *list = mem_strdup("", e);
    for (size_t at = 0, i = 0; list != NULL && (key = next_key(k, &at, &i)) != NULL;) {
        if (!is_column(key) || is_n_or_k(key) || key->at[cell] == NULL) continue;
        if (list_add(&list, key, cell, e) != 0) return NULL;
    }
    return list;
}
