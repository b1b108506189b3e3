#include "analysis/cell_keys.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/brief.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"

void cell_keys_free(cell_keys *k) {
    for (size_t i = 0; i < k->n; i++) {
        free(k->keys[i].name);
        free(k->keys[i].column);
        free(k->keys[i].owner);
        for (size_t c = 0; k->keys[i].at != NULL && c < k->n_cells; c++) free(k->keys[i].at[c]);
        free(k->keys[i].at);
        for (size_t c = 0; k->keys[i].brief != NULL && c < k->n_cells; c++) free(k->keys[i].brief[c]);
        free(k->keys[i].brief);
        free(k->keys[i].common);
    }
    free(k->keys);
    free(k->csv);
    *k = (cell_keys){0};
}

/* The key with this column name, made when there is none. The pointer is good until the next call. */
static cell_key *key_for(cell_keys *k, setting_role role, const char *name, const char *prefix, err *e) {
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
    *key = (cell_key){.name = mem_strdup(name, e), .column = column, .role = role};
    key->at = mem_new(k->n_cells, sizeof *key->at, e);
    return key->name != NULL && key->at != NULL ? key : NULL;
}

static int set_text(cell_key *key, size_t cell, const char *value, err *e) {
    key->at[cell] = mem_strdup(value, e);
    return key->at[cell] != NULL ? 0 : -1;
}

static int set_number(cell_key *key, size_t cell, double x, err *e) {
    char value[40];
    snprintf(value, sizeof value, "%.*g", real_digits(x), x);
    key->number = true;
    return set_text(key, cell, value, e);
}

/* ---- settings and parameters ---------------------------------------------------------------------------- */

static int set_setting(cell_key *key, size_t cell, const cell_row *row, err *e) {
    const setting *s = key->setting;
    const char    *text = setting_text(s, row);
    if (text != NULL) return *text != '\0' ? set_text(key, cell, text, e) : 0;
    double x = setting_number(s, row);
    if (s->kind == FIELD_U8) return set_text(key, cell, x != 0 ? "yes" : "no", e);
    key->number = true;
    return s->kind == FIELD_I32 && x < 0 ? 0 : set_number(key, cell, x, e);
}

static int add_settings(cell_keys *k, setting_role role, const store_data *d, err *e) {
    for (size_t i = 0; i < SETTINGS; i++) {
        if (settings[i].role != role) continue;
        cell_key *key = key_for(k, role, settings[i].name, "", e);
        if (key == NULL) return -1;
        key->setting = &settings[i];
        for (size_t c = 0; c < k->n_cells; c++)
            if (set_setting(key, c, &d->cells[c], e) != 0) return -1;
    }
    return 0;
}

/* A cell's parameters of one role; those with a column of their own in /cells are not repeated. */
static int set_params(cell_keys *k, setting_role role, size_t cell, const json_t *params, err *e) {
    const char *name, *section = setting_role_name(role);
    char        prefix[16];
    json_t     *value, *values = json_object_get(params, section);
    snprintf(prefix, sizeof prefix, "%s_", section);
    json_object_foreach(values, name, value) {
        if (setting_find(role, name) != NULL) continue;
        if (!json_is_number(value) && !json_is_string(value))
            return err_input(e, "cell %zu: params.%s.%s is not a number or a text", cell, section, name);
        cell_key *key = key_for(k, role, name, prefix, e);
        if (key == NULL) return -1;
        if ((json_is_string(value) ? set_text(key, cell, json_string_value(value), e)
                                   : set_number(key, cell, json_number_value(value), e)) != 0)
            return -1;
    }
    return 0;
}

static int add_params(cell_keys *k, setting_role role, const store_data *d, err *e) {
    for (size_t c = 0; c < k->n_cells; c++) {
        json_error_t why;
        errno = 0;
        json_t *params = json_loads(d->cells[c].params, 0, &why);
        if (params == NULL && errno == ENOMEM) /* Jansson may say that the text is wrong */
            return err_run(e, "out of memory");
        if (params == NULL) return err_input(e, "cell %zu: params are not JSON: %s", c, why.text);
        int ret = set_params(k, role, c, params, e);
        json_decref(params);
        if (ret != 0) return -1;
    }
    return 0;
}

/* ---- what follows from all cells ------------------------------------------------------------------------ */

static void find_values(cell_keys *k) {
    for (size_t i = 0; i < k->n; i++) {
        cell_key   *key = &k->keys[i];
        const char *first = NULL;
        bool        absent = false;
        for (size_t c = 0; c < k->n_cells; c++) {
            absent = absent || key->at[c] == NULL;
            if (key->at[c] == NULL) continue;
            if (first == NULL) first = key->at[c];
            key->applies = true;
            key->varies = key->varies || strcmp(first, key->at[c]) != 0;
        }
        /* What cells are set up with belongs to no policy or rule, so that its absence is a value. */
        if (key->role == SETTING_SETUP && key->applies && absent) key->varies = true;
    }
}

/* Whether the key is the name of its role, "policy" or "rule". */
static bool is_name(const cell_key *key) {
    return strcmp(key->column, setting_role_name(key->role)) == 0;
}

static int find_owner(const cell_keys *k, cell_key *key, err *e) {
    const char     *owner = NULL;
    const cell_key *owners = k->keys;
    if (key->setting != NULL && (key->role != SETTING_POLICY || is_name(key))) return 0;
    while (owners->role != key->role || !is_name(owners)) owners++;
    for (size_t c = 0; c < k->n_cells; c++) {
        if (key->at[c] == NULL) continue;
        if (owners->at[c] == NULL) return 0; /* a file that names no policy for a cell with parameters of one */
        if (owner != NULL && strcmp(owner, owners->at[c]) != 0) return 0;
        owner = owners->at[c];
    }
    if (owner == NULL) return 0;
    return (key->owner = mem_strdup(owner, e)) != NULL ? 0 : -1;
}

/* Texts of policies in a row, which are long and mostly the same. */
static int find_brief(const cell_keys *k, cell_key *key, err *e) {
    bool rows = false;
    for (size_t c = 0; c < k->n_cells; c++) rows = rows || (key->at[c] != NULL && strchr(key->at[c], ' ') != NULL);
    if (!rows || !key->varies || key->role != SETTING_POLICY || key->setting != NULL) return 0;
    if ((key->brief = mem_new(k->n_cells, sizeof *key->brief, e)) == NULL) return -1;
    return brief_texts(key->at, k->n_cells, key->owner != NULL ? key->owner : key->name, key->brief, &key->common, e);
}

static bool same(const cell_key *key, size_t a, size_t b) {
    const char *x = key->at[a], *y = key->at[b];
    return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

static bool is_digest(const cell_key *key) {
    return key->role == SETTING_DIGEST;
}

/* Hides digests unless they alone tell two cells apart, which then are neighbours (settings_compare). */
static void hide_digests(cell_keys *k) {
    for (size_t i = 0; i < k->n; i++) k->keys[i].hidden = is_digest(&k->keys[i]);
    for (size_t c = 1; c < k->n_cells; c++) {
        bool alike = true, told = false;
        for (size_t i = 0; alike && i < k->n; i++) alike = is_digest(&k->keys[i]) || same(&k->keys[i], c - 1, c);
        for (size_t i = 0; alike && i < k->n; i++) {
            cell_key *key = &k->keys[i];
            if (!is_digest(key) || same(key, c - 1, c)) continue;
            key->hidden = false;
            told = true;
        }
        k->need_ids = k->need_ids || (alike && !told);
    }
}

/* CSV begins with what is compared. Parameters come after the settings of their role. */
static int compare_csv(const void *a_, const void *b_) {
    static const int      rank[SETTING_ROLES] = {[SETTING_RULE] = 1, [SETTING_SETUP] = 2, [SETTING_DIGEST] = 3};
    const cell_key *const a = *(cell_key *const *)a_, *const b = *(cell_key *const *)b_;
    if (a->role != b->role) return rank[a->role] - rank[b->role];
    if (a->setting != NULL && b->setting != NULL && a->setting->csv != b->setting->csv)
        return a->setting->csv - b->setting->csv;
    return (a > b) - (a < b);
}

static int order_csv(cell_keys *k, err *e) {
    if ((k->csv = mem_new(k->n, sizeof(cell_key *), e)) == NULL) return -1;
    for (size_t i = 0; i < k->n; i++) k->csv[i] = &k->keys[i];
    qsort(k->csv, k->n, sizeof *k->csv, compare_csv); /* NOLINT(bugprone-sizeof-expression): pointers */
    return 0;
}

enum { COLUMNS_MOST = 4 }; /* of parameters, for people */

/* Whether people see it beside the cells, and not above the table. */
static bool is_column(const cell_key *key) {
    return !key->hidden && (key->varies || strcmp(key->column, "policy") == 0);
}

int cell_keys_make(const store_data *d, cell_keys *out, err *e) {
    *out = (cell_keys){.n_cells = d->n_cells};
    for (setting_role r = 0; r < SETTING_ROLES; r++) {
        if (add_settings(out, r, d, e) != 0) goto fail;
        if ((r == SETTING_RULE || r == SETTING_POLICY) && add_params(out, r, d, e) != 0) goto fail;
    }
    find_values(out);
    for (size_t i = 0; i < out->n; i++)
        if (find_owner(out, &out->keys[i], e) != 0 || find_brief(out, &out->keys[i], e) != 0) goto fail;
    hide_digests(out);
    size_t varying = 0;
    for (size_t i = 0; i < out->n; i++) varying += is_column(&out->keys[i]) && out->keys[i].setting == NULL;
    out->fold = varying > COLUMNS_MOST;
    if (order_csv(out, e) == 0) return 0;
fail:
    cell_keys_free(out);
    return -1;
}

/* ---- tables --------------------------------------------------------------------------------------------- */

enum { DIGEST_SHOWN = 12, SHORT_SIZE = 32 }; /* of a digest's digits, to people; room for them and what is before */
enum { FOLDED_SIZE = 1000 };

/* The key's value as people see it: brief, and of a digest the first digits. NULL where the key does not apply. */
static const char *shown(const cell_key *key, size_t cell, char buf[SHORT_SIZE]) {
    static const char file[] = "sha256:"; /* a file parameter, by its content */
    const char       *text = key->at[cell];
    if (text == NULL) return NULL;
    if (key->brief != NULL) return key->brief[cell];
    size_t prefix = strncmp(text, file, sizeof file - 1) == 0 ? sizeof file - 1 : 0;
    if (prefix == 0 && !is_digest(key)) return text;
    snprintf(buf, SHORT_SIZE, "%.*s", (int)(prefix + DIGEST_SHOWN), text);
    return buf;
}

static bool is_folded(const cell_keys *k, const cell_key *key) {
    return k->fold && key->setting == NULL && is_column(key);
}

void cell_keys_columns(const cell_keys *k, table *t) {
    bool folded = false;
    table_role(t, COLUMN_CELL);
    for (size_t i = 0; i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        if (is_folded(k, key)) {
            if (!folded) table_column(t, COLUMN_LEFT, "parameters", NULL);
            folded = true;
        } else if (is_column(key)) {
            table_column(t, key->number ? COLUMN_RIGHT : COLUMN_LEFT, key->name, NULL);
        }
    }
    for (size_t i = 0; i < k->n; i++) table_column(t, COLUMN_LEFT, NULL, k->csv[i]->column);
    table_role(t, COLUMN_VALUE);
}

/* "name=value name=value", of the parameters that a cell has. */
static void put_folded(const cell_keys *k, size_t cell, table *t) {
    char   text[FOLDED_SIZE] = "", value[SHORT_SIZE];
    size_t n = 0;
    for (size_t i = 0; i < k->n && n < sizeof text; i++) {
        const cell_key *key = &k->keys[i];
        if (!is_folded(k, key) || key->at[cell] == NULL) continue;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s=%s", n > 0 ? " " : "", key->name,
                              shown(key, cell, value));
    }
    if (n >= sizeof text) memcpy(text + sizeof text - 4, "...", 4);
    table_put_text(t, n > 0 ? text : NULL);
}

void cell_keys_put(const cell_keys *k, size_t cell, table *t) {
    bool folded = false;
    for (size_t i = 0; i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        char            text[SHORT_SIZE];
        if (is_folded(k, key)) {
            if (!folded) put_folded(k, cell, t);
            folded = true;
        } else if (is_column(key)) {
            table_put_text(t, shown(key, cell, text));
        }
    }
    for (size_t i = 0; i < k->n; i++) table_put_text(t, k->csv[i]->at[cell]);
}

/* Appends ", name = value" to *list. */
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
    char *list = mem_strdup("", e);
    for (size_t i = 0; list != NULL && i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        if (!key->applies || key->hidden) continue;
        size_t c = 0;
        while (key->at[c] == NULL) c++;
        if (is_column(key)) {
            if (key->common == NULL || *key->common == '\0') continue;
            char *longer = mem_printf(e, "%s%s%s", list, *list != '\0' ? ", " : "", key->common);
            free(list);
            if ((list = longer) == NULL) return NULL;
        } else if (list_add(&list, key, c, e) != 0) {
            return NULL;
        }
    }
    return list;
}

/* What applies to no cell tells none apart. */
void cell_keys_drop(cell_keys *k, const char *column) {
    for (size_t i = 0; i < k->n; i++) {
        cell_key *key = &k->keys[i];
        if (strcmp(key->column, column) != 0) continue;
        key->hidden = true;
        key->varies = key->applies = false;
        for (size_t c = 0; c < k->n_cells; c++) {
            free(key->at[c]);
            key->at[c] = NULL;
        }
    }
}

bool cell_keys_same(const cell_keys *k, size_t a, size_t b) {
    for (size_t i = 0; i < k->n; i++)
        if (!is_digest(&k->keys[i]) && !same(&k->keys[i], a, b)) return false;
    return true;
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
        if (k->keys[i].role < SETTING_POLICY && !same(&k->keys[i], a, b)) return false;
    return true;
}

char *cell_keys_group(const cell_keys *k, size_t cell, err *e) {
    char *list = mem_strdup("", e);
    for (size_t i = 0; list != NULL && i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        if (!is_column(key) || is_n_or_k(key) || key->at[cell] == NULL) continue;
        if (list_add(&list, key, cell, e) != 0) return NULL;
    }
    return list;
}

char *cell_keys_setup(const cell_keys *k, size_t cell, err *e) {
    char *list = mem_strdup("", e);
    for (size_t i = 0; list != NULL && i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        if (!is_column(key) || key->role >= SETTING_POLICY || key->at[cell] == NULL) continue;
        if (list_add(&list, key, cell, e) != 0) return NULL;
    }
    return list;
}

void cell_keys_hide_setup(cell_keys *k) {
    for (size_t i = 0; i < k->n; i++)
        if (k->keys[i].role < SETTING_POLICY) k->keys[i].hidden = true;
}

char *cell_keys_label(const cell_keys *k, size_t cell, err *e) {
    char *label = mem_strdup("", e);
    for (size_t i = 0; label != NULL && i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        char            text[SHORT_SIZE];
        if (key->role != SETTING_POLICY || key->at[cell] == NULL || (!key->varies && !is_name(key))) continue;
        char *longer = is_name(key) ? mem_strdup(key->at[cell], e)
                                    : mem_printf(e, "%s %s=%s", label, key->name, shown(key, cell, text));
        free(label);
        label = longer;
    }
    return label;
}

/* ---- selecting ------------------------------------------------------------------------------------------ */

static bool named(const char *name, const char *text, size_t n) {
    return strlen(name) == n && strncmp(name, text, n) == 0;
}

const cell_key *cell_keys_find(const cell_keys *k, const char *name, size_t n) {
    const cell_key *found = NULL;
    for (size_t i = 0; i < k->n; i++)
        if (named(k->keys[i].column, name, n)) return &k->keys[i];
    for (size_t i = 0; i < k->n; i++) {
        if (!named(k->keys[i].name, name, n)) continue;
        if (found != NULL) return NULL;
        found = &k->keys[i];
    }
    for (size_t i = 0; found == NULL && i < k->n; i++) {
        size_t owner = k->keys[i].owner != NULL ? strlen(k->keys[i].owner) : n;
        if (owner < n && name[owner] == '.' && strncmp(name, k->keys[i].owner, owner) == 0 &&
            named(k->keys[i].name, name + owner + 1, n - owner - 1))
            found = &k->keys[i];
    }
    return found;
}

/* "OWNER.POLICY.NAME" or "KEY.POLICY.NAME", as captions name what brief texts leave out: the key, and where POLICY
 * begins. */
static const cell_key *find_brief_word(const cell_keys *k, const char *name, size_t n, const char **policy) {
    for (size_t i = 0; i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        const char     *prefix = key->owner != NULL ? key->owner : key->name;
        size_t          length = strlen(prefix);
        if (key->brief == NULL || length >= n || name[length] != '.' || strncmp(name, prefix, length) != 0) continue;
        *policy = name + length + 1;
        return key;
    }
    return NULL;
}

/* The policies, or rules, that a parameter may be of. */
static const cell_key *owners_of(const cell_keys *k, const cell_key *key) {
    const cell_key *owners = k->keys;
    while (owners->role != key->role || !is_name(owners)) owners++;
    return owners;
}

/* "llma.memory", of a parameter that other policies have, too. */
static bool find_shared(const cell_keys *k, const char *name, size_t n, cell_value *out) {
    const char *dot = memchr(name, '.', n);
    size_t      owner = dot != NULL ? (size_t)(dot - name) : n;
    for (size_t i = 0; dot != NULL && i < k->n; i++) {
        const cell_key *key = &k->keys[i];
        if (key->role != SETTING_POLICY && key->role != SETTING_RULE) continue;
        if (is_name(key) || !named(key->name, dot + 1, n - owner - 1)) continue;
        *out = (cell_value){.key = key, .owners = owners_of(k, key), .owner = name, .n_owner = owner};
        for (size_t c = 0; c < k->n_cells; c++)
            if (cell_value_at(out, c, &n) != NULL) return true;
    }
    return false;
}

/* "chain.llma.cut": the key whose texts have it. */
static bool find_within(const cell_keys *k, const char *name, size_t n, cell_value *out) {
    const char     *policy = NULL;
    const cell_key *key = find_brief_word(k, name, n, &policy);
    const char     *dot = key != NULL ? memchr(policy, '.', n - (size_t)(policy - name)) : NULL;
    if (dot == NULL) return false;
    *out = (cell_value){.key = key,
                        .policy = policy,
                        .n_policy = (size_t)(dot - policy),
                        .name = dot + 1,
                        .n_name = n - (size_t)(dot + 1 - name)};
    for (size_t c = 0; c < k->n_cells; c++)
        if (cell_value_at(out, c, &n) != NULL) return true;
    return false;
}

bool cell_keys_name(const cell_keys *k, const char *name, size_t n, cell_value *out) {
    *out = (cell_value){.key = cell_keys_find(k, name, n)};
    return out->key != NULL || find_shared(k, name, n, out) || find_within(k, name, n, out);
}

const char *cell_value_at(const cell_value *v, size_t cell, size_t *n) {
    const char *text = v->key->at[cell];
    if (text == NULL) return NULL;
    if (v->owners != NULL && !named(v->owners->at[cell], v->owner, v->n_owner)) return NULL;
    if (v->policy != NULL) return brief_value(text, v->policy, v->n_policy, v->name, v->n_name, n);
    *n = strlen(text);
    return text;
}

int cell_keys_selects(const cell_keys *k, const char *selector, size_t cell, bool *selects, err *e) {
    size_t          n = strcspn(selector, ":");
    const cell_key *policy = cell_keys_find(k, "policy", 6);
    *selects = named(policy->at[cell], selector, n);
    for (const char *at = selector + n; *at != '\0';) {
        size_t length = strcspn(++at, ","), name = strcspn(at, "=,");
        if (at[name] != '=')
            return err_input(e, "\"%.200s\" is not a policy with parameters (NAME or NAME:KEY=VALUE,KEY=VALUE...)",
                             selector);
        const cell_key *key = cell_keys_find(k, at, name);
        if (key == NULL || key->role != SETTING_POLICY)
            return err_input(e, "\"%.200s\": no policy here has a parameter \"%.*s\"", selector, (int)name, at);
        *selects = *selects && key->at[cell] != NULL && named(key->at[cell], at + name + 1, length - name - 1);
        at += length;
    }
    return 0;
}
