/* pretokenizer.h - splits a text into the pieces that byte-level BPE merges, by regexes (pretokenizers.def).
 *
 * Each regex of a list splits the pieces of the one before into its matches and what lies between them: nothing is
 * lost. Bytes that are not UTF-8 are pieces of their own, a run of them one. A pretokenizer is immutable and safe to
 * share.
 */
#ifndef ENGINE_PRETOKENIZER_H
#define ENGINE_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

typedef struct pretokenizer pretokenizer;

typedef enum {
    PRETOKENIZER_IGNORE_MERGES = 1,
    PRETOKENIZER_ADD_BOS = 2,
    PRETOKENIZER_NFC = 4,
    PRETOKENIZER_RAW = 8
} pretokenizer_flag;

/* By name. ERR_INPUT "WHERE: ..." with all known names when there is none of this one. */
pretokenizer *pretokenizer_open(const char *name, const char *where, err *e);
void          pretokenizer_close(pretokenizer *p); /* NULL is fine */

const char *pretokenizer_name(const pretokenizer *p);
bool        pretokenizer_is(const pretokenizer *p, pretokenizer_flag f);

/* Unicode's version that letters, digits and the like are told by: "14.0.0". */
const char *pretokenizer_unicode(const pretokenizer *p);

/* What one caller needs to split texts. */
typedef struct {
    const pretokenizer *p;
    void               *match, *limits; /* a pcre2_match_data, a pcre2_match_context */

    /* Gets each piece, never empty, in the text's order; an error ends the splitting. */
    int (*piece)(void *of, const char *at, size_t n, err *e);
    void *of;
} splitter;

int  splitter_open(splitter *s, const pretokenizer *p, int (*piece)(void *of, const char *at, size_t n, err *e),
                   void *of, err *e);
void splitter_close(splitter *s); /* fine for a zeroed one */

int splitter_run(splitter *s, const char *text, size_t n, err *e);

/* All names in pretokenizers.def. */
size_t pretokenizer_names(const char *const **names);

#endif
