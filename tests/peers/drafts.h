/* drafts.h - drafters of llama.cpp or ik_llama.cpp that need no model, behind functions that C can call. */
#ifndef TESTS_PEERS_DRAFTS_H
#define TESTS_PEERS_DRAFTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *type;     /* as --spec-type has it */
    bool        lookup;   /* of ngram-cache: as the program llama-lookup uses it, instead of the server */
    size_t      n, k;     /* trigger and draft length; ngram-cache has no n, and its server no k */
    size_t      n_min;    /* ngram-mod */
    size_t      min_hits; /* ngram-map */
    /* suffix */
    size_t max_depth;
    float  p_min;
    bool   one_text; /* the trie goes on from request to request; else the last output is the corpus */
} drafter_options;

extern const char drafter_origin[]; /* whose they are */

typedef struct drafter drafter;

/* NULL: there is no such type. */
drafter *drafter_open(const drafter_options *o);
void     drafter_close(drafter *d);

/* Adds a text to ngram-cache's static table. */
void drafter_table(drafter *d, const int32_t *ids, size_t n);

/* A new prompt; what the drafter has learned, it keeps. */
void drafter_begin(drafter *d, const int32_t *prompt, size_t n);

/* Writes at most `limit` ids, and returns how many. */
size_t drafter_draft(drafter *d, size_t limit, int32_t *ids);

/* What a step emitted: the accepted tokens, and one more. */
void drafter_emitted(drafter *d, const int32_t *ids, size_t n);

/* The prompt's output has ended. */
void drafter_end(drafter *d);

#ifdef __cplusplus
}
#endif

#endif
