/* progress.h - how far a sweep is, on stderr: one redrawn line on a terminal, plain lines otherwise. */
#ifndef EXPERIMENTS_PROGRESS_H
#define EXPERIMENTS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;
    size_t      cells, trials; /* totals to run now */
    bool        quiet, terminal, drawn;
    uint64_t    begun_ns, shown_ns;
} progress;

void progress_begin(progress *p, const char *name, size_t cells, size_t trials, bool quiet);
/* Shows the state when it is time to: on a terminal five times a second, otherwise every ten seconds. */
void progress_update(progress *p, size_t cells_done, size_t trials_done);
/* Shows the last state and ends the line. */
void progress_end(progress *p, size_t cells_done, size_t trials_done);

#endif
