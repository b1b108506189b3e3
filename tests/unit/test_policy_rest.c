/* rest: the golden vectors of its cut, its edges, and a comparison with scans of the documents. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/policies/index/datastore.h"
#include "tests/fixtures/scratch.h"
#include "tests/fixtures/tiny_store.h"
#include "tests/unit/policy_steps.h"

TestSuite(policy_rest, .init = scratch_enter, .fini = scratch_leave);

/* A policy over the store; `text` is further parameters, each after a comma. */
static policy *open_rest(const char *text) {
    char all[200];
    snprintf(all, sizeof all, "store=rest.store%s", text);
    return steps_open("rest", all);
}

/* Proposes after this history, whose last token was just chosen. */
static void propose_after(policy *p, const int32_t *ids, size_t n, size_t limit, draft *d) {
    policy_input in = {.prompt = ids, .n_prompt = n - 1};
    steps_begin(p, &in);
    steps_observe(p, ids + n - 1, 1);
    steps_propose(p, limit, d);
}

static void check_tree(const draft *d, const int32_t *ids, const int32_t *parents, size_t n) {
    cr_assert_eq(d->n, n, "%zu nodes, not %zu", d->n, n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(d->ids[i], ids[i], "node %zu is %d, not %d", i, (int)d->ids[i], (int)ids[i]);
        cr_assert_eq(d->parent[i], parents[i], "node %zu is below %d", i, (int)d->parent[i]);
    }
}

/* ---- rules and edges -------------------------------------------------------------------------------------- */

Test(policy_rest, drafts_the_most_frequent_prefixes) {
    reference docs[] = {{(const int32_t[]){1, 2, 3, 4}, 4},
                        {(const int32_t[]){1, 2, 3, 5}, 4},
                        {(const int32_t[]){1, 2, 6}, 3},
                        {(const int32_t[]){9, 1, 2, 3, 4}, 5}};
    draft     d;
    tiny_store_write("rest.store", docs, 4, VOCAB, false, tiny_store_digest);
    policy *p = open_rest("");
    propose_after(p, IDS(8, 1, 2), 100, &d);
    check_tree(&d, (const int32_t[]){3, 6, 4, 5}, (const int32_t[]){-1, -1, 0, 0}, 4);
    cr_assert_eq(d.match_length, 2);
    cr_assert_eq(d.source, SOURCE_OTHER);
    propose_after(p, IDS(8, 1, 2), 2, &d); /* 3 three times, then 3 4 twice */
    check_tree(&d, (const int32_t[]){3, 4}, (const int32_t[]){-1, 0}, 2);
    propose_after(p, IDS(8, 1, 2), 3, &d); /* then 6 once: it is shorter than 3 5 */
    check_tree(&d, (const int32_t[]){3, 6, 4}, (const int32_t[]){-1, -1, 0}, 3);
    propose_after(p, IDS(9, 1, 2), 100, &d);
    steps_check(&d, IDS(3, 4), "a longer match");
    policy_close(p);
    p = open_rest(",form=chain,long=9");
    propose_after(p, IDS(8, 1, 2), 100, &d);
    steps_check(&d, IDS(3, 4), "a chain");
    policy_close(p);
    p = open_rest(",places=1"); /* 3 4, of the first and the fourth document */
    propose_after(p, IDS(8, 1, 2), 100, &d);
    steps_check(&d, IDS(3, 4), "one place");
    policy_close(p);
}

Test(policy_rest, respects_borders_unless_joined) {
    reference docs[] = {
        {(const int32_t[]){1, 2, 3}, 3}, {(const int32_t[]){4, 5}, 2}, {(const int32_t[]){7, 2, 3, 6}, 4}};
    draft d;
    tiny_store_write("rest.store", docs, 3, VOCAB, false, tiny_store_digest);
    policy *p = open_rest("");
    propose_after(p, IDS(1, 2, 3), 10, &d); /* R4: 1 2 3 ends its document, so 2 3 is tried */
    steps_check(&d, IDS(6), "a shorter suffix");
    cr_assert_eq(d.match_length, 2);
    propose_after(p, IDS(3, 4), 10, &d);
    steps_check(&d, NULL, 0, "across a border");
    policy_close(p);
    tiny_store_write("rest.store", docs, 3, VOCAB, true, tiny_store_digest);
    p = open_rest("");
    propose_after(p, IDS(1, 2, 3), 10, &d);
    steps_check(&d, IDS(4, 5, 7, 2, 3, 6), "a joined text");
    propose_after(p, IDS(3, 4), 10, &d);
    steps_check(&d, IDS(5, 7, 2, 3, 6), "a joined match");
    propose_after(p, IDS(3, 6), 10, &d);
    steps_check(&d, NULL, 0, "nothing follows");
    policy_close(p);
}

/* One that is replaced is another file, and the policy goes on with its own. */
Test(policy_rest, notices_a_store_that_is_written_over) {
    reference docs[] = {{(const int32_t[]){1, 2, 3}, 3}, {(const int32_t[]){1, 2, 4}, 3}};
    draft     d;
    err       e = {0};
    tiny_store_write("rest.store", docs, 1, VOCAB, false, tiny_store_digest);
    policy *p = open_rest("");
    tiny_store_write("rest.store", docs + 1, 1, VOCAB, false, tiny_store_digest);
    propose_after(p, IDS(8, 1, 2), 10, &d);
    steps_check(&d, IDS(3), "the store that was opened");
    policy_close(p);

    p = open_rest("");
    policy *chain = steps_open("chain", "stages='pld > rest store=rest.store form=chain'");
    cr_assert_eq(policy_check_files(chain, &e), 0);
    FILE *f = fopen("rest.store", "ab");
    cr_assert(f != NULL && fputc(0, f) == 0 && fclose(f) == 0);
    cr_assert_eq(policy_check_files(p, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert_str_eq(e.text, "policy rest: rest.store: was written over while it was in use (put a new file in its "
                             "place instead)");
    cr_assert_eq(policy_check_files(chain, &e), -1, "a stage's file counts");
    policy_close(chain);
    policy_close(p);
}

Test(policy_rest, misses_and_the_prompts_pass) {
    reference    docs[] = {{(const int32_t[]){1, 2, 3}, 3}};
    policy_input in = {.prompt = (const int32_t[]){1, 2}, .n_prompt = 2};
    draft        d;
    tiny_store_write("rest.store", docs, 1, VOCAB, false, tiny_store_digest);
    policy *p = open_rest(",miss=100");
    steps_begin(p, &in);
    steps_propose(p, 10, &d); /* R6 */
    steps_check(&d, NULL, 0, "the prompt's pass");
    steps_observe(p, IDS(9));
    steps_propose(p, 10, &d);
    steps_check(&d, IDS(100), "a miss");
    cr_assert_eq(d.source, SOURCE_NONE);
    steps_propose(p, 0, &d);
    steps_check(&d, NULL, 0, "no room");
    policy_close(p);
    p = open_rest(",max_span=1,min_span=1");
    propose_after(p, IDS(9, 2), 10, &d);
    steps_check(&d, IDS(3), "one token");
    propose_after(p, IDS(2, 9), 10, &d);
    steps_check(&d, NULL, 0, "an id that the store does not have");
    policy_close(p);
}

/* policies.md 1.10: two continuations of ten tokens keep depth 8 and 15 nodes, six keep depth 4 and 24. */
Test(policy_rest, cuts_as_the_original) {
    static int32_t ids[6][12];
    reference      docs[6];
    draft          d;
    uint16_t       levels[DRAFT_CAP];
    for (int32_t i = 0; i < 6; i++) {
        ids[i][0] = 1, ids[i][1] = 2;
        for (int32_t k = 0; k < 10; k++) ids[i][2 + k] = 10 + 10 * i + k;
        docs[i] = (reference){ids[i], 12};
    }
    for (size_t n = 2; n <= 6; n += 4) {
        tiny_store_write("rest.store", docs, n, VOCAB, false, tiny_store_digest);
        policy *p = open_rest("");
        propose_after(p, IDS(1, 2), 100, &d);
        cr_assert_eq(d.n, n == 2 ? 20 : 60);
        policy_close(p);
        p = open_rest(",compat=yes");
        propose_after(p, IDS(1, 2), 100, &d);
        cr_assert_eq(d.n, n == 2 ? 15 : 24);
        cr_assert_eq(draft_levels(&d, levels), n == 2 ? 8 : 4);
        policy_close(p);
    }
}

Test(policy_rest, refuses_what_does_not_fit) {
    static const struct {
        const char *params, *why;
    } bad[] = {{",max_span=3,min_span=4", "policy rest: min_span = 4 is more than max_span = 3"},
               {",miss=1000", "policy rest: miss = 1000 is not in the vocabulary (-1 to 999)"}};
    reference docs[] = {{(const int32_t[]){1, 2, 3}, 3}};
    err       e = {0};
    char      text[100];
    tiny_store_write("rest.store", docs, 1, VOCAB, false, tiny_store_digest);
    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "store=rest.store%s", bad[i].params);
        cr_assert_null(steps_try_open("rest", text, VOCAB, NULL, &e));
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_str_eq(e.text, bad[i].why);
    }
    cr_assert_null(steps_try_open("rest", "store=rest.store", VOCAB - 1, NULL, &e));
    cr_assert_str_eq(e.text, "policy rest: rest.store: is made of 1000 ids (the model has 999)");
    tokenizer *tok = tokenizer_bytes(&e);
    cr_assert_null(steps_try_open("rest", "store=rest.store", tokenizer_vocab(tok), tok, &e));
    cr_assert_not_null(strstr(e.text, "was made by another tokenizer, with 1000 ids (this one has 258"), "%s", e.text);
    tiny_store_write("rest.store", docs, 1, tokenizer_vocab(tok), false, tokenizer_digest(tok));
    policy_close(steps_open_over("rest", "store=rest.store", tokenizer_vocab(tok), tok));
    tokenizer_close(tok);
}

/* ---- against scans ------------------------------------------------------------------------------------------ */

enum { DOCS = 8, TEXT = 600, HISTORY = 24 };

typedef struct {
    size_t max_span, min_span, places, ahead, num_draft, limit;
    bool   chain, compat;
} setting;

typedef struct {
    const int32_t *at;
    size_t         n; /* tokens to the document's end */
} rest_of;

typedef struct {
    const int32_t *at; /* where it is read */
    size_t         depth, count, order;
} prefix;

static int compare_rests(const void *a, const void *b) {
    const rest_of *x = a, *y = b;
    for (size_t i = 0; i < x->n && i < y->n; i++)
        if (x->at[i] != y->at[i]) return x->at[i] < y->at[i] ? -1 : 1;
    return x->n != y->n ? (x->n < y->n ? -1 : 1) : 0;
}

static int compare_prefixes(const void *a, const void *b) { /* R3 */
    const prefix *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    if (x->depth != y->depth) return x->depth < y->depth ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static int compare_depths(const void *a, const void *b) {
    const prefix *x = a, *y = b;
    if (x->depth != y->depth) return x->depth < y->depth ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* R1 and R2. */
static size_t scan_places(const reference *docs, size_t n_docs, const int32_t *h, size_t n, const setting *t,
                          rest_of *places, size_t *length) {
    size_t found = 0;
    for (*length = t->max_span < n ? t->max_span : n; *length >= t->min_span && *length > 0; --*length) {
        for (size_t i = 0; i < n_docs; i++)
            for (size_t k = 0; k + *length < docs[i].n; k++)
                if (memcmp(docs[i].ids + k, h + n - *length, *length * sizeof *h) == 0)
                    places[found++] = (rest_of){docs[i].ids + k + *length, docs[i].n - k - *length};
        if (found > 0) break;
    }
    qsort(places, found, sizeof *places, compare_rests);
    return found < t->places ? found : t->places;
}

static size_t list_prefixes(const rest_of *places, size_t n, size_t ahead, prefix *out) {
    size_t count = 0;
    for (size_t depth = 1; depth <= ahead; depth++) {
        size_t last = SIZE_MAX;
        for (size_t i = 0; i < n; i++) {
            if (places[i].n < depth) continue;
            if (last != SIZE_MAX && memcmp(out[last].at, places[i].at, depth * sizeof(int32_t)) == 0) {
                out[last].count++;
                continue;
            }
            out[last = count++] = (prefix){places[i].at, depth, 1, i};
        }
    }
    return count;
}

static size_t distinct_tokens(const prefix *x) {
    size_t n = 0;
    for (size_t i = 0; i < x->depth; i++) {
        size_t k = 0;
        while (k < i && x->at[k] != x->at[i]) k++;
        n += k == i;
    }
    return n;
}

/* The prefixes of a chain: at each depth the most frequent one that begins with the last. */
static size_t scan_chain(const prefix *all, size_t n, size_t most, prefix *out) {
    size_t count = 0;
    for (; count < most; count++) {
        const prefix *best = NULL;
        for (size_t i = 0; i < n; i++) {
            if (all[i].depth != count + 1) continue;
            if (count > 0 && memcmp(all[i].at, out[count - 1].at, count * sizeof(int32_t)) != 0) continue;
            if (best == NULL || all[i].count > best->count) best = &all[i];
        }
        if (best == NULL) break;
        out[count] = *best;
    }
    return count;
}

/* The original's cut of n prefixes in the order of the tree. */
static size_t scan_cut(prefix *x, size_t n, size_t num_draft) {
    bool   gone[DATASTORE_NODES] = {false};
    size_t sum = 0, kept = 0;
    for (size_t i = 0; i < n; i++) sum += distinct_tokens(&x[i]);
    while (sum > num_draft) {
        size_t worst = SIZE_MAX;
        for (size_t i = 0; i < n; i++)
            if (!gone[i] && (worst == SIZE_MAX || distinct_tokens(&x[i]) >= distinct_tokens(&x[worst]))) worst = i;
        gone[worst] = true;
        sum -= distinct_tokens(&x[worst]);
    }
    for (size_t i = 0; i < n; i++)
        if (!gone[i]) x[kept++] = x[i];
    return kept;
}

static void scan_rest(const reference *docs, size_t n_docs, const int32_t *h, size_t n, const setting *t, draft *d) {
    static rest_of places[TEXT];
    static prefix  all[TEXT * 64], picked[DATASTORE_NODES];
    size_t         length, n_places = scan_places(docs, n_docs, h, n, t, places, &length), count;
    draft_clear(d);
    if (n_places == 0) return;
    d->match_length = (uint16_t)length;
    size_t n_all = list_prefixes(places, n_places, t->ahead, all);
    size_t most = t->compat || t->num_draft < t->limit ? t->num_draft : t->limit;
    if (t->chain) {
        count = scan_chain(all, n_all, most, picked);
    } else {
        qsort(all, n_all, sizeof *all, compare_prefixes);
        count = n_all < most ? n_all : most;
        memcpy(picked, all, count * sizeof *all);
        qsort(picked, count, sizeof *picked, compare_depths);
    }
    if (t->compat) count = scan_cut(picked, count, t->num_draft);
    for (size_t i = 0; i < count && i < t->limit; i++) {
        const prefix *x = &picked[i];
        int32_t       parent = DRAFT_ROOT;
        for (size_t k = 0; k + 1 < x->depth; k++) parent = draft_child(d, parent, x->at[k]);
        cr_assert_eq(draft_depth(d, parent), x->depth - 1, "a prefix without its parent");
        draft_add(d, parent, x->at[x->depth - 1]);
    }
}

/* Random documents; some repeat a stretch of what came before. */
static size_t fill_docs(gsl_rng *r, reference *docs, int32_t *text, size_t alphabet) {
    size_t n_docs = 1 + steps_pick(r, DOCS), at = 0, most = steps_pick(r, 8) == 0 ? TEXT / DOCS : 12;
    for (size_t i = 0; i < n_docs; i++) {
        size_t n = 1 + steps_pick(r, most), copy = at > 0 ? steps_pick(r, at) : 0;
        docs[i] = (reference){text + at, n};
        steps_fill(r, text + at, n, alphabet);
        if (steps_pick(r, 3) == 0)
            for (size_t k = 0; k < n && copy + k < at; k++) text[at + k] = text[copy + k];
        at += n;
    }
    return n_docs;
}

static setting pick_setting(gsl_rng *r) {
    setting t = {.max_span = 1 + steps_pick(r, steps_pick(r, 2) == 0 ? 4 : 20),
                 .places = 1 + steps_pick(r, steps_pick(r, 2) == 0 ? 6 : 500),
                 .ahead = 1 + steps_pick(r, 12),
                 .num_draft = 1 + steps_pick(r, steps_pick(r, 2) == 0 ? 6 : 100),
                 .chain = steps_pick(r, 4) == 0,
                 .compat = steps_pick(r, 4) == 0};
    t.min_span = 1 + steps_pick(r, t.max_span < 3 ? t.max_span : 3);
    return t;
}

/* A trial of several steps over one history; returns how many were compared. */
static size_t compare_trial(gsl_rng *r, policy *p, const reference *docs, size_t n_docs, const int32_t *text,
                            size_t n_text, setting *t, size_t alphabet) {
    int32_t h[HISTORY];
    draft   want, got;
    size_t  n = steps_pick(r, 4), compared = 0;
    steps_fill(r, h, HISTORY, alphabet);
    if (steps_pick(r, 3) > 0) { /* much of it from the text */
        size_t from = steps_pick(r, n_text), to = n_text - from < HISTORY ? n_text - from : HISTORY;
        memcpy(h + steps_pick(r, HISTORY - to + 1), text + from, to * sizeof *h);
    }
    policy_input in = {.prompt = h, .n_prompt = n};
    steps_begin(p, &in);
    while (n < HISTORY) {
        size_t more = 1 + steps_pick(r, 4);
        if (more > HISTORY - n) more = HISTORY - n;
        steps_observe(p, h + n, more);
        n += more;
        if (steps_pick(r, 4) == 0) continue; /* not every step asks */
        t->limit = steps_pick(r, 3) == 0 ? steps_pick(r, 20) : DRAFT_CAP;
        steps_propose(p, t->limit, &got);
        scan_rest(docs, n_docs, h, n, t, &want);
        cr_assert(got.n == want.n && memcmp(got.ids, want.ids, want.n * sizeof *want.ids) == 0 &&
                  memcmp(got.parent, want.parent, want.n * sizeof *want.parent) == 0 &&
                  got.match_length == want.match_length);
        compared++;
    }
    return compared;
}

Test(policy_rest, equals_a_scan, .timeout = 300) {
    gsl_rng       *r = gsl_rng_alloc(gsl_rng_mt19937);
    static int32_t text[TEXT];
    for (size_t compared = 0; compared < FUZZ_HISTORIES;) {
        reference docs[DOCS];
        size_t    alphabet = 1 + steps_pick(r, 5), n_docs = fill_docs(r, docs, text, alphabet), n_text = 0;
        for (size_t i = 0; i < n_docs; i++) n_text += docs[i].n;
        bool      joined = steps_pick(r, 4) == 0;
        size_t    vocab = steps_pick(r, 2) == 0 ? VOCAB : 100000; /* tokens of two bytes, or of four */
        setting   t = pick_setting(r);
        reference all = {text, n_text};
        char      params[200];
        tiny_store_write("rest.store", docs, n_docs, vocab, joined, tiny_store_digest);
        snprintf(params, sizeof params,
                 "store=rest.store,max_span=%zu,min_span=%zu,places=%zu,long=%zu,num_draft=%zu,form=%s,compat=%s",
                 t.max_span, t.min_span, t.places, t.ahead, t.num_draft, t.chain ? "chain" : "tree",
                 t.compat ? "yes" : "no");
        policy *p = steps_open_over("rest", params, vocab, NULL);
        for (size_t i = 0; i < 300; i++)
            compared += compare_trial(r, p, joined ? &all : docs, joined ? 1 : n_docs, text, n_text, &t, alphabet);
        policy_close(p);
    }
    gsl_rng_free(r);
}
