/* scenario.c - dice, the table of scenarios, and record i of a seed. */
#include "datasets/scenario.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/digest.h"
#include "engine/base/rng.h"

#define SCENARIO(name) extern const scenario scenario_##name;
#include "datasets/scenarios.def"
#undef SCENARIO

static const void *const all[] = {
#define SCENARIO(name) &scenario_##name,
#include "datasets/scenarios.def"
#undef SCENARIO
};

const registry scenario_registry = REGISTRY("scenario", all);

/* ---- dice -------------------------------------------------------------------------------------------- */

size_t dice_below(dice *d, size_t n) {
    return (size_t)gsl_rng_uniform_int(d->rng, n);
}

size_t dice_between(dice *d, size_t min, size_t max) {
    return min + dice_below(d, max - min + 1);
}

bool dice_chance(dice *d, double p) {
    return gsl_rng_uniform(d->rng) < p;
}

void dice_order(dice *d, size_t *order, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t j = dice_below(d, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

bool scenario_held_out(const char *combination) {
    return digest64(combination, strlen(combination)) % 8 == 0;
}

bool dice_fits(const dice *d, const char *combination) {
    return scenario_held_out(combination) == (d->split == SPLIT_TEST);
}

/* ---- records ----------------------------------------------------------------------------------------- */

int scenario_check(const scenario *s, const param_values *p, err *e) {
    for (size_t i = 0; i < s->n_params; i++) {
        char least[32];
        if (strncmp(s->params[i].name, "max_", 4) != 0) continue;
        snprintf(least, sizeof least, "min_%s", s->params[i].name + 4);
        int k = param_find(s->params, s->n_params, least);
        if (k < 0) continue;
        double max = param_number(&p->at[i]), min = param_number(&p->at[k]);
        if (max < min)
            return err_input(e, "%s: %s = %g is less than %s = %g", s->name, s->params[i].name, max, least, min);
    }
    return 0;
}

int scenario_make(const scenario *s, const param_values *p, uint64_t seed, split which, uint64_t i, example *out,
                  err *e) {
    char purpose[96], id[24];
    snprintf(purpose, sizeof purpose, "scenario/%s/%s", s->name, which == SPLIT_TEST ? "test" : "train");
    snprintf(id, sizeof id, "%" PRIu64, i);
    dice d = {rng_new(seed, rng_stream(purpose, id)), which};
    if (d.rng == NULL) return err_run(e, "out of memory");
    text_clear(&out->prompt);
    text_clear(&out->output);
    for (size_t r = 0; r < EXAMPLE_REFERENCES; r++) text_clear(&out->references[r]);
    out->n_references = 0;

    s->make(&d, p, out);

    gsl_rng_free(d.rng);
    if (text_check(&out->prompt, e) != 0 || text_check(&out->output, e) != 0) return -1;
    for (size_t r = 0; r < out->n_references; r++)
        if (text_check(&out->references[r], e) != 0) return -1;
    return 0;
}

void example_free(example *x) {
    text_free(&x->prompt);
    text_free(&x->output);
    for (size_t r = 0; r < EXAMPLE_REFERENCES; r++) text_free(&x->references[r]);
}
