/* fetch.h - files of the public data sets that a script brings. */
#ifndef ENGINE_BASE_FETCH_H
#define ENGINE_BASE_FETCH_H

#include "engine/base/err.h"

/* After opening `path` failed: when there is no such file, and the manifest.tsv beside its folder names it, adds to the
 * error the command that brings it, "datasets/fetch.sh NAME". Returns -1. */
int fetch_advise(const char *path, err *e);

#endif
