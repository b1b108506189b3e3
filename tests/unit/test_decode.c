/* The decode loop under attack: drafts that are right, wrong, random, too long, past a stop token and past the context
 * must all give the output and the logits of plain decoding. The target here is a function from context to logits,
 * exact by construction unless it is told to misround. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fixtures/tiny_store.h"
#include "tests/unit/policy_steps.h"

enum { ALPHABET = 13, EOS = 2, EOT = 10, CONTEXT = 96 };

static const int32_t stop_ids[] = {EOS, EOT};
static const stops   both = {stop_ids, 2};

typedef struct {
    target         base;
    int32_t        seen[CONTEXT + DRAFT_CAP + 1];
    size_t         n, context;
    float          logits[(DRAFT_CAP + 1) * ALPHABET];
    float          misround; /* added to logit 0 in every pass over more than one token */
    const int32_t *forced;
    size_t         n_forced, n_prompt;
    draft          checked; /* in the last pass */
    int32_t        choices[DRAFT_CAP + 1];
} function_target;

static void function_logits(const int32_t *seen, size_t n, float *out) {
    /* The last two tokens and the position decide; tokens repeat enough for drafts to hit. */
    int32_t  key[3] = {n > 1 ? seen[n - 2] : -1, n > 0 ? seen[n - 1] : -1, (int32_t)(n / 16)};
    uint64_t h = digest64(key, sizeof key);
    for (int32_t v = 0; v < ALPHABET; v++) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        out[v] = (float)(h >> 40) / (float)(1 << 22);
    }
    out[EOS] -= 2.5f; /* a stop token comes, but not at once */
    out[EOT] -= 2.5f;
}

static int function_begin(target *t, const int32_t *forced, size_t n_forced, err *e) {
    (void)e;
    function_target *f = (function_target *)t;
    f->n = 0;
    f->forced = forced;
    f->n_forced = n_forced;
    f->n_prompt = SIZE_MAX;
    return 0;
}

/* Writes the tokens above a node and its own behind the context; returns how many tokens there are then. */
static size_t function_path(function_target *f, int32_t node) {
    size_t n = f->n;
    if (node >= 0) {
        n = function_path(f, f->checked.parent[node]);
        f->seen[n++] = f->checked.ids[node];
    }
    return n;
}

static int function_verify(target *t, const int32_t *pending, size_t n_pending, const draft *d, rows *out, err *e) {
    (void)e;
    function_target *f = (function_target *)t;
    cr_assert(n_pending + d->n <= f->context - f->n, "the context overflows");
    if (f->n_prompt == SIZE_MAX) f->n_prompt = n_pending;
    memcpy(f->seen + f->n, pending, n_pending * sizeof *pending);
    f->n += n_pending;
    f->checked = *d;
    for (size_t i = 0; i <= d->n; i++) {
        size_t n = function_path(f, (int32_t)i - 1);
        function_logits(f->seen, n, f->logits + i * ALPHABET);
        if (n_pending + d->n > 1 && n > f->n_prompt) f->logits[i * ALPHABET] += f->misround;
    }
    *out = (rows){.n = d->n + 1, .vocab = ALPHABET, .logits = f->logits};
    if (f->forced != NULL) {
        rows_forced(f->forced, f->n_forced, f->n - f->n_prompt, d, f->choices);
        out->forced = f->choices;
    }
    return 0;
}

static int function_keep(target *t, const int32_t *path, size_t n, err *e) {
    (void)e;
    function_target *f = (function_target *)t;
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(f->checked.parent[path[i]], i > 0 ? path[i - 1] : DRAFT_ROOT, "not a path from the root");
    f->n = function_path(f, n > 0 ? path[n - 1] : DRAFT_ROOT);
    return 0;
}

static size_t function_room(const target *t) {
    const function_target *f = (const function_target *)t;
    return f->context - f->n;
}

static void function_close(target *t) {
    free(t);
}

static const target_ops function_ops = {
    .name = "function",
    .gives = GIVES_CHOICES | GIVES_LOGITS,
    .begin = function_begin,
    .verify = function_verify,
    .keep = function_keep,
    .room = function_room,
    .close = function_close,
};

static target *function_open(size_t context, float misround) {
    function_target *f = calloc(1, sizeof *f);
    f->base.ops = &function_ops;
    f->context = context;
    f->misround = misround;
    return &f->base;
}

static target *replay_open(void) {
    err     e = {0};
    target *t = target_open(registry_find(&target_registry, "replay"), &(target_spec){.vocab = ALPHABET}, &e);
    cr_assert_not_null(t, "%s", e.text);
    return t;
}

/* One trial with everything given by name. Returns decode_run's result. */
typedef struct {
    target        *t;
    const char    *policy, *policy_params, *rule, *rule_params;
    policy_input   in;
    const int32_t *forced;
    size_t         n_forced, max_new;
} trial;

static int run(const trial *x, trial_trace *out, err *e) {
    const policy_ops *po = registry_find(&policy_registry, x->policy);
    const rule_ops   *ro = registry_find(&rule_registry, x->rule);
    policy_spec       spec = {.vocab = ALPHABET};
    param_values      rv;
    cr_assert_not_null(po);
    cr_assert_not_null(ro);
    cr_assert_eq(param_parse_list(po->name, po->params, po->n_params, x->policy_params, &spec.params, e), 0, "%s",
                 e->text);
    cr_assert_eq(param_parse_list(ro->name, ro->params, ro->n_params, x->rule_params, &rv, e), 0, "%s", e->text);
    policy *p = policy_open(po, &spec, e);
    rule   *r = p != NULL ? rule_open(ro, &rv, ALPHABET, e) : NULL;
    int     ret = -1;
    if (r != NULL) {
        decode_setup s = {.target = x->t,
                          .policy = p,
                          .rule = r,
                          .input = x->in,
                          .forced = x->forced,
                          .n_forced = x->n_forced,
                          .stops = both,
                          .max_new_tokens = x->max_new,
                          .noise = {7, 3}};
        s.input.noise = (noise){11, 5};
        ret = decode_run(&s, out, e);
    }
    rule_close(r);
    policy_close(p);
    param_values_free(&spec.params);
    return ret;
}

/* D1, D3 and the sums that the results file promises. */
static void check_trace(const trial_trace *t, size_t max_new) {
    size_t position = 0;
    cr_assert_leq(t->output.n, max_new);
    for (size_t i = 0; i < t->n_steps; i++) {
        const step_trace *s = &t->steps[i];
        cr_assert_eq(s->position, position);
        cr_assert_eq(s->emitted, s->accepted + 1);
        cr_assert_leq(s->accepted, s->drafted);
        cr_assert(s->source >= 0 || s->source == SOURCE_NONE || s->source_position >= 0 || s->source == SOURCE_OTHER);
        position += s->emitted;
    }
    cr_assert_eq(position, t->output.n);
    for (size_t i = 0; i + 1 < t->output.n; i++)
        cr_assert_not(stops_have(both, t->output.ids[i]), "a token follows a stop token");
    if (!t->truncated && t->output.n > 0) cr_assert(stops_have(both, t->output.ids[t->output.n - 1]));
}

static const int32_t prompts[][5] = {{1, 4, 5, 6, 7}, {1}, {3, 3, 3, 3}, {1, 9, 8}, {12, 11, 10, 9, 8}};
static const size_t  prompt_lengths[] = {5, 1, 4, 3, 5};
enum { PROMPTS = 5 };

/* Appends "NAME=VALUE,", brought into the parameter's range, when the policy has it. */
static size_t add_param(char *params, const policy_ops *ops, const char *name, size_t value) {
    int i = param_find(ops->params, ops->n_params, name);
    if (i < 0) return 0;
    return (size_t)sprintf(params, "%s=%.0f,", name, fmax(ops->params[i].min, fmin((double)value, ops->params[i].max)));
}

static void attack(const char *name, const char *rule_params, size_t context, size_t max_new, float misround) {
    trial_trace plain[PROMPTS] = {0}, t = {0};
    reference   refs[PROMPTS];
    err         e = {0};
    target     *f = function_open(context, misround), *second = function_open(context, misround);
    size_t      drafted = 0, accepted = 0;
    for (size_t i = 0; i < PROMPTS; i++) {
        trial x = {f,    "none", "",     name, rule_params, {.prompt = prompts[i], .n_prompt = prompt_lengths[i]},
                   NULL, 0,      max_new};
        cr_assert_eq(run(&x, &plain[i], &e), 0, "%s", e.text);
        check_trace(&plain[i], max_new);
        cr_assert_eq(plain[i].n_steps, plain[i].output.n);
        refs[i] = (reference){plain[i].output.ids, plain[i].output.n};
    }
    for (size_t p = 0; p < policy_registry.n; p++) {
        const policy_ops *ops = policy_registry.at[p];
        const char       *own = steps_params(ops) != NULL ? steps_params(ops) : tiny_store(ops, ALPHABET, NULL);
        if (own == NULL) continue;
        for (size_t n = 1; n <= 4; n++) {
            for (size_t k = 1; k <= 64; k = k * 2 + 1) {
                char   params[128];
                size_t at = (size_t)sprintf(params, "%s", own);
                if (at > 0) params[at++] = ',';
                at += add_param(params + at, ops, "n", n);
                at += add_param(params + at, ops, "k", k);
                size_t width = n < k ? n : k > 1 ? k - 1 : 1;
                at += add_param(params + at, ops, "width", width);
                if (at > 0) params[at - 1] = '\0';
                for (size_t i = 0; i < PROMPTS; i++) {
                    /* References: the outputs of the other prompts, rotated so that none is its own. */
                    reference others[PROMPTS - 1];
                    for (size_t r = 0; r + 1 < PROMPTS; r++) others[r] = refs[(i + 1 + r) % PROMPTS];
                    trial x = {f,
                               ops->name,
                               params,
                               name,
                               rule_params,
                               {.prompt = prompts[i],
                                .n_prompt = prompt_lengths[i],
                                .references = others,
                                .n_references = PROMPTS - 1,
                                .truth = plain[i].output.ids,
                                .n_truth = plain[i].output.n},
                               NULL,
                               0,
                               max_new};
                    cr_assert_eq(run(&x, &t, &e), 0, "%s %s: %s", ops->name, params, e.text);
                    check_trace(&t, max_new);
                    comparison c;
                    compare_traces(&t, plain[i].output.ids, plain[i].output.n, plain[i].logits_hash, &c);
                    cr_assert(c.equal, "%s %s prompt %zu: ids differ at %ld", ops->name, params, i, c.first_divergence);
                    cr_assert_eq(c.logits_equal, LOGITS_EQUAL, "%s %s: logits differ", ops->name, params);
                    cr_assert_eq(c.max_abs_logit_diff, 0);
                    cr_assert_eq(t.truncated, plain[i].truncated);
                    cr_assert_eq(t.min_margin, plain[i].min_margin);
                    cr_assert_eq(t.log_likelihood, plain[i].log_likelihood);
                    cr_assert_lt(t.log_likelihood, 0);
                    for (size_t s = 0; s < t.n_steps; s++) {
                        drafted += t.steps[s].drafted;
                        accepted += t.steps[s].accepted;
                    }
                    if (strcmp(ops->name, "wrong") == 0) cr_assert_eq(t.n_steps, t.output.n, "a wrong draft stood");
                    if (strcmp(ops->name, "oracle") == 0 && context > 4 * (size_t)CONTEXT / 5)
                        cr_assert_eq(t.n_steps, (t.output.n + k - 1) / k, "an oracle's step emitted less than k");
                    if (strcmp(ops->name, "hedge") == 0 && max_new + k <= context) { /* nodes take room */
                        size_t levels = (k - 1) / width + 1;
                        cr_assert_eq(t.n_steps, (t.output.n + levels - 1) / levels,
                                     "a level of a tree was not accepted");
                    }
                }
            }
        }
    }
    cr_assert_gt(drafted, 1000);
    cr_assert_gt(accepted, 500);
    for (size_t i = 0; i < PROMPTS; i++) trial_trace_free(&plain[i]);
    trial_trace_free(&t);
    target_close(f);
    target_close(second);
}

Test(decode, every_policy_leaves_greedy_decoding_as_it_is) {
    attack("greedy", "", CONTEXT, 60, 0);
}

Test(decode, every_policy_leaves_sampling_as_it_is) {
    attack("coupled", "temperature=0.7", CONTEXT, 60, 0);
    attack("coupled", "temperature=1", CONTEXT, 60, 0);
    attack("coupled", "temperature=5", CONTEXT, 60, 0);
    attack("coupled", "temperature=2,top_k=40,top_p=0.9,min_p=0.02", CONTEXT, 60, 0);
}

Test(decode, ends_at_max_new_tokens) {
    for (size_t max_new = 1; max_new <= 5; max_new++) attack("coupled", "temperature=100", CONTEXT, max_new + 20, 0);
}

Test(decode, ends_where_the_context_does) {
    /* With prompts of up to 5 tokens, from almost no room to room for most outputs. */
    for (size_t context = 40; context <= 48; context++) attack("coupled", "temperature=100", context, 60, 0);
}

Test(decode, takes_memory_for_the_context_and_not_for_what_was_asked) {
    target     *t = function_open(CONTEXT, 0);
    trial_trace out = {0};
    err         e = {0};
    trial       x = {t, "none", "", "greedy", "", {.prompt = prompts[0], .n_prompt = 5}, NULL, 0, SIZE_MAX / 2};
    cr_assert_eq(run(&x, &out, &e), 0, "%s", e.text);
    cr_assert_leq(out.output.cap, CONTEXT);
    trial_trace_free(&out);
    target_close(t);
}

Test(decode, a_prompt_longer_than_the_context_emits_nothing) {
    target     *t = function_open(4, 0);
    trial_trace out = {0};
    err         e = {0};
    trial       x = {t, "none", "", "greedy", "", {.prompt = prompts[0], .n_prompt = 5}, NULL, 0, 60};
    cr_assert_eq(run(&x, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.n_steps, 0);
    cr_assert_eq(out.output.n, 0);
    cr_assert(out.truncated);
    trial_trace_free(&out);
    target_close(t);
}

/* A policy that drafts a fixed list, regardless of the limit. */
static int32_t script[DRAFT_CAP];
static size_t  script_n;

static int scripted_propose(policy *p, size_t limit, draft *d, err *e) {
    (void)p;
    (void)limit;
    (void)e;
    draft_extend(d, script, script_n);
    d->match_length = 1;
    return 0;
}

static size_t scripted_longest(const param_values *v) {
    (void)v;
    return DRAFT_CAP;
}

static const policy_ops scripted = {.name = "scripted", .propose = scripted_propose, .longest = scripted_longest};

static int run_scripted(target *t, const int32_t *prompt, size_t n_prompt, const int32_t *forced, size_t n_forced,
                        size_t max_new, trial_trace *out, err *e) {
    param_values v = {0};
    policy      *p = policy_open(&scripted, &(policy_spec){.vocab = ALPHABET}, e);
    rule        *r = rule_open(registry_find(&rule_registry, "greedy"), &v, ALPHABET, e);
    decode_setup s = {.target = t,
                      .policy = p,
                      .rule = r,
                      .forced = forced,
                      .n_forced = n_forced,
                      .stops = both,
                      .max_new_tokens = max_new,
                      .input = {.prompt = prompt, .n_prompt = n_prompt}};
    int          ret = decode_run(&s, out, e);
    policy_close(p);
    rule_close(r);
    return ret;
}

Test(decode, a_stop_token_inside_a_draft_ends_the_output_and_the_rest_counts_as_drafted) {
    const int32_t prompt[] = {1};
    target       *t = replay_open();
    trial_trace   out = {0};
    for (size_t i = 0; i < both.n; i++) {
        const int32_t recorded[] = {5, 6, both.ids[i]};
        err           e = {0};
        memcpy(script, (int32_t[]){5, 6, both.ids[i], 7, 7}, 5 * sizeof *script);
        script_n = 5;
        cr_assert_eq(run_scripted(t, prompt, 1, recorded, 3, 60, &out, &e), 0, "%s", e.text);
        cr_assert_eq(out.n_steps, 1);
        cr_assert_eq(out.output.n, 3);
        cr_assert_eq(out.steps[0].drafted, 5);
        cr_assert_eq(out.steps[0].testable, 2, "neither the stop token nor what comes after it is right or wrong");
        cr_assert_eq(out.steps[0].accepted, 2, "the stop token is the target's own word");
        cr_assert_eq(out.steps[0].emitted, 3);
        cr_assert_not(out.truncated);
    }
    trial_trace_free(&out);
    target_close(t);
}

Test(decode, nodes_of_a_tree_past_the_end_are_not_testable) {
    const int32_t recorded[] = {5, 6, EOS}, prompt[] = {1, 3};
    target       *t = replay_open();
    trial_trace   out = {0};
    err           e = {0};
    trial         x = {t,        "hedge", "k=20,width=4",
                       "greedy", "",      {.prompt = prompt, .n_prompt = 2, .truth = recorded, .n_truth = 3},
                       recorded, 3,       60};
    cr_assert_eq(run(&x, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.n_steps, 1);
    cr_assert_eq(out.steps[0].drafted, 12);
    cr_assert_eq(out.steps[0].depth, 2);
    cr_assert_eq(out.steps[0].accepted, 2, "a stop token is the target's own word");
    cr_assert_eq(out.steps[0].testable, 8, "two levels of four");
    x.policy_params = "k=6,width=2";
    x.max_new = 2;
    cr_assert_eq(run(&x, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.steps[0].drafted, 4);
    cr_assert_eq(out.steps[0].testable, 2);
    trial_trace_free(&out);
    target_close(t);
}

/* A recording is followed to the first stop token; those who make one see to it that this is its end. */
Test(decode, a_recording_ends_at_its_first_stop_token) {
    const int32_t recorded[] = {5, EOT, 6, EOS}, prompt[] = {1};
    target       *t = replay_open();
    trial_trace   out = {0};
    err           e = {0};
    script_n = 0;
    cr_assert_eq(run_scripted(t, prompt, 1, recorded, 4, 60, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.output.n, 2);
    cr_assert_eq(out.output.ids[1], EOT);
    cr_assert_not(out.truncated);
    trial_trace_free(&out);
    target_close(t);
}

Test(decode, a_draft_that_begins_with_eos_never_stands_unless_said) {
    const int32_t recorded[] = {5, EOS}, prompt[] = {1};
    target       *t = replay_open();
    trial_trace   out = {0};
    err           e = {0};
    memcpy(script, (int32_t[]){EOS, 5}, 2 * sizeof *script);
    script_n = 2;
    cr_assert_eq(run_scripted(t, prompt, 1, recorded, 2, 60, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.n_steps, 2);
    cr_assert_eq(out.steps[0].accepted, 0);
    cr_assert_eq(out.steps[0].testable, 1, "a wrong EOS was tested");
    cr_assert_eq(out.steps[1].testable, 0);
    cr_assert_eq(out.steps[1].accepted, 0, "EOS is the target's own word");
    cr_assert_eq(out.output.ids[1], EOS);
    trial_trace_free(&out);
    target_close(t);
}

Test(decode, a_recording_without_eos_ends_where_it_ends) {
    const int32_t recorded[] = {5, 6, 7}, prompt[] = {1};
    target       *t = replay_open();
    trial_trace   out = {0};
    err           e = {0};
    memcpy(script, (int32_t[]){5, 6, 7, 8}, 4 * sizeof *script);
    script_n = 4;
    cr_assert_eq(run_scripted(t, prompt, 1, recorded, 3, 60, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.output.n, 3);
    cr_assert_not(out.truncated);
    cr_assert_eq(out.steps[0].testable, 2);
    cr_assert_eq(run_scripted(t, prompt, 1, recorded, 3, 2, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.output.n, 2);
    cr_assert_eq(out.steps[0].drafted, 4);
    cr_assert_eq(out.steps[0].testable, 1, "max_new_tokens cuts the rest");
    cr_assert_eq(out.steps[0].accepted, 1);
    cr_assert(out.truncated);
    cr_assert_eq(run_scripted(t, prompt, 1, recorded, 0, 2, &out, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(run_scripted(t, prompt, 1, NULL, 0, 2, &out, &e), -1, "replay has nothing to follow");
    cr_assert_eq(run_scripted(t, prompt, 1, recorded, 3, 0, &out, &e), -1, "no token may be emitted");
    trial_trace_free(&out);
    target_close(t);
}

Test(decode, replay_follows_an_empty_prompt) {
    const int32_t recorded[] = {5, 6, EOS};
    target       *t = replay_open();
    trial_trace   out = {0};
    err           e = {0};
    script_n = 1;
    script[0] = 5;
    cr_assert_eq(run_scripted(t, NULL, 0, recorded, 3, 60, &out, &e), 0, "%s", e.text);
    cr_assert_eq(out.output.n, 3);
    cr_assert_eq(out.steps[0].accepted, 1);
    trial_trace_free(&out);
    target_close(t);
}

/* Forced decoding takes the same steps on real logits and on replay, and real logits do not decide. */
Test(decode, forced_steps_do_not_depend_on_the_target) {
    const int32_t recorded[] = {4, 5, 6, 7, 4, 5, 6, 8, 9, 4, 5, 6, 7, EOS}, prompt[] = {1, 3};
    const int32_t doc[] = {4, 5, 6, 7, 4, 5};
    reference     ref = {doc, 6};
    size_t        n = sizeof recorded / sizeof *recorded;
    target       *real = function_open(CONTEXT, 0), *replay = replay_open();
    trial_trace   a = {0}, b = {0};
    err           e = {0};
    for (size_t p = 0; p < policy_registry.n; p++) {
        const policy_ops *ops = policy_registry.at[p];
        const char       *own = steps_params(ops) != NULL ? steps_params(ops) : tiny_store(ops, ALPHABET, NULL);
        if (own == NULL || (ops->needs & READS_LOGITS) != 0) continue;
        trial x = {
            real,
            ops->name,
            own,
            "greedy",
            "",
            {.prompt = prompt, .n_prompt = 2, .references = &ref, .n_references = 1, .truth = recorded, .n_truth = n},
            recorded,
            n,
            60};
        cr_assert_eq(run(&x, &a, &e), 0, "%s", e.text);
        x.t = replay;
        cr_assert_eq(run(&x, &b, &e), 0, "%s", e.text);
        cr_assert_eq(a.output.n, n);
        cr_assert(tokens_equal(&a.output, &b.output));
        cr_assert_eq(a.n_steps, b.n_steps);
        for (size_t i = 0; i < a.n_steps; i++) {
            cr_assert_eq(a.steps[i].drafted, b.steps[i].drafted);
            cr_assert_eq(a.steps[i].accepted, b.steps[i].accepted);
        }
        cr_assert_null(b.logits_hash);
        cr_assert(isnan(b.min_margin) && isnan(b.log_likelihood));
    }
    trial_trace_free(&a);
    trial_trace_free(&b);
    target_close(real);
    target_close(replay);
}

Test(decode, a_policy_that_breaks_its_limits_is_an_error) {
    target     *t = function_open(CONTEXT, 0);
    trial_trace out = {0};
    err         e = {0};
    script_n = CONTEXT;
    for (size_t i = 0; i < script_n; i++) script[i] = 5;
    cr_assert_eq(run_scripted(t, prompts[0], 5, NULL, 0, 60, &out, &e), -1, "more than fits");
    cr_assert_eq(e.kind, ERR_RUN);
    script_n = 1;
    script[0] = ALPHABET;
    cr_assert_eq(run_scripted(t, prompts[0], 5, NULL, 0, 60, &out, &e), -1, "an id out of the vocabulary");
    script[0] = -1;
    cr_assert_eq(run_scripted(t, prompts[0], 5, NULL, 0, 60, &out, &e), -1, "a negative id");
    trial_trace_free(&out);
    target_close(t);
}

Test(compare, finds_and_measures_rounding_that_depends_on_the_batch) {
    const float misround = 0.0009765625f;
    target     *plain = function_open(CONTEXT, misround), *again = function_open(CONTEXT, misround);
    trial_trace base = {0}, out = {0};
    err         e = {0};
    comparison  c;
    script_n = 3;
    script[0] = script[1] = script[2] = 5;
    trial x = {plain, "none", "", "greedy", "", {.prompt = prompts[1], .n_prompt = 1}, NULL, 0, 60};
    cr_assert_eq(run(&x, &base, &e), 0, "%s", e.text);

    param_values v = {0};
    policy      *p = policy_open(&scripted, &(policy_spec){.vocab = ALPHABET}, &e);
    rule        *r = rule_open(registry_find(&rule_registry, "greedy"), &v, ALPHABET, &e);
    decode_setup s = {.target = plain,
                      .policy = p,
                      .rule = r,
                      .stops = both,
                      .max_new_tokens = 40,
                      .input = {.prompt = prompts[1], .n_prompt = 1}};
    cr_assert_eq(decode_run(&s, &out, &e), 0, "%s", e.text);
    compare_traces(&out, base.output.ids, base.output.n, base.logits_hash, &c);
    cr_assert_eq(c.logits_equal, LOGITS_DIFFER);
    cr_assert_geq(c.first_logits_divergence, 0);
    cr_assert(isnan(c.max_abs_logit_diff));
    cr_assert_eq(compare_recompute(&s, again, &c, &e), 0, "%s", e.text);
    cr_assert_float_eq(c.max_abs_logit_diff, misround, 1e-6, "%g", c.max_abs_logit_diff);
    policy_close(p);
    rule_close(r);
    trial_trace_free(&base);
    trial_trace_free(&out);
    target_close(plain);
    target_close(again);
}

Test(compare, outputs_that_differ_or_end_early) {
    int32_t     ids[] = {4, 5, 6};
    uint64_t    hash[] = {1, 2, 3}, other[] = {1, 9, 3};
    trial_trace t = {.output = {ids, 3, 3}, .logits_hash = hash};
    comparison  c;
    compare_traces(&t, ids, 3, hash, &c);
    cr_assert(c.equal && c.logits_equal == LOGITS_EQUAL && c.first_divergence == -1 && c.max_abs_logit_diff == 0);
    compare_traces(&t, ids, 3, other, &c);
    cr_assert(c.equal && c.logits_equal == LOGITS_DIFFER && c.first_logits_divergence == 1);
    compare_traces(&t, ids, 2, hash, &c);
    cr_assert(!c.equal && c.logits_equal == LOGITS_DIFFER && c.first_divergence == 2);
    compare_traces(&t, (int32_t[]){4, 7, 6}, 3, hash, &c);
    cr_assert(!c.equal && c.first_divergence == 1 && c.first_logits_divergence == -1 && c.max_abs_logit_diff == 0);
    compare_traces(&t, ids, 3, NULL, &c);
    cr_assert(c.equal && c.logits_equal == LOGITS_NONE && isnan(c.max_abs_logit_diff));
}

Test(compare, steps) {
    int32_t     ids[] = {4, 5, 6, 7};
    uint64_t    hash[] = {1, 2, 3, 4}, other[] = {1, 9, 3, 4};
    step_trace  steps[] = {{.position = 0, .emitted = 1}, {.position = 1, .emitted = 2}, {.position = 3, .emitted = 1}};
    trial_trace t = {.output = {ids, 4, 4}, .logits_hash = hash, .steps = steps, .n_steps = 3};
    step_comparison at[3];
    comparison      c;
    const struct {
        const int32_t  *baseline;
        size_t          n;
        const uint64_t *hash;
        step_comparison want[3];
    } cases[] = {
        {ids, 4, hash, {{true, LOGITS_EQUAL}, {true, LOGITS_EQUAL}, {true, LOGITS_EQUAL}}},
        {ids, 4, other, {{true, LOGITS_EQUAL}, {true, LOGITS_DIFFER}, {true, LOGITS_EQUAL}}},
        {ids, 4, NULL, {{true, LOGITS_NONE}, {true, LOGITS_NONE}, {true, LOGITS_NONE}}},
        /* the baseline ends inside a step, and before one */
        {ids, 2, hash, {{true, LOGITS_EQUAL}, {false, LOGITS_EQUAL}, {false, LOGITS_NONE}}},
        {ids, 1, other, {{true, LOGITS_EQUAL}, {false, LOGITS_NONE}, {false, LOGITS_NONE}}},
        /* the baseline goes on */
        {(int32_t[]){4, 5, 6, 7, 8},
         5,
         (uint64_t[]){1, 2, 3, 4, 5},
         {{true, LOGITS_EQUAL}, {true, LOGITS_EQUAL}, {true, LOGITS_EQUAL}}},
        /* ids differ at 1: the logits that decided them can be compared, those after cannot */
        {(int32_t[]){4, 0, 6, 7}, 4, hash, {{true, LOGITS_EQUAL}, {false, LOGITS_EQUAL}, {false, LOGITS_NONE}}},
        {(int32_t[]){4, 0, 6, 7}, 4, other, {{true, LOGITS_EQUAL}, {false, LOGITS_DIFFER}, {false, LOGITS_NONE}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        compare_traces(&t, cases[i].baseline, cases[i].n, cases[i].hash, &c);
        for (size_t j = 0; j < 3; j++) {
            at[j] = compare_step(&t, j, cases[i].hash, &c);
            cr_assert_eq(at[j].equal, cases[i].want[j].equal, "case %zu, step %zu", i, j);
            cr_assert_eq(at[j].logits_equal, cases[i].want[j].logits_equal, "case %zu, step %zu", i, j);
        }
    }
}

Test(decode, survives_every_failed_allocation) {
    const int32_t doc[] = {4, 5, 6, 7, 4, 5};
    reference     ref = {doc, 6};
    target       *t = function_open(CONTEXT, 0);
    for (size_t k = 1;; k++) {
        trial_trace out = {0};
        err         e = {0};
        trial       x = {t,         "llma", "",
                         "coupled", "",     {.prompt = prompts[0], .n_prompt = 5, .references = &ref, .n_references = 1},
                         NULL,      0,      20};
        mem_fail_at(k);
        int ret = run(&x, &out, &e);
        mem_fail_at(0);
        trial_trace_free(&out);
        if (ret == 0) {
            cr_assert_gt(k, 3);
            break;
        }
        cr_assert_eq(e.kind, ERR_RUN);
    }
    target_close(t);
}
