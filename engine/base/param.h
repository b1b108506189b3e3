/* param.h - parameters of policies and rules: declared once, where they are used.
 *
 * The declaration is what `harness policies` and `harness rules` print, what INI and command-line
 * values are checked against, and what the canonical JSON of a cell is made of.
 */
#ifndef ENGINE_BASE_PARAM_H
#define ENGINE_BASE_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

enum { PARAM_MAX = 12 };

typedef enum { PARAM_INT, PARAM_REAL } param_type;

typedef struct {
    const char *name;
    param_type  type;
    double      preset;   /* value when nothing is said */
    double      min, max; /* inclusive */
    const char *help;     /* one line, with the unit and the source's own name for it */
} param_spec;

/* The values of one policy or rule, in the order of its specs. */
typedef struct {
    double at[PARAM_MAX];
} param_values;

void param_presets(const param_spec *specs, size_t n, param_values *out);

/* Index of the parameter with this name, or -1. */
int param_find(const param_spec *specs, size_t n, const char *name);

/* Parses `text` against the spec; ERR_INPUT says name, text and the allowed range. */
int param_parse(const param_spec *spec, const char *text, double *out, err *e);

/* Parses "name=value,name=value" over presets. `owner` names the policy or rule in errors. */
int param_parse_list(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out, err *e);

/* The same over the values that `out` holds. */
int param_parse_over(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out, err *e);

/* Canonical text of one value: integers without a point, reals as the shortest %.17g that reads back
 * equal. Returns the length it needs, as snprintf does. */
int param_format(const param_spec *spec, double value, char *buf, size_t size);

#endif
