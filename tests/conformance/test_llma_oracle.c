/* Forced decoding over LLMA's retrieval data: every step is that of the published code.
 *
 * The answers, rag_steps and rag_pld in oracle/llma, hold for the first 30 samples what each step matched, submitted
 * and emitted.
 */
#include <jansson.h>
#include <string.h>

#include "engine/engine.h"
#include "tests/conformance/conformance.h"

enum { VOCAB = 32000, EOS = 2, SAMPLES = 30, DOCS = 10 };

/* ---- the data --------------------------------------------------------------------------------------- */

/* All lines of a compressed JSONL file, as one array. */
static json_t *load_lines(const char *relative) {
    char         command[4200];
    json_error_t error;
    json_t      *all = json_array(), *line;
    snprintf(command, sizeof command, "zcat '%s'", conformance_path(relative));
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    while ((line = json_loadf(f, JSON_DISABLE_EOF_CHECK, &error)) != NULL) json_array_append_new(all, line);
    cr_assert_eq(pclose(f), 0, "%s", command);
    return all;
}

static int64_t number(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    cr_assert(json_is_integer(v), "%s is not a number", key);
    return json_integer_value(v);
}

static int64_t number_at(const json_t *array, size_t i) {
    const json_t *v = json_array_get(array, i);
    cr_assert(json_is_integer(v));
    return json_integer_value(v);
}

static tokens load_ids(const json_t *array) {
    tokens t = {0};
    err    e = {0};
    cr_assert(json_is_array(array));
    for (size_t i = 0; i < json_array_size(array); i++)
        cr_assert_eq(tokens_push(&t, (int32_t)number_at(array, i), &e), 0);
    return t;
}

typedef struct {
    tokens    docs[DOCS], output, prompt_template, prompt_query;
    reference references[DOCS];
} recorded;

static void load_samples(recorded out[SAMPLES]) {
    json_t *lines = load_lines("oracle/llma/rag_tokens.jsonl.gz");
    cr_assert_eq(json_array_size(lines), SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++) {
        const json_t *line = json_array_get(lines, i), *docs = json_object_get(line, "docs");
        cr_assert_eq((size_t)number(line, "sample"), i);
        cr_assert_eq(json_array_size(docs), DOCS);
        for (size_t j = 0; j < DOCS; j++) {
            out[i].docs[j] = load_ids(json_array_get(docs, j));
            out[i].references[j] = (reference){out[i].docs[j].ids, out[i].docs[j].n};
        }
        out[i].output = load_ids(json_object_get(line, "output"));
        out[i].prompt_template = load_ids(json_object_get(line, "prompt_template"));
        out[i].prompt_query = load_ids(json_object_get(line, "prompt_query"));
    }
    json_decref(lines);
}

static void free_samples(recorded s[SAMPLES]) {
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t j = 0; j < DOCS; j++) tokens_free(&s[i].docs[j]);
        tokens_free(&s[i].output);
        tokens_free(&s[i].prompt_template);
        tokens_free(&s[i].prompt_query);
    }
}

/* ---- decoding --------------------------------------------------------------------------------------- */

static void decode_forced(const char *name, const char *params, const recorded *s, const tokens *prompt,
                          trial_trace *out) {
    err               e = {0};
    policy_spec       spec = {.vocab = VOCAB};
    const policy_ops *ops = registry_find(&policy_registry, name);
    cr_assert_eq(param_parse_list(name, ops->params, ops->n_params, params, &spec.params, &e), 0, "%s", e.text);
    policy      *p = policy_open(ops, &spec, &e);
    rule        *r = rule_open(registry_find(&rule_registry, "greedy"), &(param_values){0}, VOCAB, &e);
    target      *t = target_open(registry_find(&target_registry, "replay"), &(target_spec){.vocab = VOCAB}, &e);
    decode_setup setup = {
        .target = t,
        .policy = p,
        .rule = r,
        .input = {.prompt = prompt->ids, .n_prompt = prompt->n, .references = s->references, .n_references = DOCS},
        .forced = s->output.ids,
        .n_forced = s->output.n,
        .stops = {(const int32_t[]){EOS}, 1},
        .max_new_tokens = 4096,
    };
    cr_assert(p != NULL && r != NULL && t != NULL);
    cr_assert_eq(decode_run(&setup, out, &e), 0, "%s", e.text);
    cr_assert(tokens_equal(&out->output, &s->output), "the recorded output was not followed");
    target_close(t);
    rule_close(r);
    policy_close(p);
}

/* The step's match as the answers have it: [tokens matched, where the match (not the copy) begins]. */
static int64_t match_begin(const step_trace *s) {
    return s->match_length == 0 ? -1 : s->source_position - s->match_length;
}

Test(conformance_llma_oracle, llma_takes_every_step_of_the_reference) {
    static recorded samples[SAMPLES];
    trial_trace     trace = {0};
    size_t          steps = 0;
    json_t         *lines = load_lines("oracle/llma/rag_steps.jsonl.gz");
    load_samples(samples);
    cr_assert_eq(json_array_size(lines), SAMPLES * 5 * 8);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const json_t *acc = json_object_get(line, "acc"), *sub = json_object_get(line, "sub");
        const json_t *trig = json_object_get(line, "trig");
        int           sample = (int)number(line, "sample"), n = (int)number(line, "n"), k = (int)number(line, "k");
        char          params[40];
        snprintf(params, sizeof params, "n=%d,k=%d", n, k);
        decode_forced("llma", params, &samples[sample], &samples[sample].prompt_template, &trace);
        cr_assert_eq(trace.output.n, (size_t)number(line, "tokens"));
        cr_assert_eq(trace.n_steps, (size_t)number(line, "steps"), "sample %d, %s: %zu steps", sample, params,
                     trace.n_steps);
        for (size_t j = 0; j < trace.n_steps; j++) {
            const step_trace *s = &trace.steps[j];
            const json_t     *match = json_array_get(trig, j);
            cr_assert_eq(s->emitted, number_at(acc, j), "sample %d, %s, step %zu: emitted", sample, params, j);
            cr_assert_eq(s->drafted + 1, number_at(sub, j), "sample %d, %s, step %zu: submitted", sample, params, j);
            cr_assert_eq(s->match_length, number_at(match, 0), "sample %d, %s, step %zu: matched", sample, params, j);
            cr_assert_eq(s->source, number_at(match, 1), "sample %d, %s, step %zu: source", sample, params, j);
            cr_assert_eq(match_begin(s), number_at(match, 2), "sample %d, %s, step %zu: place", sample, params, j);
        }
        steps += trace.n_steps;
    }
    cr_assert_gt(steps, 50000);
    trial_trace_free(&trace);
    free_samples(samples);
    json_decref(lines);
}

Test(conformance_llma_oracle, pld_takes_every_step_of_the_reference) {
    static recorded samples[SAMPLES];
    trial_trace     trace = {0};
    json_t         *lines = load_lines("oracle/llma/rag_pld.jsonl.gz");
    load_samples(samples);
    cr_assert_eq(json_array_size(lines), SAMPLES * 2);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const json_t *acc = json_object_get(line, "acc"), *drafted = json_object_get(line, "draft");
        const json_t *matches = json_object_get(line, "match");
        const char   *kind = json_string_value(json_object_get(line, "prompt"));
        int           sample = (int)number(line, "sample");
        const tokens *prompt =
            strcmp(kind, "template") == 0 ? &samples[sample].prompt_template : &samples[sample].prompt_query;
        char params[40];
        snprintf(params, sizeof params, "n=%d,k=%d", (int)number(line, "max_ngram_size"),
                 (int)number(line, "num_pred_tokens"));
        cr_assert_eq(prompt->n, (size_t)number(line, "prompt_tokens"));
        decode_forced("pld", params, &samples[sample], prompt, &trace);
        cr_assert_eq(trace.n_steps, (size_t)number(line, "steps"), "sample %d, %s", sample, kind);
        for (size_t j = 0; j < trace.n_steps; j++) {
            const step_trace *s = &trace.steps[j];
            const json_t     *match = json_array_get(matches, j);
            int64_t           begin = match_begin(s) + (s->source == SOURCE_OUTPUT ? (int64_t)prompt->n : 0);
            cr_assert_eq(s->emitted, number_at(acc, j), "sample %d, %s, step %zu: emitted", sample, kind, j);
            cr_assert_eq(s->drafted, number_at(drafted, j), "sample %d, %s, step %zu: drafted", sample, kind, j);
            cr_assert_eq(s->match_length, number_at(match, 0), "sample %d, %s, step %zu: matched", sample, kind, j);
            cr_assert_eq(begin, number_at(match, 1), "sample %d, %s, step %zu: place", sample, kind, j);
        }
    }
    trial_trace_free(&trace);
    free_samples(samples);
    json_decref(lines);
}
