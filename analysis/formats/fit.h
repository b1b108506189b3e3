/* fit.h - a table made to fit the lines of a terminal.
 *
 *     policy       n  tokens/step  first divergence          policy       n  tokens/       first
 *     -----------  -  -----------  ----------------    a)                     step  divergence
 *     suffix_tree  3         1.50                 7          -----------  -  -------  ----------
 *                                                            suffix_tree  3     1.50           7
 *
 * What is done, each only where what is before it does not suffice:
 *
 *     a) titles are broken into lines, at blanks and after "/"
 *     b) columns of text are narrowed, the widest first, and their values broken into lines, at blanks and after ",",
 *        "/" or ":", else after "_" or "=", else anywhere
 *     c) the columns that say which cell a row is of become one: "llma n=1 k=4"
 *     d) columns that are too many go into a second part below, and so on, each with the row's keys
 *
 *  L1  No value is cut.
 */
#ifndef ANALYSIS_FIT_H
#define ANALYSIS_FIT_H

#include "analysis/formats/table_format.h"

/* a to c: a break is a '\n' in a string of the layout, and widths become those of the widest lines. */
int layout_fit(layout *l, size_t most, err *e);

/* d: sets l->from and l->to to the columns of the part that begins with `from`, at least one. Returns where the next
 * part begins, l->columns after the last one. */
size_t layout_part(layout *l, size_t from, size_t most);

/* s, with breaks into lines of at most `width` columns, in new memory. */
char *wrap_cell(const char *s, size_t width, err *e);

#endif
