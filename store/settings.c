#include "store/settings.h"

#include <string.h>

#define FIELD(kind, name)
#define SETTING(kind, name, role, csv) {#name, FIELD_##kind, SETTING_##role, csv, offsetof(cell_row, name)},
const setting settings[SETTINGS] = {
#define CELL_FIELDS
#include "store/fields.def"
#undef CELL_FIELDS
};

/* setting_number knows these. */
#define FIELD(kind, name)
#define SETTING(kind, name, role, csv)                                                                                 \
    _Static_assert(FIELD_##kind == FIELD_U8 || FIELD_##kind == FIELD_I32 || FIELD_##kind == FIELD_F64 ||               \
                       FIELD_##kind == FIELD_STR || FIELD_##kind == FIELD_ID,                                          \
                   "a setting is a U8, I32, F64, STR or ID");
#define CELL_FIELDS
#include "store/fields.def"
#undef CELL_FIELDS

const char *setting_role_name(setting_role r) {
    static const char *const names[SETTING_ROLES] = {"setup", "rule", "policy", "digest"};
    return names[r];
}

void settings_texts(const char *names[static SETTINGS], const char *roles[static SETTINGS]) {
    for (size_t i = 0; i < SETTINGS; i++) {
        names[i] = settings[i].name;
        roles[i] = setting_role_name(settings[i].role);
    }
}

const setting *setting_find(setting_role role, const char *name) {
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings[i].role == role && strcmp(settings[i].name, name) == 0) return &settings[i];
    return NULL;
}

static bool is_text(const setting *s) {
    return s->kind == FIELD_STR || s->kind == FIELD_ID;
}

const char *setting_text(const setting *s, const cell_row *c) {
    return is_text(s) ? *(char *const *)((const char *)c + s->offset) : NULL;
}

double setting_number(const setting *s, const cell_row *c) {
    const void *at = (const char *)c + s->offset;
    switch (s->kind) {
    case FIELD_U8:
        return *(const uint8_t *)at;
    case FIELD_I32:
        return *(const int32_t *)at;
    default:
        return *(const double *)at;
    }
}

/* ---- order ---------------------------------------------------------------------------------------------- */

static bool is_plain(const cell_row *c) {
    return strcmp(c->policy, "none") == 0;
}

static int compare_values(const setting *s, const cell_row *a, const cell_row *b) {
    if (is_text(s)) return strcmp(setting_text(s, a), setting_text(s, b));
    double x = setting_number(s, a), y = setting_number(s, b);
    return (x > y) - (x < y);
}

/* The rule's part of canonical params. No other text can look like its beginning: a quotation mark in a JSON string
 * follows a backslash, and parameters are not objects. */
static const char *rule_params(const cell_row *c) {
    const char *at = strstr(c->params, "},\"rule\":{");
    return at != NULL ? at : "";
}

/* strverscmp puts 5 before 10. A policy's parameters come first; when they are compared, the rule's are equal. */
static int compare_params(setting_role r, const cell_row *a, const cell_row *b) {
    if (r == SETTING_RULE) return strverscmp(rule_params(a), rule_params(b));
    return r == SETTING_POLICY ? strverscmp(a->params, b->params) : 0;
}

int settings_compare(const cell_row *a, const cell_row *b) {
    int by;
    for (setting_role r = 0; r < SETTING_DIGEST; r++) {
        if (r == SETTING_POLICY && is_plain(a) != is_plain(b)) return is_plain(a) ? -1 : 1;
        for (size_t i = 0; i < SETTINGS; i++)
            if (settings[i].role == r && (by = compare_values(&settings[i], a, b)) != 0) return by;
        if ((by = compare_params(r, a, b)) != 0) return by;
    }
    return strcmp(a->id, b->id);
}
