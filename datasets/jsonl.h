/* jsonl.h - JSON Lines, or one JSON array: one object after the other, and typed values out of them.
 *
 * Either may be compressed with gzip.
 *
 * Lines end with \n and may be of any length. A \r before the \n, a byte order mark at the file's start and
 * blank lines (counted, skipped) are tolerated. Refused: anything but one object to a line, a key given
 * twice, text that is not UTF-8. The elements of an array may be on any number of lines. Texts may hold U+0000 (written
 * \u0000); names may not. Numbers out of range and texts with lone surrogates are refused where they are read and may
 * stand elsewhere. Files of other kinds (archives, tables) are named for what they are.
 */
#ifndef DATASETS_JSONL_H
#define DATASETS_JSONL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"
#include "engine/base/tokens.h"

/* The file is held whole, unpacked, so that a digest of `bytes` is that of what was parsed. */
typedef struct {
    const char *path;
    char       *bytes;
    size_t      n, at; /* size; where the next line begins */
    size_t      line;  /* number of the line given last, from 1; of an array, where the element given last begins */
    bool        array; /* the file is one array */
    size_t      index; /* of an array: of the element given next, from 0 */
    bool        ended; /* of an array: its bracket was met */
    size_t      lines; /* of an array: line ends before `at` */
    bool        odd;   /* the line or element given last holds odd values (odd_values.h) */
    /* Keys that the format reads, once it is known: none of them is another one's misspelling. */
    const char *const *reads;
    size_t             n_reads;
} jsonl;

int  jsonl_open(jsonl *j, const char *path, err *e); /* path must outlive it */
void jsonl_close(jsonl *j);

/* 1: *object is the next line's or element's, to be given to json_decref. 0: the end. -1: this line is bad (ERR_INPUT),
 * and the next call goes on after it. */
int jsonl_next(jsonl *j, json_t **object, err *e);

/* Number of the object given last, from 0: of its line, or of the array's element. */
size_t jsonl_index(const jsonl *j);

/* An ERR_INPUT "PATH:LINE: ..." about the line given last, of an array "PATH:LINE: [INDEX] ..."; control bytes become
 * '?'. Returns -1. */
int jsonl_bad(const jsonl *j, err *e, const char *fmt, ...) ERR_PRINTF(3, 4);

/* The value of a key; NULL when it is missing or null. */
const json_t *jsonl_get(const json_t *object, const char *key);
/* The same, but NULL is an error. */
const json_t *jsonl_need(const jsonl *j, const json_t *object, const char *key, err *e);

/* An ERR_INPUT that a key is missing, followed by MORE, and what was probably meant to be it. Returns -1. */
int jsonl_missing(const jsonl *j, const json_t *object, const char *key, const char *more, err *e);

/* Refuses what odd_value() knows, wherever in v it stands; the functions below do so themselves. */
int jsonl_odd(const jsonl *j, const json_t *v, const char *what, err *e);

/* Checked copies; `what` names the value in errors, e.g. "prompt" or "references[2]". */
int jsonl_text(const jsonl *j, const json_t *v, const char *what, char **text, size_t *n, err *e);
int jsonl_name(const jsonl *j, const json_t *v, const char *what, char **name, err *e); /* no U+0000 */
int jsonl_id(const jsonl *j, const json_t *v, const char *what, char **id, err *e); /* a name, or an integer's digits */
int jsonl_ids(const jsonl *j, const json_t *v, const char *what, tokens *ids, err *e); /* each 0 to INT32_MAX */
int jsonl_string(const jsonl *j, const json_t *v, const char *what, err *e);           /* only checks */
int jsonl_array(const jsonl *j, const json_t *v, const char *what, err *e);            /* only checks */

#endif
