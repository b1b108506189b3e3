#include "experiments/terminal/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool terminal_redraws(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) == 1 && (term == NULL || strcmp(term, "dumb") != 0);
}

bool terminal_colours(int fd) {
    const char *no_color = getenv("NO_COLOR");
    return terminal_redraws(fd) && (no_color == NULL || *no_color == '\0');
}
