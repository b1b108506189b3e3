/* matches.c - what a longer match is worth: drafts by the number of tokens that the policy's trigger matched.
 *
 *     matched     0   1   2  3   4 ... 7   8 ... 15
 *     row         0   1    2        3          4
 *
 * Steps without a draft have a row of their own, the last.
 */
#include <stdio.h>

#include "analysis/tables/step_sums.h"

enum { NO_DRAFT = 17, ROWS }; /* a match has at most 2^16 - 1 tokens */

static size_t row_of(const step_row *s) {
    size_t row = 0;
    if (s->drafted == 0) return NO_DRAFT;
    for (size_t left = s->match_length; left > 0; left >>= 1) row++;
    return row;
}

static void put(size_t row, table *t) {
    unsigned low = row == 0 ? 0 : 1u << (row - 1), high = row == 0 ? 0 : 2 * low - 1;
    char     text[32];
    snprintf(text, sizeof text, high > low ? "%u to %u" : "%u", low, high);
    table_put_text(t, row == NO_DRAFT ? "no draft" : text);
}

static int print(const table_source *x, err *e) {
    static const step_classes classes = {ROWS, row_of, put};
    return step_sums_print(x, &classes, "matched", "match_length", e);
}

const table_kind table_matches = {
    .name = "matches",
    .help = "by how many tokens a draft's trigger matched: share of steps, acceptance, speed-up",
    .print = print,
};
