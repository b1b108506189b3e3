/* chances.h - speculative sampling: a draft token stands by chance; if none does, one of the rest is drawn.
 *
 * A token d that was drawn with probability q(d) stands with min(1, p(d) / q(d)); else x comes from norm(max(p - q,
 * 0)). Then the token's distribution is p (Leviathan et al. 2023, appendix A.1; Chen et al. 2023, theorem 1). One that
 * is certain has q(d) = 1: it stands with p(d), and the rest is p without it.
 *
 * The children of a node are values that the token may take. Each has an interval as wide as its p. One number falls
 * into one of the intervals, or beyond all of them; then the rest is p without all of them. The distribution is the
 * same.
 *
 * A draft may hold plain decoding's own output, such as a reference that was sampled with the same seed. The rest is
 * drawn with another number than plain decoding's: with the same one the distribution would be biased. Policies that
 * know that output to its end get other numbers altogether (decode.c).
 */
#ifndef ENGINE_RULES_CHANCES_H
#define ENGINE_RULES_CHANCES_H

#include "engine/rules/rule.h"

/* What the numbers of a position are for. */
enum { DRAW_ACCEPT, DRAW_TOKEN, DRAW_REST };

/* A child also stands while the number is below (sum of p up to it) / acc, or its own p is at least single. 1 and 1 add
 * nothing. */
typedef struct {
    double single, acc;
} leniency;

#define LENIENCY_NONE ((leniency){1, 1})

/* The first child of `node` that stands, or -1; `at` is the output position that it would take. Leaves in r->p the
 * residual of the children that do not. */
int32_t chances_child(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws);

/* The same as if every token were certain, whatever it was drawn from. */
int32_t chances_certain_child(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws,
                              leniency l);

/* After one of them found none: a token from what it left. */
int32_t chances_token(rule *r, const rows *pass, const draft *d, int32_t node, uint64_t at, noise draws);

#endif
