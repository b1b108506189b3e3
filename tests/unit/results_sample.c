#include "tests/unit/results_sample.h"

#include <math.h>
#include <stddef.h>

#define CELL(at, id_, policy_, n_, k_, params_)                                                                        \
    {                                                                                                                  \
        .cell = at, .id = id_, .config = "quick.ini", .dataset = "demo", .model = "bytes", .model_sha256 = "",         \
        .dataset_sha256 = "", .target = "replay", .policy = policy_, .rule = "greedy", .forced = 1, .n = n_, .k = k_,  \
        .temperature = 0, .params = params_, .threads = 1, .gemm = "exact", .stop = "", .chat = "", .stop_ids = "2",   \
        .trials = 4, .build = "00000000000000bb", .harness_version = "", .git_commit = "", .created = "", .cpu = "",   \
        .isa = "", .compiler = "", .flags = "", .governor = "", .load = ""                                             \
    }

static cell_row cells[] = {
    CELL(0, "0000000000000000", "none", -1, -1, "{\"policy\":{},\"rule\":{}}"),
    CELL(1, "1111111111111111", "llma", 1, 4, "{\"policy\":{\"k\":4,\"max_n\":5,\"n\":1},\"rule\":{}}"),
    CELL(2, "2222222222222222", "llma", 2, 4, "{\"policy\":{\"k\":4,\"max_n\":5,\"n\":2},\"rule\":{}}"),
};

static sample_row samples[] = {
    {.sample = 0,
     .dataset = "demo",
     .id = "a",
     .scenario = "rag",
     .prompt_tokens = 3,
     .reference_tokens = 9,
     .references = 1,
     .conversation = "",
     .documents = 11,
     .content = 1},
    {.sample = 1,
     .dataset = "demo",
     .id = "b",
     .scenario = "edit",
     .prompt_tokens = 2,
     .reference_tokens = 8,
     .references = 2,
     .conversation = "",
     .documents = 12,
     .content = 2},
};

#define TRIAL(at, c, s, r, tokens_, steps_, drafted_, testable_, accepted_, draft, speed, eq, div)                     \
    {                                                                                                                  \
        .trial = at, .cell = c, .sample = s, .repeat = r, .tokens = tokens_, .plain_tokens = tokens_, .steps = steps_, \
        .drafted = drafted_, .testable = testable_, .accepted = accepted_, .draft_ns = draft,                          \
        .decode_ns = 1000 * tokens_, .plain_ns = (speed) > 0 ? (uint64_t)((speed)*1000 * tokens_) : 0,                 \
        .tokens_per_step = (double)tokens_ / steps_, .speedup = speed, .modeled_ns = NAN, .plain_modeled_ns = NAN,     \
        .modeled_speedup = NAN, .equal = eq, .logits_equal = 2, .first_divergence = div, .max_abs_logit_diff = NAN,    \
        .min_margin = NAN, .log_likelihood = NAN, .plain_log_likelihood = NAN                                          \
    }

static trial_row trials[] = {
    TRIAL(0, 0, 0, 0, 6, 6, 0, 0, 0, 0, 1, 1, -1),     TRIAL(1, 0, 0, 1, 6, 6, 0, 0, 0, 0, 1, 1, -1),
    TRIAL(2, 0, 1, 0, 4, 4, 0, 0, 0, 0, 1, 1, -1),     TRIAL(3, 0, 1, 1, 4, 4, 0, 0, 0, 0, 1, 1, -1),
    TRIAL(4, 1, 0, 0, 6, 2, 6, 4, 4, 200, 2, 1, -1),   TRIAL(5, 1, 0, 1, 6, 2, 6, 4, 4, 400, 3, 1, -1),
    TRIAL(6, 1, 1, 0, 4, 3, 3, 3, 1, 900, 1, 1, -1),   TRIAL(7, 1, 1, 1, 4, 3, 3, 3, 1, 900, NAN, 0, 3),
    TRIAL(8, 2, 0, 0, 6, 6, 0, 0, 0, 60, 0.5, 1, -1),  TRIAL(9, 2, 0, 1, 6, 6, 0, 0, 0, 60, 0.5, 1, -1),
    TRIAL(10, 2, 1, 0, 4, 4, 0, 0, 0, 40, 0.5, 1, -1), TRIAL(11, 2, 1, 1, 4, 4, 0, 0, 0, 40, 0.5, 1, -1),
};

/* {drafted, accepted} of each step of cell 1, by trial */
static const struct {
    uint32_t trial;
    uint16_t drafted, accepted;
} drafts[] = {{4, 3, 3}, {4, 3, 1}, {5, 3, 3}, {5, 3, 1}, {6, 2, 0},
              {6, 0, 0}, {6, 1, 1}, {7, 2, 0}, {7, 0, 0}, {7, 1, 1}};

enum { N_DRAFTS = sizeof drafts / sizeof *drafts };
static step_row steps[64];

void results_sample(store_data *d) {
    size_t n = 0, next = 0;
    for (uint32_t t = 0; t < sizeof trials / sizeof *trials; t++)
        for (uint32_t s = 0, position = 0; s < trials[t].steps; s++) {
            uint16_t drafted = 0, accepted = 0;
            uint32_t left = trials[t].tokens - 1 - position;
            int64_t  parts = trials[t].first_divergence;
            if (next < N_DRAFTS && drafts[next].trial == t) {
                drafted = drafts[next].drafted;
                accepted = drafts[next++].accepted;
            }
            steps[n++] = (step_row){.trial = t,
                                    .step = s,
                                    .position = position,
                                    .drafted = drafted,
                                    .testable = (uint16_t)(drafted < left ? drafted : left),
                                    .depth = (uint16_t)(drafted < left ? drafted : left),
                                    .accepted = accepted,
                                    .emitted = (uint16_t)(accepted + 1),
                                    .equal = parts < 0 || position + accepted + 1 <= parts,
                                    .logits_equal = 2,
                                    .margin = NAN};
            position += accepted + 1u;
        }
    static process_row process = {.id = "00000000000000aa",
                                  .harness_version = "",
                                  .git_commit = "",
                                  .started = "",
                                  .cpu = "",
                                  .isa = "",
                                  .compiler = "",
                                  .flags = "",
                                  .governor = "",
                                  .load = ""};
    *d = (store_data){.sweep = "demo",
                      .created = "",
                      .cells = cells,
                      .n_cells = sizeof cells / sizeof *cells,
                      .processes = &process,
                      .n_processes = 1,
                      .samples = samples,
                      .n_samples = sizeof samples / sizeof *samples,
                      .trials = trials,
                      .n_trials = sizeof trials / sizeof *trials,
                      .steps = steps,
                      .n_steps = n};
}
