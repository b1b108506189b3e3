/* recommend.c - `harness recommend`: which policy, which settings, what they bring, and how sure that is.
 *
 *     DATA --decode (if it has no outputs)--> records.jsonl --replay of every candidate--> choice --check--> measured
 *                                     T(m, context) of the model ----^
 *
 * Greedy decoding gives the same tokens whatever drafts them, so each policy's passes can be counted by replaying what
 * the model said; the times of passes turn them into time. Everything is kept in one folder: the configs, which harness
 * sweep runs again, their results, the records and the times.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/table_kind.h"
#include "engine/base/file.h"
#include "engine/base/parallel.h"
#include "engine/base/quote.h"
#include "experiments/commands/bench.h"
#include "experiments/commands/commands.h"
#include "experiments/recommend/choose.h"
#include "experiments/recommend/explain.h"
#include "experiments/recommend/grid.h"
#include "experiments/recommend/records.h"
#include "experiments/sweep/sweep_run.h"
#include "experiments/terminal/data_report.h"

enum { CHECKED = 3 /* policies that --check measures */, FIRST = 16, GROWTH = 4 /* of --until-precise */ };

typedef struct {
    const char *data, *model, *cost, *output, *format, *chat, *group;
    text_list   policies;
    size_t      limit, max_new_tokens, threads, jobs;
    double      precision; /* percent; 0: all records */
    bool        as_turn, check, quiet;
} options;

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model), .required = true,
     .help = "the model, a GGUF; of one that need not decode, its vocabulary will do"},
    {"cost", 0, "FILE", &option_path, OPTION_AT(options, cost),
     .help = "times of passes, as harness bench --cost writes them (default: measured now)"},
    {"output", 'o', "DIR", &option_path, OPTION_AT(options, output), .preset = "results/recommend",
     .help = "folder of configs, records, times and results"},
    {"policy", 0, "SPEC", &option_text, OPTION_AT(options, policies), .list = true, .of = &policy_registry,
     .help = "a candidate, such as llma:n=2,k=4 (default: a grid of all policies worth trying)"},
    {"limit", 'l', "N", &option_size, OPTION_AT(options, limit), OPTION_RANGE(1, 1000000000),
     .help = "only the first N records"},
    {"max-new-tokens", 'N', "N", &option_size, OPTION_AT(options, max_new_tokens), .preset = "256",
     OPTION_RANGE(2, 1000000), .help = "longest output"},
    {"until-precise", 0, "PCT", &option_real, OPTION_AT(options, precision), OPTION_REALS(0.1, 100),
     .help = "take 16 records, then four times as many, and so on, until half of the interval is below PCT% of the "
             "speed-up"},
    {"threads", 't', "N", &option_size, OPTION_AT(options, threads), OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads of a pass (default: all processors)"},
    {"group", 'g', "WHAT", &option_text, OPTION_AT(options, group),
     .help = "records that belong together: conversation, documents or a regular expression of ids, as in harness "
             "tables"},
    {"check", 0, NULL, &option_flag, OPTION_AT(options, check),
     .help = "choose on half of the records, then measure the best policies on the other half"},
    {"format", 0, "NAME", &option_text, OPTION_AT(options, format), .of = &format_registry, .help = "of the data (default: auto)"},
    {"as-turn", 0, NULL, &option_flag, OPTION_AT(options, as_turn),
     .help = "a prompt that is a text is a user's turn"},
    {"chat", 0, "NAME", &option_text, OPTION_AT(options, chat), .of = &chat_registry, .help = "chat format of turns (default: the model's)"},
    {"jobs", 'j', "N", &option_size, OPTION_AT(options, jobs), .preset = "1", OPTION_RANGE(1, 1024),
     .help = "processes that replay"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(options, quiet), .help = "no progress"},
};
/* clang-format on */
static const option_spec operands[] = {
    {"DATA.jsonl", .type = &option_path, OPTION_AT(options, data), .required = true},
};

/* A sweep on its way from the config's file to its results. */
typedef struct {
    config     cfg;
    plan       grid;
    store_data results;
} stage;

static void stage_close(stage *s) {
    store_free(&s->results);
    plan_free(&s->grid);
    config_free(&s->cfg);
    *s = (stage){0};
}

/* Writes the config and plans it. */
static int stage_plan(stage *s, const options *o, grid_kind kind, grid *g, err *e) {
    plan_options how = {.report = data_report_skipped};
    char        *path;
    g->output = o->output;
    g->model = o->model;
    g->threads = o->threads;
    path = mem_printf(e, "%s/%s.ini", o->output, g->name);
    int ret = path == NULL || grid_write(path, kind, g, e) != 0 || config_read(path, NULL, 0, &s->cfg, e) != 0 ? -1 : 0;
    if (ret == 0) ret = sweep_check_replaced(&s->cfg, e);
    if (ret == 0) ret = plan_make(&s->cfg, &how, &s->grid, e);
    free(path);
    return ret;
}

static int stage_run(stage *s, const options *o, size_t jobs, err *e) {
    const runner_options how = {.jobs = jobs, .quiet = o->quiet};
    return sweep_run(&s->grid, &how, &s->results, e);
}

/* ---- records ------------------------------------------------------------------------------------------- */

/* Whether all of the first `limit` records have outputs; some with and some without are an error. */
static int have_outputs(const options *o, size_t limit, bool *all, err *e) {
    const dataset_options how = {
        .format = o->format != NULL ? o->format : "auto", .limit = limit, .as_turn = o->as_turn};
    dataset d;
    size_t  n = 0, without = 0;
    if (dataset_read(o->data, &how, NULL, NULL, &d, e) != 0) return -1;
    for (size_t i = 0; i < d.n; i++) {
        n += d.records[i].has_output;
        if (!d.records[i].has_output) without = i;
    }
    *all = n == d.n;
    int ret = n == 0 || *all ? 0 : -1;
    if (ret != 0) {
        const record *r = &d.records[without];
        char          id[220];
        err_input(e, "%s:%zu: record %s has no output, and %zu other%s one (all or none)", o->data, r->line,
                  quote(id, sizeof id, r->id, strlen(r->id)), n, n == 1 ? " has" : "s have");
    }
    dataset_free(&d);
    return ret;
}

/* What is made on the way, in the output folder. */
typedef struct {
    char  *chosen, *held_out; /* records */
    char  *times;             /* the cost file: measured, or the user's */
    size_t taken;             /* records */
    size_t context;           /* tokens in the cache at the end of the longest */
} made;

static void made_free(made *f) {
    free(f->chosen);
    free(f->held_out);
    free(f->times);
}

static int made_names(const options *o, made *f, err *e) {
    *f = (made){.chosen = mem_printf(e, "%s/%s", o->output, o->check ? "chosen.jsonl" : "records.jsonl"),
                .held_out = mem_printf(e, "%s/held_out.jsonl", o->output),
                .times = o->cost != NULL ? mem_strdup(o->cost, e) : mem_printf(e, "%s/times.cost", o->output)};
    return f->chosen != NULL && f->held_out != NULL && f->times != NULL ? 0 : -1;
}

/* Makes the records to choose on and, with --check, those held out, from the first `limit` of the data. */
static int make_records(const options *o, size_t limit, made *f, err *e) {
    stage  s = {0};
    grid   g = {.name = "records",
                .data = o->data,
                .format = o->format,
                .chat = o->chat,
                .as_turn = o->as_turn,
                .limit = limit,
                .max_new_tokens = o->max_new_tokens};
    size_t n;
    bool   recorded = false;
    int    ret = have_outputs(o, limit, &recorded, e);
    if (ret == 0) ret = stage_plan(&s, o, recorded ? GRID_READ : GRID_DECODE, &g, e);
    if (ret == 0 && !recorded) {
        fprintf(stderr, "decoding %zu records plainly: what the model says is what policies are replayed on\n",
                s.grid.samples[0].set.n);
        ret = stage_run(&s, o, 1, e);
    }
    const store_data *decoded = recorded ? NULL : &s.results;
    if (ret == 0) ret = records_write(f->chosen, &s.grid, decoded, o->check ? RECORDS_EVEN : RECORDS_ALL, &n, e);
    if (ret == 0 && o->check) ret = records_write(f->held_out, &s.grid, decoded, RECORDS_ODD, &n, e);
    f->context = 0;
    f->taken = ret == 0 ? s.grid.samples[0].set.n : 0;
    for (size_t i = 0; i < f->taken; i++) {
        const sample *x = &s.grid.samples[0].set.at[i];
        size_t        end = x->prompt.n + (recorded ? x->output.n : o->max_new_tokens);
        if (end > f->context) f->context = end;
    }
    stage_close(&s);
    return ret;
}

/* ---- times --------------------------------------------------------------------------------------------- */

/* T(m, context), with an empty cache and with that of the longest record. */
static int measure_times(const options *o, const char *path, size_t context, err *e) {
    static const size_t ks[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};
    bench               b = {0};
    bench_options       how = {.model = o->model, .cost = path, .repeats = 9, .threads = o->threads, .quiet = o->quiet};
    model              *m = model_open(o->model, e);
    if (m == NULL) return -1;
    size_t most = m->shape.context > ks[11] ? m->shape.context - ks[11] : 0;
    model_close(m);
    if (most == 0) return err_input(e, "%s: its context is shorter than %zu tokens", o->model, ks[11] + 1);
    memcpy(how.k.at, ks, sizeof ks);
    how.k.n = sizeof ks / sizeof *ks;
    how.context.n = 1;
    if (context > most) context = most;
    if (context >= ks[11]) how.context.at[how.context.n++] = context;
    int ret = bench_measure(&b, &how, e);
    if (ret == 0) ret = bench_write_cost(&b, &how, e);
    bench_close(&b);
    return ret;
}

/* ---- the command --------------------------------------------------------------------------------------- */

static int print_check(const options *o, size_t n, const store_data *d, err *e) {
    const table_options how = {.format = registry_find(&table_format_registry, "text"), .pattern = o->group};
    if (n > 1)
        printf("\nThe best %zu on the records held out, with the model, plain decoding timed beside each:\n\n", n);
    else
        printf("\nOn the records held out, with the model, plain decoding timed beside each:\n\n");
    return table_print(registry_find(&table_registry, "predictions"), d, &how, stdout, e);
}

/* The first of the chosen ones, plain decoding left out. */
static int check(const options *o, const choice *c, const plan *p, const made *f, err *e) {
    char  *policies[CHECKED] = {0};
    stage  s = {0};
    size_t n = 0;
    int    ret = 0;
    for (size_t i = 0; ret == 0 && i < c->n && n < CHECKED; i++) {
        if (plan_cell_is_baseline(&p->cells[c->at[i].plan_cell])) continue;
        if ((policies[n++] = candidate_spec(p, &c->at[i], e)) == NULL) ret = -1;
    }
    grid g = {.name = "check",
              .cost = f->times,
              .data = f->held_out,
              .max_new_tokens = o->max_new_tokens,
              .policies = (const char *const *)policies,
              .n_policies = n};
    if (ret == 0) ret = stage_plan(&s, o, GRID_CHECK, &g, e);
    if (ret == 0) ret = stage_run(&s, o, 1, e);
    if (ret == 0) ret = print_check(o, n, &s.results, e);
    stage_close(&s);
    for (size_t i = 0; i < CHECKED; i++) free(policies[i]);
    return ret;
}

/* Replays the candidates and compares them. */
static int compare(const options *o, const made *f, stage *s, choice *c, err *e) {
    grid       g = {.name = "replay",
                    .cost = f->times,
                    .data = f->chosen,
                    .max_new_tokens = o->max_new_tokens,
                    .policies = o->policies.at,
                    .n_policies = o->policies.n};
    cost_model passes = {0};
    int        ret = cost_read(f->times, &passes, e);
    g.widest = ret == 0 ? passes.k[passes.n - 1] : 0;
    cost_free(&passes);
    if (ret == 0) ret = stage_plan(s, o, GRID_REPLAY, &g, e);
    if (ret == 0) ret = stage_run(s, o, o->jobs, e);
    return ret == 0 ? choose(&s->grid, &s->results, o->group, c, e) : -1;
}

/* Half of the best one's interval, in percent of its speed-up; infinite without one. */
static double imprecision(const choice *c) {
    const candidate *best = &c->at[0];
    return isnan(best->ci.lo) ? INFINITY : 50 * (best->ci.hi - best->ci.lo) / best->speedup;
}

static void say_precision(const choice *c, const options *o, bool last) {
    char then[100] = "taking more";
    if (last) snprintf(then, sizeof then, "%g%% was wanted, and there are no more records", o->precision);
    if (isinf(imprecision(c)))
        fprintf(stderr, "%zu records: too few for an interval; %s\n", c->records, then);
    else
        fprintf(stderr, "%zu records: half of the interval is %.1f%% of %.2f; %s\n", c->records, imprecision(c),
                c->at[0].speedup, then);
}

/* Takes records until that is precise enough, or there are no more. */
static int compare_enough(const options *o, made *f, stage *s, choice *c, err *e) {
    size_t limit = o->precision > 0 ? FIRST : o->limit;
    bool   measured = o->cost != NULL;
    for (;; limit *= GROWTH) {
        if (o->limit > 0 && limit > o->limit) limit = o->limit;
        if (make_records(o, limit, f, e) != 0) return -1;
        if (!measured && measure_times(o, f->times, f->context, e) != 0) return -1;
        measured = true;
        if (compare(o, f, s, c, e) != 0) return -1;
        bool last = limit == 0 || limit == o->limit || f->taken < limit;
        if (o->precision == 0 || imprecision(c) < o->precision) return 0;
        say_precision(c, o, last);
        if (last) return 0;
        choice_free(c);
        stage_close(s);
    }
}

/* What the command line names, before records are decoded for hours. */
static int check_options(const options *o, err *e) {
    cost_model passes = {0};
    if (o->chat != NULL && chat_check_name("--chat", o->chat, e) != 0) return -1;
    if (grid_check(o->policies.at, o->policies.n, e) != 0) return -1;
    if (o->cost != NULL && cost_read(o->cost, &passes, e) != 0) return -1;
    cost_free(&passes);
    return 0;
}

static int run(void *opts, err *e) {
    options *o = opts;
    stage    s = {0};
    choice   c = {0};
    made     f = {0};
    if (o->threads == 0) o->threads = (size_t)parallel_processors();
    if (check_options(o, e) != 0) return -1;
    int ret = file_make_folder(o->output, e) != 0 || file_check_writable(o->output, e) != 0 ? -1 : made_names(o, &f, e);
    if (ret == 0) ret = compare_enough(o, &f, &s, &c, e);
    if (ret == 0) ret = explain_choice(&s.grid, &s.results, &c, stdout, e);
    if (ret == 0 && o->check) {
        ret = fflush(stdout) == 0 ? 0 : err_errno(e, "standard output", "cannot write");
        if (ret == 0) ret = check(o, &c, &s.grid, &f, e);
    }
    choice_free(&c);
    stage_close(&s);
    made_free(&f);
    return ret;
}

const command command_recommend = {
    .name = "recommend",
    .help = "which policy and which settings for this data, model and machine",
    .about = "Replays every policy over a grid on what the model says to DATA, turns their passes into time with this "
             "machine's times of passes, and says which one takes the least, how sure that is, which others the "
             "records do not separate "
             "from it, on which records it loses, and from which acceptance on a draft of each length pays.",
    .notes = "Records that have outputs are taken as they are; otherwise the model decodes them first, greedily. Every "
             "config, result and time stays in the output folder: harness tables, compare and report read its "
             "replay.h5.\n"
             "With --check nothing is promised that was not measured: the policies are chosen on half of the records "
             "(turns of a conversation and records about the same documents stay together), and the best three run "
             "with the model on the other half, beside plain decoding.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
