/* provenance.h - who made a results file, from what, where. */
#ifndef EXPERIMENTS_PROVENANCE_H
#define EXPERIMENTS_PROVENANCE_H

#include <stdint.h>

#include "experiments/store/store.h"

#define HARNESS_VERSION "0.1.0"

/* Digest, 16 hex digits, of the file of a policy, rule or target (their `source`), or of all other sources that can
 * change what a cell decodes: "engine". NULL when unknown. */
const char *provenance_source(const char *path);

/* Fills the root attributes. All strings are new; store_free frees them. The host's name is not among them. */
int provenance_fill(provenance *p, const char *sweep, uint32_t threads, err *e);

#endif
