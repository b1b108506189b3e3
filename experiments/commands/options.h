/* options.h - a command's options and operands, declared once in tables next to the struct that they fill.
 *
 * The tables give the values, every error (unknown options with a suggestion, values out of range, missing arguments)
 * and the help text. To add an option, add a field and one row:
 *
 *     static const option_spec specs[] = {
 *         {"threads", 't', "N", &option_count, OPTION_AT(options, threads), .preset = "1",
 *          OPTION_RANGE(1, PARALLEL_THREADS), .help = "the text does not depend on it"},
 *     };
 *
 * An operand is a row of the same kind in a table of its own. Options and operands mix in any order; "--" ends the
 * options; long ones may be abbreviated; values follow as in -j4, -j 4, --jobs=4 and --jobs 4.
 */
#ifndef EXPERIMENTS_OPTIONS_H
#define EXPERIMENTS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/err.h"

enum { OPTION_MOST = 32, OPTION_NAMES = 64 }; /* options of a command; texts in a list of allowed values */

typedef struct option_spec option_spec;

/* One text on its way into a field. */
typedef struct {
    const option_spec *spec;
    const char        *name; /* as errors call it: "--threads", or an operand's name */
    const char        *text; /* NULL for a flag */
} option_value;

typedef struct {
    /* Parses the text into the field at `at`, or gives ERR_INPUT with what is allowed. */
    int (*parse)(const option_value *v, void *at, err *e);

    /* All allowed texts, and their number; NULL when they cannot be listed. */
    size_t (*names)(const option_spec *s, const char *names[static OPTION_NAMES]);
    bool is_flag, is_path;
} option_type;

struct option_spec {
    const char        *name;   /* without dashes; of an operand: as the usage shows it */
    char               letter; /* 0: none */
    const char        *arg;    /* the value, as the usage shows it; NULL for flags and operands */
    const option_type *type;
    size_t             offset;  /* of the field in the command's struct */
    const char        *implied; /* the value of an option given without one, as in --chat; with one it is --chat=NAME */
    const char        *preset;  /* parsed before the command line; NULL: the field stays zero */
    bool               required;
    bool               list;      /* any number of texts: the field is a text_list */
    bool               alone;     /* a flag after which nothing is read and nothing else is required */
    size_t             given;     /* 1 + offset of a bool that says whether the option is there; 0: nobody asks */
    uint64_t           min, max;  /* of counts */
    double             low, high; /* of reals */
    const void        *of;        /* option_plugin: a registry; option_choice: texts, NULL after the last one; of other
                                     types a registry whose names are offered by completion, or NULL */
    const char *help;             /* with the unit */
};

#define OPTION_AT(type, field)    .offset = offsetof(type, field)
#define OPTION_GIVEN(type, field) .given = 1 + offsetof(type, field)
#define OPTION_RANGE(from, to)    .min = (from), .max = (to)
#define OPTION_REALS(from, to)    .low = (from), .high = (to)

extern const option_type option_flag;   /* bool */
extern const option_type option_count;  /* uint64_t: decimal digits */
extern const option_type option_size;   /* the same into a size_t */
extern const option_type option_real;   /* double */
extern const option_type option_text;   /* const char *, borrowed */
extern const option_type option_path;   /* the same; a file or folder */
extern const option_type option_choice; /* size_t: the index in the list `of` */
extern const option_type option_plugin; /* a pointer to an entry of the registry in `of` */

/* For a command's own types: a decimal integer from min to max; errors call it `name`. */
int option_parse_count(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out, err *e);

typedef struct {
    const char **at; /* [n] borrowed from argv */
    size_t       n;
} text_list;

/* -h and --help: every command has it, no table lists it. */
extern const option_spec option_help;

typedef struct {
    const char        *name; /* of the command */
    const option_spec *options, *operands;
    size_t             n_options, n_operands;
} option_table;

/* Fills the zeroed struct at `base` from argv[1..argc). *alone is the option that ended the reading, &option_help or
 * one that is `alone`, else NULL. Free with options_free, also after an error. */
int  options_parse(const option_table *t, int argc, char **argv, void *base, const option_spec **alone, err *e);
void options_free(const option_table *t, void *base);

/* The texts that completion offers for a value: all that are allowed, or those with which one may begin. */
size_t options_names(const option_spec *s, const char *names[static OPTION_NAMES]);

/* "[NAME] FILE.h5"; a choice as "make|scenarios" */
void options_operands(const option_table *t, char *buf, size_t size);

/* The options, one paragraph each, aligned, at most 80 columns wide. */
void options_print(const option_table *t, FILE *out);

/* The help of one option, with what the table says beside it: "(default N)". As snprintf. */
int options_describe(const option_spec *s, char *buf, size_t size);

/* Writes "; did you mean '--NAME'?" when a name is similar to `wrong`, or all names that it may abbreviate; else "". */
void options_suggest(const char *wrong, const char *const *names, size_t n, char *buf, size_t size);

#endif
