/* policy_model.h - policies on a tiny model of random weights, through the decode loop. */
#ifndef TESTS_UNIT_POLICY_MODEL_H
#define TESTS_UNIT_POLICY_MODEL_H

#include "engine/engine.h"

typedef struct {
    size_t steps, emitted, drafted, testable, accepted;
} model_counts;

/* Decodes a few prompts, one after the other with one policy, and holds each output and its logits to plain decoding's:
 * greedily, and sampled at two temperatures. `sink` may be {0}. */
model_counts model_check(model *m, const char *policy, const char *params, decode_sink sink);

/* The same with one rule, which need not give plain decoding's tokens. */
model_counts model_run(model *m, const char *policy, const char *params, const char *rule, const char *rule_params,
                       bool same, decode_sink sink);

/* Their prompts, in order; the policy's noise of prompt i is {11, i}. */
enum { MODEL_PROMPTS = 4 };
reference model_prompt(size_t i);

/* Its weights are packed. The caller closes it. */
model *model_tiny(uint64_t seed);

#endif
