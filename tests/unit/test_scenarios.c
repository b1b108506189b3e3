/* Scenarios: the same bytes forever, outputs that follow from prompts, splits that share no invented word. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/names.h"
#include "datasets/scenario.h"
#include "engine/base/digest.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

static void make(const scenario *s, const char *params, split which, uint64_t i, example *x) {
    param_values p;
    err          e = {0};
    cr_assert_eq(param_parse_list(s->name, s->params, s->n_params, params, &p, &e), 0, "%s", e.text);
    cr_assert_eq(scenario_make(s, &p, 7, which, i, x, &e), 0, "%s", e.text);
}

/* All texts of records [0, n), each with its NUL. */
static text_buffer texts_of(const scenario *s, const char *params, split which, uint64_t n) {
    example     x = {0};
    text_buffer all = {0};
    for (uint64_t i = 0; i < n; i++) {
        make(s, params, which, i, &x);
        text_put(&all, x.prompt.at, x.prompt.n + 1);
        text_put(&all, x.output.at, x.output.n + 1);
        for (size_t r = 0; r < x.n_references; r++) text_put(&all, x.references[r].at, x.references[r].n + 1);
    }
    example_free(&x);
    return all;
}

/* A model is trained on these bytes: if they change, it must be trained again. */
Test(scenarios, records_are_these) {
    static const struct {
        const char *name, *sha256;
    } known[] = {
        {"retrieval", "57f359e0817fe378760e87f9cc9dcdc3ea408e800811735a55b922c6d95e1741"},
        {"editing", "8f1e227c543878a31cca2db2c3f1c8c36ff4f4e8fb67d80503e8d070a61ce566"},
        {"cache", "46d4aa213bf27e993c5d84fb9f67d18b10350be42c66aa7803d3c1506284f868"},
        {"multi_turn", "5bda3013856355aefb6f086003201445ab019e3298afb129b23f1aaae3b0a157"},
        {"repeat", "61bf1b907a2272980757f8ba5379e8e20eb02ddea9a7fdae34c2010043feb83a"},
    };
    cr_assert_eq(scenario_registry.n, sizeof known / sizeof *known);
    for (size_t i = 0; i < scenario_registry.n; i++) {
        char        hex[DIGEST_HEX];
        text_buffer all = texts_of(registry_find(&scenario_registry, known[i].name), "", SPLIT_TEST, 50);
        cr_assert_eq(digest_sha256(all.at, all.n, hex, NULL), 0);
        cr_expect_str_eq(hex, known[i].sha256, "%s: %s", known[i].name, hex);
        text_free(&all);
    }
}

Test(scenarios, a_record_does_not_depend_on_those_before_it) {
    for (size_t i = 0; i < scenario_registry.n; i++) {
        example a = {0}, b = {0};
        for (uint64_t k = 0; k <= 30; k++) make(scenario_registry.at[i], "", SPLIT_TRAIN, k, &a);
        make(scenario_registry.at[i], "", SPLIT_TRAIN, 30, &b);
        cr_expect_str_eq(a.prompt.at, b.prompt.at);
        cr_expect_str_eq(a.output.at, b.output.at);
        cr_expect_eq(a.n_references, b.n_references);
        make(scenario_registry.at[i], "", SPLIT_TEST, 30, &b);
        cr_expect_str_neq(a.prompt.at, b.prompt.at);
        example_free(&a);
        example_free(&b);
    }
}

/* Every reference is in the prompt, so that a model can copy what a policy copies. */
Test(scenarios, prompts_hold_their_references) {
    for (size_t i = 0; i < scenario_registry.n; i++) {
        example x = {0};
        for (uint64_t k = 0; k < 200; k++) {
            make(scenario_registry.at[i], "", k % 2 == 0 ? SPLIT_TRAIN : SPLIT_TEST, k, &x);
            cr_assert_gt(x.output.n, 0);
            cr_assert_gt(x.n_references, 0);
            for (size_t r = 0; r < x.n_references; r++)
                cr_assert_neq(strstr(x.prompt.at, x.references[r].at), NULL, "%s %zu",
                              ((const scenario *)scenario_registry.at[i])->name, (size_t)k);
        }
        example_free(&x);
    }
}

/* Invented words of a name: its capitalised words that are not ordinary parts of names. */
Test(scenarios, splits_share_no_invented_word) {
    for (int kind = 0; kind < NAME_KINDS; kind++) {
        for (int which = 0; which < 2; which++) {
            dice  d = {rng_new(3, (uint64_t)kind), (split)which};
            names n = {0};
            for (int i = 0; i < NAMES_TAKEN; i++) name_draw(&d, &n, (name_kind)kind);
            for (size_t w = 0; w < n.n_words; w++) {
                cr_assert_eq(scenario_held_out(n.words[w]), which == SPLIT_TEST, "%s", n.words[w]);
                for (size_t v = 0; v < w; v++) cr_assert_str_neq(n.words[w], n.words[v]);
            }
            gsl_rng_free(d.rng);
        }
    }
}

/* The prompt decides: equal prompts, equal outputs. Few forms and short records make prompts meet. */
typedef struct {
    char *prompt, *output;
} seen;

static int by_prompt(const void *a, const void *b) {
    return strcmp(((const seen *)a)->prompt, ((const seen *)b)->prompt);
}

Test(scenarios, outputs_follow_from_prompts) {
    enum { N = 3000 };
    for (size_t i = 0; i < scenario_registry.n; i++) {
        seen   *all = calloc(N, sizeof *all);
        example x = {0};
        for (uint64_t k = 0; k < N; k++) {
            make(scenario_registry.at[i], "", SPLIT_TRAIN, k, &x);
            all[k] = (seen){mem_strdup(x.prompt.at, NULL), mem_strdup(x.output.at, NULL)};
        }
        qsort(all, N, sizeof *all, by_prompt);
        for (size_t k = 1; k < N; k++)
            if (strcmp(all[k].prompt, all[k - 1].prompt) == 0) cr_expect_str_eq(all[k].output, all[k - 1].output);
        for (size_t k = 0; k < N; k++) {
            free(all[k].prompt);
            free(all[k].output);
        }
        free(all);
        example_free(&x);
    }
}

static size_t count(const char *in, const char *what) {
    size_t n = 0;
    for (; (in = strstr(in, what)) != NULL; in++) n++;
    return n;
}

Test(scenarios, passages_are_as_many_as_asked) {
    example x = {0};
    for (uint64_t k = 0; k < 100; k++) {
        make(registry_find(&scenario_registry, "retrieval"), "min_passages=3,max_passages=4,verbatim=1,max_asks=1",
             SPLIT_TRAIN, k, &x);
        cr_assert(x.n_references == 3 || x.n_references == 4);
        /* With verbatim = 1 the text after the lead is in a passage, up to its full stop. */
        const char *last = NULL;
        for (size_t r = 0; r < x.n_references && last == NULL; r++) {
            char *copy = mem_strdup(x.references[r].at, NULL), *state = NULL;
            for (char *s = strtok_r(copy, ".", &state); s != NULL && last == NULL; s = strtok_r(NULL, ".", &state))
                if (strlen(s) > 20) last = strstr(x.output.at, s + (*s == ' '));
            free(copy);
        }
        cr_assert_neq(last, NULL, "%s", x.output.at);
    }
    example_free(&x);
}

/* A rename leaves no old name behind, as a word. */
Test(scenarios, renames_are_complete) {
    example x = {0};
    size_t  found = 0;
    for (uint64_t k = 0; k < 400; k++) {
        char from[48], to[48];
        make(registry_find(&scenario_registry, "editing"), "max_changes=1", SPLIT_TRAIN, k, &x);
        const char *at = strstr(x.prompt.at, "Task: Rename ");
        if (at == NULL || sscanf(at, "Task: Rename %47s to %47[a-z_]", from, to) != 2) continue;
        found++;
        size_t in_reference = 0, old = 0, new = 0;
        for (const char *s = x.references[0].at; (s = strstr(s, from)) != NULL; s++) {
            char before = s == x.references[0].at ? ' ' : s[-1], after = s[strlen(from)];
            in_reference +=
                !islower((unsigned char)before) && before != '_' && !islower((unsigned char)after) && after != '_';
        }
        for (const char *s = x.output.at; (s = strstr(s, from)) != NULL; s++) {
            char before = s == x.output.at ? ' ' : s[-1], after = s[strlen(from)];
            old += !islower((unsigned char)before) && before != '_' && !islower((unsigned char)after) && after != '_';
        }
        new = count(x.output.at, to);
        cr_expect_eq(old, 0, "%s -> %s\n%s", from, to, x.output.at);
        cr_expect_geq(new, in_reference);
    }
    cr_expect_gt(found, 5);
    example_free(&x);
}

/* Earlier edits may leave a text for which no held-out edit has a meaning: such a record is started again. */
Test(scenarios, long_conversations_end) {
    example x = {0};
    for (uint64_t k = 0; k < 1000; k++) {
        make(registry_find(&scenario_registry, "multi_turn"), "min_sentences=2,max_sentences=2,max_turns=3", SPLIT_TEST,
             k, &x);
        cr_assert_eq(count(x.prompt.at, "USER: "), x.n_references + 1);
        cr_assert_gt(x.output.n, 0);
    }
    example_free(&x);
}

Test(scenarios, wrong_names_and_values_are_refused) {
    param_values p;
    err          e = {0};
    cr_expect_null(registry_find(&scenario_registry, "retrival"));
    const scenario *s = registry_find(&scenario_registry, "retrieval");
    cr_expect_eq(param_parse_list(s->name, s->params, s->n_params, "max_passages=17", &p, &e), -1);
    cr_expect_neq(strstr(e.text, "max_passages"), NULL, "%s", e.text);
}
