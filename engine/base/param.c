#include "engine/base/param.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/number.h"
#include "engine/base/suggest.h"

void param_presets(const param_spec *specs, size_t n, param_values *out) {
    *out = (param_values){0};
    for (size_t i = 0; i < n; i++) out->at[i] = specs[i].preset;
}

int param_find(const param_spec *specs, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(specs[i].name, name) == 0) return (int)i;
    return -1;
}

int param_format(const param_spec *spec, double value, char *buf, size_t size) {
    if (spec->type == PARAM_INT) return snprintf(buf, size, "%.0f", value);
    return snprintf(buf, size, "%.*g", real_digits(value), value);
}

int param_parse(const param_spec *spec, const char *text, double *out, err *e) {
    char  *end;
    double v = strtod(text, &end);
    char   lo[40], hi[40];
    param_format(spec, spec->min, lo, sizeof lo);
    param_format(spec, spec->max, hi, sizeof hi);
    const char *kind = spec->type == PARAM_INT ? "an integer" : "a number";
    bool        wrong = end == text || *end != '\0' || !isfinite(v) || (spec->type == PARAM_INT && v != floor(v));
    if (wrong || v < spec->min || v > spec->max)
        return err_input(e, "%s = \"%s\" is not allowed (%s from %s to %s)", spec->name, text, kind, lo, hi);
    *out = v;
    return 0;
}

int param_parse_list(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out,
                     err *e) {
    param_presets(specs, n, out);
    return param_parse_over(owner, specs, n, text, out, e);
}

int param_parse_over(const char *owner, const param_spec *specs, size_t n, const char *text, param_values *out,
                     err *e) {
    bool seen[PARAM_MAX] = {false};
    while (*text != '\0') {
        size_t      len = strcspn(text, ",");
        const char *eq = memchr(text, '=', len);
        char        name[64], value[64];
        if (eq == NULL || (size_t)(eq - text) >= sizeof name || (size_t)(text + len - eq - 1) >= sizeof value)
            return err_input(e, "%s: \"%.*s\" is not a parameter (NAME=VALUE)", owner, (int)len, text);
        snprintf(name, sizeof name, "%.*s", (int)(eq - text), text);
        snprintf(value, sizeof value, "%.*s", (int)(text + len - eq - 1), eq + 1);
        int i = param_find(specs, n, name);
        if (i < 0) {
            const char *names[PARAM_MAX] = {0};
            for (size_t k = 0; k < n; k++) names[k] = specs[k].name;
            return err_unknown(e, owner, "parameter", name, names, n);
        }
        if (seen[i]) return err_input(e, "%s: parameter \"%s\" is given twice", owner, name);
        seen[i] = true;
        if (param_parse(&specs[i], value, &out->at[i], e) != 0) return err_prefix(e, "%s", owner);
        text += len;
        if (*text == ',' && *++text == '\0') return err_input(e, "%s: nothing follows the last comma", owner);
    }
    return 0;
}
