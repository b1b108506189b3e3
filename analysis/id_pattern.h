/* id_pattern.h - a regular expression over the ids of records: what its first part in parentheses matches, or all of
 * it.
 *
 * PCRE2's syntax, which Perl's and Python's users know. Whoever writes a pattern may write one that would take years or
 * all memory; such a one is an error: the pattern's length, and the steps and memory of a match, are limited.
 */
#ifndef ANALYSIS_ID_PATTERN_H
#define ANALYSIS_ID_PATTERN_H

#include <stddef.h>

#include "engine/base/err.h"

typedef struct id_pattern id_pattern;

/* ERR_INPUT for what is no regular expression, with the place in it. */
id_pattern *id_pattern_open(const char *text, err *e);
void        id_pattern_close(id_pattern *p); /* NULL is fine */

/* 1 when it matches somewhere in the id, 0 when not; the part is id[*from] to before id[*to]. -1 and an ERR_INPUT when
 * the limits do not suffice to tell. */
int id_pattern_find(const id_pattern *p, const char *id, size_t *from, size_t *to, err *e);

#endif
