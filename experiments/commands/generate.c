/* generate.c - `harness generate`: one generation, streamed, with its copies marked; on request it is checked against
 * plain decoding.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/sample.h"
#include "engine/base/file.h"
#include "engine/base/number.h"
#include "engine/base/parallel.h"
#include "engine/base/utf8.h"
#include "engine/engine.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/drafts.h"
#include "experiments/terminal/spans.h"
#include "experiments/terminal/terminal.h"
#include "experiments/terminal/tokenizer_report.h"

typedef struct {
    const char *model, *prompt, *prompt_file, *policy, *rule, *chat, *system; /* chat, system: NULL when not given */
    text_list   references, stop;
    uint64_t    seed, max_new_tokens, threads;
    size_t      colour; /* in `whens` */
    bool        steps, hash, check;
} options;

/* Everything that one generation needs, and its result. */
typedef struct {
    model       *m;
    target      *target;
    policy_spec  drafting;
    policy      *policy, *plain;
    rule        *rule;
    tokens       prompt;
    tokens      *references; /* [n_references] */
    reference   *views;      /* the same, as a policy sees them */
    size_t       n_references;
    tokens       stops;           /* what ends the text */
    bool         prompt_is_empty; /* as text */
    decode_setup setup;
    trial_trace  trace, baseline;
    spans        out;
    drafts_view  steps;
} generation;

/* ---- options --------------------------------------------------------------------------------------- */

enum { AUTO, ALWAYS, NEVER };
static const char *const whens[] = {[AUTO] = "auto", [ALWAYS] = "always", [NEVER] = "never", NULL};

/* clang-format off */
static const option_spec specs[] = {
    {"model", 'm', "MODEL.gguf", &option_path, OPTION_AT(options, model), .required = true,
     .help = "weights and tokenizer, a GGUF"},
    {"prompt", 'p', "TEXT", &option_text, OPTION_AT(options, prompt), .help = "the prompt"},
    {"prompt-file", 'f', "FILE", &option_path, OPTION_AT(options, prompt_file),
     .help = "a file that holds the prompt, instead of -p"},
    {"chat", 0, "NAME", &option_text, OPTION_AT(options, chat), .implied = "auto", .of = &chat_registry,
     .help = "make the prompt a user's turn, in the model's own chat format or the one of this name (harness "
             "render -h lists them)"},
    {"system", 0, "TEXT", &option_text, OPTION_AT(options, system), .help = "with --chat: what the system says first"},
    {"reference", 'r', "FILE", &option_path, OPTION_AT(options, references), .list = true,
     .help = "text that may be copied from"},
    {"policy", 0, "NAME[:P=V,..]", &option_text, OPTION_AT(options, policy), .preset = "llma",
     .of = &policy_registry,
     .help = "drafting policy, such as llma:n=1,k=20; harness policies lists them. A value with commas (or in a "
             "chain's stages, blanks or >) goes in quotes, \" or ', inside those of the shell"},
    {"rule", 0, "NAME[:P=V,..]", &option_text, OPTION_AT(options, rule), .preset = "greedy",
     .of = &rule_registry,
     .help = "acceptance rule, such as coupled:temperature=0.7; harness rules lists them"},
    {"seed", 0, "N", &option_count, OPTION_AT(options, seed), .preset = "1", OPTION_RANGE(0, INT64_MAX),
     .help = "seed of sampling"},
    {"max-new-tokens", 'n', "N", &option_count, OPTION_AT(options, max_new_tokens), .preset = "256",
     OPTION_RANGE(1, INT32_MAX), .help = "most tokens to generate"},
    {"stop", 0, "TOKEN", &option_text, OPTION_AT(options, stop), .list = true,
     .help = "a token that ends the text beside the model's own: its spelling in the vocabulary, or its id"},
    {"threads", 't', "N", &option_count, OPTION_AT(options, threads), .preset = "1", OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads of a pass; the text does not depend on them"},
    {"color", 0, "WHEN", &option_choice, OPTION_AT(options, colour), .preset = "auto", .of = whens,
     .help = "show copied spans in a colour for each source: auto (on a terminal), always or never"},
    {"steps", 0, NULL, &option_flag, OPTION_AT(options, steps),
     .help = "show each step instead of the text: what was drafted, a tree where it branches, from where, and which "
             "tokens stand (+)"},
    {"hash", 0, NULL, &option_flag, OPTION_AT(options, hash),
     .help = "end with the line \"logits HEX\", a hash of the logits at every emitted position"},
    {"check", 0, NULL, &option_flag, OPTION_AT(options, check),
     .help = "also decode plainly; fail unless ids and logits are equal"},
};
/* clang-format on */

enum { NAME_SIZE = 64 };

/* Splits "NAME:PARAMS" at the colon; returns PARAMS, "" when there are none. */
static const char *split_spec(const char *spec, char name[NAME_SIZE]) {
    size_t n = strcspn(spec, ":");
    snprintf(name, NAME_SIZE, "%.*s", (int)(n < NAME_SIZE ? n : NAME_SIZE), spec);
    return spec[n] == ':' ? spec + n + 1 : "";
}

/* Reads "NAME:PARAMS" of --policy, before anything large is opened. The caller frees the parameters. */
static const policy_ops *parse_policy(const char *spec, param_values *params, err *e) {
    char              name[NAME_SIZE];
    const char       *rest = split_spec(spec, name);
    const policy_ops *ops = registry_named(&policy_registry, "--policy", name, e);
    if (ops == NULL || param_parse_list(ops->name, ops->params, ops->n_params, rest, params, e) == 0) return ops;
    err_prefix(e, "--policy");
    return NULL;
}

static rule *open_rule(const char *spec, size_t vocab, err *e) {
    char            name[NAME_SIZE];
    const char     *params = split_spec(spec, name);
    const rule_ops *ops = registry_named(&rule_registry, "--rule", name, e);
    param_values    values;
    if (ops == NULL) return NULL;
    if (param_parse_list(ops->name, ops->params, ops->n_params, params, &values, e) != 0) {
        err_prefix(e, "--rule");
        return NULL;
    }
    rule *r = rule_open(ops, &values, vocab, e);
    param_values_free(&values);
    return r;
}

/* ---- input ----------------------------------------------------------------------------------------- */

/* The text of a file. As in a data set it is UTF-8: other bytes would reach the model as pieces of no character. */
static char *read_text(const char *path, size_t *n, err *e) {
    char *text = file_read(path, SIZE_MAX, n, e);
    if (text == NULL || utf8_check(path, text, *n, e) == 0) return text;
    free(text);
    return NULL;
}

/* The prompt as a user's turn. A model without a chat format is an error here, because the user said --chat. */
static int encode_chat(generation *g, const options *o, const char *text, size_t n, err *e) {
    chat      c;
    size_t    n_turns = 0;
    chat_turn turns[2];
    if (o->system != NULL) {
        if (utf8_check("--system", o->system, strlen(o->system), e) != 0) return -1;
        turns[n_turns++] = (chat_turn){CHAT_SYSTEM, o->system, strlen(o->system)};
    }
    turns[n_turns++] = (chat_turn){CHAT_USER, text, n};
    if (chat_choose(&c, o->chat, g->m->tok, e) != 0) return err_prefix(e, "%s", o->model);
    int ret = c.format != NULL
                  ? chat_prompt(&c, g->m->tok, turns, n_turns, &g->prompt, e)
                  : err_input(e, "%s: the file has no chat template (choose a format: --chat=NAME)", o->model);
    chat_free(&c);
    return ret;
}

static int encode_prompt(generation *g, const options *o, err *e) {
    sample_options how = {.need_prompt = true, .context = g->m->shape.context};
    const char    *where = o->prompt != NULL ? "--prompt" : o->prompt_file;
    size_t         n = o->prompt != NULL ? strlen(o->prompt) : 0;
    char          *text = NULL;
    if (o->prompt != NULL ? utf8_check(where, o->prompt, n, e) != 0 : (text = read_text(where, &n, e)) == NULL)
        return -1;
    g->prompt_is_empty = n == 0 && o->chat == NULL;
    const char *said = text != NULL ? text : o->prompt;
    int ret = o->chat != NULL ? encode_chat(g, o, said, n, e) : sample_prompt(g->m->tok, said, n, &g->prompt, e);
    if (ret == 0) tokenizer_report_omitted(g->m->tok, where, said, n);
    free(text);
    if (ret != 0) return -1;
    return sample_check_prompt(g->prompt.n, &how, e) == 0 ? 0 : err_prefix(e, "%s", where);
}

static int encode_reference(const tokenizer *t, const char *path, tokens *out, err *e) {
    size_t n;
    char  *text = read_text(path, &n, e);
    int    ret = text != NULL ? tokenizer_encode(t, text, n, false, out, e) : -1;
    if (ret == 0) tokenizer_report_omitted(t, path, text, n);
    free(text);
    return ret;
}

static int encode_input(generation *g, const options *o, err *e) {
    if (encode_prompt(g, o, e) != 0) return -1;
    g->references = mem_new(o->references.n, sizeof *g->references, e);
    g->views = mem_new(o->references.n, sizeof *g->views, e);
    if (g->references == NULL || g->views == NULL) return -1;
    for (; g->n_references < o->references.n; g->n_references++) {
        tokens *r = &g->references[g->n_references];
        if (encode_reference(g->m->tok, o->references.at[g->n_references], r, e) != 0) {
            tokens_free(r);
            return -1;
        }
        g->views[g->n_references] = (reference){r->ids, r->n};
    }
    return 0;
}

static int find_stops(generation *g, const options *o, err *e) {
    stops own = tokenizer_stops(g->m->tok);
    if (tokens_append(&g->stops, own.ids, own.n, e) != 0) return -1;
    for (size_t i = 0; i < o->stop.n; i++)
        if (stops_add_named(&g->stops, g->m->tok, o->stop.at[i], e) != 0) return err_prefix(e, "--stop");
    return 0;
}

/* ---- one generation -------------------------------------------------------------------------------- */

static target_spec spec_of(const generation *g, const options *o) {
    return (target_spec){
        .weights = g->m, .vocab = g->m->shape.vocab, .context = g->m->shape.context, .threads = (int)o->threads};
}

static int open_generation(generation *g, const options *o, err *e) {
    const policy_ops *drafts = parse_policy(o->policy, &g->drafting.params, e);
    if (drafts == NULL || (g->m = model_open(o->model, e)) == NULL) return -1;
    tokenizer_report(g->m->tok, o->model);
    g->drafting.vocab = g->m->shape.vocab;
    g->drafting.tok = g->m->tok;
    g->drafting.threads = (int)o->threads;
    if ((g->policy = policy_open(drafts, &g->drafting, e)) == NULL) return -1;
    target_spec spec = spec_of(g, o);
    if (target_prepare(&target_transformer, &spec, e) != 0) return -1;
    if ((g->rule = open_rule(o->rule, g->m->shape.vocab, e)) == NULL) return -1;
    if (o->check && g->rule->ops->keeps != SAME_TOKENS)
        return err_input(e, "--check does not work with --rule %s (only with rules that keep plain decoding's tokens)",
                         g->rule->ops->name);
    if (find_stops(g, o, e) != 0 || encode_input(g, o, e) != 0) return -1;
    if ((g->target = target_open(&target_transformer, &spec, e)) == NULL) return -1;
    g->setup = (decode_setup){
        .target = g->target,
        .policy = g->policy,
        .rule = g->rule,
        .input = {.prompt = g->prompt.ids,
                  .n_prompt = g->prompt.n,
                  .references = g->views,
                  .n_references = g->n_references,
                  .noise = {o->seed, rng_stream("policy", "generate")}},
        .stops = stops_of(&g->stops),
        .max_new_tokens = o->max_new_tokens,
        .noise = {o->seed, rng_stream("accept", "generate")},
    };
    return 0;
}

static void close_generation(generation *g) {
    spans_free(&g->out);
    trial_trace_free(&g->trace);
    trial_trace_free(&g->baseline);
    target_close(g->target);
    policy_close(g->policy);
    policy_close(g->plain);
    param_values_free(&g->drafting.params);
    rule_close(g->rule);
    for (size_t i = 0; i < g->n_references; i++) tokens_free(&g->references[i]);
    free(g->references);
    free(g->views);
    tokens_free(&g->prompt);
    tokens_free(&g->stops);
    model_close(g->m);
}

/* Plain decoding: the same except for the policy. */
static int decode_plainly(generation *g, err *e) {
    decode_setup plain = g->setup;
    policy_spec  spec = {.vocab = g->m->shape.vocab, .tok = g->m->tok};
    if ((g->plain = policy_open(&policy_none, &spec, e)) == NULL) return -1;
    plain.policy = g->plain;
    return decode_run(&plain, &g->baseline, e);
}

static void print_statistics(const trial_trace *t, const options *o, FILE *out) {
    size_t drafted = 0, testable = 0, accepted = 0, covered = 0;
    for (size_t i = 0; i < t->n_steps; i++) {
        drafted += t->steps[i].drafted;
        testable += t->steps[i].testable;
        accepted += t->steps[i].accepted;
        covered += t->steps[i].drafted > 0;
    }
    double steps = (double)t->n_steps;
    fprintf(out, "%zu token%s in %zu step%s (%.2f per step), coverage %.0f%%, drafted %zu, testable %zu, accepted %zu",
            t->output.n, plural(t->output.n), t->n_steps, plural(t->n_steps), (double)t->output.n / steps,
            100 * (double)covered / steps, drafted, testable, accepted);
    if (testable > 0) fprintf(out, " (%.0f%%)", 100 * (double)accepted / (double)testable);
    size_t first = t->steps[0].emitted; /* the prompt's pass gave these */
    if (t->n_steps > 1) fprintf(out, ", %.1f tokens/s", (double)(t->output.n - first) / ((double)t->decode_ns * 1e-9));
    if (t->truncated)
        fputs(t->output.n < o->max_new_tokens ? ", cut where the model's context ends"
                                              : ", cut at the length limit (-n)",
              out);
    putc('\n', out);
}

/* Compares with the baseline; a difference is an error that says where it begins and how large it is. */
static int check(generation *g, const options *o, err *e) {
    comparison c;
    compare_traces(&g->trace, g->baseline.output.ids, g->baseline.output.n, g->baseline.logits_hash, &c);
    if (c.equal && c.logits_equal == LOGITS_EQUAL) {
        fprintf(stderr, "checked: %zu token%s logits equal plain decoding's, bit for bit\n", g->trace.output.n,
                g->trace.output.n == 1 ? " and its" : "s and their");
        return 0;
    }
    target_spec spec = spec_of(g, o);
    target     *plain = target_open(&target_transformer, &spec, e);
    int         ret = plain != NULL ? compare_recompute(&g->setup, plain, &c, e) : -1;
    target_close(plain);
    if (ret != 0) return err_prefix(e, "the output differs from plain decoding's, and measuring it failed");
    return err_run(e,
                   "the output differs from plain decoding's: tokens from position %lld, logits from position %lld "
                   "(-1 = nowhere), by up to %g",
                   (long long)c.first_divergence, (long long)c.first_logits_divergence, c.max_abs_logit_diff);
}

static int generate(generation *g, const options *o, err *e) {
    if (open_generation(g, o, e) != 0) return -1;
    bool needs_truth = (policy_needs(g->policy->ops, &g->policy->spec.params) & NEEDS_TRUTH) != 0;
    if ((o->check || needs_truth) && decode_plainly(g, e) != 0) return -1;
    if (needs_truth) {
        g->setup.input.truth = g->baseline.output.ids;
        g->setup.input.n_truth = g->baseline.output.n;
    }
    bool               colours = o->colour == ALWAYS || (o->colour == AUTO && terminal_colours(STDOUT_FILENO));
    const policy_spec *spec = &g->policy->spec;
    size_t             n_stages;
    g->steps = (drafts_view){
        .tok = g->m->tok,
        .names = o->references.at,
        .n_references = o->references.n,
        .colours = colours,
        .stages = g->policy->ops->stages != NULL ? g->policy->ops->stages(&spec->params, &n_stages) : NULL,
    };
    if (spans_begin(&g->out, g->m->tok, g->prompt_is_empty, o->references.at, o->references.n, colours,
                    isatty(STDOUT_FILENO) == 1, e) != 0)
        return -1;
    g->setup.sink = o->steps ? (decode_sink){drafts_step, &g->steps} : (decode_sink){spans_step, &g->out};
    if (decode_run(&g->setup, &g->trace, e) != 0) return -1;
    g->setup.sink = (decode_sink){0};
    if (!o->steps && spans_end(&g->out, e) != 0) return -1;
    if (o->hash) printf("logits %016llx\n", (unsigned long long)trial_trace_hash(&g->trace));
    spans_legend(&g->out, stderr);
    print_statistics(&g->trace, o, stderr);
    return o->check ? check(g, o, e) : 0;
}

static int run(void *opts, err *e) {
    const options *o = opts;
    generation     g = {0};
    if ((o->prompt != NULL) == (o->prompt_file != NULL))
        return err_input(e, "generate needs one of -p TEXT and -f FILE (see harness generate -h)");
    if (o->chat != NULL && chat_check_name("--chat", o->chat, e) != 0) return -1;
    if (o->chat != NULL && strcmp(o->chat, "none") == 0)
        return err_input(e, "--chat=none is not a chat format (without --chat the prompt is a text)");
    if (o->system != NULL && o->chat == NULL)
        return err_input(e, "--system is given without --chat (only in a conversation does the system speak)");
    int ret = generate(&g, o, e);
    close_generation(&g);
    return ret;
}

const command command_generate = {
    .name = "generate",
    .help = "generate a text, with its copies shown and checked",
    .usage = "-m MODEL.gguf (-p TEXT | -f FILE) [OPTION]...",
    .about = "Generates one text. The continuation goes to standard output as it is decoded, statistics go to "
             "standard error.",
    OPTIONS(specs),
    .size = sizeof(options),
    .run = run,
};
