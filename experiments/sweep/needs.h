/* needs.h - the files that a config reads and that have to be fetched or made first.
 *
 *     [needs records]
 *     path    = ../../datasets/data/rag.jsonl
 *     command = ../../datasets/fetch.sh llma-rag
 *
 * In a command, a word that begins with ./ or ../ is a path that starts at the config's folder, as all paths of a
 * config do, and the word "harness" is this program. Both are rewritten for the current folder, so the command in
 * a message can be typed as shown.
 */
#ifndef EXPERIMENTS_NEEDS_H
#define EXPERIMENTS_NEEDS_H

#include <stdbool.h>
#include <stdio.h>

#include "experiments/sweep/config.h"

/* One such file that is missing. Both texts are valid in the working folder. */
typedef struct {
    char *path, *command;
} missing_file;

typedef struct {
    missing_file *at;
    size_t        n;
} missing_files;

/* ERR_INPUT for a command with a path inside a word, which would not be rewritten, and for a file that the config does
 * not read, unless its values were overridden. */
int needs_check(const config *c, bool overridden, err *e);

/* The declared files that the config reads and that are missing, each once; an empty list is no error. ERR_INPUT when a
 * file is missing for which no command is declared. */
int  needs_find(const config *c, missing_files *out, err *e);
void needs_free(missing_files *m);

/* Each file, and its command on a line of its own. */
void needs_print(const missing_files *m, const char *indent, FILE *out);

#endif
