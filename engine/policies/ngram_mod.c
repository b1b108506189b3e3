/* ngram_mod.c - llama.cpp's drafter "ngram-mod", a table that all prompts share (common/ngram-mod.cpp and
 * common/speculative.cpp, September 2026).
 *
 * A table says which token came after n tokens. Drafting looks up the last n tokens, then these without the first and
 * with what was found, and so on, up to k tokens. The original holds the token that comes last apart; "the text" below
 * is all before it.
 *
 *  M1  There are 2^22 places. The n tokens' polynomial in 6364136223846793005, mod 2^22, is their place; nobody
 *      checks which tokens wrote there last. So others may answer for them.
 *  M2  At the beginning the prompt's text is entered: for each n tokens in it, what comes next. Then entries lag
 *      behind: they are made when the text has more than 32 tokens since where the next n tokens to enter begin.
 *  M3  A draft ends where the table says nothing. With fewer than n_min tokens, and fewer than k, it is dropped.
 *  M4  After five drafts in a row of which less than a quarter was accepted, the table is emptied, and the text
 *      is entered anew before the next draft. Steps without a draft do not count. Of a draft that is cut because
 *      the context ends, the whole counts.
 *  M5  When more than a quarter of the places are used after a prompt was entered, the table is emptied. So it
 *      holds no more than 2^20 entries and those of a text.
 *  M6  There the original forgets the prompt at hand: unlike in M4 it goes on as if the text were entered. Here
 *      the text is entered anew. compat = yes does as the original does.
 *  M7  The memory is the table, and the count of bad drafts. The original keeps both while the server runs, as
 *      memory = cell does.
 */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/tokens.h"
#include "engine/policies/index/pair_table.h"
#include "engine/policies/policy.h"

enum { N, K, N_MIN, COMPAT, MEMORY };

static const param_spec params[] = {
    [N] = PARAM_INTEGER("n", 24, 1, 1024, "trigger length: last tokens that must match (n_match)"),
    [K] = PARAM_INTEGER("k", 64, 1, DRAFT_CAP, "most tokens drafted (n_max)"),
    [N_MIN] = PARAM_INTEGER("n_min", 48, 0, DRAFT_CAP, "fewest tokens drafted; k where that is less (n_min)"),
    [COMPAT] = PARAM_YES_NO("compat", 0, "as the original: a full table forgets the prompt at hand, too"),
    [MEMORY] = PARAM_MEMORY,
};

enum { PLACES = 4 * 1024 * 1024, FULL = PLACES / 4, LAG = 32, BAD_DRAFTS = 5 };

static const uint64_t factor = 6364136223846793005u;

/* The places in use, instead of all: (place, 0) has a number, and next[number] is what came last. */
typedef struct {
    pair_table used;
    int32_t   *next;
    size_t     cap_next;
    size_t     n_bad; /* drafts in a row */
} mod_memory;

typedef struct {
    tokens   text;    /* with the token that comes last */
    size_t   entered; /* the next n tokens to enter begin here */
    size_t   n_drafted;
    uint64_t first_weight; /* factor^(n - 1) */
} mod_trial;

static int32_t look_up(const mod_memory *m, uint64_t hash) {
    uint32_t at = pair_table_find(&m->used, (uint32_t)(hash % PLACES), 0);
    return at != PAIR_NONE ? m->next[at] : -1;
}

static uint64_t hash_of(const int32_t *ids, size_t n) {
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++) h = h * factor + (uint32_t)ids[i];
    return h;
}

/* The hash of n tokens without the first and with one more. */
static uint64_t hash_roll(const mod_trial *t, uint64_t h, int32_t first, int32_t next) {
    return (h - (uint32_t)first * t->first_weight) * factor + (uint32_t)next;
}

/* Enters what begins before `end`. */
static int enter(policy *p, size_t end, err *e) {
    mod_memory    *m = p->memory;
    mod_trial     *t = p->trial;
    size_t         n = (size_t)p->spec.params.at[N].integer;
    const int32_t *ids = t->text.ids;
    if (t->entered >= end) return 0;
    uint64_t h = hash_of(ids + t->entered, n);
    for (; t->entered < end; t->entered++) {
        uint32_t at;
        if (mem_reserve(&m->next, &m->cap_next, m->used.n + 1, e) != 0) return -1;
        if (pair_table_add(&m->used, (uint32_t)(h % PLACES), 0, &at, e) != 0) return -1;
        m->next[at] = ids[t->entered + n];
        h = hash_roll(t, h, ids[t->entered], ids[t->entered + n]);
    }
    return 0;
}

static void empty(policy *p, bool anew) {
    mod_memory *m = p->memory;
    mod_trial  *t = p->trial;
    pair_table_clear(&m->used);
    if (anew) t->entered = 0;
}

static int mod_begin(policy *p, const policy_input *in, err *e) {
    mod_memory *m = p->memory;
    mod_trial  *t = p->trial;
    size_t      n = (size_t)p->spec.params.at[N].integer;
    t->first_weight = 1;
    for (size_t i = 1; i < n; i++) t->first_weight *= factor;
    if (tokens_append(&t->text, in->prompt, in->n_prompt, e) != 0) return -1;
    if (in->n_prompt < n + 1) return 0;
    if (enter(p, in->n_prompt - 1 - n, e) != 0) return -1;
    if (m->used.n > FULL) empty(p, p->spec.params.at[COMPAT].choice == 0); /* M6 */
    return 0;
}

static int mod_observe(policy *p, const step_view *step, err *e) {
    mod_memory *m = p->memory;
    mod_trial  *t = p->trial;
    if (t->n_drafted > 0 && !step->foreign && step->n > 0) { /* M4 */
        bool bad = (step->n - 1) * 4 < t->n_drafted;
        m->n_bad = bad ? m->n_bad + 1 : 0;
        if (m->n_bad == BAD_DRAFTS) {
            empty(p, true);
            m->n_bad = 0;
        }
    }
    t->n_drafted = 0;
    return tokens_append(&t->text, step->emitted, step->n, e);
}

static int mod_propose(policy *p, size_t limit, draft *d, err *e) {
    mod_trial *t = p->trial;
    size_t     n = (size_t)p->spec.params.at[N].integer, k = (size_t)p->spec.params.at[K].integer;
    size_t     n_min = (size_t)p->spec.params.at[N_MIN].integer, found = 0;
    int32_t    drafted[DRAFT_CAP];
    if (t->text.n < n + 1) return 0;
    size_t text = t->text.n - 1;
    if (t->entered + LAG < text && enter(p, text - n, e) != 0) return -1;
    const int32_t *key = t->text.ids + t->text.n - n;
    uint64_t       h = hash_of(key, n);
    for (; found < k; found++) {
        if ((drafted[found] = look_up(p->memory, h)) < 0) break;
        h = hash_roll(t, h, found < n ? key[found] : drafted[found - n], drafted[found]);
    }
    if (found == 0 || (found < n_min && found < k)) return 0;
    t->n_drafted = found;
    draft_extend(d, drafted, found < limit ? found : limit);
    d->match_length = (uint16_t)n;
    d->source = SOURCE_OTHER;
    return 0;
}

static size_t mod_longest(const param_values *v) {
    return (size_t)v->at[K].integer;
}

static void mod_end(policy *p) {
    mod_trial *t = p->trial;
    tokens_free(&t->text);
}

static void mod_forget(policy *p) {
    mod_memory *m = p->memory;
    pair_table_free(&m->used);
    free(m->next);
}

const policy_ops policy_ngram_mod = {
    .name = "ngram_mod",
    .source = __FILE__,
    .help = "looks up token by token what last followed the n tokens before, in a table that prompts share",
    .origin = "llama.cpp, common/ngram-mod.cpp (ngram-mod)",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .trial_bytes = sizeof(mod_trial),
    .memory_bytes = sizeof(mod_memory),
    .begin = mod_begin,
    .observe = mod_observe,
    .propose = mod_propose,
    .longest = mod_longest,
    .end = mod_end,
    .forget = mod_forget,
};
