/* dataset.h - records read from JSON: text or token ids, a prompt, references, and maybe an output.
 *
 * A format is one file in datasets/ and one line in formats.def. Readers give records in file order and
 * know nothing of tokenizers, except what other people's formats demand (see dataset_options).
 */
#ifndef DATASETS_DATASET_H
#define DATASETS_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/digest.h"
#include "engine/base/err.h"
#include "engine/base/registry.h"
#include "engine/base/tokens.h"
#include "engine/tokenizer/chat.h"
#include "engine/tokenizer/tokenizer.h"

/* Text, or token ids where the record gave those. */
typedef struct {
    char  *text;   /* UTF-8, NUL-terminated; NULL when ids are given */
    size_t n_text; /* bytes; NULs may stand inside */
    tokens ids;    /* used when text is NULL */
} passage;

/* What one side of a conversation said. */
typedef struct {
    chat_role role;
    char     *text; /* UTF-8, NUL-terminated */
    size_t    n_text;
} turn;

typedef struct {
    char    *id;           /* unique in its dataset */
    bool     numbered;     /* it had none, and its line is its id (dataset_options.outputs) */
    char    *scenario;     /* "" when unknown */
    char    *conversation; /* whose turn it is; NULL when unknown */
    passage  prompt;       /* of a conversation: its transcript */
    turn    *turns; /* [n_turns] the conversation so far, blank turns included; the user's is last; none: no chat */
    size_t   n_turns;
    passage *references; /* [n_references] */
    size_t   n_references;
    bool     has_output;
    passage  output;
    size_t   line; /* in the file, from 1 */
} record;

/* A record that is not used: a bad line, one that the format leaves out, or one that a model cannot take. */
typedef struct {
    size_t line;
    char  *id;     /* "" when the line has none */
    char  *reason; /* without file and line */
} skipped_record;

typedef struct {
    skipped_record *at;
    size_t          n, cap;
} skipped_records;

/* What becomes of the turns of tools: an error, left out, kept as text. */
typedef enum { TOOLS_REFUSED, TOOLS_SKIPPED, TOOLS_AS_TEXT, TOOLS_CHOICES } dataset_tools;

extern const char *const dataset_tools_names[TOOLS_CHOICES + 1]; /* NULL last */
dataset_tools            dataset_tools_named(const char *name);  /* one of these */

typedef struct {
    const char      *format;      /* "auto" or a name from formats.def */
    size_t           limit;       /* at most this many records; 0 = all */
    bool             append_docs; /* native, llma, ms-marco: the documents into the prompt, in LLMA's template */
    size_t           doc_tokens;  /* with append_docs: documents are cut to this many tokens; 0 = whole */
    const tokenizer *tok;         /* cuts documents; NULL allowed when doc_tokens is 0 */
    bool             skip_bad;    /* count bad lines and go on, instead of failing */
    bool             as_turn;     /* a prompt that is a text is also a user's turn */
    dataset_tools    tools;
    bool             outputs; /* the outputs are what counts: native records may lack id and prompt */
} dataset_options;

/* A key of records that their format does not read. Of keys that differ from record to record only the first are kept.
 */
typedef struct {
    char       *key;
    const char *meant, *other; /* the key that is spelled much like it, and what may be there instead; NULL */
    size_t      records;       /* that have it */
    size_t      lacking;       /* of these, how many have neither `meant` nor `other`: it was probably meant */
    size_t      line;          /* of the first one, from 1 */
} unread_key;

typedef struct {
    char           *path;
    char           *format; /* the one that was used */
    char            sha256[DIGEST_HEX];
    record         *records;
    size_t          n;
    size_t          bad;           /* lines skipped under skip_bad; each was reported through dataset_report */
    size_t          dropped;       /* records the format itself leaves out (llma: no result text) */
    size_t          first_dropped; /* where `skipped` has the first of these */
    skipped_records skipped;       /* both kinds, in file order */
    unread_key     *unread;        /* [n_unread] keys of the records that the format does not read, in the order met */
    size_t          n_unread, cap_unread;
    bool            has_turns; /* some record has */
    bool            cut;       /* the tokenizer had a part in the prompts: it cut the documents in them */
} dataset;

/* Called for each line skipped under skip_bad with the error it would have been. */
typedef void dataset_report(void *ctx, const err *why);

/* `why`: an error that begins with "PATH:LINE: ", which is left out of the reason. `id` may be NULL. */
int  skipped_add(skipped_records *s, const char *path, size_t line, const char *id, const err *why, err *e);
void skipped_free(skipped_records *s);

int  dataset_read(const char *path, const dataset_options *o, dataset_report *report, void *ctx, dataset *out, err *e);
void dataset_free(dataset *d);

/* Names of the known formats, "auto" not included. */
extern const registry format_registry;
const char           *dataset_format_help(size_t i);

/* ERR_INPUT that lists the formats when `name` is neither one of them nor "auto". `where` may be NULL. */
int dataset_format_check(const char *where, const char *name, err *e);

#endif
