/* audit_table.c - an audit for people and programs: a row for each record, and above it what all of them come to. */
#include <math.h>
#include <stdio.h>

#include "analysis/audit.h"
#include "engine/base/number.h"

/* A normal error of this standard deviation changes choices as sampling at temperature 1 does: the logistic and the
 * normal distribution are within 0.01 of each other. */
#define SCALE_OF_SAMPLING 1.702

static void caption_counts(const audit *a, const audit_view *v, table *t) {
    char   kinds[256] = "";
    size_t at = 0;
    for (int k = 0; k < AUDIT_KINDS && at < sizeof kinds; k++)
        if (a->counts[k] > 0)
            at += (size_t)snprintf(kinds + at, sizeof kinds - at, "%s%s %zu", at > 0 ? ", " : "", audit_kind_names[k],
                                   a->counts[k]);
    table_caption(t, "%zu record%s: %s", a->n, plural(a->n), kinds);
    table_caption(t, "plain: %s; speculative: %s", v->plain, v->other);
}

static void caption_noise(const char *whose, const noise_fit *f, table *t) {
    if (f->positions == 0) return;
    char noise[128] = "", outliers[64] = "";
    if (f->outliers > 0) snprintf(outliers, sizeof outliers, ", but for %.3g%% of all tokens", 100 * f->outliers);
    if (f->departures > 0) snprintf(noise, sizeof noise, "; noise of scale %.3g explains them%s", f->scale, outliers);
    table_caption(t, "%s: %zu of %zu tokens are not the likeliest by exact logits%s", whose, f->departures,
                  f->positions, noise);
}

static void caption_tolerance(const audit *a, table *t) {
    if (!isfinite(a->tolerance))
        table_caption(t, "tolerance: none, there are too few tokens to tell what rounding does (--tolerance X)");
    else
        table_caption(
            t,
            "tolerance %.3g: beyond it are %zu of plain's tokens, and %zu of the %zu that speculation wrote "
            "after parting; a wrong second choice is within it at %.1f%% of the positions%s",
            a->tolerance, a->beyond[AUDIT_PLAIN], a->beyond[AUDIT_OTHER], a->points[AUDIT_OTHER].n, 100 * a->hidden,
            a->blind ? ": TOO FEW tokens to tell rounding from a bug there (more records, or --tolerance X)" : "");
}

/* Signs that plain is no greedy decoding of this model and these prompts. */
static void caption_doubts(const audit *a, table *t) {
    const noise_fit *f = &a->fit[AUDIT_PLAIN];
    double           temperature = f->scale / SCALE_OF_SAMPLING;
    if (f->outliers > 0.05)
        table_caption(t, "doubt: so many tokens beyond rounding mean another model, prompt or chat template; or a bug "
                         "in plain decoding, too; or sampling");
    else if (temperature > 0.35)
        table_caption(t, "doubt: the noise is as wide as that of sampling at temperature %.2g: was it sampled?",
                      temperature);
}

/* A run that is cut short looks like one with another limit. */
static void caption_limits(const audit *a, table *t) {
    if (a->counts[AUDIT_LENGTH] > 0 && a->longest[AUDIT_PLAIN] != a->longest[AUDIT_OTHER])
        table_caption(t,
                      "doubt: plain's longest output has %zu tokens, speculation's %zu: other limits, or all were cut",
                      a->longest[AUDIT_PLAIN], a->longest[AUDIT_OTHER]);
}

static void add_columns(const audit_view *v, table *t) {
    table_column(t, COLUMN_LEFT, "record", "record");
    table_column(t, COLUMN_LEFT, "kind", "kind");
    table_column(t, COLUMN_LEFT, "whose", "whose");
    table_column(t, COLUMN_RIGHT, v->unit, "at");
    table_column(t, COLUMN_RIGHT, "byte", "byte");
    table_column(t, COLUMN_LEFT, "plain", "plain");
    table_column(t, COLUMN_LEFT, "speculative", "speculative");
    table_column(t, COLUMN_RIGHT, "gap", "gap");
    table_column(t, COLUMN_RIGHT, "ranks", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "plain_rank");
    table_column(t, COLUMN_RIGHT, NULL, "speculative_rank");
    table_column(t, COLUMN_RIGHT, NULL, "plain_logit");
    table_column(t, COLUMN_RIGHT, NULL, "speculative_logit");
    table_column(t, COLUMN_RIGHT, "margin", "margin");
    table_column(t, COLUMN_RIGHT, "departs", NULL);
    table_column(t, COLUMN_RIGHT, NULL, "plain_tokens");
    table_column(t, COLUMN_RIGHT, NULL, "plain_departures");
    table_column(t, COLUMN_RIGHT, NULL, "plain_departs_at");
    table_column(t, COLUMN_RIGHT, "by", "plain_farthest");
    table_column(t, COLUMN_RIGHT, NULL, "plain_beyond");
    table_column(t, COLUMN_RIGHT, NULL, "speculative_beyond");
    table_column(t, COLUMN_RIGHT, NULL, "tolerance"); /* formats for programs have no captions */
}

static void put_index(table *t, bool known, size_t n) {
    if (known)
        table_put_count(t, n);
    else
        table_put_missing(t);
}

/* "1, 2"; "-" for a side that is not known. */
static void put_ranks(const audit_record *r, table *t) {
    char text[AUDIT_SIDES][32], both[70];
    for (int side = 0; side < AUDIT_SIDES; side++) {
        size_t rank = r->word[side].rank;
        snprintf(text[side], sizeof text[side], rank > 0 ? "%zu" : "-", rank);
    }
    snprintf(both, sizeof both, "%s, %s", text[AUDIT_PLAIN], text[AUDIT_OTHER]);
    table_put_text(t, r->word[AUDIT_PLAIN].rank + r->word[AUDIT_OTHER].rank > 0 ? both : NULL);
    for (int side = 0; side < AUDIT_SIDES; side++) put_index(t, r->word[side].rank > 0, r->word[side].rank);
    for (int side = 0; side < AUDIT_SIDES; side++) table_put_real(t, r->word[side].logit, 3);
}

static void put_said(const audit_record *r, audit_side side, table *t) {
    table_put_text(t, !r->parts ? NULL : r->word[side].ended ? "(end)" : r->word[side].said);
}

/* In the order of add_columns. */
static void put_row(const audit *a, const audit_record *r, table *t) {
    bool               blamed = r->kind == AUDIT_BUG || r->kind == AUDIT_EARLY;
    const audit_track *p = &r->track[AUDIT_PLAIN];
    table_put_text(t, r->id);
    table_put_text(t, audit_kind_names[r->kind]);
    table_put_text(t, !blamed ? NULL : r->whose == AUDIT_PLAIN ? "plain" : "speculative");
    put_index(t, r->parts, r->at);
    put_index(t, r->has_byte, r->byte);
    put_said(r, AUDIT_PLAIN, t);
    put_said(r, AUDIT_OTHER, t);
    table_put_real(t, fabs(r->word[AUDIT_PLAIN].logit - r->word[AUDIT_OTHER].logit), 3);
    put_ranks(r, t);
    table_put_real(t, r->margin, 3);
    table_put_of(t, p->departures, p->n);
    put_index(t, a->scored, p->n);
    put_index(t, a->scored, p->departures);
    put_index(t, p->departures > 0, p->departs_at);
    table_put_real(t, p->departures > 0 ? p->farthest : NAN, 3);
    put_index(t, a->scored, p->beyond);
    put_index(t, a->scored, r->track[AUDIT_OTHER].beyond);
    table_put_real(t, a->scored && isfinite(a->tolerance) ? a->tolerance : NAN, 3);
}

table *audit_table(const audit *a, const audit_view *v, err *e) {
    table *t = table_new(e);
    if (t == NULL) return NULL;
    caption_counts(a, v, t);
    if (a->scored) {
        caption_noise("plain", &a->fit[AUDIT_PLAIN], t);
        caption_noise("speculative, after parting", &a->fit[AUDIT_OTHER], t);
        caption_tolerance(a, t);
        caption_doubts(a, t);
    }
    caption_limits(a, t);
    table_when_empty(t, "no output differs, so no record is listed (--all lists those that are the same)");
    add_columns(v, t);
    for (size_t i = 0; i < a->n; i++)
        if (v->all || a->records[i].parts) put_row(a, &a->records[i], t);
    return t;
}
