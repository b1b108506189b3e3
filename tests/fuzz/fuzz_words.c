/* fuzz_words.c - the small languages of the command line: conditions, patterns, selectors, parameters, options.
 *
 * The first byte chooses the language, the rest is the text.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/cell_keys.h"
#include "analysis/records.h"
#include "analysis/view.h"
#include "engine/policies/policy.h"
#include "engine/rules/rule.h"
#include "experiments/commands/commands.h"
#include "tests/fuzz/results.h"

static int read_some(const char *path, store_data *out, err *e) {
    (void)path, (void)e;
    *out = results_some(false);
    return 0;
}

static int select_cells(const char *text, err *e) {
    static const char *const path[] = {"a.h5"};
    const char *const        conditions[] = {text};
    view                     v;
    FUZZ_EXPECT(view_read(path, 1, TWINS_REFUSED, read_some, &v, e) == 0);
    int ret = view_where(&v, conditions, 1, e);
    view_free(&v);
    return ret;
}

static int group_records(const char *text, err *e) {
    store_data d = results_some(false);
    size_t    *groups = records_groups(&d, text, e);
    for (size_t i = 0; groups != NULL && i < d.n_samples; i++) FUZZ_EXPECT(groups[i] <= i);
    int ret = groups != NULL ? 0 : -1;
    free(groups);
    store_free(&d);
    return ret;
}

static int select_policy(const char *text, err *e) {
    store_data d = results_some(false);
    cell_keys  keys;
    bool       selects;
    FUZZ_EXPECT(cell_keys_make(&d, &keys, e) == 0);
    int ret = cell_keys_selects(&keys, text, 1, &selects, e);
    cell_keys_free(&keys);
    store_free(&d);
    return ret;
}

/* What a value is written as is read as the same value. */
static void write_and_read(const param_spec *spec, const param_value *v) {
    param_value again;
    err         e = {0};
    int         n = param_format(spec, v, NULL, 0);
    char       *text = malloc((size_t)n + 1);
    FUZZ_EXPECT(n >= 0 && text != NULL && param_format(spec, v, text, (size_t)n + 1) == n);
    if (param_parse(spec, text, &again, &e) == 0) {
        FUZZ_EXPECT(param_equal(v, &again));
        param_value_free(&again);
    } else {
        FUZZ_EXPECT(spec->type == PARAM_IS_FILE || spec->type == PARAM_IS_TEXT);
        fprintf(stderr, "%s\n", e.text);
        FUZZ_EXPECT(spec->type != PARAM_IS_TEXT);
    }
    free(text);
}

static int parse_params(const char *owner, const param_spec *specs, size_t n, const char *text, err *e) {
    param_values v;
    if (param_parse_list(owner, specs, n, text, &v, e) != 0) return -1;
    for (size_t i = 0; i < n; i++)
        if ((specs[i].type != PARAM_IS_FILE || v.at[i].file != NULL) &&
            (specs[i].type != PARAM_IS_TEXT || v.at[i].meaning != NULL))
            write_and_read(&specs[i], &v.at[i]);
    param_values_free(&v);
    return 0;
}

static int parse_policy(const char *text, err *e) {
    char              name[32];
    size_t            n = strcspn(text, ":");
    const policy_ops *ops;
    snprintf(name, sizeof name, "%.*s", (int)n, text);
    if ((ops = registry_named(&policy_registry, NULL, name, e)) == NULL) return -1;
    return parse_params(name, ops->params, ops->n_params, text[n] == ':' ? text + n + 1 : "", e);
}

static int parse_rule(const char *text, err *e) {
    char            name[32];
    size_t          n = strcspn(text, ":");
    const rule_ops *ops;
    snprintf(name, sizeof name, "%.*s", (int)n, text);
    if ((ops = registry_named(&rule_registry, NULL, name, e)) == NULL) return -1;
    return parse_params(name, ops->params, ops->n_params, text[n] == ':' ? text + n + 1 : "", e);
}

/* Words, a line each; nothing is run. */
static int parse_options(const char *text, err *e) {
    enum { WORDS = 20 };
    const command     *c = command_registry.at[(unsigned char)*text % command_registry.n];
    const option_table t = {c->name, c->options, c->operands, c->n_options, c->n_operands};
    char *argv[WORDS + 1] = {(char *)c->name}, *words = strdup(*text != '\0' ? text + 1 : text), *at = words;
    int   argc = 1;
    const option_spec *alone;
    void              *options = calloc(1, c->size);
    for (char *word; argc < WORDS && (word = strsep(&at, "\n")) != NULL;) argv[argc++] = word;
    int ret = options_parse(&t, argc, argv, options, &alone, e);
    options_free(&t, options);
    free(options);
    free(words);
    return ret;
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    static int (*const languages[])(const char *text, err *e) = {select_cells, group_records, select_policy,
                                                                 parse_policy, parse_rule,    parse_options};
    fuzz_input in = {bytes, n};
    err        e = {0};
    size_t     language = fuzz_below(&in, sizeof languages / sizeof *languages);
    char      *text = fuzz_text(in);
    if (languages[language](text, &e) != 0) fuzz_expect_error(&e);
    free(text);
    return 0;
}
