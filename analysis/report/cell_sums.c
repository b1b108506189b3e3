#include "analysis/report/cell_sums.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/stats/tally.h"
#include "engine/base/mem.h"

const char *const draft_from_names[FROM_KINDS] = {"references", "prompt", "output", "elsewhere", "no draft"};
const char *const match_bin_names[MATCH_BINS] = {"1", "2", "3", "4", "5–8", "9–16", "17–32", "33+"};

/* Values of `source` below 0 (results/README.md). */
enum { SOURCE_PROMPT = -2, SOURCE_OUTPUT = -3 };

draft_from draft_from_of(const step_row *s) {
    if (s->drafted == 0) return FROM_NOWHERE;
    if (s->source >= 0) return FROM_REFERENCE;
    if (s->source == SOURCE_PROMPT) return FROM_PROMPT;
    return s->source == SOURCE_OUTPUT ? FROM_OUTPUT : FROM_ELSEWHERE;
}

size_t match_bin(size_t match_length) {
    static const size_t last[MATCH_BINS - 1] = {1, 2, 3, 4, 8, 16, 32};
    size_t              bin = 0;
    while (bin < MATCH_BINS - 1 && match_length > last[bin]) bin++;
    return bin;
}

static void add_step(step_sum *sum, const step_row *s) {
    sum->steps++;
    sum->drafted += s->drafted;
    sum->testable += s->testable;
    sum->accepted += s->accepted;
    sum->emitted += s->emitted;
    if (s->plain_ns == 0) return;
    sum->compared++;
    sum->ns += s->draft_ns + s->verify_ns;
    sum->plain_ns += s->plain_ns;
}

/* Whether the trial decodes after the prompt's pass, with a target that takes time. */
static bool is_timed(const store_data *d, const trial_row *t) {
    return d->cells[t->cell].timed != 0 && t->tokens > 1;
}

static void add_times(cell_sums *c, const trial_row *t) {
    uint64_t verify = t->verify_ns - t->prefill_ns, known = t->draft_ns + verify;
    c->timed++;
    c->tokens += t->tokens - 1;
    c->draft_ns += t->draft_ns;
    c->verify_ns += verify;
    c->other_ns += t->decode_ns > known ? t->decode_ns - known : 0;
    c->plain_ns += t->plain_ns;
    c->plain_tokens += t->plain_tokens > 0 ? t->plain_tokens - 1 : 0;
}

typedef struct {
    const store_data *d;
    cell_sums        *sums;    /* [n_cells] */
    bool             *partial; /* [n_cells] whether a timed trial has no time of plain decoding */
} summing;

static int add_trial(const store_trial *t, void *ctx, err *e) {
    summing   *x = ctx;
    cell_sums *c = &x->sums[t->trial->cell];
    (void)e;
    if (is_timed(x->d, t->trial)) {
        add_times(c, t->trial);
        x->partial[t->trial->cell] |= t->trial->plain_ns == 0;
    }
    for (size_t i = 1; i < t->trial->steps; i++) {
        const step_row *s = &t->steps[i];
        add_step(&c->from[draft_from_of(s)], s);
        if (s->match_length > 0) add_step(&c->match[match_bin(s->match_length)], s);
    }
    return 0;
}

cell_sums *cell_sums_make(const store_data *d, err *e) {
    summing x = {d, mem_new(d->n_cells, sizeof *x.sums, e), mem_new(d->n_cells, sizeof *x.partial, e)};
    int     ret = x.sums != NULL && x.partial != NULL ? store_visit(d, VISIT_STEPS, add_trial, &x, e) : -1;
    /* A sum over some of the trials is none (counts.h, C1). */
    for (size_t c = 0; ret == 0 && c < d->n_cells; c++)
        if (x.partial[c]) x.sums[c].plain_ns = x.sums[c].plain_tokens = 0;
    free(x.partial);
    if (ret == 0) return x.sums;
    free(x.sums);
    return NULL;
}

/* ---- passes by their width ----------------------------------------------------------------------------- */

/* The passes of one width in one group. */
typedef struct {
    size_t group, tokens;
    tally  ns;
} passes;

typedef struct {
    const store_data *d;
    const size_t     *group; /* [d->n_cells] */
    passes           *at;    /* by group and tokens */
    size_t            n, cap;
} widths;

/* The passes of this width, which are added if they are the first. */
static passes *passes_of(widths *w, size_t group, size_t tokens, err *e) {
    size_t lo = 0, hi = w->n;
    while (lo < hi) {
        size_t        mid = lo + (hi - lo) / 2;
        const passes *p = &w->at[mid];
        if (p->group < group || (p->group == group && p->tokens < tokens))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < w->n && w->at[lo].group == group && w->at[lo].tokens == tokens) return &w->at[lo];
    if (mem_reserve(&w->at, &w->cap, w->n + 1, e) != 0) return NULL;
    memmove(&w->at[lo + 1], &w->at[lo], (w->n++ - lo) * sizeof *w->at);
    w->at[lo] = (passes){.group = group, .tokens = tokens};
    return &w->at[lo];
}

static int add_passes(const store_trial *t, void *ctx, err *e) {
    widths *w = ctx;
    size_t  cell = t->trial->cell;
    for (size_t i = 1; w->d->cells[cell].timed != 0 && i < t->trial->steps; i++) {
        passes *p = passes_of(w, w->group[cell], 1u + t->steps[i].drafted, e);
        if (p == NULL || tally_add(&p->ns, t->steps[i].verify_ns, e) != 0) return -1;
    }
    return 0;
}

int pass_times_make(const store_data *d, const size_t *group, pass_time **out, size_t *n, err *e) {
    widths w = {.d = d, .group = group};
    int    ret = store_visit(d, VISIT_STEPS, add_passes, &w, e);
    *out = ret == 0 ? mem_new(w.n, sizeof **out, e) : NULL;
    *n = *out != NULL ? w.n : 0;
    for (size_t i = 0; i < *n; i++) {
        passes *p = &w.at[i];
        (*out)[i] = (pass_time){.group = p->group,
                                .tokens = p->tokens,
                                .n = p->ns.of,
                                .q1 = tally_quantile(&p->ns, 0.25),
                                .median = tally_quantile(&p->ns, 0.5),
                                .q3 = tally_quantile(&p->ns, 0.75)};
    }
    for (size_t i = 0; i < w.n; i++) tally_free(&w.at[i].ns);
    free(w.at);
    return *out != NULL ? 0 : -1;
}
