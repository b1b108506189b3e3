/* texts.h - what a report shows beyond the results file: the texts of tokens, what they may have been copied from, and
 * drafts. A results file holds ids and counts only; whoever has the model's tokenizer and the data gives the rest, or
 * says what is missing. Nothing here may be guessed.
 */
#ifndef ANALYSIS_REPORT_TEXTS_H
#define ANALYSIS_REPORT_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "store/store.h"

/* What an id stands for. */
typedef struct {
    const char *at; /* [n] bytes as they enter a text; characters may be split between tokens */
    size_t      n;
    bool        control; /* it stands for no text; `at` is its name */
} token_text;

typedef struct {
    const int32_t *ids;
    size_t         n;
} passage_ids;

/* What a sample's trials could copy from besides their own output; a step's source_position is an index in these. */
typedef struct {
    passage_ids        prompt;
    const passage_ids *references;
    size_t             n_references;
} sample_texts;

/* All drafts of a trial, one after another, each as long as its step's `drafted`. */
typedef struct {
    int32_t *ids, *parents; /* [n] a token's parent: its index in the draft, -1 for none */
    size_t   n, cap_ids, cap_parents;
    char    *missing; /* why there are none; NULL when there are */
} trial_drafts;

typedef struct {
    void       *ctx;
    const char *missing; /* why there are no texts, for people; NULL when there are, for some cells at least */
    size_t      n_vocabularies;
    /* The vocabulary of a cell's tokens; n_vocabularies when it is not known. */
    size_t (*vocabulary)(void *ctx, size_t cell);
    size_t (*ids)(void *ctx, size_t vocabulary); /* how many it has */
    token_text (*token)(void *ctx, size_t vocabulary, int32_t id);
    /* False when they are not known. */
    bool (*sample)(void *ctx, size_t cell, size_t sample, sample_texts *out);
    /* Fills `out`, which is empty and may have memory. plain: plain decoding's trial of the same sample, NULL when
     * unknown. */
    int (*drafts)(void *ctx, const store_trial *of, const store_trial *plain, trial_drafts *out, err *e);
} report_texts;

void trial_drafts_clear(trial_drafts *d);
void trial_drafts_free(trial_drafts *d);

#endif
