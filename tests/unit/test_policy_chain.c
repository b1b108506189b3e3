/* Policies in turn: the text that lists them, and drafts that are those of the stages, asked by hand. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/policies/stages.h"
#include "tests/fixtures/scratch.h"
#include "tests/unit/policy_steps.h"

TestSuite(policy_chain, .init = scratch_enter, .fini = scratch_leave);

enum { HISTORY_CAP = 160 };

static const param_spec stages_spec = PARAM_TEXT("stages", &stages_reader, "stages");

/* ---- the text ----------------------------------------------------------------------------------------- */

static param_value parsed(const char *text) {
    param_value v = {0};
    err         e = {0};
    cr_assert_eq(param_parse(&stages_spec, text, &v, &e), 0, "%s", e.text);
    return v;
}

/* Also into buffers that are too small, as snprintf. */
static void check_text(const param_value *v, const char *want) {
    char   buf[400];
    size_t n = strlen(want);
    cr_assert_eq(param_format(&stages_spec, v, NULL, 0), (int)n);
    for (size_t size = 1; size < n; size++) {
        cr_assert_eq(param_format(&stages_spec, v, buf, size), (int)n);
        cr_assert(strncmp(buf, want, size - 1) == 0 && buf[size - 1] == '\0', "%zu", size);
    }
    param_format(&stages_spec, v, buf, sizeof buf);
    cr_assert_str_eq(buf, want);
}

Test(policy_chain, a_text_is_printed_in_full) {
    static const char *const texts[][2] = {
        {"pld", "pld n=3 k=10 miss=-1 at_least=1"},
        {" \tpld  k=4  at_least=2 \t>none", "pld n=3 k=4 miss=-1 at_least=2 > none at_least=1"},
        {"none>hf k=2>none", "none at_least=1 > hf n=2 k=2 at_least=1 > none at_least=1"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        param_value v = parsed(texts[i][0]), again = parsed(texts[i][1]);
        check_text(&v, texts[i][1]);
        cr_assert(param_equal(&v, &again));
        check_text(&again, texts[i][1]);
        param_value_free(&v);
        param_value_free(&again);
    }
}

/* What is at its preset is left out, and what is left is read as the same. */
Test(policy_chain, a_brief_text_means_the_same) {
    static const char *const texts[][2] = {
        {"pld n=3 k=10 > hf at_least=1", "pld > hf"},
        {" pld  k=4  at_least=2 >none", "pld k=4 at_least=2 > none"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char        buf[100];
        param_value v = parsed(texts[i][0]);
        cr_assert_eq(param_brief(&stages_spec, &v, buf, sizeof buf), (int)strlen(texts[i][1]));
        cr_assert_str_eq(buf, texts[i][1]);
        param_value again = parsed(buf);
        cr_assert(param_equal(&v, &again));
        param_value_free(&v);
        param_value_free(&again);
    }
}

Test(policy_chain, texts_that_mean_something_else_are_not_equal) {
    static const char *const texts[] = {"pld", "pld > none", "none > pld", "hf", "pld k=9", "pld at_least=2"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    for (size_t i = 0; i < TEXTS; i++)
        for (size_t k = 0; k < TEXTS; k++) {
            param_value a = parsed(texts[i]), b = parsed(texts[k]);
            cr_assert_eq(param_equal(&a, &b), i == k, "%s and %s", texts[i], texts[k]);
            param_value_free(&a);
            param_value_free(&b);
        }
}

Test(policy_chain, what_is_wrong_is_said_of_the_stage) {
    static const char *const wrong[][2] = {
        {"", "stages: stage 1 is empty (POLICY NAME=VALUE NAME=VALUE ... > ...)"},
        {"pld >", "stages: stage 2 is empty"},
        {"pld > > pld", "stages: stage 2 is empty"},
        {"pld > lmla", "stages: stage 2: unknown policy \"lmla\"; did you mean \"llma\"?"},
        {"pld nn=3", "stages: stage 1, pld: unknown parameter \"nn\""},
        {"none > pld n=3 k", "stages: stage 2, pld: \"k\" is not a parameter (NAME=VALUE)"},
        {"pld n=3 n=4", "stages: stage 1, pld: parameter \"n\" is given twice"},
        {"pld n=0", "stages: stage 1, pld: n = \"0\" is not allowed (an integer from 1 to 64)"},
        {"pld at_least=0", "stages: stage 1, pld: at_least = \"0\" is not allowed (an integer from 1 to 1024)"},
        {"pld n=3,k=4", "stages: the comma at character 8 is not allowed (stages are separated by >, and"},
        {"pld > rest store=\"a b", "stages: pld > rest store=\"a b: the quote at character 18 has no end"},
        {"rest store='a'b", "stages: rest store='a'b: the quote at character 14 does not end the value"},
        {"chain stages=pld", "stages: stage 1: chain is not allowed (a stage is a policy without stages)"},
        {"none>none>none>none>none>none>none>none>none", "stages: more than 8 stages are not allowed"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        param_value v;
        err         e = {0};
        cr_assert_eq(param_parse(&stages_spec, wrong[i][0], &v, &e), -1, "taken: %s", wrong[i][0]);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, wrong[i][1], strlen(wrong[i][1])), 0, "%s", e.text);
    }
}

Test(policy_chain, must_be_given_stages) {
    const policy_ops *ops = registry_find(&policy_registry, "chain");
    param_values      v;
    policy_spec       spec = {.vocab = VOCAB};
    err               e = {0};
    cr_assert_eq(param_parse_list("chain", ops->params, ops->n_params, "", &v, &e), -1);
    cr_assert_eq(strncmp(e.text, "chain needs stages = TEXT (", 27), 0, "%s", e.text);
    param_presets(ops->params, ops->n_params, &spec.params);
    cr_assert_null(policy_open(ops, &spec, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
}

Test(policy_chain, a_stage_that_cannot_open_is_named) {
    err e = {0};
    cr_assert_null(steps_try_open("chain", "stages=pld > vllm_ngram n=3 n_min=4", VOCAB, NULL, &e));
    cr_assert_str_eq(e.text, "policy chain: stage 2: policy vllm_ngram: n_min = 4 is more than n = 3");
}

Test(policy_chain, a_stage_that_could_never_draft_is_refused) {
    err e = {0};
    cr_assert_null(steps_try_open("chain", "stages=hf > pld k=3 at_least=4", VOCAB, NULL, &e));
    cr_assert_str_eq(e.text, "policy chain: stage 2, pld: at_least = 4 is more than it ever drafts, 3");
    policy_close(steps_open("chain", "stages=pld k=3 at_least=3"));
}

Test(policy_chain, no_policy_has_a_parameter_of_every_stage) {
    for (size_t i = 0; i < policy_registry.n; i++) {
        const policy_ops *ops = policy_registry.at[i];
        cr_assert_eq(param_find(ops->params, ops->n_params, stages_at_least), -1, "%s", ops->name);
    }
}

static void check_identity(const param_value *v, const char *want) {
    char buf[400];
    v->meaning->by->format(v->meaning, true, buf, sizeof buf);
    cr_assert_str_eq(buf, want);
}

/* Paths start at the folder of the file that names them, and content is what counts. */
Test(policy_chain, files_of_stages_are_known_by_their_content) {
    param_value  a, b;
    param_values copy, all;
    err          e = {0};
    scratch_write("in/a.gguf", "abc");
    scratch_write("b.gguf", "abc");
    cr_assert_eq(
        param_parse_from(&stages_spec, &(param_origin){.folder = "in/"}, "draft_model k=2 model=a.gguf", &a, &e), 0,
        "%s", e.text);
    cr_assert_eq(param_parse_from(&stages_spec, &(param_origin){.folder = ""}, "draft_model model=b.gguf k=2", &b, &e),
                 0, "%s", e.text);
    check_text(&a, "draft_model model=in/a.gguf k=2 n_min=0 p_min=0 temperature=0 at_least=1");
    check_identity(&b, "draft_model model=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad k=2 "
                       "n_min=0 p_min=0 temperature=0 at_least=1");
    cr_assert(param_equal(&a, &b));
    all = (param_values){.at = {a}};
    cr_assert_eq(param_values_copy(&all, &copy, &e), 0);
    cr_assert_eq(param_check_unchanged(&copy, &e), 0, "%s", e.text);
    scratch_write("in/a.gguf", "changed");
    cr_assert_eq(param_check_unchanged(&copy, &e), -1);
    cr_assert_eq(strncmp(e.text, "in/a.gguf: has changed", 22), 0, "%s", e.text);
    param_values_free(&copy);
    for (size_t k = 1;; k++) {
        mem_fail_at(k);
        int ret = param_values_copy(&all, &copy, &e);
        mem_fail_at(0);
        if (ret == 0) break;
        cr_assert_null(copy.at[0].meaning);
    }
    param_values_free(&copy);
    param_value_free(&a);
    param_value_free(&b);
    cr_assert_eq(
        param_parse_from(&stages_spec, &(param_origin){.folder = "in/"}, "pld > draft_model model=c.gguf", &a, &e), -1);
    cr_assert_eq(strncmp(e.text, "stages: stage 2, draft_model: model: in/c.gguf: cannot open", 59), 0, "%s", e.text);
}

/* ---- what follows from the stages --------------------------------------------------------------------- */

Test(policy_chain, needs_and_lengths_follow_from_the_stages) {
    static const struct {
        const char *text;
        size_t      longest;
        unsigned    needs;
    } cases[] = {
        {"pld k=10 > llma k=20", 19, 0},
        {"pld k=30 > llma k=20", 30, 0},
        {"none", 0, 0},
        {"pld k=1 > oracle k=4", 3, NEEDS_TRUTH},
    };
    const policy_ops *ops = registry_find(&policy_registry, "chain");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        param_values v = {.at = {parsed(cases[i].text)}};
        cr_assert_eq(policy_longest(ops, &v), cases[i].longest);
        cr_assert_eq(policy_needs(ops, &v), cases[i].needs);
        cr_assert_not(policy_remembers(ops, &v));
        param_values_free(&v);
    }
    policy *p = steps_open("chain", "stages=pld > oracle");
    err     e = {0};
    cr_assert_eq(steps_try_begin(p, &(policy_input){.prompt = H1, .n_prompt = 2}, &e), -1, "without the truth");
    policy_close(p);
}

Test(policy_chain, takes_the_first_draft_that_is_long_enough) {
    const struct {
        const char    *stages;
        size_t         limit;
        const int32_t *ids;
        size_t         n;
        int32_t        source;
        uint16_t       stage;
    } cases[] = {
        {"stages=pld k=4 > hf k=2", 9, IDS(4, 5, 6, 7), SOURCE_PROMPT, 1},
        {"stages=hf k=2 > pld k=4", 9, IDS(4, 5), SOURCE_PROMPT, 1},
        {"stages=hf k=20 at_least=9 > pld k=4", 20, IDS(4, 5, 6, 7), SOURCE_PROMPT, 2}, /* hf has eight */
        {"stages=hf k=2 at_least=2 > pld k=4", 9, IDS(4, 5), SOURCE_PROMPT, 1},
        {"stages=pld k=10 > hf k=2", 9, IDS(4, 5), SOURCE_PROMPT, 2}, /* pld has no ten */
        {"stages=llma > hf k=20 at_least=9", 20, NULL, 0, SOURCE_NONE, 0},
        {"stages=hf k=4 at_least=3", 2, NULL, 0, SOURCE_NONE, 0}, /* the limit is for all */
        {"stages=none > hf k=4", 2, IDS(4, 5), SOURCE_PROMPT, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("chain", cases[i].stages);
        draft   d;
        steps_begin(p, &(policy_input){.prompt = H1, .n_prompt = 11});
        steps_propose(p, cases[i].limit, &d);
        steps_check(&d, cases[i].ids, cases[i].n, cases[i].stages);
        cr_assert_eq(d.source, cases[i].source, "%s", cases[i].stages);
        cr_assert_eq(d.stage, cases[i].stage, "%s", cases[i].stages);
        cr_assert_eq(d.match_length > 0, cases[i].n > 0);
        policy_close(p);
    }
}

/* ---- against stages that are asked by hand ------------------------------------------------------------ */

enum { STAGES = 4 };

static const char *const alone[STAGES][2] = {{"llma", "n=1,k=5"},
                                             {"ngram_simple", "n=2,k=3"},
                                             {"hf", "n=2,k=6"},
                                             {"random", "k=5"}}; /* each drafts up to three tokens or more */

typedef struct {
    size_t  n, kind[STAGES], least[STAGES];
    policy *at[STAGES], *chain;
} compared;

static void open_compared(gsl_rng *r, compared *c, size_t alphabet) {
    char   text[300] = "stages=";
    size_t at = strlen(text);
    c->n = 1 + steps_pick(r, STAGES);
    for (size_t i = 0; i < c->n; i++) {
        size_t kind = c->kind[i] = steps_pick(r, STAGES);
        c->least[i] = 1 + steps_pick(r, 3);
        c->at[i] = steps_open_over(alone[kind][0], alone[kind][1], alphabet, NULL);
        size_t from = at;
        at += (size_t)sprintf(text + at, "%s%s %s at_least=%zu", i > 0 ? ">" : "", alone[kind][0], alone[kind][1],
                              c->least[i]);
        for (; from < at; from++)
            if (text[from] == ',') text[from] = ' ';
    }
    c->chain = steps_open_over("chain", text, alphabet, NULL);
}

static void by_hand(const compared *c, size_t limit, draft *d) {
    for (size_t i = 0; i < c->n; i++) {
        steps_propose(c->at[i], limit, d);
        if (d->n >= c->least[i]) return;
    }
    draft_clear(d);
}

/* Returns the drafts that were compared. */
static size_t run_trial(gsl_rng *r, const compared *c, size_t alphabet, size_t *drafted) {
    int32_t      h[HISTORY_CAP], text[30];
    size_t       n_prompt = steps_pick(r, 60), n = n_prompt + steps_pick(r, 60);
    reference    ref = {text, 30};
    policy_input in = {.prompt = h, .n_prompt = n_prompt, .references = &ref, .n_references = 1, .noise = {3, 4}};
    steps_fill(r, h, n, alphabet);
    steps_fill(r, text, 30, alphabet);
    for (size_t i = 0; i < c->n; i++) steps_begin(c->at[i], &in);
    steps_begin(c->chain, &in);
    for (size_t at = n_prompt, drafts = 1;; drafts++) {
        draft  got, want;
        size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP;
        by_hand(c, limit, &want);
        steps_propose(c->chain, limit, &got);
        cr_assert(steps_same(&got, &want), "%zu drafted, not %zu", got.n, want.n);
        *drafted += got.n > 0;
        if (at == n) return drafts;
        size_t    chunk = 1 + steps_pick(r, n - at < 5 ? n - at : 5);
        step_view step = {.emitted = h + at, .n = chunk, .position = at - n_prompt};
        err       e = {0};
        for (size_t i = 0; i < c->n; i++) cr_assert_eq(policy_observe(c->at[i], &step, &e), 0, "%s", e.text);
        cr_assert_eq(policy_observe(c->chain, &step, &e), 0, "%s", e.text);
        at += chunk;
    }
}

Test(policy_chain, is_its_stages_asked_by_hand) {
    gsl_rng *r = rng_new(1, 31);
    size_t   drafted = 0;
    for (size_t drafts = 0; drafts < FUZZ_HISTORIES;) {
        size_t   alphabet = 2 + steps_pick(r, 6);
        compared c;
        open_compared(r, &c, alphabet);
        for (int again = 0; again < 10; again++) drafts += run_trial(r, &c, alphabet, &drafted);
        policy_close(c.chain);
        for (size_t k = 0; k < c.n; k++) policy_close(c.at[k]);
    }
    cr_assert_gt(drafted, FUZZ_HISTORIES / 3);
    gsl_rng_free(r);
}
