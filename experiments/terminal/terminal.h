/* terminal.h - what may be written to a terminal besides text. */
#ifndef EXPERIMENTS_TERMINAL_H
#define EXPERIMENTS_TERMINAL_H

#include <stdbool.h>

/* Whether a line may be redrawn: `fd` is a terminal, and TERM is not "dumb". */
bool terminal_redraws(int fd);

/* The same for colours, which a non-empty NO_COLOR forbids (no-color.org). */
bool terminal_colours(int fd);

#endif
