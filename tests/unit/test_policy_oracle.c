/* The control that drafts the longest true run, and that no policy that copies one run a step takes fewer steps. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

enum { TEXT_CAP = 64, REFERENCES = 3 };

/* One sample. */
typedef struct {
    int32_t   text[TEXT_CAP], ids[REFERENCES][TEXT_CAP]; /* text: the prompt, then the truth */
    reference references[REFERENCES];
    size_t    n_prompt, n_truth;
} sample;

static policy_input input_of(const sample *s) {
    return (policy_input){.prompt = s->text,
                          .n_prompt = s->n_prompt,
                          .references = s->references,
                          .n_references = REFERENCES,
                          .truth = s->text + s->n_prompt,
                          .n_truth = s->n_truth};
}

static void sample_fill(gsl_rng *r, sample *s, size_t alphabet) {
    s->n_prompt = steps_pick(r, 20);
    s->n_truth = 1 + steps_pick(r, 30);
    steps_fill(r, s->text, s->n_prompt + s->n_truth, alphabet);
    for (size_t i = 0; i < REFERENCES; i++) {
        s->references[i] = (reference){s->ids[i], steps_pick(r, 20)};
        steps_fill(r, s->ids[i], s->references[i].n, alphabet);
    }
}

Test(policy_oracle, copies_the_longest_run_there_is) {
    policy *p = steps_open("oracle", "k=6,from=copies");
    draft   d;
    steps_begin(p, &(policy_input){.prompt = IDS(7, 12),
                                   .references = EXAMPLES,
                                   .n_references = 3,
                                   .truth = (int32_t[]){12, 13, 14, 14, 14, 14, 14, 14, 21, 5, 99, 1, 7, 12},
                                   .n_truth = 14});
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(12, 13, 14), "from a reference, at the first step");
    cr_assert(d.source == 0 && d.source_position == 2 && d.match_length == 0);
    steps_propose(p, 2, &d);
    steps_check(&d, IDS(12, 13), "no more than the limit");
    steps_observe(p, IDS(12, 13, 14, 14));
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(14, 14, 14, 14), "a run that goes on into what is drafted");
    cr_assert(d.source == SOURCE_OUTPUT && d.source_position == 2);
    steps_observe(p, IDS(14, 14, 14, 14, 21));
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(5), "no run crosses references, and a later one is not needed");
    cr_assert(d.source == 2 && d.source_position == 0);
    steps_observe(p, IDS(5, 99));
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert(d.n == 0 && d.source == SOURCE_NONE && d.source_position == -1);
    steps_observe(p, IDS(1));
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(7, 12), "the prompt");
    cr_assert(d.source == SOURCE_PROMPT && d.source_position == 0);
    policy_close(p);
}

/* ---- the bound --------------------------------------------------------------------------------------- */

static size_t common(const int32_t *a, const int32_t *b, size_t most) {
    size_t n = 0;
    while (n < most && a[n] == b[n]) n++;
    return n;
}

/* The longest run at an output position, of at most `most` tokens, and its first place. */
static size_t longest_run(const sample *s, size_t at, size_t most, int32_t *source, int32_t *position) {
    const int32_t *next = s->text + s->n_prompt + at;
    size_t         best = 0, left = s->n_truth - at;
    if (most > left) most = left;
    for (size_t i = 0; i < REFERENCES; i++)
        for (size_t from = 0; from < s->references[i].n; from++) {
            size_t room = s->references[i].n - from, n = common(s->ids[i] + from, next, room < most ? room : most);
            if (n <= best) continue;
            best = n;
            *source = (int32_t)i;
            *position = (int32_t)from;
        }
    for (size_t from = 0; from < s->n_prompt + at; from++) {
        size_t n = common(s->text + from, next, most);
        if (n <= best) continue;
        best = n;
        *source = from < s->n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
        *position = (int32_t)(from < s->n_prompt ? from : from - s->n_prompt);
    }
    return best;
}

/* The fewest steps from each position on, whatever prefix of whatever run is copied in each. */
static size_t fewest_steps(const sample *s, size_t k) {
    size_t  steps[TEXT_CAP + 1] = {0};
    int32_t source, position;
    for (size_t at = s->n_truth; at-- > 0;) {
        size_t most = longest_run(s, at, k - 1, &source, &position), left = s->n_truth - 1 - at;
        steps[at] = SIZE_MAX;
        for (size_t n = 0; n <= most && n <= left; n++)
            if (steps[at + n + 1] < steps[at]) steps[at] = steps[at + n + 1];
        steps[at]++;
    }
    return steps[0];
}

/* Decodes greedily, and compares each draft with a scan. Returns the steps. */
static size_t steps_of_oracle(policy *p, const sample *s, size_t k) {
    policy_input   in = input_of(s);
    const int32_t *truth = in.truth;
    size_t         steps = 0;
    draft          d;
    steps_begin(p, &in);
    for (size_t at = 0; at < s->n_truth; steps++) {
        int32_t source = SOURCE_NONE, position = -1;
        size_t  n = longest_run(s, at, k - 1, &source, &position);
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, truth + at, n, "against a scan");
        cr_assert(d.source == source && d.source_position == position, "source %d, position %d, not %d, %d", d.source,
                  d.source_position, source, position);
        size_t emitted = n + 1 < s->n_truth - at ? n + 1 : s->n_truth - at;
        steps_observe(p, truth + at, emitted);
        at += emitted;
    }
    return steps;
}

Test(policy_oracle, no_copying_takes_fewer_steps) {
    gsl_rng *r = rng_new(12, 21);
    for (size_t round = 0; round < FUZZ_HISTORIES / 10; round++) {
        sample s;
        char   text[40];
        size_t k = 1 + steps_pick(r, 9), alphabet = 1 + steps_pick(r, 6);
        snprintf(text, sizeof text, "k=%zu,from=copies", k);
        policy *p = steps_open_over("oracle", text, alphabet, NULL);
        for (int again = 0; again < 10; again++) {
            sample_fill(r, &s, alphabet);
            size_t taken = steps_of_oracle(p, &s, k), fewest = fewest_steps(&s, k);
            cr_assert_eq(taken, fewest, "%zu steps, not %zu", taken, fewest);
        }
        policy_close(p);
    }
    gsl_rng_free(r);
}

/* How many draft tokens on one path are true. */
static size_t accepted(const draft *d, const int32_t *truth, size_t left) {
    int32_t node = DRAFT_ROOT;
    size_t  n = 0;
    while (n < left && (node = draft_child(d, node, truth[n])) >= 0) n++;
    return n;
}

Test(policy_oracle, no_copying_policy_is_ever_ahead) {
    static const char *const policies[][2] = {{"llma", "k=1024"},
                                              {"pld", "n=2,k=3"},
                                              {"hf", "n=3,k=1024"},
                                              {"vllm_ngram", "n=3,n_min=1,k=1024"},
                                              {"ngram_simple", "n=2"},
                                              {"copyspec", "n=2,k=1024"},
                                              {"sam", "len_bias=0,k=1024"},
                                              {"sam", "len_bias=0,k=1024,static=chain"},
                                              {"sam", "k=1024,tail=climb"},
                                              {"sam", "k=1024,tail=repeat"},
                                              {"predicted", "n=1,k=1024,references=each"},
                                              {"oracle", "k=1024,from=copies"}};
    enum { POLICIES = sizeof policies / sizeof *policies };
    gsl_rng *r = rng_new(13, 21);
    policy  *all[POLICIES];
    for (size_t i = 0; i < POLICIES; i++) all[i] = steps_open(policies[i][0], policies[i][1]);
    for (size_t round = 0; round < FUZZ_HISTORIES / 10; round++) {
        size_t limit = steps_pick(r, 9), i = steps_pick(r, POLICIES);
        sample s;
        draft  d;
        sample_fill(r, &s, 1 + steps_pick(r, 4));
        policy_input in = input_of(&s);
        size_t       bound = 0;
        steps_begin(all[i], &in);
        for (size_t at = 0; at < s.n_truth;) {
            int32_t source, position;
            size_t  run = longest_run(&s, bound, limit, &source, &position);
            steps_propose(all[i], limit, &d);
            size_t left = s.n_truth - at, emitted = accepted(&d, in.truth + at, left - 1) + 1;
            bound = bound + run + 1 < s.n_truth ? bound + run + 1 : s.n_truth;
            steps_observe(all[i], in.truth + at, emitted);
            at += emitted;
            cr_assert_leq(at, bound, "%s is ahead", policies[i][0]);
            if (bound == s.n_truth) break;
        }
    }
    for (size_t i = 0; i < POLICIES; i++) policy_close(all[i]);
    gsl_rng_free(r);
}
