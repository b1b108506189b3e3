/* draft.h - a proposal: tokens to check in one pass, and where they come from; and what became of it.
 *
 * A draft is a tree below the pending token, the last one of the context. Parents come before their children; a chain
 * is the tree in which each node's parent is the node before it.
 *
 *     pending ── 0 ── 1 ── 3          ids     a  b  c  d
 *                 └── 2               parent -1  0  0  1
 */
#ifndef ENGINE_DRAFT_H
#define ENGINE_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DRAFT_CAP = 1024 }; /* most tokens a draft can hold; also the largest copy length */

enum { DRAFT_ROOT = -1 }; /* the pending token, as a parent */

/* Where a draft was copied from; a value >= 0 is the index of a reference. */
enum { SOURCE_NONE = -1, SOURCE_PROMPT = -2, SOURCE_OUTPUT = -3, SOURCE_OTHER = -4 };

typedef struct {
    int32_t  ids[DRAFT_CAP];
    int32_t  parent[DRAFT_CAP]; /* a node before this one, or DRAFT_ROOT */
    size_t   n;
    bool     branches;        /* not a chain */
    uint16_t match_length;    /* tokens matched by the trigger; 0 = no match */
    int32_t  source;          /* SOURCE_* or a reference's index */
    int32_t  source_position; /* index in that source just after the matched tokens; -1 = none */
    uint16_t stage;           /* of a chain of policies: the one that drafted, from 1; 0 = no chain */
    /* [n, vocab] of a chain drawn at random: the distribution that each token was drawn from. NULL: nothing was drawn.
     * Owned by the policy; valid until its next propose. */
    const double *q;
} draft;

/* Empties it: no tokens, no match, no distributions. */
void draft_clear(draft *d);

/* Adds a node below `parent`, a node of the draft or DRAFT_ROOT, and returns its index; -1 when the draft is full. This
 * is how every node is added. */
int32_t draft_add(draft *d, int32_t parent, int32_t id);

/* Adds n tokens as a chain below the last node, as many as there is room for. */
void draft_extend(draft *d, const int32_t *ids, size_t n);

/* The first child of `parent` after node `after` (at first: `parent` itself), or -1. In a chain this takes one look. */
int32_t draft_next_child(const draft *d, int32_t parent, int32_t after);

/* The child of `parent` with this id, or -1. */
int32_t draft_child(const draft *d, int32_t parent, int32_t id);

/* How many nodes lead from the root to this one, itself included; 0 for DRAFT_ROOT. */
size_t draft_depth(const draft *d, int32_t node);

/* Fills levels[i] with the number of nodes that have i nodes above them, and returns how many levels there are. */
size_t draft_levels(const draft *d, uint16_t levels[DRAFT_CAP]);

/* What a rule says about a draft. */
typedef struct {
    size_t  n;               /* draft tokens that stand */
    int32_t path[DRAFT_CAP]; /* [n] their nodes, each one the parent of the next */
    int32_t next;            /* the target's own token after them */
} verdict;

#endif
