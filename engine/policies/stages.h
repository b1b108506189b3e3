/* stages.h - a parameter whose value is a list of policies, each with parameters of its own, as text:
 *
 *     suffix > llma n=2 k=20 at_least=4 > draft_model model=small.gguf
 *
 * Stages are separated by `>`, and words by blanks. A stage is a policy's name, then NAME=VALUE for its parameters; a
 * value with blanks, commas or > goes in quotes (param_span). What is not given has its preset. `at_least` is every
 * stage's: the fewest tokens that a draft of it must have.
 *
 * The canonical text names every parameter, in the order in which the policy declares them; the brief one (param_brief)
 * leaves out those at their presets.
 */
#ifndef ENGINE_POLICIES_STAGES_H
#define ENGINE_POLICIES_STAGES_H

#include "engine/policies/policy.h"

enum { STAGES_MAX = 8 };

extern const char         stages_at_least[]; /* the name of that parameter; no policy has one of this name */
extern const param_reader stages_reader;

/* The stages of a value of stages_reader. */
const policy_stage *stages_of_value(const param_value *v, size_t *n);

#endif
