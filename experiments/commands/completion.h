/* completion.h - completion for shells, as scripts made from the commands' tables: commands, options, allowed values,
 * names of plug-ins, files by their endings, and folders.
 *
 * What a value may be is in its row: the allowed texts, the registry in `of`, and for a path the ending in what the
 * usage calls it: "MODEL.gguf" completes *.gguf, "DIR" folders, "FILE" any file.
 */
#ifndef EXPERIMENTS_COMPLETION_H
#define EXPERIMENTS_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

#include "experiments/commands/options.h"

/* What may be completed. */
typedef struct {
    const char *names[OPTION_NAMES];
    size_t      n;
    bool        files, folders;
    char        ending[16]; /* of files, without the dot; "": all */
} completion;

void completion_of(const option_spec *s, completion *out);

/* The beginning of a help, for a line beside the word. */
void completion_brief(const char *help, char *buf, size_t size);

/* Text inside a word in single quotes of a shell, where ' is '\''; `special` get a backslash, too. */
void completion_quoted(const char *text, const char *special, FILE *out);

typedef struct {
    const char *name; /* first, as in every plug-in */
    void (*print)(FILE *out);
} completion_shell;

extern const completion_shell completion_bash, completion_fish, completion_zsh;

#endif
