#include "analysis/metrics.h"

#include <math.h>

/* M2. The first token comes from the prompt's pass, so it is not in decode_ns. */
bool metric_applies(const trial_row *t) {
    return t->tokens > 1 && t->plain_tokens > 1;
}

static bool add_time(const trial_row *t, ratio_sum *to) {
    if (t->tokens <= 1) return true;
    to->part += (double)t->decode_ns / 1e6;
    to->whole += t->tokens - 1;
    return t->decode_ns > 0;
}

const metric metric_time = {
    .name = "time",
    .title = "ms/token",
    .help = "decoding time / tokens after each output's first, in milliseconds",
    .less = true,
    .timed = true,
    .decimals = 3,
    .add = add_time,
};

/* Plain decoding's time for as many tokens: where the outputs are equal, its time. */
static bool add_speedup(const trial_row *t, ratio_sum *to) {
    if (!metric_applies(t)) return true;
    to->part += (double)t->plain_ns * (t->tokens - 1) / (t->plain_tokens - 1);
    to->whole += (double)t->decode_ns;
    return t->plain_ns > 0 && !isnan(t->speedup);
}

const metric metric_speedup = {
    .name = "speedup",
    .title = "speed-up",
    .help = "of totals: plain decoding's time / the policy's, each summed over all records",
    .decimals = 3,
    .add = add_speedup,
};

static bool add_modeled(const trial_row *t, ratio_sum *to) {
    if (!metric_applies(t)) return true;
    to->part += t->plain_modeled_ns * (t->tokens - 1) / (t->plain_tokens - 1);
    to->whole += t->modeled_ns;
    return !isnan(t->plain_modeled_ns) && !isnan(t->modeled_ns);
}

const metric metric_modeled_speedup = {
    .name = "modeled_speedup",
    .title = "modeled speed-up",
    .help = "the same of the times that a cost file gives for each pass; drafting itself is not in it",
    .decimals = 3,
    .add = add_modeled,
};

static bool add_tokens(const trial_row *t, ratio_sum *to) {
    to->part += t->tokens;
    to->whole += t->steps;
    return true;
}

const metric metric_tokens_per_step = {
    .name = "tokens_per_step",
    .title = "tokens/step",
    .help = "emitted tokens / forward passes, each summed over all records",
    .decimals = 3,
    .add = add_tokens,
};

static bool add_acceptance(const trial_row *t, ratio_sum *to) {
    to->part += t->accepted;
    to->whole += t->testable;
    return true;
}

const metric metric_acceptance = {
    .name = "acceptance",
    .title = "acceptance",
    .help = "accepted / testable draft tokens, each summed over all records",
    .decimals = 3,
    .add = add_acceptance,
};

static const void *const all[] = {&metric_speedup, &metric_time, &metric_modeled_speedup, &metric_tokens_per_step,
                                  &metric_acceptance};

const registry metric_registry = REGISTRY("metric", all);
