/* keys.h - the keys of an INI file, declared once in a table, next to the struct that they fill.
 *
 * The table gives the values, every error (unknown keys with a suggestion, values out of range, missing keys) and the
 * description that `harness help` prints. To add a key, add a field and one row:
 *
 *     static const key_spec sweep_keys[] = {
 *         {"repeats", &key_size, KEY_AT(config, repeats), .preset = "1", KEY_RANGE(1, 100000),
 *          .help = "trials of each sample"},
 *     };
 */
#ifndef EXPERIMENTS_KEYS_H
#define EXPERIMENTS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/err.h"
#include "engine/base/param.h"
#include "experiments/ini/inifile.h"

enum { KEY_NAMES = 64 }; /* in a list of allowed values */

typedef struct key_spec key_spec;

/* One text on its way into a field. */
typedef struct {
    const inifile  *file;
    const key_spec *key;
    const ini_part *part;
    const char     *text, *where; /* of the part; errors begin with `where` */
} key_value;

typedef struct {
    const char *what; /* one value, as descriptions call it; NULL where names() suffices */

    /* Parses the text into the field at `at`, or gives ERR_INPUT "WHERE: ..." with what is allowed. */
    int (*parse)(const key_value *v, void *at, err *e);

    /* May be NULL: the field as a number; the range, as snprintf; all allowed texts, and their number. */
    double (*number)(const void *at);
    int (*range)(const key_spec *k, char *buf, size_t size);
    size_t (*names)(const key_spec *k, const char *names[static KEY_NAMES]);

    bool whole_line; /* quotes belong to the text */
    bool texts;      /* items are kept as texts: the field of a list is a text_items */
} key_type;

struct key_spec {
    const char     *name;
    const key_type *type;
    size_t          offset;    /* of the field in the section's struct */
    size_t          place;     /* of a char * for the key's "FILE:LINE", new memory; 0: none */
    const char     *preset;    /* parsed when the key is absent; NULL: the field stays as it is */
    bool            required;  /* then there is no preset */
    bool            list;      /* several values: the field is a value_list, or as the type says */
    bool            run_only;  /* affects how something is run, but not its result */
    uint64_t        min, max;  /* of integers */
    double          low, high; /* of reals */
    const void     *of;        /* key_plugin: a registry; key_choice: texts, NULL after the last one */
    const char     *help;      /* with the unit; part of errors */
};

#define KEY_AT(type, field)     .offset = offsetof(type, field)
#define KEY_PLACED(type, field) .offset = offsetof(type, field), .place = offsetof(type, field##_at)
#define KEY_RANGE(from, to)     .min = (from), .max = (to)
#define KEY_REALS(from, to)     .low = (from), .high = (to)
#define KEY_COUNT(keys)         (sizeof(keys) / sizeof *(keys))

/* Integers in decimal digits, or as 1e6: into a uint64_t, a size_t or an int. */
extern const key_type key_u64, key_size, key_int;
extern const key_type key_item;   /* the same as an item of a value_list */
extern const key_type key_real;   /* double */
extern const key_type key_bool;   /* yes or no, true or false, on or off, 1 or 0 */
extern const key_type key_texts;  /* the same for any texts, into a text_items */
extern const key_type key_name;   /* char *, new memory: ini_plain_name */
extern const key_type key_path;   /* char *, new memory, relative to the INI file's folder */
extern const key_type key_choice; /* char *, new memory: one of the texts in `of` */
extern const key_type key_plugin; /* a pointer to an entry of the registry in `of` */
extern const key_type key_line;   /* char *, new memory: the text of one line, quotes included */
extern const key_type key_remark; /* any text on one line; it is not kept */

/* For a file's own types of keys. */
int key_keep(const char *text, void *at, err *e); /* into the char * at `at`, new memory */
int key_unknown(const key_value *v, err *e);      /* ERR_INPUT that lists names() */
int key_path_parse(const key_value *v, void *at, err *e);

/* A zeroed struct is an empty list. */
typedef struct {
    param_value *at; /* [n], owned; no two are equal */
    size_t       n, cap;
} value_list;

void value_list_free(value_list *l);

/* Texts without the quotes around them. A zeroed struct is an empty list. */
typedef struct {
    char **at; /* [n], owned; no two are equal */
    size_t n, cap;
} text_items;

void text_items_free(text_items *l);

/* Appends the items of an entry: parse() turns each into a value. A value that occurs twice is an ERR_INPUT. */
typedef int key_item_parse(const void *ctx, const ini_part *item, param_value *out, err *e);
int         keys_list(const ini_entry *entry, key_item_parse *parse, const void *ctx, value_list *out, err *e);

/* The value of a parameter, as param_parse gives it; a file is found as ini_path says, and may be absent. */
int key_param(const inifile *f, const param_spec *spec, const ini_part *v, param_value *out, err *e);

/* The keys of a section, and its description. */
typedef struct {
    const char     *title; /* between the brackets: "model LABEL" */
    const char     *help;
    const key_spec *keys;
    size_t          n_keys;
} key_section;

/* A kind of INI file, for `harness help NAME`. */
typedef struct {
    const char        *name, *help; /* help: one line */
    const char        *about;       /* paragraphs before the sections */
    const key_section *sections;
    size_t             n_sections;
} key_file;

/* ERR_INPUT for a key of `s` that is neither in the table nor among the parameters. */
int keys_check(const ini_section *s, const key_section *keys, const param_spec *params, size_t n_params, err *e);

/* Fills the struct at `base`; without a section (NULL), with the presets. A missing required key is an ERR_INPUT in
 * either case. After an error, the fields read so far remain: the caller frees them. */
int keys_read(const inifile *f, const ini_section *s, const key_section *keys, void *base, err *e);

/* A key and what it takes, on one line: "repeats = 1 (integer, 1 to 100000)". As snprintf. */
int keys_describe(const key_spec *k, char *buf, size_t size);

/* Sections and keys with type, range, default and help. */
void keys_print(const key_file *file, FILE *out);

#endif
