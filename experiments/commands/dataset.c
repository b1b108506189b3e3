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
#include "engine/base/suggest.h"
#include "experiments/commands/commands.h"

static const char usage[] =
    "usage: harness dataset make --scenario NAME[:P=V,...]... [OPTION]...\n"
    "       harness dataset scenarios\n"
    "Makes records of a scenario: prompt, references and the one right output, as JSONL in the native format.\n"
    "The second form lists the scenarios with their parameters.\n"
    "\n"
    "      --scenario NAME[:P=V,..]  what to make, such as retrieval:max_passages=4 (repeatable: one after the other)\n"
    "      --count N                 records of each scenario (default 100)\n"
    "      --first N                 number of the first one (default 0)\n"
    "      --seed N                  other records for every seed (default 1)\n"
    "      --split train|test        test records have names and combinations that no training record has (default "
    "train)\n"
    "  -o, --output FILE             a file, which appears when it is whole (default: stdout)\n"
    "  -h, --help                    this text\n";

typedef struct {
    const char **scenarios; /* [n], borrowed from argv */
    size_t       n;
    uint64_t     count, first, seed;
    split        split;
    const char  *output;
    bool         help;
} options;

static int parse_options(int argc, char **argv, options *o, err *e) {
    enum { SCENARIO = 256, COUNT, FIRST, SEED, SPLIT };
    static const char *const   splits[] = {"train", "test"};
    static const struct option longs[] = {
        {"scenario", required_argument, NULL, SCENARIO},
        {"count", required_argument, NULL, COUNT},
        {"first", required_argument, NULL, FIRST},
        {"seed", required_argument, NULL, SEED},
        {"split", required_argument, NULL, SPLIT},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c, ret = 0;
    *o = (options){.count = 100, .seed = 1, .split = SPLIT_TRAIN};
    if ((o->scenarios = mem_new((size_t)argc, sizeof *o->scenarios, e)) == NULL) return -1;
    while (ret == 0 && (c = command_option(argc, argv, ":o:h", longs, e)) != -1) {
        switch (c) {
        case SCENARIO:
            o->scenarios[o->n++] = optarg;
            break;
        case COUNT:
            ret = command_count("--count", optarg, 1, INT32_MAX, &o->count, e);
            break;
        case FIRST:
            ret = command_count("--first", optarg, 0, INT32_MAX, &o->first, e);
            break;
        case SEED:
            ret = command_count("--seed", optarg, 0, UINT64_MAX, &o->seed, e);
            break;
        case SPLIT:
            o->split = strcmp(optarg, "test") == 0 ? SPLIT_TEST : SPLIT_TRAIN;
            if (o->split == SPLIT_TRAIN && strcmp(optarg, "train") != 0)
                ret = err_unknown(e, "--split", "value", optarg, splits, 2);
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return -1;
        }
    }
    return ret;
}

static int list_scenarios(void) {
    for (size_t i = 0; i < scenario_registry.n; i++) {
        const scenario *s = scenario_registry.at[i];
        printf("%s%s\n  %s\n", i > 0 ? "\n" : "", s->name, s->help);
        command_print_params(s->params, s->n_params);
    }
    return 0;
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

/* Lines go to `file` when there is one, else to stdout. */
static int make_records(const options *o, const scenario *s, const param_values *p, atomic_file *file, err *e) {
    example     x = {0};
    text_buffer line = {0};
    int         ret = 0;
    for (uint64_t i = 0; i < o->count && ret == 0; i++) {
        text_clear(&line);
        if (scenario_make(s, p, o->seed, o->split, o->first + i, &x, e) != 0 ||
            add_line(s, o->split, o->first + i, &x, &line, e) != 0)
            ret = -1;
        else if (file != NULL)
            ret = atomic_put(file, line.at, line.n, e);
        else if (fwrite(line.at, 1, line.n, stdout) != line.n)
            ret = err_errno(e, "stdout", "cannot write");
    }
    example_free(&x);
    text_free(&line);
    return ret;
}

/* Records are known by scenario, split and number. */
static int refuse_twice(const options *o, size_t i, const scenario *s, err *e) {
    size_t n = strlen(s->name);
    for (size_t k = 0; k < i; k++)
        if (strncmp(o->scenarios[k], s->name, n) == 0 && strchr(":", o->scenarios[k][n]) != NULL)
            return err_input(e,
                             "--scenario %s: %s is given twice, and their records' ids would be the same (a file each)",
                             o->scenarios[i], s->name);
    return 0;
}

static int make_all(const options *o, atomic_file *file, err *e) {
    const scenario *s;
    param_values    p = {0};
    int             ret = 0;
    for (size_t i = 0; ret == 0 && i < o->n; i++) { /* before anything is written */
        ret = parse_scenario(o->scenarios[i], &s, &p, e) != 0 || refuse_twice(o, i, s, e) != 0 ? -1 : 0;
        param_values_free(&p);
    }
    for (size_t i = 0; ret == 0 && i < o->n; i++) {
        ret = parse_scenario(o->scenarios[i], &s, &p, e) != 0 || make_records(o, s, &p, file, e) != 0 ? -1 : 0;
        param_values_free(&p);
    }
    return ret;
}

static int dataset_make(const options *o, err *e) {
    if (o->n == 0) return err_input(e, "dataset make needs --scenario NAME (see harness dataset scenarios)");
    if (o->output == NULL) return make_all(o, NULL, e);
    atomic_file file;
    int         ret = atomic_open(&file, o->output, e);
    if (ret == 0) ret = make_all(o, &file, e);
    if (ret == 0) ret = atomic_commit(&file, false, e);
    atomic_close(&file);
    return ret;
}

int cmd_dataset(int argc, char **argv, err *e) {
    options o;
    int     ret = parse_options(argc, argv, &o, e);
    if (ret == 0 && o.help) {
        fputs(usage, stdout);
    } else if (ret == 0 && (ret = command_operands(argc, argv, 1, 1, "make or scenarios", e)) == 0) {
        static const char *const known[] = {"make", "scenarios"};
        if (strcmp(argv[optind], "make") == 0)
            ret = dataset_make(&o, e);
        else if (strcmp(argv[optind], "scenarios") == 0)
            ret = list_scenarios();
        else
            ret = err_unknown(e, "dataset", "job", argv[optind], known, 2);
    }
    free(o.scenarios);
    return ret;
}
