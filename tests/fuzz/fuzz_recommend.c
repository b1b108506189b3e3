/* fuzz_recommend.c - what `harness recommend` makes of a command line: candidates and paths of any bytes become a
 * config, or are refused.
 *
 * The first byte chooses the kind of sweep, the second the options. Then come, a line each, the data, the model, the
 * cost file, and candidates. A config that was written can be read and says what was asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/policies/policy.h"
#include "experiments/recommend/grid.h"
#include "experiments/sweep/config.h"
#include "tests/fuzz/fuzz.h"

enum { CANDIDATES = 6 };

/* The one value that the config has for each parameter is the candidate's. */
static void check_policy(const policy_config *c, const char *spec) {
    const char  *colon = strchr(spec, ':');
    param_values values;
    err          e = {0};
    FUZZ_EXPECT(strncmp(spec, c->ops->name, strcspn(spec, ":")) == 0);
    FUZZ_EXPECT(param_parse_list(c->ops->name, c->ops->params, c->ops->n_params, colon != NULL ? colon + 1 : "",
                                 &values, &e) == 0);
    for (size_t i = 0; i < c->ops->n_params; i++) {
        FUZZ_EXPECT(c->values[i].n == 1);
        FUZZ_EXPECT(param_equal(&c->values[i].at[0], &values.at[i]));
    }
    param_values_free(&values);
}

static void check_path(const char *read, const char *given) {
    char *place = file_place(given, NULL);
    FUZZ_EXPECT(place != NULL && read != NULL && strcmp(read, place) == 0);
    free(place);
}

static void read_again(const char *path, grid_kind kind, const grid *g) {
    config cfg;
    err    e = {0};
    bool   decodes = kind == GRID_DECODE || kind == GRID_CHECK;
    if (config_read(path, NULL, 0, &cfg, &e) != 0) fprintf(stderr, "%s\n", e.text);
    FUZZ_EXPECT(e.kind == ERR_NONE);
    FUZZ_EXPECT(cfg.n_models == 1 && cfg.n_datasets == 1 && cfg.n_rules == 1);
    check_path(decodes ? cfg.models[0].path : cfg.models[0].tokenizer, g->model);
    check_path(cfg.datasets[0].path, g->data);
    check_path(cfg.output, g->output);
    if (g->cost != NULL) check_path(cfg.models[0].cost, g->cost);
    FUZZ_EXPECT(cfg.datasets[0].limit == g->limit && cfg.datasets[0].max_new_tokens == g->max_new_tokens);
    FUZZ_EXPECT(g->n_policies == 0 || cfg.n_policies == 1 + g->n_policies);
    for (size_t i = 0; i < g->n_policies; i++) check_policy(&cfg.policies[1 + i], g->policies[i]);
    config_free(&cfg);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    fuzz_input in = {bytes, n};
    grid_kind  kind = (grid_kind)fuzz_below(&in, GRID_CHECK + 1);
    unsigned   flags = fuzz_byte(&in);
    char      *data = fuzz_text(fuzz_line(&in)), *model = fuzz_text(fuzz_line(&in)), *cost = fuzz_text(fuzz_line(&in));
    char      *specs[CANDIDATES] = {0}, path[300];
    size_t     n_specs = 0;
    err        e = {0};
    while (in.n > 0 && n_specs < CANDIDATES) {
        specs[n_specs] = fuzz_text(fuzz_line(&in));
        if (grid_check((const char *const *)specs, n_specs + 1, &e) == 0) {
            n_specs++;
            continue;
        }
        fuzz_expect_error(&e);
        e = (err){0};
        free(specs[n_specs]);
    }
    grid g = {.name = "fuzz",
              .output = fuzz_folder(),
              .model = *model != '\0' ? model : "m",
              .cost = *cost != '\0' ? cost : NULL,
              .data = *data != '\0' ? data : "d",
              .format = flags & 1 ? "native" : NULL,
              .chat = flags & 2 ? "chatml" : NULL,
              .as_turn = (flags & 4) != 0,
              .limit = flags & 8 ? 7 : 0,
              .max_new_tokens = 2 + flags,
              .threads = 1,
              .widest = 1 + flags / 4,
              .policies = (const char *const *)specs,
              .n_policies = kind == GRID_REPLAY || kind == GRID_CHECK ? n_specs : 0};
    snprintf(path, sizeof path, "%s/fuzz.ini", g.output);
    if (grid_write(path, kind, &g, &e) == 0)
        read_again(path, kind, &g);
    else
        fuzz_expect_error(&e);
    for (size_t i = 0; i < n_specs; i++) free(specs[i]);
    free(data);
    free(model);
    free(cost);
    return 0;
}
