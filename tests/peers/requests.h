/* requests.h - what the peers' programs are asked. */
#ifndef TESTS_PEERS_REQUESTS_H
#define TESTS_PEERS_REQUESTS_H

#include "engine/base/err.h"
#include "engine/base/tokens.h"

/* The ids of a line, at least one, each below `vocab`, instead of what is in `out`. */
int request_ids(const char *line, size_t vocab, tokens *out, err *e);

#endif
