/* draft.h - a proposal: tokens to check in one pass, and where they come from. */
#ifndef ENGINE_POLICIES_DRAFT_H
#define ENGINE_POLICIES_DRAFT_H

#include <stddef.h>
#include <stdint.h>

enum { DRAFT_CAP = 1024 }; /* most tokens a draft can hold; also the largest copy length */

/* Where a draft was copied from; a value >= 0 is the index of a reference. */
enum { SOURCE_NONE = -1, SOURCE_PROMPT = -2, SOURCE_OUTPUT = -3, SOURCE_OTHER = -4 };

typedef struct {
    int32_t ids[DRAFT_CAP];
    /* Index of each token's parent, -1 for the pending token. A chain has parent[i] = i - 1. */
    int32_t  parent[DRAFT_CAP];
    size_t   n;
    uint16_t match_length;    /* tokens matched by the trigger; 0 = no match */
    int32_t  source;          /* SOURCE_* or a reference's index */
    int32_t  source_position; /* index in that source just after the matched tokens; -1 = none */
} draft;

/* Empties it: no tokens, no match. */
void draft_clear(draft *d);

/* Appends n tokens to the chain. The caller keeps within DRAFT_CAP. */
void draft_extend(draft *d, const int32_t *ids, size_t n);

#endif
