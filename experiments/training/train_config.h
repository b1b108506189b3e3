/* train_config.h - a training's INI file: the net, the schedule, the records. */
#ifndef EXPERIMENTS_TRAIN_CONFIG_H
#define EXPERIMENTS_TRAIN_CONFIG_H

#include "datasets/scenario.h"
#include "engine/kernels/dtype.h"
#include "engine/train/trainer.h"
#include "experiments/ini/keys.h"

enum { TRAIN_SOURCES = 32 };

/* [source NAME]: records of a scenario, `share` parts of the mix from step `from` until before step `until`. */
typedef struct {
    char           *name;
    const scenario *scenario;
    param_values    params; /* of the scenario */
    double          share;
    size_t          from, until; /* 0: to the end */
} train_source;

typedef struct {
    char           *path, *text; /* of the INI file; its content, overrides appended */
    char           *name, *output;
    uint64_t        seed;
    trainer_options trainer;
    size_t          batch;      /* records in a step */
    size_t          checkpoint; /* every so many steps; 0 = only at the end */
    size_t          validate;   /* every so many steps; 0 = never */
    size_t          validation; /* test records of each source */
    size_t          vocabulary_records;
    char           *export_path; /* NULL: OUTPUT/NAME.gguf */
    dtype           export_type;
    train_source    sources[TRAIN_SOURCES];
    size_t          n_sources;
    char            digest[65];     /* SHA-256 of all that determines the numbers */
    char            vocabulary[65]; /* SHA-256 of the tokenizer's file, once it is trained */
} train_config;

/* `sets`: overrides "section.key=value". Unknown or missing keys and sections and values out of range are ERR_INPUT
 * "FILE:LINE: ...". */
int  train_config_read(const char *path, const char *const *sets, size_t n_sets, train_config *out, err *e);
void train_config_free(train_config *c);

/* Described by `harness help train-config`. */
extern const key_file train_config_keys;

#endif
