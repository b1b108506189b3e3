/* terminal.h - what may be written to a terminal beside text. */
#ifndef EXPERIMENTS_TERMINAL_H
#define EXPERIMENTS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* A line may be drawn again: `fd` is a terminal, and TERM is not "dumb". */
bool terminal_redraws(int fd);

/* The same for colours, which NO_COLOR forbids when it is set to anything but nothing (no-color.org). */
bool terminal_colours(int fd);

/* Prints n bytes of a file's text to stdout: line ends and tabs as the caller wants them, and '?' for each byte that is
 * not UTF-8 and each character that a terminal would act on or hide. */
void terminal_print(const char *s, size_t n, const char *line_end, const char *tab);

#endif
