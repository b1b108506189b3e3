/* The variants of llma: examples, and a scan written from their description, without an index. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/policy_steps.h"

static const reference REPEATS[] = {
    {(const int32_t[]){1, 2, 3, 9, 1, 2, 4, 1, 2, 4, 8}, 11},
    {NULL, 0},
    {(const int32_t[]){7, 1, 2, 5, 6, 7}, 6},
};
static const int32_t PROMPT[] = {1, 2, 30, 31, 5, 6, 32, 33};

static void check(const char *params, const int32_t *output, size_t n_output, const int32_t *ids, size_t n,
                  size_t match, int32_t source, int32_t position) {
    policy *p = steps_open("llma", params);
    draft   d;
    steps_begin(p, &(policy_input){.prompt = PROMPT, .n_prompt = 8, .references = REPEATS, .n_references = 3});
    if (n_output > 0) steps_observe(p, output, n_output);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, ids, n, params);
    cr_assert(d.match_length == match && d.source == source && d.source_position == position,
              "%s: a match of %d in %d at %d", params, d.match_length, (int)d.source, (int)d.source_position);
    policy_close(p);
}

Test(policy_llma, key) {
    check("key=history,k=3", NULL, 0, NULL, 0, 0, SOURCE_NONE, -1);
    check("key=history,k=3,sources=prompt", IDS(5), IDS(6, 32), 1, SOURCE_PROMPT, 5);
    check("key=history,k=3", IDS(1, 2), IDS(3, 9), 2, 0, 2);
    check("key=output,k=3,n=2", IDS(6), NULL, 0, 0, SOURCE_NONE, -1);
}

Test(policy_llma, sources) {
    check("k=3,sources=references_prompt", IDS(1, 2), IDS(3, 9), 2, 0, 2);
    check("k=3,sources=prompt_references", IDS(1, 2), IDS(30, 31), 2, SOURCE_PROMPT, 2);
    check("k=3,sources=prompt_references", IDS(7, 1, 2), IDS(5, 6), 3, 2, 3); /* longer in a reference */
    check("k=3,sources=references_output", IDS(40, 41, 40), IDS(41, 40), 1, SOURCE_OUTPUT, 1);
    check("k=3,sources=output", IDS(40), NULL, 0, 0, SOURCE_NONE, -1); /* its own place is none */
    check("k=3,sources=prompt", IDS(33), NULL, 0, 0, SOURCE_NONE, -1); /* nothing follows it there */
    check("k=3,sources=references_prompt_output", IDS(5, 6), IDS(7), 2, 2, 5);
    check("k=3,sources=prompt_output_references", IDS(5, 6), IDS(32, 33), 2, SOURCE_PROMPT, 6);
}

Test(policy_llma, tie) {
    check("k=3,tie=last", IDS(1, 2), IDS(5, 6), 2, 2, 3);
    check("k=3,tie=most_frequent", IDS(1, 2), IDS(4, 1), 2, 0, 6);
    check("k=3,tie=most_frequent", IDS(7), IDS(1, 2), 1, 2, 1); /* the second 7 has no vote */
    check("k=3,tie=last", IDS(7), NULL, 0, 1, 2, 6);
    check("k=3,tie=last,fallback=yes", IDS(7), IDS(1, 2), 1, 2, 1);
    check("k=3,tie=most_frequent", IDS(8), NULL, 0, 1, 0, 11);
}

Test(policy_llma, fallback) {
    check("k=3", IDS(4, 8), NULL, 0, 2, 0, 11);
    check("k=3,fallback=yes", IDS(4, 8), NULL, 0, 0, SOURCE_NONE, -1);
    check("k=3,fallback=yes", IDS(6, 7), IDS(1, 2), 1, 2, 1); /* a shorter suffix, at another place */
    check("k=3", IDS(6, 7), NULL, 0, 2, 2, 6);
}

Test(policy_llma, cross) {
    check("k=4,cross=yes", IDS(4, 8), IDS(7, 1, 2), 2, 0, 11); /* over an empty reference */
    check("k=4,cross=yes,fallback=yes", IDS(4, 8), IDS(7, 1, 2), 2, 0, 11);
    check("k=4,cross=yes", IDS(6, 7), NULL, 0, 2, 2, 6); /* out of the last one leads no way */
    check("k=4,cross=yes,fallback=yes", IDS(6, 7), IDS(1, 2, 5), 1, 2, 1);
    check("k=4,cross=yes,tie=most_frequent", IDS(8), IDS(7, 1, 2), 1, 0, 11);
    check("k=4,cross=yes", IDS(8, 7), IDS(1, 2, 5), 1, 2, 1); /* but no match spans two references */
}

Test(policy_llma, memory) {
    for (int keep = 0; keep < 2; keep++) {
        policy *p = steps_open("llma", keep ? "k=4,memory=cell" : "k=4");
        draft   d;
        for (int trial = 0; trial < 3; trial++) {
            steps_begin(p, &(policy_input){.references = REPEATS, .n_references = 3});
            steps_observe(p, IDS(50));
            steps_propose(p, DRAFT_CAP, &d);
            steps_check(&d, (const int32_t[]){51, 52, 53}, keep && trial > 0 ? 3 : 0, "from the first output");
            if (d.n > 0) cr_assert(d.source == SOURCE_OTHER && d.source_position == 1 && d.match_length == 1);
            steps_observe(p, IDS(51, 52));
            steps_observe(p, IDS(53, 1));
            steps_propose(p, DRAFT_CAP, &d); /* 53 1 comes before the references' 1, in memory nothing follows it */
            steps_check(&d, IDS(2, 3, 9), "from a reference");
        }
        policy_close(p);
    }
}

Test(policy_llma, memory_is_bounded) {
    policy        *p = steps_open("llma", "n=2,max_n=2,k=4,memory=cell");
    draft          d;
    static int32_t many[400000];
    for (size_t i = 0; i < 400000; i++) many[i] = (int32_t)(i % 991);
    for (int trial = 0; trial < 4; trial++) {
        steps_begin(p, &(policy_input){0});
        steps_observe(p, IDS(5, 6));
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, (const int32_t[]){0, 1, 2}, trial == 0 || trial == 3 ? 0 : 3, "a million tokens at most");
        steps_observe(p, many, 400000);
    }
    policy_close(p);
}

Test(policy_llma, earlier_outputs_may_come_first) {
    static const struct {
        const char *sources;
        int32_t first, second; /* drafted for the second sample, of whose sources each goes on otherwise after 1 2 */
        int32_t source;
    } cases[] = {{"references", 7, 8, 0}, {"earlier_references", 3, 4, SOURCE_OTHER}, {"earlier", 3, 4, SOURCE_OTHER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char      params[100];
        draft     d;
        reference r = {IDS(1, 2, 7, 8)};
        snprintf(params, sizeof params, "k=3,memory=cell,sources=%s", cases[i].sources);
        policy *p = steps_open("llma", params);
        steps_begin(p, &(policy_input){.references = &r, .n_references = 1});
        steps_observe(p, IDS(1, 2, 3, 4));
        steps_begin(p, &(policy_input){.references = &r, .n_references = 1});
        steps_observe(p, IDS(1, 2));
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, (const int32_t[]){cases[i].first, cases[i].second}, 2, cases[i].sources);
        cr_assert_eq(d.source, cases[i].source, "%s", cases[i].sources);
        policy_close(p);
    }
    err e = {0};
    cr_assert_null(steps_try_open("llma", "sources=earlier_prompt", 10, NULL, &e));
    cr_assert_str_eq(e.text, "policy llma: sources = earlier_prompt needs memory = cell: no earlier outputs are kept");
}

/* ---- the naive scan ---------------------------------------------------------------------------------- */

enum { REFS = 4, TEXT_CAP = 16, EARLIER_CAP = 8, PLACES_CAP = 256 };

static const char *const SOURCES[] = {"references",
                                      "prompt",
                                      "output",
                                      "references_prompt",
                                      "references_output",
                                      "prompt_references",
                                      "prompt_output",
                                      "output_references",
                                      "output_prompt",
                                      "references_prompt_output",
                                      "references_output_prompt",
                                      "prompt_references_output",
                                      "prompt_output_references",
                                      "output_references_prompt",
                                      "output_prompt_references"};
enum { ORDERS = sizeof SOURCES / sizeof *SOURCES };
static const char *const TIES[] = {"first", "last", "most_frequent"};

typedef struct {
    int32_t ids[TEXT_CAP];
    size_t  n;
} text;

typedef struct {
    text        refs[REFS], prompt, output, earlier[EARLIER_CAP];
    size_t      n_refs, n_earlier;
    size_t      n, k, max_n;
    bool        history, fallback, cross, memory;
    char        sources[40];
    const char *tie;
} world;

typedef struct {
    size_t  which, end; /* text of its source, index after the place */
    int32_t next;       /* -1: none */
} place;

/* The texts of a source, by its name's first letter. */
static const text *texts(const world *w, char source, size_t *n) {
    *n = source == 'r' ? w->n_refs : source == 'e' ? w->n_earlier : 1;
    return source == 'r' ? w->refs : source == 'e' ? w->earlier : source == 'p' ? &w->prompt : &w->output;
}

static int32_t next_token(const world *w, char source, const text *t, size_t which, size_t n, size_t end) {
    if (end < t[which].n) return t[which].ids[end];
    for (size_t i = which + 1; source == 'r' && w->cross && i < n; i++)
        if (t[i].n > 0) return t[i].ids[0];
    return -1;
}

static size_t find_places(const world *w, char source, const int32_t *key, size_t m, place *out) {
    size_t      n, found = 0;
    const text *t = texts(w, source, &n);
    for (size_t i = 0; i < n; i++)
        for (size_t s = 0; s + m <= t[i].n; s++) {
            if (memcmp(t[i].ids + s, key, m * sizeof *key) != 0) continue;
            place here = {i, s + m, next_token(w, source, t, i, n, s + m)};
            if (here.next < 0 && (source != 'r' || w->fallback)) continue;
            out[found++] = here;
        }
    return found;
}

static place most_frequent(const place *at, size_t n) {
    size_t best = 0, best_count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t count = 0;
        for (size_t j = 0; j < n; j++) count += at[j].next == at[i].next;
        if (at[i].next >= 0 && count > best_count) best = i, best_count = count;
    }
    return at[best];
}

static void copy(const world *w, char source, place from, size_t m, draft *d) {
    size_t      n;
    const text *t = texts(w, source, &n);
    for (size_t i = from.which, at = from.end; i < n; i++, at = 0) {
        for (; at < t[i].n && d->n < w->k - 1; at++) draft_extend(d, t[i].ids + at, 1);
        if (source != 'r' || !w->cross) break;
    }
    d->match_length = (uint16_t)m;
    d->source = source == 'r'   ? (int32_t)from.which
                : source == 'p' ? SOURCE_PROMPT
                : source == 'o' ? SOURCE_OUTPUT
                                : SOURCE_OTHER;
    d->source_position = (int32_t)from.end;
}

/* The sources are the words of their name; what is remembered comes last, unless it comes first. */
static const char *next_source(const world *w, const char *s) {
    const char *word = strchr(s, '_');
    if (word != NULL) return word + 1;
    return w->memory && *s != 'e' && *w->sources != 'e' ? "earlier" : NULL;
}

static void pick_sources(gsl_rng *r, world *w) {
    size_t order = steps_pick(r, ORDERS + 1), first = w->memory && (order == ORDERS || steps_pick(r, 2) == 1);
    if (order == ORDERS && !first) order = 0;
    snprintf(w->sources, sizeof w->sources, "%s%s%s", first ? "earlier" : "", first && order < ORDERS ? "_" : "",
             order < ORDERS ? SOURCES[order] : "");
}

static void naive(const world *w, draft *d) {
    int32_t history[2 * TEXT_CAP];
    size_t  n_history = w->history ? w->prompt.n : 0;
    memcpy(history, w->prompt.ids, n_history * sizeof *history);
    memcpy(history + n_history, w->output.ids, w->output.n * sizeof *history);
    n_history += w->output.n;
    draft_clear(d);
    for (size_t m = w->max_n > w->n ? w->max_n : w->n; m >= w->n; m--) {
        if (m > n_history) continue;
        for (const char *s = w->sources; s != NULL; s = next_source(w, s)) {
            place  at[PLACES_CAP];
            size_t found = find_places(w, *s, history + n_history - m, m, at);
            if (found == 0) continue;
            copy(w, *s, *w->tie == 'f' ? at[0] : *w->tie == 'l' ? at[found - 1] : most_frequent(at, found), m, d);
            return;
        }
    }
}

/* One trial over a world whose output is yet to come. */
static size_t compare(gsl_rng *r, world *w, policy *p) {
    reference refs[REFS];
    text      whole = w->output;
    size_t    matches = 0;
    draft     got, want;
    for (size_t i = 0; i < w->n_refs; i++) refs[i] = (reference){w->refs[i].ids, w->refs[i].n};
    steps_begin(p,
                &(policy_input){
                    .prompt = w->prompt.ids, .n_prompt = w->prompt.n, .references = refs, .n_references = w->n_refs});
    for (w->output.n = 0;;) {
        naive(w, &want);
        steps_propose(p, DRAFT_CAP, &got);
        cr_assert(steps_same(&got, &want),
                  "n %zu k %zu max_n %zu key %d %s tie %s fallback %d cross %d memory %d: a match of %d for %d, %zu "
                  "for %zu drafted, from %d at %d for %d at %d",
                  w->n, w->k, w->max_n, w->history, w->sources, w->tie, w->fallback, w->cross, w->memory,
                  got.match_length, want.match_length, got.n, want.n, (int)got.source, (int)got.source_position,
                  (int)want.source, (int)want.source_position);
        matches += want.n > 0;
        if (w->output.n == whole.n) return matches;
        size_t left = whole.n - w->output.n, chunk = 1 + steps_pick(r, left < 6 ? left : 6);
        steps_observe(p, whole.ids + w->output.n, chunk);
        w->output.n += chunk;
    }
}

static void fill(gsl_rng *r, text *t, size_t most, size_t alphabet) {
    t->n = steps_pick(r, most + 1);
    steps_fill(r, t->ids, t->n, alphabet);
}

Test(policy_llma, is_the_naive_scan) {
    gsl_rng *r = rng_new(11, 41);
    size_t   matches = 0;
    for (size_t round = 0; round < FUZZ_HISTORIES / 8; round++) {
        world  w = {.n = 1 + steps_pick(r, 3), .k = 1 + steps_pick(r, 8), .max_n = 1 + steps_pick(r, 5)};
        size_t alphabet = 1 + steps_pick(r, 5);
        char   params[160];
        w.history = steps_pick(r, 2), w.fallback = steps_pick(r, 2), w.cross = steps_pick(r, 2),
        w.memory = steps_pick(r, 2);
        w.tie = TIES[steps_pick(r, 3)];
        pick_sources(r, &w);
        snprintf(params, sizeof params, "n=%zu,k=%zu,max_n=%zu,key=%s,sources=%s,tie=%s,fallback=%s,cross=%s,memory=%s",
                 w.n, w.k, w.max_n, w.history ? "history" : "output", w.sources, w.tie, w.fallback ? "yes" : "no",
                 w.cross ? "yes" : "no", w.memory ? "cell" : "none");
        policy *p = steps_open_over("llma", params, alphabet, NULL);
        for (w.n_earlier = 0; w.n_earlier < 8; w.n_earlier++) {
            w.n_refs = steps_pick(r, REFS + 1);
            for (size_t i = 0; i < w.n_refs; i++) fill(r, &w.refs[i], 9, alphabet);
            fill(r, &w.prompt, 9, alphabet);
            fill(r, &w.output, 12, alphabet);
            matches += compare(r, &w, p);
            w.earlier[w.n_earlier] = w.output;
        }
        policy_close(p);
    }
    cr_assert_gt(matches, FUZZ_HISTORIES);
    gsl_rng_free(r);
}
