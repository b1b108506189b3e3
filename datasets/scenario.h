/* scenario.h - records made by rule: a prompt that holds its references, and the one right output.
 *
 * A scenario writes one record from a generator and its parameters. Everything in the output follows from the
 * prompt: which facts, in which order, in which words. So a model can be right, and a share of exact answers means
 * something. Record i of (seed, split, scenario) does not depend on how many are made.
 *
 * The two splits share no invented name and no held-out combination of form and content (scenario_held_out).
 *
 * To add one: datasets/scenarios/NAME.c that defines `const scenario scenario_NAME`, and a line in scenarios.def.
 */
#ifndef DATASETS_SCENARIO_H
#define DATASETS_SCENARIO_H

#include <gsl/gsl_rng.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datasets/text.h"
#include "engine/base/err.h"
#include "engine/base/param.h"
#include "engine/base/registry.h"

typedef enum { SPLIT_TRAIN, SPLIT_TEST } split;

enum { EXAMPLE_REFERENCES = 16 };

typedef struct {
    text_buffer prompt;
    text_buffer references[EXAMPLE_REFERENCES];
    size_t      n_references;
    text_buffer output;
} example;

/* What a scenario draws from. */
typedef struct {
    gsl_rng *rng;
    split    split;
} dice;

/* Roll once in an expression: C leaves the order of arguments and initializers to the compiler, and two compilers would
 * make other records. */
size_t dice_below(dice *d, size_t n);                 /* uniform in [0, n), n >= 1 */
size_t dice_between(dice *d, size_t min, size_t max); /* both inclusive */
bool   dice_chance(dice *d, double p);
#define DICE_OF(d, array) ((array)[dice_below((d), sizeof(array) / sizeof *(array))])
void dice_order(dice *d, size_t *order, size_t n); /* order[0..n) becomes a permutation of 0..n-1 */

typedef struct {
    const char       *name, *help;
    const param_spec *params;
    size_t            n_params;
    /* Fills an empty example. Memory failures stay in its texts. */
    void (*make)(dice *d, const param_values *p, example *out);
} scenario;

/* ERR_INPUT when a parameter max_X is below the parameter min_X. */
int scenario_check(const scenario *s, const param_values *p, err *e);

/* Makes record i of a seed's split into `out` (zeroed before the first call; reused after). The
 * parameters have passed scenario_check. */
int  scenario_make(const scenario *s, const param_values *p, uint64_t seed, split which, uint64_t i, example *out,
                   err *e);
void example_free(example *x);

/* Whether a combination, named by a text such as "retrieval/born+died/list", belongs to the test split: about one in
 * eight, by its hash. scenario_fits: whether it belongs to this split. */
bool scenario_held_out(const char *combination);
bool dice_fits(const dice *d, const char *combination);

extern const registry scenario_registry; /* Every scenario, of scenarios.def. */

#endif
