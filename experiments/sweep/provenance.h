/* provenance.h - which program made a result, when, and on which machine. */
#ifndef EXPERIMENTS_PROVENANCE_H
#define EXPERIMENTS_PROVENANCE_H

#include <stdint.h>

#include "store/store.h"

/* The one place of the version and of the day of its release: what else names them is checked against these. */
#define HARNESS_VERSION "0.1.0"
#define HARNESS_DATE    "2026-11-29"

/* Digest, 16 hex digits, of the file of a policy, rule or target (their `source`), or of all other sources that can
 * change what a cell decodes: "engine". NULL when unknown. */
const char *provenance_source(const char *path);

/* The compiler and linker flags that the user added to the project's own; "" for none. */
const char *provenance_user_flags(void);

/* The time now, as ISO 8601 in UTC, in new memory. */
char *provenance_now(err *e);

/* This process: a random id, the time now, the program's sources and build, and the machine. All texts are in new
 * memory; process_free frees them. The host's name is not among them. */
int  provenance_process(process_row *p, err *e);
void process_free(process_row *p);

#endif
