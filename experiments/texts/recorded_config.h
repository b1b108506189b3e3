/* recorded_config.h - the config that results were made by, from the text kept in the results file.
 *
 * Its relative paths started at the folder of the INI file, which is not recorded. But `output` among them led to the
 * folder that holds the results file (unless that was moved), so the others can be told from there:
 *
 *     output = ../../results              is the folder of the results file: /home/me/harness/results
 *     path   = ../../datasets/data/x      is then /home/me/harness/results/../datasets/data/x
 *
 * A path that goes up less far than output cannot; absolute ones are as they are. A wrong file is found out by its
 * digest.
 */
#ifndef EXPERIMENTS_RECORDED_CONFIG_H
#define EXPERIMENTS_RECORDED_CONFIG_H

#include "experiments/sweep/config.h"

typedef struct {
    const char        *results; /* path of the results file */
    const char        *config;  /* an INI file at whose folder relative paths start; NULL: as above */
    const char        *model;   /* instead of every model's path or tokenizer; NULL: as recorded */
    const char *const *sets;    /* [n_sets] overrides, as of config_read; their paths are taken as they are */
    size_t             n_sets;
} recorded_paths;

/* `name`: of the text in /configs. Overrides of the sweep that are recorded at the text's end are in effect; cost files
 * are left out. */
int recorded_config(const char *name, const char *text, const recorded_paths *from, config *out, err *e);

/* The path instead of `path`, told from `output`, which leads to `folder` ("" or with a slash at its end), in new
 * memory; a copy of `path` when it cannot be told. */
char *recorded_path(const char *path, const char *output, const char *folder, err *e);

#endif
