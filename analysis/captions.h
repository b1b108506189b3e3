/* captions.h - what a reader must know before the numbers of a table: what they are not of. */
#ifndef ANALYSIS_CAPTIONS_H
#define ANALYSIS_CAPTIONS_H

#include "analysis/counts.h"
#include "analysis/spreads.h"
#include "analysis/table.h"

/* The sweep's name, and the settings that are the same for all cells: cell_keys_constant's list, in which digests are
 * shortened. */
void caption_settings(table *t, const char *sweep, char *settings);

/* Records that were left out, with the first reason, and duplicates. */
int caption_records(table *t, const store_data *d, err *e);

/* What is drawn together; nothing for NULL, where each record is drawn by itself. */
void caption_groups(table *t, const char *pattern);

/* Cells of which only a part has been run. counts: [d->n_cells] */
void caption_unfinished(table *t, const store_data *d, const cell_counts *counts);

/* Trials and cells that have no speed-up, and why; speed-up of outputs that differ. counts and spreads: [d->n_cells] */
void caption_speedups(table *t, const store_data *d, const cell_counts *counts, const cell_spreads *spreads);

#endif
