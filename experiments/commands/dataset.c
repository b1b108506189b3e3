/* dataset.c - `harness dataset`: records made by rule, as JSONL in the native format.
 *
 * A record is a function of (scenario, its parameters, seed, split, number), so a longer file begins with the
 * shorter one.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/scenario.h"
#include "engine/base/atomic.h"
#include "engine/base/mem.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/wrap.h"

enum { MAKE, SCENARIOS };
static const char *const jobs[] = {[MAKE] = "make", [SCENARIOS] = "scenarios", NULL};
static const char *const splits[] = {[SPLIT_TRAIN] = "train", [SPLIT_TEST] = "test", NULL};

typedef struct {
    text_list   scenarios;
    uint64_t    count, first, seed;
    size_t      job, split; /* in the lists above */
    const char *output;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"scenario", 0, "NAME[:P=V,..]", &option_text, OPTION_AT(options, scenarios), .list = true, .of = &scenario_registry,
     .help = "scenario to generate, such as retrieval:max_passages=4; may be repeated"},
    {"count", 0, "N", &option_count, OPTION_AT(options, count), .preset = "100", OPTION_RANGE(1, INT32_MAX),
     .help = "records of each scenario"},
    {"first", 0, "N", &option_count, OPTION_AT(options, first), .preset = "0", OPTION_RANGE(0, INT32_MAX),
     .help = "number of the first record"},
    {"seed", 0, "N", &option_count, OPTION_AT(options, seed), .preset = "1", OPTION_RANGE(0, UINT64_MAX),
     .help = "each seed gives different records"},
    {"split", 0, "SPLIT", &option_choice, OPTION_AT(options, split), .preset = "train", .of = splits,
     .help = "train or test; test records have names and combinations that no training record has"},
    {"output", 'o', "FILE", &option_path, OPTION_AT(options, output),
     .help = "output file, which appears only when it is complete (default: standard output)"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"job", .type = &option_choice, OPTION_AT(options, job), .required = true, .of = jobs},
};

static void list_scenarios(void) {
    for (size_t i = 0; i < scenario_registry.n; i++) {
        const scenario *s = scenario_registry.at[i];
        printf("%s%s\n  ", i > 0 ? "\n" : "", s->name);
        wrap_print(stdout, s->help, 2, 2);
        command_print_params(stdout, s->params, s->n_params);
    }
}

/* "NAME" or "NAME:P=V,...". */
static int parse_scenario(const char *spec, const scenario **s, param_values *p, err *e) {
    const char *colon = strchr(spec, ':');
    char       *name = mem_strndup(spec, colon != NULL ? (size_t)(colon - spec) : strlen(spec), e);
    if (name == NULL) return -1;
    int ret = 0;
    if ((*s = registry_named(&scenario_registry, "--scenario", name, e)) == NULL) {
        ret = -1;
    } else {
        ret = param_parse_list(name, (*s)->params, (*s)->n_params, colon != NULL ? colon + 1 : "", p, e);
    }
    free(name);
    return ret == 0 ? scenario_check(*s, p, e) : -1;
}

static json_t *json_of(const text_buffer *t) {
    return json_stringn(t->at != NULL ? t->at : "", t->n);
}

/* One line of JSONL, with its line end. */
static int add_line(const scenario *s, split which, uint64_t number, const example *x, text_buffer *out, err *e) {
    char id[96];
    snprintf(id, sizeof id, "%s/%s/%" PRIu64, s->name, which == SPLIT_TEST ? "test" : "train", number);
    json_t *references = json_array(), *o = json_object();
    int     bad = references == NULL || o == NULL;
    for (size_t r = 0; r < x->n_references && !bad; r++)
        bad = json_array_append_new(references, json_of(&x->references[r]));
    bad = bad || json_object_set_new(o, "id", json_string(id)) ||
          json_object_set_new(o, "scenario", json_string(s->name)) ||
          json_object_set_new(o, "prompt", json_of(&x->prompt)) || json_object_set(o, "references", references) ||
          json_object_set_new(o, "output", json_of(&x->output));
    char *line = bad ? NULL : json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (line != NULL) text_add(out, "%s\n", line);
    free(line);
    json_decref(references);
    json_decref(o);
    return line == NULL || out->failed ? err_run(e, "out of memory for record %s", id) : 0;
}

/* Lines go to `file` if there is one, else to stdout. */
static int make_records(const options *o, const scenario *s, const param_values *p, atomic_file *file, err *e) {
    example     x = {0};
    text_buffer line = {0};
    int         ret = 0;
    for (uint64_t i = 0; i < o->count && ret == 0; i++) {
        text_clear(&line);
        if (scenario_make(s, p, o->seed, (split)o->split, o->first + i, &x, e) != 0 ||
            add_line(s, (split)o->split, o->first + i, &x, &line, e) != 0)
            ret = -1;
        else if (file != NULL)
            ret = atomic_put(file, line.at, line.n, e);
        else
            ret = command_write(line.at, line.n, e);
    }
    example_free(&x);
    text_free(&line);
    return ret;
}

/* Records are identified by scenario, split and number. */
static int refuse_twice(const options *o, size_t i, const scenario *s, err *e) {
    size_t n = strlen(s->name);
    for (size_t k = 0; k < i; k++)
        if (strncmp(o->scenarios.at[k], s->name, n) == 0 && strchr(":", o->scenarios.at[k][n]) != NULL)
            return err_input(e,
                             "--scenario %s: %s is given twice, and their records' ids would be the same (a file each)",
                             o->scenarios.at[i], s->name);
    return 0;
}

static int make_all(const options *o, atomic_file *file, err *e) {
    const scenario *s;
    param_values    p = {0};
    int             ret = 0;
    for (size_t i = 0; ret == 0 && i < o->scenarios.n; i++) { /* before anything is written */
        ret = parse_scenario(o->scenarios.at[i], &s, &p, e) != 0 || refuse_twice(o, i, s, e) != 0 ? -1 : 0;
        param_values_free(&p);
    }
    for (size_t i = 0; ret == 0 && i < o->scenarios.n; i++) {
        ret = parse_scenario(o->scenarios.at[i], &s, &p, e) != 0 || make_records(o, s, &p, file, e) != 0 ? -1 : 0;
        param_values_free(&p);
    }
    return ret;
}

static int dataset_make(const options *o, err *e) {
    if (o->scenarios.n == 0) return err_input(e, "dataset make needs --scenario NAME (see harness dataset scenarios)");
    if (o->output == NULL) return make_all(o, NULL, e);
    atomic_file file;
    int         ret = atomic_open(&file, o->output, e);
    if (ret == 0) ret = make_all(o, &file, e);
    if (ret == 0) ret = atomic_commit(&file, false, e);
    atomic_close(&file);
    return ret;
}

static int run(void *opts, err *e) {
    const options *o = opts;
    if (o->job == MAKE) return dataset_make(o, e);
    list_scenarios();
    return 0;
}

const command command_dataset = {
    .name = "dataset",
    .help = "generate any number of records of a scenario",
    .usage = "make --scenario NAME[:P=V,..] [OPTION]...\nscenarios",
    .about =
        "Generates records of a scenario as JSONL in the native format: a prompt, references and the one right output. "
        "The second form lists the scenarios with their parameters.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
