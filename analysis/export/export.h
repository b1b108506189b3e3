/* export.h - results as flat CSV files, for R, pandas and whatever reads CSV.
 *
 * A file for each kind of row. Each row says what identifies its trial: all settings and parameters of its cell under
 * the names of `harness tables --format csv`, and its sample's id and scenario. Steps and tokens, of which there are
 * many, name their trial, cell and sample. Numbers are in full precision, missing ones empty; quoting is RFC 4180's.
 */
#ifndef ANALYSIS_EXPORT_H
#define ANALYSIS_EXPORT_H

#include <stdio.h>

#include "analysis/cell_keys.h"
#include "engine/base/registry.h"

typedef struct {
    const char *name, *help;
    int (*print)(const store_data *d, const cell_keys *keys, FILE *out, err *e);
    size_t (*rows)(const store_data *d);
} export_kind;

extern const registry export_registry;

#endif
