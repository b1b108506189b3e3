/* here.h - paths as one types them from the working folder. */
#ifndef ENGINE_BASE_HERE_H
#define ENGINE_BASE_HERE_H

#include "engine/base/err.h"

/* The path from the working folder to what is, or would be, at `path`, in new memory: "results/a.h5",
 * "../data/b.jsonl". Absolute where the two have only the root in common. A link at the path's end is named, not
 * followed. */
char *here_path(const char *path, err *e);

/* The same as a word of a shell command, in new memory: "./fetch.sh" for a plain name. */
char *here_word(const char *path, err *e);

/* Any text as one word of a shell command, in new memory: in single quotes where a shell would read more into it. */
char *here_quoted(const char *text, err *e);

#endif
