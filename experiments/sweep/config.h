/* config.h - one INI file, parsed and checked before any model or dataset is opened.
 *
 * Every value of every key is checked against its declaration here; errors name file, line, key and what
 * is allowed. Relative paths have become relative to the working directory. Lists are kept as lists.
 */
#ifndef EXPERIMENTS_CONFIG_H
#define EXPERIMENTS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "experiments/ini/keys.h"

typedef struct {
    char             *label; /* of [model LABEL]; LABEL/STEM when the section lists several files */
    size_t            line;
    const target_ops *target;
    char             *path;      /* GGUF with weights; NULL for a target that needs none */
    char             *tokenizer; /* for a target without weights: GGUF path, or "bytes" */
    value_list        threads;   /* swept */
    gemm              gemm;
    char             *chat;    /* auto, none or a chat format's name */
    char             *cost;    /* path of a cost file, or NULL */
    size_t            context; /* tokens; 0 = the model's own */
    text_items        stop;    /* tokens that end a text beside the model's own, by spelling or id */
    char             *path_at, *tokenizer_at, *cost_at, *context_at, *stop_at; /* "FILE:LINE"; NULL when absent */
} model_config;

typedef struct {
    char  *label;
    size_t line;
    char  *path, *format;
    char  *path_at; /* "FILE:LINE" */
    size_t limit;   /* 0 = all */
    bool   forced, append_docs, as_turn;
    char  *tools; /* of dataset_tools_names */
    size_t doc_tokens;
    size_t max_new_tokens;
} dataset_config;

/* [policy NAME] or [policy NAME LABEL], and the same for rules under [accept ...]. */
typedef struct {
    const policy_ops *ops;
    char             *label; /* "" when none */
    size_t            line;
    value_list        values[PARAM_MAX]; /* swept; in the order of ops->params */
} policy_config;

typedef struct {
    const rule_ops *ops;
    char           *label;
    size_t          line;
    value_list      values[PARAM_MAX];
} rule_config;

/* [needs LABEL]: a file that may have to be fetched or made first. */
typedef struct {
    char  *label;
    size_t line;
    char  *path, *command; /* command: as in the INI file; its paths start at that file's folder (needs.h) */
    char  *path_at, *command_at;
} need_config;

typedef struct {
    char           *path; /* of the INI file */
    char           *text; /* its content as read, for /configs; with the overrides in effect appended as comments */
    char           *name, *output;
    uint64_t        seed;
    size_t          repeats;
    bool            paired; /* time plain decoding with each trial */
    model_config   *models;
    size_t          n_models, cap_models;
    dataset_config *datasets;
    size_t          n_datasets;
    policy_config  *policies;
    size_t          n_policies;
    rule_config    *rules;
    size_t          n_rules;
    need_config    *needs;
    size_t          n_needs;
} config;

/* `sets`: overrides "section.key=value" from --set, e.g. "policy llma.n=1,2", "sweep.repeats=1"; each must
 * name a section that exists (or sweep). Missing sections or keys, unknown ones, duplicates, empty lists and
 * values out of range are ERR_INPUT "FILE:LINE: ...". */
int config_read(const char *path, const char *const *sets, size_t n_sets, config *out, err *e);
/* The same of a text; `path` names it, and relative paths start at its folder. It need not exist. */
int  config_parse(const char *path, const char *text, const char *const *sets, size_t n_sets, config *out, err *e);
void config_free(config *c);

/* Another results folder, from --output. ERR_INPUT for an empty name, and for one that a shell would have expanded. */
int config_set_output(config *c, const char *output, err *e);

/* Described by `harness help sweep-config`. */
extern const key_file config_keys;

/* The INI file's base name, which identifies it in results. */
const char *config_base_name(const config *c);

#endif
