/* progress.h - the progress of long work, on stderr: one redrawn line on a terminal, plain lines otherwise.
 *
 *     NAME: GROUPS 13/17  UNITS 1291/1632 (79%)  NOTE  0m11s left
 */
#ifndef EXPERIMENTS_PROGRESS_H
#define EXPERIMENTS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is counted, and how much of it there is. */
typedef struct {
    const char *name; /* "trials"; NULL: nothing is counted */
    size_t      total;
} progress_kind;

typedef struct {
    const char   *name;
    progress_kind groups, units; /* the remaining time is computed from the units, unless `share` is set */
    size_t        first;         /* units done before this run */
    double        share;         /* of the whole time that is spent, as far as the caller knows; 0: it does not */
    char          note[96];      /* the caller's, for the next line shown; "" for none */
    bool          quiet, terminal, drawn;
    uint64_t      begun_ns, shown_ns;
} progress;

/* "1h02m" or "3m09s"; size >= 32. */
void progress_duration(uint64_t seconds, char *text, size_t size);

void progress_begin(progress *p, const char *name, progress_kind groups, progress_kind units, bool quiet);
/* Whether it is time to show the state: on a terminal five times a second, otherwise every ten seconds. */
bool progress_due(const progress *p);
/* Shows the state if it is time to. */
void progress_update(progress *p, size_t groups_done, size_t units_done);
/* Clears the redrawn line to make room for another. */
void progress_clear(progress *p);
/* Shows the last state and ends the line. */
void progress_end(progress *p, size_t groups_done, size_t units_done);

#endif
