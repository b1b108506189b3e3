/* settings.h - the columns of /cells that tell cells apart: the SETTING rows of fields.def.
 *
 * A policy's and a rule's parameters without a column of their own are in the canonical JSON of the column `params`,
 * {"policy":{...},"rule":{...}}; they come after the settings of their role.
 */
#ifndef STORE_SETTINGS_H
#define STORE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

/* In the order in which people read them. */
typedef enum { SETTING_SETUP, SETTING_RULE, SETTING_POLICY, SETTING_DIGEST, SETTING_ROLES } setting_role;

typedef struct {
    const char  *name; /* of the column */
    field_kind   kind;
    setting_role role;
    int          csv;    /* its position in CSV among those of its role */
    size_t       offset; /* in cell_row */
} setting;

#define FIELD(kind, name)
#define SETTING(kind, name, role, csv) SETTING_COUNTS_##name,
enum {
#define CELL_FIELDS
#include "store/fields.def"
#undef CELL_FIELDS
    SETTINGS
};

extern const setting settings[SETTINGS];

/* "setup", "rule", "policy" or "digest". */
const char *setting_role_name(setting_role r);

/* The attributes of /cells: every setting's name and the name of its role. */
void settings_texts(const char *names[static SETTINGS], const char *roles[static SETTINGS]);

/* The setting of this role and name; NULL when there is none. */
const setting *setting_find(setting_role role, const char *name);

/* A cell's value: the text, or NULL when it is a number. */
const char *setting_text(const setting *s, const cell_row *c);
double      setting_number(const setting *s, const cell_row *c);

/* The order of cells in a results file: by their settings in the order of fields.def, within each role also by its
 * parameters without a column, then by id. Plain decoding comes before all other policies. Digests do not affect the
 * order. */
int settings_compare(const cell_row *a, const cell_row *b);

#endif
