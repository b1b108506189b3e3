/* roff.h - texts as man(7) reads them: escaped, in short lines, a sentence at most in each. */
#ifndef EXPERIMENTS_ROFF_H
#define EXPERIMENTS_ROFF_H

#include <stdio.h>

/* On the current line, nothing of it taken as a request. */
void roff_puts(const char *text, FILE *out);

/* Paragraphs. As in wrap.h a "\n" begins a new line, and an empty line a new paragraph; blanks at a line's beginning
 * are kept. */
void roff_text(const char *text, FILE *out);

/* Lines that stay as they are. */
void roff_lines(const char *text, FILE *out);

#endif
