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
 *         [STORE] = PARAM_FILE("store", "token ids to copy from"),
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
    PARAM_IS_FILE    /* a path; has no preset and must be given. What identifies it is its content, not its name */
} param_type;

typedef struct {
    const char        *name;
    param_type         type;
    double             preset;   /* value when nothing is said; of a choice its index */
    double             min, max; /* inclusive; of numbers */
    const char *const *choices;  /* the names, then NULL; of a choice */
    const char        *help;     /* one line, with the unit and the source's own name for it */
} param_spec;

#define PARAM_NUMBER(name_, type_, preset_, min_, max_, help_)                                                         \
    { .name = (name_), .type = (type_), .preset = (preset_), .min = (min_), .max = (max_), .help = (help_) }
#define PARAM_INTEGER(name, preset, min, max, help) PARAM_NUMBER(name, PARAM_IS_INTEGER, preset, min, max, help)
#define PARAM_REAL(name, preset, min, max, help)    PARAM_NUMBER(name, PARAM_IS_REAL, preset, min, max, help)
#define PARAM_CHOICE(name_, choices_, preset_, help_)                                                                  \
    { .name = (name_), .type = PARAM_IS_CHOICE, .preset = (preset_), .choices = (choices_), .help = (help_) }
#define PARAM_FILE(name_, help_)                                                                                       \
    { .name = (name_), .type = PARAM_IS_FILE, .help = (help_) }

/* A file as it was when the parameter was parsed. */
typedef struct {
    char *path;               /* relative to the working directory, or absolute */
    char *where;              /* "FILE:LINE" that names it; NULL: a command line does */
    char  sha256[DIGEST_HEX]; /* "": there was no such file (param_file_absent) */
} param_file;

typedef struct {
    param_type type;
    union {
        int64_t     integer;
        double      real;
        size_t      choice; /* index of the name */
        param_file *file;   /* owned; NULL before it is given */
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

/* A file parameter whose file is not there yet, for callers that may get it made before they use it. */
int param_file_absent(const char *path, const char *where, param_value *out, err *e);

/* Equal numbers, equal choices, files of equal content (of equal paths where one is absent). */
bool param_equal(const param_value *a, const param_value *b);

/* An integer or a real as a double. */
double param_number(const param_value *v);

/* Canonical text of one value: integers without a point, reals as the shortest %.17g that reads back
 * equal, a choice's name, a file's path. Returns the length it needs, as snprintf does. */
int param_format(const param_spec *spec, const param_value *v, char *buf, size_t size);

void param_value_free(param_value *v);
int  param_values_copy(const param_values *from, param_values *to, err *e);
void param_values_free(param_values *v); /* leaves them zeroed */

/* ---- lists ---- */

/* Index of the parameter with this name, or -1. */
int param_find(const param_spec *specs, size_t n, const char *name);

/* Parses "name=value,name=value" over presets. `owner` names the policy or rule in errors. After a failure there is
 * nothing to free. */
int param_parse_list(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out, err *e);

/* The same over the values that `out` holds. */
int param_parse_over(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out, err *e);

/* ERR_INPUT "OWNER needs NAME = FILE (...)" when a file is not given, and when one is absent. */
int param_check_files(const char *owner, const param_spec *specs, size_t n, const param_values *v, err *e);

/* ERR_INPUT when a file is no longer what it was when its parameter was parsed: its digest would be another one. */
int param_check_unchanged(const param_values *v, err *e);

#endif
