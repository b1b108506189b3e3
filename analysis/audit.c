#include "analysis/audit.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"

#define RISK  0.01 /* that rounding takes a token of a whole audit beyond the tolerance; that a worse side is none */
#define BLIND 0.5  /* share of positions with the second token within the tolerance, from which on it tells nothing */

const char *const audit_kind_names[AUDIT_KINDS] = {"same",  "tie", "rounding",  "length",
                                                   "early", "bug", "unrelated", "parted"};
const char *const audit_kind_helps[AUDIT_KINDS] = {
    "no difference",
    "where they part, both tokens have the same exact logit: either is right",
    "both tokens are so near the largest logit that the engine's rounding explains either",
    "one goes on where the other has ended at its limit, or only by a token that ends a text",
    "one has ended before its limit, at a place where the model would not",
    "one token is near the largest logit, the other is not: rounding does not explain it",
    "neither token is near: another model, prompt or chat template, or sampled",
    "they differ, and nothing says why: no model, or too few tokens to know how far rounding goes",
};

/* ---- filling ------------------------------------------------------------------------------------------- */

audit_record *audit_add(audit *a, const char *id, err *e) {
    if (mem_reserve(&a->records, &a->cap, a->n + 1, e) != 0) return NULL;
    audit_record *r = &a->records[a->n++];
    *r = (audit_record){.id = id, .margin = NAN};
    for (int side = 0; side < AUDIT_SIDES; side++) {
        r->word[side] = (audit_word){.logit = NAN, .below = NAN};
        r->track[side].start = a->points[side].n;
    }
    return r;
}

int audit_track_add(audit *a, audit_side side, double margin, double below, err *e) {
    audit_track *t = &a->records[a->n - 1].track[side];
    if (noise_add(&a->points[side], margin, below, e) != 0) return -1;
    if (below > 0 && t->departures++ == 0) t->departs_at = t->first + t->n;
    if (below > t->farthest) t->farthest = below;
    t->n++;
    return 0;
}

void audit_free(audit *a) {
    while (a->n > 0) audit_drop(a);
    free(a->records);
    for (int side = 0; side < AUDIT_SIDES; side++) noise_free(&a->points[side]);
    *a = (audit){0};
}

void audit_drop(audit *a) {
    audit_record *r = &a->records[--a->n];
    for (int side = 0; side < AUDIT_SIDES; side++) {
        a->points[side].n = r->track[side].start;
        free(r->word[side].said);
    }
}

/* ---- judging ------------------------------------------------------------------------------------------- */

/* What lies within the tolerance is explained by it, unless nearly everything does. */
static audit_kind within(const audit *a) {
    return a->blind ? AUDIT_PARTED : AUDIT_ROUNDING;
}

/* One has ended. What the other one goes on with is a token that ends a text, or too much, or a fault. */
static audit_kind judge_end(const audit *a, audit_record *r) {
    audit_side        shorter = r->word[AUDIT_PLAIN].ended ? AUDIT_PLAIN : AUDIT_OTHER;
    const audit_word *end = &r->word[shorter], *goes_on = &r->word[shorter == AUDIT_PLAIN ? AUDIT_OTHER : AUDIT_PLAIN];
    if (end->at_limit || goes_on->stops || (a->scored && isnan(end->below))) return AUDIT_LENGTH;
    if (!a->scored || !isfinite(a->tolerance)) return AUDIT_PARTED;
    if (end->below <= a->tolerance) return within(a);
    r->whose = shorter;
    return goes_on->below <= a->tolerance ? AUDIT_EARLY : AUDIT_UNRELATED;
}

static audit_kind judge(const audit *a, audit_record *r) {
    const audit_word *p = &r->word[AUDIT_PLAIN], *q = &r->word[AUDIT_OTHER];
    if (!r->parts) return AUDIT_SAME;
    if (p->ended || q->ended) return judge_end(a, r);
    if (!a->scored || !isfinite(a->tolerance)) return AUDIT_PARTED;
    bool near_p = p->below <= a->tolerance, near_q = q->below <= a->tolerance;
    if (near_p && near_q) return p->logit == q->logit ? AUDIT_TIE : within(a);
    r->whose = near_p ? AUDIT_OTHER : AUDIT_PLAIN;
    return near_p || near_q ? AUDIT_BUG : AUDIT_UNRELATED;
}

static size_t count_beyond(const audit *a, audit_side side, audit_track *t) {
    const noise_point *p = a->points[side].at; /* NULL where no side has points */
    t->beyond = 0;
    for (size_t i = t->start; i < t->start + t->n; i++) t->beyond += p[i].below > a->tolerance;
    return t->beyond;
}

/* Fisher's exact test, one-sided. */
static double chance_of_worse(const audit *a) {
    size_t marked = a->beyond[AUDIT_PLAIN] + a->beyond[AUDIT_OTHER], drawn = a->points[AUDIT_OTHER].n;
    size_t all = a->points[AUDIT_PLAIN].n + drawn, k = a->beyond[AUDIT_OTHER];
    if (k == 0) return 1;
    return gsl_cdf_hypergeometric_Q((unsigned)(k - 1), (unsigned)marked, (unsigned)(all - marked), (unsigned)drawn);
}

int audit_judge(audit *a, err *e) {
    size_t tokens = 0;
    for (int side = 0; side < AUDIT_SIDES; side++) {
        if (noise_fit_points(&a->points[side], &a->fit[side], e) != 0) return -1;
        tokens += a->points[side].n;
        a->beyond[side] = 0;
    }
    bool derived = isnan(a->tolerance);
    if (derived) a->tolerance = noise_tolerance(&a->fit[AUDIT_PLAIN], tokens, RISK);
    a->hidden = noise_within(&a->points[AUDIT_PLAIN], a->tolerance);
    a->blind = derived && a->hidden > BLIND;
    for (int k = 0; k < AUDIT_KINDS; k++) a->counts[k] = 0;
    for (size_t i = 0; i < a->n; i++) {
        audit_record *r = &a->records[i];
        r->kind = judge(a, r);
        a->counts[r->kind]++;
        for (int side = 0; side < AUDIT_SIDES; side++)
            a->beyond[side] += count_beyond(a, (audit_side)side, &r->track[side]);
    }
    a->worse = chance_of_worse(a);
    return 0;
}

static size_t unexplained(const audit *a) {
    return a->counts[AUDIT_EARLY] + a->counts[AUDIT_BUG] + a->counts[AUDIT_UNRELATED] + a->counts[AUDIT_PARTED];
}

bool audit_explained(const audit *a) {
    return unexplained(a) == 0 && !(a->worse < RISK);
}

int audit_fault(const audit *a, err *e) {
    size_t n = unexplained(a);
    if (n > 0 && !a->scored)
        return err_run(e, "%zu of %zu outputs differ, and without a model (-m) nothing says why", n, a->n);
    if (n > 0 && n == a->counts[AUDIT_PARTED])
        return err_run(e, "%zu of %zu outputs differ, and there are too few tokens to tell why (--tolerance X)", n,
                       a->n);
    if (n > 0) return err_run(e, "%zu of %zu outputs differ in a way that rounding does not explain", n, a->n);
    return err_run(e,
                   "%zu of the speculative outputs' tokens are beyond the tolerance, more than plain's (the chance of "
                   "that is %.2g if both only round)",
                   a->beyond[AUDIT_OTHER], a->worse);
}
