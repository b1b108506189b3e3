/* report_trials.c - the chosen trials step by step, their records, and the texts of all tokens in them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report/report_parts.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

typedef struct {
    const report_data  *r;
    const report_texts *texts;
    json_out           *j;
    bool              **used;     /* [n_vocabularies][ids] that the page shows */
    size_t              room;     /* bytes left for prompts and references */
    size_t              left_out; /* records whose prompts and references found no room */
    trial_drafts        drafts;
    store_trial         at; /* the trial at hand */
} writer;

/* ---- ids that need a text ------------------------------------------------------------------------------- */

static int open_used(writer *w, err *e) {
    size_t n = w->texts->n_vocabularies;
    w->used = mem_new(n, sizeof *w->used, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    for (size_t v = 0; w->used != NULL && v < n; v++)
        if ((w->used[v] = mem_new(w->texts->ids(w->texts->ctx, v), sizeof **w->used, e)) == NULL) return -1;
    return w->used != NULL ? 0 : -1;
}

static void close_used(writer *w) {
    for (size_t v = 0; w->used != NULL && v < w->texts->n_vocabularies; v++) free(w->used[v]);
    free(w->used);
}

static size_t vocabulary_of(const writer *w, size_t cell) {
    return w->texts->n_vocabularies > 0 ? w->texts->vocabulary(w->texts->ctx, cell) : 0;
}

static void use(writer *w, size_t cell, const int32_t *ids, size_t n) {
    size_t v = vocabulary_of(w, cell);
    if (v >= w->texts->n_vocabularies) return;
    size_t most = w->texts->ids(w->texts->ctx, v);
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0 && (size_t)ids[i] < most) w->used[v][ids[i]] = true;
}

static void put_ids(writer *w, const char *name, size_t cell, const int32_t *ids, size_t n) {
    use(w, cell, ids, n);
    json_out_ids(w->j, name, ids, n);
}

/* A text; a list of bytes where it is not UTF-8 by itself; {"c": NAME} for a control token. */
static void put_token(json_out *j, int32_t id, const token_text *t) {
    char name[16];
    snprintf(name, sizeof name, "%d", (int)id);
    if (t->control) {
        json_out_begin(j, name, '{');
        json_out_bytes(j, "c", t->at, t->n);
        json_out_end(j, '}');
    } else if (utf8_valid(t->at, t->n) == t->n) {
        json_out_bytes(j, name, t->at, t->n);
    } else {
        json_out_begin(j, name, '[');
        for (size_t i = 0; i < t->n; i++) json_out_count(j, NULL, (unsigned char)t->at[i]);
        json_out_end(j, ']');
    }
}

static void put_vocabularies(const writer *w) {
    json_out_begin(w->j, "vocabularies", '[');
    for (size_t v = 0; v < w->texts->n_vocabularies; v++) {
        size_t n = w->texts->ids(w->texts->ctx, v);
        json_out_begin(w->j, NULL, '{');
        for (size_t id = 0; id < n; id++) {
            if (!w->used[v][id]) continue;
            token_text t = w->texts->token(w->texts->ctx, v, (int32_t)id);
            put_token(w->j, (int32_t)id, &t);
        }
        json_out_end(w->j, '}');
    }
    json_out_end(w->j, ']');
}

/* ---- records ---------------------------------------------------------------------------------------------- */

static size_t bytes_of(const sample_texts *s) {
    size_t ids = s->prompt.n;
    for (size_t i = 0; i < s->n_references; i++) ids += s->references[i].n;
    return 6 * ids;
}

static void put_sources(writer *w, size_t cell, size_t sample) {
    sample_texts s;
    if (w->texts->n_vocabularies == 0 || !w->texts->sample(w->texts->ctx, cell, sample, &s)) return;
    if (bytes_of(&s) > w->room) {
        w->left_out++;
        json_out_flag(w->j, "too_long", true);
        return;
    }
    w->room -= bytes_of(&s);
    put_ids(w, "prompt", cell, s.prompt.ids, s.prompt.n);
    json_out_begin(w->j, "references", '[');
    for (size_t i = 0; i < s.n_references; i++) put_ids(w, NULL, cell, s.references[i].ids, s.references[i].n);
    json_out_end(w->j, ']');
}

static void put_sample(writer *w, size_t cell, size_t sample) {
    const sample_row *row = &w->r->d->samples[sample];
    json_out_begin(w->j, NULL, '{');
    json_out_count(w->j, "sample", sample);
    json_out_text(w->j, "id", row->id);
    json_out_text(w->j, "scenario", row->scenario);
    json_out_text(w->j, "dataset", row->dataset);
    json_out_count(w->j, "prompt_tokens", row->prompt_tokens);
    json_out_count(w->j, "reference_tokens", row->reference_tokens);
    json_out_count(w->j, "n_references", row->references);
    put_sources(w, cell, sample);
    json_out_end(w->j, '}');
}

/* Each record of a chosen trial once, in the order of the samples. */
static int put_samples(writer *w, err *e) {
    const store_data *d = w->r->d;
    size_t           *cell = mem_new(d->n_samples, sizeof *cell, e); /* 1 + the first cell with a chosen trial of it */
    if (cell == NULL) return -1;
    for (size_t i = w->r->choice.n; i-- > 0;) {
        const trial_row *t = &w->r->choice.rows.trials[i];
        cell[t->sample] = 1 + (size_t)t->cell;
    }
    json_out_begin(w->j, "samples", '[');
    for (size_t s = 0; s < d->n_samples; s++)
        if (cell[s] > 0) put_sample(w, cell[s] - 1, s);
    json_out_end(w->j, ']');
    free(cell);
    return 0;
}

/* ---- trials ------------------------------------------------------------------------------------------------- */

/* One column of a trial's steps. */
#define PUT_COLUMN(w, n, field)                                                                                        \
    do {                                                                                                               \
        json_out_begin((w)->j, #field, '[');                                                                           \
        for (size_t i_ = 0; i_ < (n); i_++) json_out_integer((w)->j, NULL, (int64_t)(w)->at.steps[i_].field);          \
        json_out_end((w)->j, ']');                                                                                     \
    } while (0)

/* Plain decoding's times and the margins, where the trial has them. */
static void put_steps(const writer *w, size_t n, bool timed, bool margins) {
    json_out_begin(w->j, "steps", '{');
    PUT_COLUMN(w, n, match_length);
    PUT_COLUMN(w, n, source);
    PUT_COLUMN(w, n, source_position);
    PUT_COLUMN(w, n, drafted);
    PUT_COLUMN(w, n, testable);
    PUT_COLUMN(w, n, accepted);
    PUT_COLUMN(w, n, draft_ns);
    PUT_COLUMN(w, n, verify_ns);
    if (timed) PUT_COLUMN(w, n, plain_ns);
    json_out_begin(w->j, "margin", '[');
    for (size_t i = 0; margins && i < n; i++) json_out_real(w->j, NULL, w->at.steps[i].margin, 4);
    json_out_end(w->j, ']');
    json_out_end(w->j, '}');
}

static bool is_chain(const int32_t *parents, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (parents[i] != (int32_t)i - 1) return false;
    return true;
}

/* For each step what the target did not accept: of a chain its rest, of a tree all of it with each token's parent. */
static void put_drafts(writer *w, const trial_row *t) {
    size_t from = 0;
    json_out_begin(w->j, "rejected", '[');
    for (size_t i = 0; i < t->steps; i++) {
        const step_row *s = &w->at.steps[i];
        const int32_t  *ids = w->drafts.ids + from, *parents = w->drafts.parents + from;
        if (is_chain(parents, s->drafted)) {
            put_ids(w, NULL, t->cell, ids + s->accepted, (size_t)(s->drafted - s->accepted));
        } else {
            json_out_begin(w->j, NULL, '{');
            put_ids(w, "ids", t->cell, ids, s->drafted);
            json_out_ids(w->j, "parents", parents, s->drafted);
            json_out_end(w->j, '}');
        }
        from += s->drafted;
    }
    json_out_end(w->j, ']');
}

/* Plain decoding's trial of the same sample, if it is shown; repeats of it are equal. */
static bool find_plain(const report_data *r, const trial_row *of, store_trial *out) {
    const store_data *shown = &r->choice.rows;
    for (size_t i = 0, step = 0; i < shown->n_trials; step += shown->trials[i++].steps) {
        const trial_row *t = &shown->trials[i];
        if (t->sample != of->sample || r->group[t->cell] != r->group[of->cell] ||
            strcmp(r->d->cells[t->cell].policy, "none") != 0)
            continue;
        *out = (store_trial){.trial = t, .steps = shown->steps + step, .ids = shown->ids + shown->offset[i]};
        return true;
    }
    return false;
}

static int find_drafts(writer *w, err *e) {
    store_trial plain;
    bool        has_plain = find_plain(w->r, w->at.trial, &plain);
    trial_drafts_clear(&w->drafts);
    if (w->texts->n_vocabularies == 0 || w->at.trial->drafted == 0) return 0;
    return w->texts->drafts(w->texts->ctx, &w->at, has_plain ? &plain : NULL, &w->drafts, e);
}

static int put_trial(writer *w, size_t number, err *e) {
    const trial_row *t = w->at.trial;
    size_t           v = vocabulary_of(w, t->cell);
    json_out_begin(w->j, NULL, '{');
    json_out_count(w->j, "trial", number);
    json_out_count(w->j, "cell", t->cell);
    json_out_count(w->j, "sample", t->sample);
    json_out_count(w->j, "repeat", t->repeat);
    json_out_integer(w->j, "vocabulary", v < w->texts->n_vocabularies ? (int64_t)v : -1);
    json_out_count(w->j, "equal", t->equal);
    json_out_count(w->j, "logits_equal", t->logits_equal);
    json_out_integer(w->j, "first_divergence", t->first_divergence);
    json_out_real(w->j, "min_margin", t->min_margin, 4);
    json_out_flag(w->j, "truncated", t->truncated != 0);
    json_out_real(w->j, "speedup", t->speedup, 5);
    json_out_real(w->j, "modeled", t->modeled_speedup, 5);
    json_out_count(w->j, "decode_ns", t->decode_ns);
    json_out_count(w->j, "plain_ns", t->plain_ns);
    put_ids(w, "ids", t->cell, w->at.ids, w->at.ids != NULL ? t->tokens : 0);
    put_steps(w, t->steps, t->plain_ns > 0, !isnan(t->min_margin));
    int ret = find_drafts(w, e);
    if (ret == 0 && w->drafts.missing != NULL) json_out_text(w->j, "no_drafts", w->drafts.missing);
    if (ret == 0 && w->drafts.missing == NULL && w->drafts.n == t->drafted && t->drafted > 0) put_drafts(w, t);
    json_out_end(w->j, '}');
    return ret;
}

static int put_trials(writer *w, err *e) {
    const store_data *shown = &w->r->choice.rows;
    int               ret = 0;
    json_out_begin(w->j, "trials", '[');
    for (size_t i = 0, step = 0; ret == 0 && i < shown->n_trials; step += shown->trials[i++].steps) {
        w->at = (store_trial){.trial = &shown->trials[i],
                              .steps = shown->steps + step,
                              .ids = shown->n_ids > 0 ? shown->ids + shown->offset[i] : NULL};
        ret = put_trial(w, w->r->choice.trials[i], e);
    }
    json_out_end(w->j, ']');
    return ret;
}

static void put_choice(const report_data *r, json_out *j) {
    const shown_trials *c = &r->choice;
    json_out_begin(j, "choice", '{');
    json_out_count(j, "shown", c->n);
    json_out_count(j, "of", r->d->n_trials);
    json_out_count(j, "records", c->records);
    json_out_count(j, "of_records", c->longest);
    json_out_count(j, "stride", c->stride);
    json_out_count(j, "diverging", c->diverging);
    json_out_count(j, "diverge", c->diverge);
    json_out_end(j, '}');
}

int report_trials(const report_data *r, json_out *j, err *e) {
    static const report_texts none = {.missing = NULL};
    writer                    w = {.r = r, .texts = r->texts != NULL ? r->texts : &none, .j = j};
    w.room = REPORT_SOURCE_BYTES;
    json_out_text(j, "no_texts", w.texts->missing);
    put_choice(r, j);
    int ret = open_used(&w, e);
    if (ret == 0) ret = put_samples(&w, e);
    if (ret == 0) ret = put_trials(&w, e);
    if (ret == 0) put_vocabularies(&w);
    json_out_count(j, "sources_left_out", w.left_out);
    trial_drafts_free(&w.drafts);
    close_used(&w);
    return ret;
}
