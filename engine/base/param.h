/* param.h - parameters of policies, rules and scenarios: declared once, where they are used.
 *
 * The declaration is what `harness policies` and `harness rules` print, what INI and command-line
 * values are checked against, and what the canonical JSON of a cell is made of.
 *
 *     static const char *const ends[] = {"first", "last", NULL};
 *     static const param_spec params[] = {
 *         [N] = PARAM_INTEGER("n", 3, 1, 64, "trigger length in tokens"),
 *         [EPS] = PARAM_REAL("eps", 0.09, 0, 1, "probability that is always enough"),
 *         [END] = PARAM_CHOICE("end", ends, LAST, "which occurrence counts"),
 *         [CROSS] = PARAM_YES_NO("cross", 0, "whether a copy runs over a reference's end"),
 *         [STORE] = PARAM_FILE("store", "token ids to copy from"),
 *         [TABLE] = PARAM_FILE_OR_NONE("table", "counts of a large text"),
 *         [STAGES] = PARAM_TEXT("stages", &stages_reader, "policies to ask in turn"),
 *     };
 */
#ifndef ENGINE_BASE_PARAM_H
#define ENGINE_BASE_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/digest.h"
#include "engine/base/err.h"

enum { PARAM_MAX = 16 };

typedef enum {
    PARAM_IS_INTEGER,
    PARAM_IS_REAL,
    PARAM_IS_CHOICE, /* one of a list of names; yes or no is one too */
    PARAM_IS_FILE,   /* a path; it must be given, or is "none". What identifies it is its content, not its name */
    PARAM_IS_TEXT    /* a text, which its owner reads; has no preset and must be given */
} param_type;

/* A file as it was when the parameter was parsed. */
typedef struct {
    char *path;               /* relative to the working directory, or absolute */
    char *where;              /* "FILE:LINE" that names it; NULL: a command line does */
    char  sha256[DIGEST_HEX]; /* "": there was no such file (param_file_absent) */
} param_file;

/* Returns 0 to go on. */
typedef int param_each(void *ctx, const param_file *f, err *e);

/* Where a text is from. */
typedef struct {
    const char *folder; /* where its relative paths start: "", or it ends with a slash */
    const char *where;  /* the "FILE:LINE" of a config: files need not be there yet. NULL: they must be */
} param_origin;

/* What a text stands for, in its owner's own form; that begins with this. */
typedef struct param_meaning {
    const struct param_reader *by;
} param_meaning;

/* How its owner reads a text. */
typedef struct param_reader {
    /* In new memory. ERR_INPUT says what is wrong, and what is allowed. */
    param_meaning *(*read)(const char *text, const param_origin *from, err *e);
    param_meaning *(*copy)(const param_meaning *m, err *e);
    void (*free)(param_meaning *m);
    bool (*equal)(const param_meaning *a, const param_meaning *b);
    /* The canonical text, as snprintf. With `identity` a file is "sha256:HEX" instead of its path. */
    int (*format)(const param_meaning *m, bool identity, char *buf, size_t size);
    int (*brief)(const param_meaning *m, char *buf, size_t size);                  /* as param_brief */
    int (*each_file)(const param_meaning *m, param_each *each, void *ctx, err *e); /* as param_each_file */
} param_reader;

typedef struct {
    const char         *name;
    param_type          type;
    double              preset;   /* value when nothing is said; of a choice its index */
    double              min, max; /* inclusive; of numbers */
    const char *const  *choices;  /* the names, then NULL; of a choice */
    const param_reader *reader;   /* of a text */
    bool                optional; /* of a file: preset "none" */
    const char         *help;     /* one line, with the unit and the source's own name for it */
} param_spec;

#define PARAM_NUMBER(name_, type_, preset_, min_, max_, help_)                                                         \
    { .name = (name_), .type = (type_), .preset = (preset_), .min = (min_), .max = (max_), .help = (help_) }
#define PARAM_INTEGER(name, preset, min, max, help) PARAM_NUMBER(name, PARAM_IS_INTEGER, preset, min, max, help)
#define PARAM_REAL(name, preset, min, max, help)    PARAM_NUMBER(name, PARAM_IS_REAL, preset, min, max, help)
#define PARAM_CHOICE(name_, choices_, preset_, help_)                                                                  \
    { .name = (name_), .type = PARAM_IS_CHOICE, .preset = (preset_), .choices = (choices_), .help = (help_) }
#define PARAM_YES_NO(name, preset, help) PARAM_CHOICE(name, param_no_yes, preset, help) /* 0: no, 1: yes */
#define PARAM_FILE(name_, help_)                                                                                       \
    { .name = (name_), .type = PARAM_IS_FILE, .help = (help_) }
#define PARAM_FILE_OR_NONE(name_, help_)                                                                               \
    { .name = (name_), .type = PARAM_IS_FILE, .optional = true, .help = (help_) }
#define PARAM_TEXT(name_, reader_, help_)                                                                              \
    { .name = (name_), .type = PARAM_IS_TEXT, .reader = (reader_), .help = (help_) }

extern const char *const param_no_yes[]; /* "no", "yes" */

typedef struct {
    param_type type;
    union {
        int64_t        integer;
        double         real;
        size_t         choice;  /* index of the name */
        param_file    *file;    /* owned; NULL before it is given, and for "none" */
        param_meaning *meaning; /* of a text; owned, and NULL before it is given */
    };
} param_value;

/* The values of one policy, rule or scenario, in the order of its specs. Zeroed, they hold nothing. */
typedef struct {
    param_value at[PARAM_MAX];
} param_values;

/* ---- values ---- */

param_value param_preset(const param_spec *spec);
void        param_presets(const param_spec *specs, size_t n, param_values *out);

/* Parses `text` against the spec into *out, which is overwritten and not freed. ERR_INPUT says name, text and what is
 * allowed. A file is read, for its digest; one that cannot be is named. */
int param_parse(const param_spec *spec, const char *text, param_value *out, err *e);

/* The same of a config's text or file. */
int param_parse_from(const param_spec *spec, const param_origin *from, const char *text, param_value *out, err *e);

/* A file parameter whose file is not there yet, for callers that may get it made before they use it. */
int param_file_absent(const char *path, const char *where, param_value *out, err *e);

/* Equal numbers, equal choices, files of equal content (of equal paths where one is absent), texts of equal meaning. */
bool param_equal(const param_value *a, const param_value *b);

/* An integer or a real as a double. */
double param_number(const param_value *v);

/* Canonical text of one value: integers without a point, reals as the shortest %.17g that reads back
 * equal, a choice's name, a file's path, a text as its owner writes it. Returns the length it needs, as snprintf does.
 */
int param_format(const param_spec *spec, const param_value *v, char *buf, size_t size);

/* The same, but a text without what it would mean anyway, where its owner knows of such. */
int param_brief(const param_spec *spec, const param_value *v, char *buf, size_t size);

/* Calls each() for the files that a value names, until one call does not return 0, and returns the last one's result.
 */
int param_each_file(const param_value *v, param_each *each, void *ctx, err *e);

/* Makes the paths of all files that the values name absolute, those within texts too: they mean the same wherever the
 * texts are read again. */
int param_values_place(param_values *v, err *e);

void param_value_free(param_value *v);
int  param_values_copy(const param_values *from, param_values *to, err *e);
void param_values_free(param_values *v); /* leaves them zeroed */

/* ---- lists ---- */

/* Index of the parameter with this name, or -1. */
int param_find(const param_spec *specs, size_t n, const char *name);

/* Quotes, in lists and in the texts of parameters: a value may be in double or single quotes, which are not part of it.
 * What would end it (a comma; a blank or > in a text of stages) is its own there; a quote inside is of the other kind.
 *
 * The number of bytes before the first of the characters `ends` that is not in quotes. ERR_INPUT, which says at which
 * character of `whole`, for quotes that do not end, or not with the value. */
int param_span(const char *whole, const char *at, const char *ends, size_t *n, err *e);

/* One "NAME=VALUE" of n bytes. seen[] says which parameters were given before: each may be once. */
int param_parse_pair(const char *owner, const param_spec *specs, size_t n_specs, const param_origin *from,
                     const char *text, size_t n, bool *seen, param_values *out, err *e);

/* A value in quotes, as they are needed for what is in `special`. As snprintf. */
int param_quote(const char *text, const char *special, char *buf, size_t size);

/* Parses "name=value,name=value" over presets. `owner` names the policy or rule in errors. After a failure there is
 * nothing to free. */
int param_parse_list(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out, err *e);

/* The same over the values that `out` holds. */
int param_parse_over(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out, err *e);

/* ERR_INPUT "OWNER needs NAME = FILE (...)" when a file or a text is not given; the other one also when a file is
 * absent. */
int param_check_given(const char *owner, const param_spec *specs, size_t n, const param_values *v, err *e);
int param_check_present(const char *owner, const param_spec *specs, size_t n, const param_values *v, err *e);

/* ERR_INPUT when a file is no longer what it was when its parameter was parsed: its digest would be another one. */
int param_check_unchanged(const param_values *v, err *e);

#endif
