/* terminal.h - what may be written to a terminal beside text. */
#ifndef EXPERIMENTS_TERMINAL_H
#define EXPERIMENTS_TERMINAL_H

#include <stdbool.h>

/* A line may be drawn again: `fd` is a terminal, and TERM is not "dumb". */
bool terminal_redraws(int fd);

/* The same for colours, which NO_COLOR forbids when it is set to anything but nothing (no-color.org). */
bool terminal_colours(int fd);

#endif
