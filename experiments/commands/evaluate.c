/* evaluate.c - `harness evaluate`: compares a model's outputs with the expected ones and counts how much they copy.
 *
 * Each record is decoded greedily; a policy drafts, which changes only the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/parallel.h"
#include "engine/base/utf8.h"
#include "engine/engine.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/reading.h"
#include "experiments/terminal/tokenizer_report.h"

enum { RUN = 5 };

typedef struct {
    const char     *model;
    reading_options read;
    uint64_t        max_new_tokens, threads, wrong;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model), .required = true,
     .help = "weights and tokenizer, a GGUF"},
    READING_OPTIONS(options, read),
    {"max-new-tokens", 'n', "N", &option_count, OPTION_AT(options, max_new_tokens), .preset = "512",
     OPTION_RANGE(1, INT32_MAX), .help = "most tokens to generate"},
    {"threads", 't', "N", &option_count, OPTION_AT(options, threads), .preset = "1", OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads of a pass; the texts do not depend on them"},
    {"wrong", 0, "N", &option_count, OPTION_AT(options, wrong), .preset = "0", OPTION_RANGE(0, INT32_MAX),
     .help = "print the first N outputs that are not exact"},
};
static const option_spec operands[] = {
    READING_OPERAND(options, read),
};
/* clang-format on */

/* Counts of one scenario. */
typedef struct {
    const char *name;
    size_t      records, exact, runs, copied, expected_runs, expected_copied;
    double      prefix; /* sum of shares */
} tally;

typedef struct {
    model      *m;
    reading     read;
    target     *target;
    policy     *policy;
    rule       *rule;
    trial_trace trace;
    tally      *tallies;
    size_t      n_tallies, cap_tallies;
    size_t      cut; /* outputs cut by max_new_tokens or the context */
} evaluation;

/* ---- counting ---------------------------------------------------------------------------------------- */

static tally *tally_of(evaluation *v, const char *scenario, err *e) {
    for (size_t i = 0; i < v->n_tallies; i++)
        if (strcmp(v->tallies[i].name, scenario) == 0) return &v->tallies[i];
    if (mem_reserve(&v->tallies, &v->cap_tallies, v->n_tallies + 1, e) != 0) return NULL;
    v->tallies[v->n_tallies] = (tally){.name = scenario};
    return &v->tallies[v->n_tallies++];
}

static bool stands_in(const int32_t *run, const sample *s) {
    for (size_t r = 0; r < s->n_references; r++)
        for (size_t at = 0; at + RUN <= s->docs[r].n; at++)
            if (memcmp(s->docs[r].ids + at, run, RUN * sizeof *run) == 0) return true;
    return false;
}

static void count_runs(const tokens *t, const sample *s, size_t *runs, size_t *copied) {
    for (size_t at = 0; at + RUN <= t->n; at++) {
        *runs += 1;
        *copied += stands_in(t->ids + at, s);
    }
}

static int count_output(evaluation *v, const sample *s, bool *exact, err *e) {
    const tokens *got = &v->trace.output, *want = &s->output;
    tally        *t = tally_of(v, s->rec->scenario, e);
    size_t        same = 0;
    if (t == NULL) return -1;
    while (same < got->n && same < want->n && got->ids[same] == want->ids[same]) same++;
    *exact = tokens_equal(got, want);
    v->cut += v->trace.truncated;
    t->records++;
    t->exact += *exact;
    t->prefix += (double)same / (double)want->n;
    count_runs(got, s, &t->runs, &t->copied);
    count_runs(want, s, &t->expected_runs, &t->expected_copied);
    return 0;
}

/* A record's texts keep their lines. */
static void print_lines(const char *text, size_t n) {
    static const utf8_rules lines = {.invalid = "?", .control = "?", .hidden = "?"};
    utf8_write(text, n, &lines, stdout);
}

static int print_wrong(const evaluation *v, const sample *s, err *e) {
    size_t n_got = 0, n_want = 0;
    char  *got = tokenizer_decode(v->m->tok, v->trace.output.ids, v->trace.output.n, &n_got, e);
    char  *want = tokenizer_decode(v->m->tok, s->output.ids, s->output.n, &n_want, e);
    if (got != NULL && want != NULL) {
        utf8_write(s->rec->id, strlen(s->rec->id), &utf8_one_line, stdout);
        printf("\n  expected: ");
        print_lines(want, n_want);
        printf("\n  model:    ");
        print_lines(got, n_got);
        printf("\n");
    }
    int ret = got != NULL && want != NULL ? 0 : -1;
    free(got);
    free(want);
    return ret;
}

static double share(double part, double of) {
    return of > 0 ? 100 * part / of : 0;
}

static void print_row(const tally *t) {
    const char *name = *t->name != '\0' ? t->name : "-";
    int         gap = 16 - (int)utf8_width(name, strlen(name));
    utf8_write(name, strlen(name), &utf8_one_line, stdout);
    printf("%*s  %7zu  %6.1f%%  %6.1f%%  %6.1f%%  %7.1f%%\n", gap > 0 ? gap : 0, "", t->records,
           share((double)t->exact, (double)t->records), share(t->prefix, (double)t->records),
           share((double)t->copied, (double)t->runs), share((double)t->expected_copied, (double)t->expected_runs));
}

static void print_table(const evaluation *v) {
    tally all = {.name = "all"};
    printf("%-16s  records    exact   prefix   copied  expected\n", "scenario");
    for (size_t i = 0; i < v->n_tallies; i++) {
        const tally *t = &v->tallies[i];
        print_row(t);
        all.records += t->records;
        all.exact += t->exact;
        all.prefix += t->prefix;
        all.runs += t->runs;
        all.copied += t->copied;
        all.expected_runs += t->expected_runs;
        all.expected_copied += t->expected_copied;
    }
    if (v->n_tallies > 1) print_row(&all);
    size_t bad = v->read.data.bad + v->read.samples.bad;
    if (bad > 0) fprintf(stderr, "harness: %zu bad record%s left out\n", bad, bad == 1 ? " was" : "s were");
    if (v->cut > 0)
        fprintf(stderr, "harness: %zu of %zu outputs were cut by --max-new-tokens or the end of the context\n", v->cut,
                all.records);
}

/* ---- decoding ---------------------------------------------------------------------------------------- */

static int open_evaluation(evaluation *v, const options *o, err *e) {
    const policy_ops *llma = registry_named(&policy_registry, "evaluate", "llma", e);
    const rule_ops   *greedy = registry_named(&rule_registry, "evaluate", "greedy", e);
    param_values      rule_params;
    policy_spec       drafting = {0};
    if (reading_check(&o->read, "--format", e) != 0) return -1;
    if (llma == NULL || greedy == NULL || (v->m = model_open(o->model, e)) == NULL) return -1;
    const target_spec spec = {
        .weights = v->m, .vocab = v->m->shape.vocab, .context = v->m->shape.context, .threads = (int)o->threads};
    tokenizer_report(v->m->tok, o->model);
    if (target_prepare(&target_transformer, &spec, e) != 0) return -1;
    param_presets(llma->params, llma->n_params, &drafting.params);
    drafting.vocab = v->m->shape.vocab;
    drafting.tok = v->m->tok;
    param_presets(greedy->params, greedy->n_params, &rule_params);
    const sample_options how = {.need_output = true, .need_prompt = true, .context = v->m->shape.context};
    return reading_open(&v->read, &o->read, o->model, v->m->tok, how, e) != 0 ||
                   (v->policy = policy_open(llma, &drafting, e)) == NULL ||
                   (v->rule = rule_open(greedy, &rule_params, v->m->shape.vocab, e)) == NULL ||
                   (v->target = target_open(&target_transformer, &spec, e)) == NULL
               ? -1
               : 0;
}

static void close_evaluation(evaluation *v) {
    trial_trace_free(&v->trace);
    free(v->tallies);
    target_close(v->target);
    policy_close(v->policy);
    rule_close(v->rule);
    reading_free(&v->read);
    model_close(v->m);
}

static int evaluate(evaluation *v, const options *o, err *e) {
    size_t shown = 0;
    if (open_evaluation(v, o, e) != 0) return -1;
    for (size_t i = 0; i < v->read.samples.n; i++) {
        const sample *s = &v->read.samples.at[i];
        bool          exact;
        decode_setup  setup = {
             .target = v->target,
             .policy = v->policy,
             .rule = v->rule,
             .input = {.prompt = s->prompt.ids,
                       .n_prompt = s->prompt.n,
                       .references = s->references,
                       .n_references = s->n_references},
             .stops = tokenizer_stops(v->m->tok),
             .max_new_tokens = (size_t)o->max_new_tokens,
        };
        if (decode_run(&setup, &v->trace, e) != 0 || count_output(v, s, &exact, e) != 0)
            return err_prefix(e, "record %s", s->rec->id);
        if (!exact && shown < o->wrong) {
            if (print_wrong(v, s, e) != 0) return -1;
            shown++;
        }
    }
    print_table(v);
    return 0;
}

static int run(void *opts, err *e) {
    evaluation v = {0};
    int        ret = evaluate(&v, opts, e);
    close_evaluation(&v);
    return ret;
}

const command command_evaluate = {
    .name = "evaluate",
    .help = "compare a model's outputs with those a dataset expects",
    .about = "Decodes the prompt of every record greedily and compares with the record's output, by scenario:\n"
             "  exact      outputs equal to the expected one, to the last token\n"
             "  prefix     mean share of the expected output before the first difference\n"
             "  copied     runs of 5 tokens in the model's outputs that are in the references\n"
             "  expected   the same of the expected outputs",
    .lists = reading_list,
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
