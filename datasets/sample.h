/* sample.h - records as one tokenizer sees them: what a trial runs on. */
#ifndef DATASETS_SAMPLE_H
#define DATASETS_SAMPLE_H

#include "datasets/dataset.h"
#include "engine/policies/policy.h"

typedef struct {
    const record *rec;
    tokens        prompt;  /* text: BOS first when the tokenizer adds it, and for an empty text when it has one; turns:
                              as chat_prompt */
    tokens    *docs;       /* [n_references] their ids, without BOS; the memory of `references` */
    reference *references; /* [n_references] views of docs */
    size_t     n_references;
    size_t     reference_tokens; /* sum over references */
    bool       has_output;
    tokens     output; /* without BOS, a stop token last (EOS is added unless one is there or the tokenizer has none) */
    uint64_t   documents; /* of the references; 0 without any */
    uint64_t   content;   /* of prompt, references and, if it is needed, output: duplicates have the same */
} sample;

typedef struct {
    sample         *at;
    size_t          n;
    size_t          bad;          /* samples left out under skip_bad */
    skipped_records skipped;      /* those */
    size_t          omitted;      /* bytes of the samples' texts that no token spells: left out of their ids */
    size_t          omitted_line; /* the first record with one */
} samples;

typedef struct {
    bool   need_output; /* forced decoding: a record without output is an error */
    bool   need_prompt; /* a transformer cannot begin with no token at all */
    size_t context;     /* the prompt and one more token must fit; 0 = no limit */
    /* How records with turns become prompts and outputs; NULL or none: as their transcript. */
    const chat *chat;
    stops       stops; /* what ends a text; empty: what does so for the tokenizer */
    bool        skip_bad;
    bool as_is; /* outputs as they stand: they may begin with BOS, have stop tokens anywhere and end without one */
} sample_options;

/* Appends the ids that a prompt's text becomes: BOS first when the tokenizer adds it, and for an empty text when it has
 * one. */
int sample_prompt(const tokenizer *tok, const char *text, size_t n, tokens *out, err *e);

/* The text of a record's turns in a chat format (chat_text). */
char *record_chat_text(const record *r, const chat *c, const tokenizer *tok, size_t *len, err *e);

/* ERR_INPUT when a prompt of n ids is too short or too long. */
int sample_check_prompt(size_t n, const sample_options *o, err *e);

/* Tokenizes all records. The dataset must outlive the samples. Errors name file and line. */
int  samples_prepare(const dataset *d, const tokenizer *tok, const sample_options *o, dataset_report *report, void *ctx,
                     samples *out, err *e);
void samples_free(samples *s);

/* Makes the ids of an output that stands as it is (as_is) again, as those that follow the prompt of another sample, for
 * a record of d that has no prompt. `c`: how that prompt was rendered. */
int sample_follow(sample *s, const sample *before, const chat *c, const dataset *d, const tokenizer *tok, err *e);

/* SHA-256 over all that a cell takes from its samples: ids, scenarios, tokens, and what was skipped. */
int samples_digest(const samples *s, const skipped_records *of_dataset, char hex[DIGEST_HEX], err *e);

#endif
