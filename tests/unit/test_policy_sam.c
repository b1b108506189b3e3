/* Drafting from suffix automata: examples, and a scan of all texts, written from SAM-Decoding's description. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/fixtures/scratch.h"
#include "tests/fixtures/tiny_store.h"
#include "tests/unit/policy_steps.h"

TestSuite(policy_sam, .init = scratch_enter, .fini = scratch_leave);

enum { TEXT_CAP = 96, TEXTS = 8, ALPHABET = 5, STORES = 4, DOCUMENTS = 3 };

static void begin_with(policy *p, const int32_t *prompt, size_t n_prompt) {
    steps_begin(p, &(policy_input){.prompt = prompt, .n_prompt = n_prompt, .references = EXAMPLES, .n_references = 3});
}

#define CHECK_FROM(d, length, from, at)                                                                                \
    cr_assert((d).match_length == (length) && (d).source == (from) && (d).source_position == (at),                     \
              "length %u, source %d, position %d", (unsigned)(d).match_length, (int)(d).source,                        \
              (int)(d).source_position)

Test(policy_sam, copies_from_prompt_and_output) {
    const struct {
        const int32_t *h;
        size_t         n;
        const int32_t *draft;
        size_t         n_draft;
    } cases[] = {
        {H1, 11, IDS(4, 5, 6, 7, 8, 1, 2, 3)},
        {H2, 7, IDS(1, 7)}, /* five tokens match */
        {H3, 13, IDS(9, 5, 1, 2, 3, 4, 6, 1, 2, 3)},
        {H4, 14, IDS(8, 0, 1, 2, 9, 0, 1, 2)},    /* two match, so eight are copied */
        {H5, 14, IDS(8, 5, 6, 8, 5, 6, 7, 5, 6)}, /* 5 6 7 5 6 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n_prompt = 0; n_prompt <= cases[i].n; n_prompt++) {
            policy *p = steps_open("sam", "");
            draft   d;
            begin_with(p, cases[i].h, n_prompt);
            steps_observe(p, cases[i].h + n_prompt, cases[i].n - n_prompt);
            steps_propose(p, DRAFT_CAP, &d);
            steps_check(&d, cases[i].draft, cases[i].n_draft, "in prompt and output");
            policy_close(p);
        }
}

Test(policy_sam, the_longest_match_counts_however_long_it_is) {
    static int32_t text[400];
    for (int32_t i = 0; i < 200; i++) text[i] = text[i + 200] = i;
    policy *p = steps_open("sam", "alpha=0.05,k=1024");
    draft   d;
    begin_with(p, text, 299); /* 0 to 98 again */
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(99, 100, 101, 102), "0.05 times 99, rounded down");
    CHECK_FROM(d, 99, SOURCE_PROMPT, 99);
    steps_observe(p, IDS(99));
    steps_propose(p, 3, &d);
    steps_check(&d, IDS(100, 101, 102), "no more than the limit");
    steps_observe(p, IDS(777));
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0);
    CHECK_FROM(d, 0, SOURCE_NONE, -1);
    policy_close(p);
}

Test(policy_sam, compat_never_copies_the_last_token) {
    policy *p = steps_open("sam", "compat=yes"), *q = steps_open("sam", "");
    draft   d;
    begin_with(p, IDS(4, 4));
    begin_with(q, IDS(4, 4));
    steps_propose(q, DRAFT_CAP, &d);
    steps_check(&d, IDS(4), "the last token is there to copy");
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0);
    CHECK_FROM(d, 1, SOURCE_PROMPT, 1);
    policy_close(p);
    policy_close(q);
}

Test(policy_sam, texts_that_repeat_themselves) {
    const struct {
        const char    *params;
        const int32_t *draft;
        size_t         n_draft;
        unsigned       length;
    } cases[] = {
        {"k=7", IDS(5, 4), 5},
        {"k=7,tail=climb", IDS(5, 4, 5, 4, 5, 4), 1}, /* of the lengths 5, 3 and 1 */
        {"k=5,tail=climb", IDS(5, 4, 5, 4), 3},
        {"k=20,tail=climb", IDS(5, 4, 5, 4, 5, 4), 1},
        {"k=7,tail=repeat", IDS(5, 4, 5, 4, 5, 4), 5},
        {"k=7,tail=climb,compat=yes", IDS(5, 4, 5, 4, 5), 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("sam", cases[i].params);
        draft   d;
        begin_with(p, IDS(4, 5, 4, 5, 4, 5, 4));
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, cases[i].draft, cases[i].n_draft, cases[i].params);
        cr_assert_eq(d.match_length, cases[i].length, "%s", cases[i].params);
        policy_close(p);
    }
}

Test(policy_sam, refuses_a_tail_that_the_original_has_not) {
    err e = {0};
    cr_assert_null(steps_try_open("sam", "compat=yes,tail=repeat", VOCAB, NULL, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "policy sam: compat = yes and tail = repeat exclude each other (tail = short or climb)");
}

Test(policy_sam, references_give_trees) {
    const reference refs[] = {{IDS(1, 2, 3, 4)}, {IDS(1, 2, 5, 6, 1, 2, 5, 7)}, {IDS(2)}};
    policy_input    in = {.prompt = (int32_t[]){1, 2}, .n_prompt = 2, .references = refs, .n_references = 3};
    policy         *p = steps_open("sam", "len_bias=0");
    draft           d;
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    /* Shares: 5 2/3, 3 1/3 (and 4 after it), 6 1/3 and what follows it, 7 1/3. Equal ones as they were found. */
    const int32_t ids[] = {5, 3, 6, 7, 4, 1, 2, 5}, parents[] = {-1, -1, 0, 0, 1, 2, 5, 6};
    cr_assert_eq(d.n, 8, "four tokens for each of two, so %zu", d.n);
    cr_assert_eq(memcmp(d.ids, ids, sizeof ids), 0);
    cr_assert_eq(memcmp(d.parent, parents, sizeof parents), 0);
    CHECK_FROM(d, 2, 0, 2);
    steps_observe(p, IDS(9, 2));
    steps_propose(p, DRAFT_CAP, &d);
    CHECK_FROM(d, 1, SOURCE_OUTPUT, 0); /* equal ones: prompt and output */
    policy_close(p);

    p = steps_open("sam", "len_bias=0,width=1");
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(5, 6, 1, 2, 5, 7), "the most frequent path");
    policy_close(p);
    p = steps_open("sam", "len_bias=0,static=chain");
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(3, 4), "the first place");
    policy_close(p);
    p = steps_open("sam", "len_bias=1");
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert(d.n == 4 && d.branches, "four tokens for the one beyond len_bias");
    policy_close(p);
    p = steps_open("sam", "len_bias=3");
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0);
    policy_close(p);
}

Test(policy_sam, remembers_outputs_of_a_cell) {
    policy      *p = steps_open("sam", "len_bias=0,memory=cell,capacity=12"), *q = steps_open("sam", "len_bias=0");
    policy_input in = {.prompt = (int32_t[]){1, 2}, .n_prompt = 2};
    draft        d;
    steps_begin(q, &in);
    steps_observe(q, IDS(3, 4));
    steps_begin(q, &in);
    steps_propose(q, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0, "without memory");
    policy_close(q);

    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0, "nothing is known yet");
    steps_observe(p, IDS(9, 1));
    steps_observe(p, IDS(2, 3, 4));
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(3, 4), "an earlier output");
    CHECK_FROM(d, 2, SOURCE_OTHER, -1);
    steps_observe(p, IDS(5, 6, 7, 8, 2, 7, 7));
    steps_begin(p, &in); /* of 7 tokens 6 are kept, so there are 11 */
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(3, 4), "the oldest output is still there");
    steps_observe(p, IDS(8, 8));
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(7, 7), "it is forgotten");
    policy_forget(p);
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0, "all is forgotten");
    policy_close(p);
}

/* S8 */
Test(policy_sam, copies_from_a_corpus) {
    const reference docs[] = {{IDS(1, 2, 3, 4)}, {IDS(5, 1, 2, 6, 7)}}, refs[] = {{IDS(9, 1, 2, 8)}};
    policy_input    in = {.prompt = (int32_t[]){5, 1, 2}, .n_prompt = 3, .references = refs, .n_references = 1};
    draft           d;
    err             e = {0};
    tiny_store_write("c.store", docs, 2, 10, false, tiny_store_digest);
    policy *p = steps_open("sam", "corpus=c.store,static=chain,len_bias=0");
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(6, 7), "its match is longer");
    CHECK_FROM(d, 3, SOURCE_OTHER, -1);
    in.prompt = (int32_t[]){3, 1, 2};
    steps_begin(p, &in);
    steps_propose(p, DRAFT_CAP, &d);
    steps_check(&d, IDS(8), "of equal ones the references'");
    CHECK_FROM(d, 2, 0, 3);
    steps_observe(p, IDS(3, 4));
    steps_propose(p, DRAFT_CAP, &d);
    cr_assert_eq(d.n, 0, "matches end with a document");
    policy_close(p);
    cr_assert_null(steps_try_open("sam", "corpus=c.store", 9, NULL, &e));
    cr_assert_str_eq(e.text, "policy sam: c.store: is made of 10 ids (the model has 9)");
}

/* S9 */
Test(policy_sam, matches_may_be_limited) {
    const struct {
        const char    *params;
        const int32_t *draft;
        size_t         n_draft;
        unsigned       length;
    } cases[] = {
        {"alpha=1024", IDS(6, 9, 5, 1, 2), 3}, /* 5 1 2 */
        {"alpha=1024,n=2", IDS(7, 5, 1, 2, 6, 9, 5, 1, 2), 2},
        {"n=1,k=3", IDS(7, 5), 1}, /* 2 */
        {"min_match=3,k=2", IDS(6), 3},
        {"min_match=4", NULL, 0, 0},
        {"min_match=2,n=2,k=2", IDS(7), 2},
    };
    err e = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        policy *p = steps_open("sam", cases[i].params);
        draft   d;
        steps_begin(p, &(policy_input){.prompt = (int32_t[]){1, 2, 7, 5, 1, 2, 6, 9, 5, 1, 2}, .n_prompt = 11});
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, cases[i].draft, cases[i].n_draft, cases[i].params);
        cr_assert_eq(d.match_length, cases[i].length, "%s", cases[i].params);
        policy_close(p);
    }
    cr_assert_null(steps_try_open("sam", "n=3,min_match=4", VOCAB, NULL, &e));
    cr_assert_str_eq(e.text, "policy sam: min_match = 4 is more than n = 3");
}

Test(policy_sam, a_pool_of_texts_has_their_prompts) {
    for (size_t texts = 0; texts < 2; texts++) {
        policy      *p = steps_open("sam", texts ? "len_bias=0,memory=cell,pool=texts" : "len_bias=0,memory=cell");
        policy_input in = {.prompt = (int32_t[]){1, 2, 3}, .n_prompt = 3};
        draft        d;
        steps_begin(p, &in);
        steps_observe(p, IDS(4));
        in = (policy_input){.prompt = (int32_t[]){2, 3}, .n_prompt = 2};
        steps_begin(p, &in);
        steps_propose(p, DRAFT_CAP, &d);
        steps_check(&d, (const int32_t[]){4}, texts, "after 2 3 of an earlier prompt");
        policy_close(p);
    }
}

/* Three trials; 0, or -1 when one of them failed. */
static int three_trials(policy *p, draft *d, err *e) {
    policy_input in = {.prompt = H3, .n_prompt = 13, .references = EXAMPLES, .n_references = 3};
    for (int i = 0; i < 3; i++) {
        if (steps_try_begin(p, &in, e) != 0 || steps_try_observe(p, H5, 14, e) != 0) return -1;
        if (policy_propose(p, DRAFT_CAP, d, e) != 0) return -1;
    }
    return 0;
}

Test(policy_sam, may_run_out_of_memory_while_it_remembers) {
    policy *p = steps_open("sam", "len_bias=0,memory=cell,capacity=40");
    err     e = {0};
    draft   want, got;
    cr_assert_eq(three_trials(p, &want, &e), 0, "%s", e.text);
    for (size_t k = 1, failed = 1; failed; k++) {
        policy_forget(p);
        mem_fail_at(k);
        failed = three_trials(p, &got, &e) != 0;
        mem_fail_at(0);
        cr_assert(!failed || e.kind == ERR_RUN);
        cr_assert_eq(three_trials(p, &got, &e), 0, "%s", e.text);
        cr_assert(steps_same(&got, &want), "after failure %zu", k);
        cr_assert_lt(k, 1000);
    }
    policy_close(p);
}

/* ---- a scan ------------------------------------------------------------------------------------------ */

enum { CLIMB = 1, REPEAT };

static const char *const tails[] = {"short", "climb", "repeat"};

typedef struct {
    int32_t ids[TEXT_CAP];
    size_t  n;
} text;

typedef struct {
    size_t k, n, min_match, bias, width, capacity;
    double alpha;
    bool   chain, compat, cell, texts;
    size_t tail; /* of `tails` */
} settings;

static bool same_ids(const int32_t *a, const int32_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

/* How often a string occurs in some texts; its first place. */
static size_t occurrences(const text *texts, size_t n_texts, const int32_t *ids, size_t n, size_t *where, size_t *end) {
    size_t count = 0;
    for (size_t i = 0; i < n_texts; i++)
        for (size_t at = 0; at + n <= texts[i].n; at++)
            if (same_ids(texts[i].ids + at, ids, n) && count++ == 0) {
                *where = i;
                *end = at + n;
            }
    return count;
}

static size_t longest_suffix(const settings *s, const text *texts, size_t n_texts, const text *h, size_t *where,
                             size_t *end) {
    size_t n = s->n > 0 && s->n < h->n ? s->n : h->n;
    while (n > 0 && occurrences(texts, n_texts, h->ids + h->n - n, n, where, end) == 0) n--;
    return n < s->min_match ? 0 : n;
}

typedef struct {
    double  share;
    int32_t path[TEXT_CAP]; /* after the match; the node's token is the last one */
    size_t  n;
    int32_t parent;
    bool    used;
} node;

/* All children of a string, the most frequent `width` of them, as further nodes. */
static size_t children(const text *texts, size_t n_texts, const int32_t *match, size_t n_match, const node *above,
                       size_t alphabet, size_t width, node *nodes, size_t n_nodes) {
    int32_t s[2 * TEXT_CAP];
    size_t  counts[8], wheres[8], ends[8], length = n_match + above->n, where, end;
    memcpy(s, match, n_match * sizeof *s);
    memcpy(s + n_match, above->path, above->n * sizeof *s);
    size_t all = occurrences(texts, n_texts, s, length, &where, &end);
    for (size_t i = 0; i < alphabet; i++) {
        s[length] = (int32_t)i;
        counts[i] = occurrences(texts, n_texts, s, length + 1, &wheres[i], &ends[i]);
    }
    for (size_t added = 0; added < width; added++) {
        size_t best = alphabet;
        for (size_t i = 0; i < alphabet; i++) {
            if (counts[i] == 0 || (best < alphabet && counts[i] < counts[best])) continue;
            bool sooner = best == alphabet || counts[i] > counts[best] || wheres[i] < wheres[best] ||
                          (wheres[i] == wheres[best] && ends[i] < ends[best]);
            if (sooner) best = i;
        }
        if (best == alphabet) break;
        node *c = &nodes[n_nodes++];
        *c = *above;
        c->share = above->share * ((double)counts[best] / (double)all);
        c->path[c->n++] = (int32_t)best;
        c->used = false;
        counts[best] = 0;
    }
    return n_nodes;
}

static void scan_tree(const text *texts, size_t n_texts, const int32_t *match, size_t n_match, size_t alphabet,
                      size_t width, size_t most, draft *d) {
    static node nodes[4000];
    size_t      n = 0, levels[TEXT_CAP] = {0};
    node        root = {.share = 1, .parent = DRAFT_ROOT};
    if (most > 0) n = children(texts, n_texts, match, n_match, &root, alphabet, width, nodes, n);
    while (d->n < most) {
        node *best = NULL;
        for (size_t i = 0; i < n; i++)
            if (!nodes[i].used && (best == NULL || nodes[i].share > best->share)) best = &nodes[i];
        if (best == NULL) return;
        best->used = true;
        if (levels[best->n]++ >= width) continue;
        node above = *best;
        above.parent = draft_add(d, best->parent, best->path[best->n - 1]);
        n = children(texts, n_texts, match, n_match, &above, alphabet, width, nodes, n);
    }
}

/* The longest suffix, of `longest` tokens or fewer, whose first place leaves `most` tokens before `stop`; if there is
 * none, the longest of those that occur wherever the last token does. */
static size_t climb(const text *before, const text *h, size_t longest, size_t most, size_t stop, size_t *end) {
    size_t where, n = longest, all = occurrences(before, 1, h->ids + h->n - 1, 1, &where, end);
    for (; n > 0; n--) {
        occurrences(before, 1, h->ids + h->n - n, n, &where, end);
        if (stop - *end >= most) return n;
    }
    for (n = longest; occurrences(before, 1, h->ids + h->n - n, n, &where, end) != all;) n--;
    return n;
}

/* Texts that drafts come from, where one match is known. */
typedef struct {
    const text *texts;
    size_t      n, where, end;
} fixed_texts;

/* others: the references, earlier outputs, a corpus. */
static void scan(const settings *s, const text *h, size_t n_prompt, fixed_texts others[3], size_t alphabet,
                 size_t limit, draft *d) {
    text   before = *h; /* so that a suffix is found only where it ends sooner */
    size_t where_moving, end_moving = 0, longer = 0, which = 0;
    draft_clear(d);
    if (before.n > 0) before.n--;
    size_t moving = longest_suffix(s, &before, 1, h, &where_moving, &end_moving);
    for (size_t i = 0; i < 3; i++) {
        size_t fixed = longest_suffix(s, others[i].texts, others[i].n, h, &others[i].where, &others[i].end);
        if (fixed <= longer) continue;
        longer = fixed;
        which = i;
    }
    const fixed_texts *from = &others[which];
    bool               dynamic = longer < s->bias || moving >= longer - s->bias;
    size_t             length = dynamic ? moving : longer - s->bias, most = s->k - 1 < limit ? s->k - 1 : limit;
    if ((double)length * s->alpha < (double)most) most = (size_t)((double)length * s->alpha);
    d->match_length = (uint16_t)(dynamic ? moving : longer);
    if (dynamic && moving == 0) return;
    if (dynamic && s->tail == CLIMB) {
        moving = climb(&before, h, moving, most, h->n - s->compat, &end_moving);
        d->match_length = (uint16_t)moving;
    }
    if (dynamic) {
        size_t left = h->n - s->compat - end_moving;
        draft_extend(d, h->ids + end_moving, left < most ? left : most);
        while (s->tail == REPEAT && left > 0 && d->n < most) draft_extend(d, &d->ids[d->n - left], 1);
        d->source = end_moving < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
        d->source_position = (int32_t)(end_moving < n_prompt ? end_moving : end_moving - n_prompt);
        return;
    }
    const text *first = &from->texts[from->where];
    size_t      left = first->n - from->end;
    d->source = which == 0 ? (int32_t)from->where : SOURCE_OTHER;
    if (which == 0) d->source_position = (int32_t)from->end;
    if (s->chain)
        draft_extend(d, first->ids + from->end, left < most ? left : most);
    else
        scan_tree(from->texts, from->n, h->ids + h->n - longer, longer, alphabet, s->width, most, d);
}

/* Adds an output to the earlier ones; returns how many there are then. */
static size_t remember(text *earlier, size_t n, const text *h, size_t n_prompt, size_t capacity) {
    size_t count = h->n - n_prompt < capacity / 2 ? h->n - n_prompt : capacity / 2, held = 0, dropped = 0;
    if (count == 0) return n;
    for (size_t i = 0; i < n; i++) held += earlier[i].n;
    if (held + count > capacity)
        while (held > capacity / 2) held -= earlier[dropped++].n;
    memmove(earlier, earlier + dropped, (n - dropped) * sizeof *earlier);
    n -= dropped;
    memcpy(earlier[n].ids, h->ids + h->n - count, count * sizeof *h->ids);
    earlier[n].n = count;
    return n + 1;
}

static bool same_draft(const draft *a, const draft *b) {
    return steps_same(a, b) && memcmp(a->parent, b->parent, a->n * sizeof *a->parent) == 0;
}

typedef struct {
    size_t compared, dynamic, chains, trees, recalled;
} tally;

static void count_draft(tally *c, const draft *d) {
    c->compared++;
    c->dynamic += d->n > 0 && (d->source == SOURCE_PROMPT || d->source == SOURCE_OUTPUT);
    c->chains += d->n > 0 && d->source >= 0 && !d->branches;
    c->trees += d->branches;
    c->recalled += d->n > 0 && d->source == SOURCE_OTHER;
}

/* One trial. */
static void compare(gsl_rng *r, const settings *s, policy *p, size_t alphabet, const text *earlier, size_t n_earlier,
                    const text *corpus, text *h, size_t *n_prompt, tally *c) {
    text      refs[3];
    reference references[3];
    size_t    limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP, n = steps_pick(r, 30);
    *n_prompt = steps_pick(r, n + 1);
    for (size_t i = 0; i < 3; i++) {
        refs[i].n = steps_pick(r, 25);
        steps_fill(r, refs[i].ids, refs[i].n, alphabet);
        references[i] = (reference){refs[i].ids, refs[i].n};
    }
    steps_fill(r, h->ids, n, alphabet);
    for (size_t copies = steps_pick(r, 4); copies > 0; copies--) { /* so that long matches occur */
        const text *from = &refs[steps_pick(r, 3)];
        size_t      at = steps_pick(r, n + 1), room = n - at < from->n ? n - at : from->n;
        memcpy(h->ids + at, from->ids, room * sizeof *h->ids);
    }
    h->n = *n_prompt;
    steps_begin(p, &(policy_input){.prompt = h->ids, .n_prompt = h->n, .references = references, .n_references = 3});
    for (;;) {
        draft       got, want;
        fixed_texts others[] = {{.texts = refs, .n = 3},
                                {.texts = earlier, .n = n_earlier},
                                {.texts = corpus, .n = corpus ? DOCUMENTS : 0}};
        scan(s, h, *n_prompt, others, alphabet, limit, &want);
        steps_propose(p, limit, &got);
        cr_assert(same_draft(&got, &want), "%zu drafted, not %zu; length %u, not %u; source %d, not %d", got.n, want.n,
                  got.match_length, want.match_length, (int)got.source, (int)want.source);
        count_draft(c, &got);
        if (h->n == n) return;
        size_t chunk = 1 + steps_pick(r, n - h->n < 5 ? n - h->n : 5);
        steps_observe(p, h->ids + h->n, chunk);
        h->n += chunk;
    }
}

/* The documents of a corpus, for each alphabet a few. */
static text drawn[ALPHABET][STORES][DOCUMENTS];

static void draw_stores(gsl_rng *r) {
    for (size_t a = 0; a < ALPHABET; a++)
        for (size_t s = 0; s < STORES; s++) {
            reference docs[DOCUMENTS];
            char      path[50];
            for (size_t i = 0; i < DOCUMENTS; i++) {
                text *t = &drawn[a][s][i];
                t->n = 1 + steps_pick(r, 30);
                steps_fill(r, t->ids, t->n, a + 1);
                docs[i] = (reference){t->ids, t->n};
            }
            snprintf(path, sizeof path, "%zu-%zu.store", a, s);
            tiny_store_write(path, docs, DOCUMENTS, 10, false, tiny_store_digest);
        }
}

Test(policy_sam, is_the_scan) {
    gsl_rng *r = rng_new(15, 21);
    tally    c = {0};
    draw_stores(r);
    while (c.compared < FUZZ_HISTORIES) {
        static const double alphas[] = {0.5, 1, 2.5, 4, 1024};
        settings            s = {.k = 1 + steps_pick(r, 12),
                                 .n = steps_pick(r, 2) == 0 ? 0 : 1 + steps_pick(r, 5),
                                 .min_match = 1,
                                 .bias = steps_pick(r, 3),
                                 .width = 1 + steps_pick(r, 4),
                                 .capacity = 2 + steps_pick(r, 60),
                                 .alpha = alphas[steps_pick(r, 5)],
                                 .chain = steps_pick(r, 2) == 0,
                                 .compat = steps_pick(r, 2) == 0,
                                 .cell = steps_pick(r, 2) == 0,
                                 .texts = steps_pick(r, 2) == 0};
        char                params[250], store[50] = "none";
        text                earlier[TEXTS];
        size_t              alphabet = 1 + steps_pick(r, ALPHABET), n_earlier = 0, in = steps_pick(r, 2 * STORES);
        const text         *corpus = in < STORES ? drawn[alphabet - 1][in] : NULL;
        s.tail = steps_pick(r, s.compat ? REPEAT : REPEAT + 1);
        if (steps_pick(r, 2) == 0) s.min_match = 1 + steps_pick(r, s.n > 0 ? s.n : 4);
        if (corpus != NULL) snprintf(store, sizeof store, "%zu-%zu.store", alphabet - 1, in);
        int used = snprintf(params, sizeof params, "k=%zu,n=%zu,min_match=%zu,len_bias=%zu,width=%zu,capacity=%zu,",
                            s.k, s.n, s.min_match, s.bias, s.width, s.capacity);
        snprintf(params + used, sizeof params - (size_t)used,
                 "alpha=%g,static=%s,compat=%s,tail=%s,memory=%s,pool=%s,corpus=%s", s.alpha,
                 s.chain ? "chain" : "tree", s.compat ? "yes" : "no", tails[s.tail], s.cell ? "cell" : "none",
                 s.texts ? "texts" : "outputs", store);
        policy *p = steps_open_over("sam", params, 10, NULL);
        for (int trial = 0; trial < TEXTS; trial++) {
            text   h;
            size_t n_prompt;
            compare(r, &s, p, alphabet, earlier, n_earlier, corpus, &h, &n_prompt, &c);
            if (s.cell) n_earlier = remember(earlier, n_earlier, &h, s.texts ? 0 : n_prompt, s.capacity);
        }
        policy_close(p);
    }
    cr_assert(c.dynamic > c.compared / 4 && c.chains > c.compared / 20 && c.trees > c.compared / 100 &&
                  c.recalled > c.compared / 100,
              "of %zu: %zu dynamic, %zu chains and %zu trees of references, %zu of earlier outputs", c.compared,
              c.dynamic, c.chains, c.trees, c.recalled);
    gsl_rng_free(r);
}
