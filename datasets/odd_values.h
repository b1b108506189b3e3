/* odd_values.h - valid JSON (RFC 8259) that Jansson does not hold: integers beyond int64, reals beyond double, texts
 * with a lone surrogate, keys with one or with U+0000.
 *
 * They may stand under keys that nobody reads, so a line with some is not refused: each is replaced in the line's text,
 * and a reader that meets the replacement says what stood there. A replacement is a real number, which no reader takes,
 * so that none can pass for data.
 */
#ifndef DATASETS_ODD_VALUES_H
#define DATASETS_ODD_VALUES_H

#include <jansson.h>
#include <stddef.h>

/* Replaces them in line[0..n), which a NUL follows, by as many bytes, so that positions stay. Gives how many. */
size_t odd_values_replace(char *line, size_t n);

/* What a value is that stands for one, or for something with one inside: "a number out of range ...". NULL for all
 * others. Only for lines in which something was replaced. */
const char *odd_value(const json_t *v);

/* What a line that is not JSON holds instead, where that is known: "NaN ..." and what to do. NULL when it is not. */
const char *odd_spelling(const char *line, size_t n);

#endif
