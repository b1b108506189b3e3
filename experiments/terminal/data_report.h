/* data_report.h - what commands report on stderr about the data that they read. */
#ifndef EXPERIMENTS_DATA_REPORT_H
#define EXPERIMENTS_DATA_REPORT_H

#include "datasets/dataset.h"
#include "datasets/sample.h"

/* A dataset_report: a line that --skip-bad left out, and why. */
void data_report_skipped(void *ctx, const err *why);

/* Reports how many records the format left out, and why the first one. */
void data_report_left_out(const dataset *d);

/* Reports how many bytes of a data set have no token in a vocabulary. */
void data_report_omitted(const samples *s, const char *path);

/* Reports keys that are not read and are probably misspellings of missing ones. */
void data_report_keys(const dataset *d);

#endif
