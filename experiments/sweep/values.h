/* values.h - the values that a sweep takes for parameters: grids of lists, and their canonical JSON.
 */
#ifndef EXPERIMENTS_VALUES_H
#define EXPERIMENTS_VALUES_H

#include <jansson.h>

#include "engine/base/param.h"
#include "experiments/ini/keys.h"

/* Fills values[n] from the keys of a section by parameter declarations; an absent key gives the preset. Free them
 * afterwards, also after an error. */
int values_read(const inifile *f, const ini_section *s, const param_spec *specs, size_t n, value_list *values, err *e);

/* Whether two grids over the same n parameters share a point: exactly when every parameter has a common value. */
bool values_meet(const value_list *a, const value_list *b, size_t n);

/* {"NAME": VALUE, ...}: integers, reals, a choice's name, and "sha256:HEX" for a file, whatever its path, also
 * inside a text. NULL when out of memory. */
json_t *values_json(const param_spec *specs, size_t n, const param_values *v);

/* Digits in which every real reads back equal; at least `digits`. */
int values_digits(const param_spec *specs, size_t n, const param_values *v, int digits);

#endif
