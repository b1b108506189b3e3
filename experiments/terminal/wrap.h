/* wrap.h - text for people in lines of at most 80 columns. */
#ifndef EXPERIMENTS_WRAP_H
#define EXPERIMENTS_WRAP_H

#include <stddef.h>
#include <stdio.h>

enum { WRAP_COLUMNS = 80 };

/* Prints ASCII text from column `at`, where the cursor is, broken at blanks, and ends the line. All other lines are
 * indented to column `indent`. A "\n" in the text begins a new line; blanks at its beginning are kept, and lines that
 * continue it begin under its first word. A word that is longer than a line has a line of its own. */
void wrap_print(FILE *out, const char *text, size_t at, size_t indent);

#endif
