/* rule_rows.h - a small language for tests of rules: a token's distribution depends on the one before it. */
#ifndef TESTS_UNIT_RULE_ROWS_H
#define TESTS_UNIT_RULE_ROWS_H

#include "engine/engine.h"

enum { LANGUAGE_VOCAB = 6, LANGUAGE_ROWS = 64 }; /* rows: most that a pass has */

/* Logits after a token; -1: at the beginning. */
const float *language_logits(int32_t last);

/* The same of a drafter, which is another language. */
const float *drafter_logits(int32_t last);

typedef struct {
    float logits[LANGUAGE_ROWS * LANGUAGE_VOCAB];
    rows  pass;
} language_pass;

/* A passing assertion of Criterion sends a message; in a loop over millions of samples that is most of the time. */
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) cr_assert_fail(__VA_ARGS__);                                                                 \
    } while (0)

/* The rows of a pass over a draft after `last`. */
void language_rows(int32_t last, const draft *d, language_pass *out);

/* A rule with these parameters, over n ids. The functions fail the test when something does not work. */
rule   *rule_for(const char *name, const char *params, size_t n);
verdict rule_verdict(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws);

/* Streams are named by hashes, as everywhere: PCG's streams 0, 1, 2, ... are correlated with each other. */
noise noise_of(uint64_t seed, uint64_t trial);

#endif
