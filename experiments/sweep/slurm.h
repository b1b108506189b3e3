/* slurm.h - a sweep as jobs of Slurm: an array of equal tasks that share its folder, and a job that collects.
 *
 *  J1  Every task runs the same command and takes what nobody has claimed (share.h): a task that dies loses what it had
 *      not saved, and the others go on.
 *  J2  Texts from the user get into the scripts as quoted words, and to sbatch as arguments: no shell reads them.
 *  J3  Two minutes before its time limit a task gets SIGTERM, and keeps its finished trials (R4 of runner.h). The shell
 *      has become the task's program, so that nothing else need pass the signal on.
 */
#ifndef EXPERIMENTS_SLURM_H
#define EXPERIMENTS_SLURM_H

#include "experiments/sweep/plan.h"

/* What a folder lacks. */
typedef struct {
    size_t finished;            /* cells */
    size_t groups, open_groups; /* baselines, and those among them with work */
    size_t open, running;       /* parts of cells that are not finished; those of them that processes run now */
} slurm_work;

typedef struct {
    size_t             tasks, at_once; /* at_once: most that run at a time; 0: all */
    size_t             parts;          /* of each cell */
    const char *const *command;        /* [n_command] of a task, without "sweep" and what only this file adds */
    size_t             n_command;
    const char *const *sbatch; /* [n_sbatch] the user's options */
    size_t             n_sbatch;
} slurm_options;

/* Looks at the sweep's folder. */
int slurm_look(const plan *p, const char *dir, size_t parts, slurm_work *out, err *e);

/* ERR_INPUT for options of sbatch that would undo what the jobs are. */
int slurm_check_options(const slurm_options *o, err *e);

/* Words of a shell's command, each after a space, in new memory. */
char *slurm_words(const char *const *at, size_t n, err *e);

/* Whether one of sbatch's options is this one, given by its name or letter. */
bool slurm_has_option(const slurm_options *o, const char *name, char letter);

/* Writes DIR/slurm/array.sh and collect.sh. */
int slurm_write(const plan *p, const char *dir, const slurm_options *o, err *e);

/* Runs sbatch for both; ids are texts in new memory. When the second is refused, *array is set all the same. */
int slurm_submit(const char *dir, const slurm_options *o, char **array, char **collect, err *e);

#endif
