#include "experiments/texts/sweep_texts.h"

#include <stdlib.h>
#include <string.h>

#include "store/settings.h"

/* ---- plans and cells ------------------------------------------------------------------------------------ */

/* Remembers why there are no texts. What fails for another reason than its input is an error: a disk, or memory. */
static int without(sweep_texts *t, const err *why, err *e) {
    if (why->kind != ERR_INPUT) {
        *e = *why;
        return -1;
    }
    if (t->missing == NULL) t->missing = mem_strdup(why->text, e);
    return t->missing != NULL ? 0 : -1;
}

static int make_plans(sweep_texts *t, const recorded_paths *from, err *e) {
    const kept_texts *configs = &t->d->configs;
    for (size_t i = 0; i < configs->n; i++) {
        sweep_plan        *s = &t->plans[i];
        const plan_options how = {.skip_bad = true};
        err                why = {0};
        if (recorded_config(configs->at[i].name, configs->at[i].text, from, &s->c, &why) != 0 ||
            plan_make(&s->c, &how, &s->p, &why) != 0) {
            if (without(t, &why, e) != 0) return -1;
        } else {
            s->made = true;
        }
    }
    return 0;
}

static bool same_setting(const setting *s, const cell_row *a, const cell_row *b) {
    const char *x = setting_text(s, a), *y = setting_text(s, b);
    return x != NULL ? strcmp(x, y) == 0 : setting_number(s, a) == setting_number(s, b);
}

/* T1. The program's own version, `build`, may differ: what it changed would show in the steps (T3). */
static bool same_cell(const cell_row *a, const cell_row *b) {
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i].name, "build") != 0 && strcmp(settings[i].name, "config") != 0 &&
            !same_setting(&settings[i], a, b))
            return false;
    return strcmp(a->params, b->params) == 0;
}

static void find_cell(sweep_texts *t, size_t cell) {
    const cell_row *row = &t->d->cells[cell];
    t->cell[cell] = NO_TEXTS;
    for (size_t i = 0; i < t->d->configs.n; i++) {
        const plan *p = &t->plans[i].p;
        if (!t->plans[i].made || strcmp(t->d->configs.at[i].name, row->config) != 0) continue;
        t->plan[cell] = i;
        for (size_t c = 0; c < p->n_cells && t->cell[cell] == NO_TEXTS; c++) {
            cell_row planned = {.build = row->build, .config = row->config};
            plan_cell_settings(p, &p->cells[c], &planned);
            if (same_cell(&planned, row)) t->cell[cell] = c;
        }
    }
}

static const plan_model *model_of(const sweep_texts *t, size_t cell) {
    const plan *p = &t->plans[t->plan[cell]].p;
    return &p->models[p->cells[t->cell[cell]].model];
}

static int find_cells(sweep_texts *t, err *e) {
    size_t found = 0;
    for (size_t c = 0; c < t->d->n_cells; c++) {
        find_cell(t, c);
        if (t->cell[c] == NO_TEXTS) continue;
        const tokenizer *tok = model_of(t, c)->tok;
        size_t           v = 0;
        while (v < t->n_toks && t->toks[v] != tok) v++;
        if (v == t->n_toks) t->toks[t->n_toks++] = tok;
        found++;
    }
    if (found == t->d->n_cells || t->missing != NULL) return 0;
    err why = {0};
    err_input(&why, "the files that the config names are not those of the results, whose digests differ");
    return without(t, &why, e);
}

/* ---- what a report asks -------------------------------------------------------------------------------- */

static size_t vocabulary(void *ctx, size_t cell) {
    const sweep_texts *t = ctx;
    size_t             v = 0;
    if (t->cell[cell] == NO_TEXTS) return t->n_toks;
    while (v < t->n_toks && t->toks[v] != model_of(t, cell)->tok) v++;
    return v;
}

static size_t count_ids(void *ctx, size_t v) {
    return tokenizer_vocab(((sweep_texts *)ctx)->toks[v]);
}

static token_text token(void *ctx, size_t v, int32_t id) {
    const tokenizer *tok = ((sweep_texts *)ctx)->toks[v];
    gguf_str         piece = tokenizer_piece(tok, id);
    if (piece.n > 0) return (token_text){piece.at, piece.n, false};
    piece = tokenizer_spelling(tok, id);
    return (token_text){piece.at, piece.n, true};
}

const sample *sweep_texts_sample(const sweep_texts *t, size_t cell, size_t at) {
    if (t->cell[cell] == NO_TEXTS) return NULL;
    const plan       *p = &t->plans[t->plan[cell]].p;
    const samples    *set = &p->samples[p->cells[t->cell[cell]].samples].set;
    const sample_row *row = &t->d->samples[at];
    for (size_t i = 0; i < set->n; i++)
        if (set->at[i].content == row->content && strcmp(set->at[i].rec->id, row->id) == 0) return &set->at[i];
    return NULL;
}

static bool sample_of(void *ctx, size_t cell, size_t at, sample_texts *out) {
    sweep_texts  *t = ctx;
    const sample *s = sweep_texts_sample(t, cell, at);
    if (s == NULL) return false;
    for (size_t i = 0; i < s->n_references; i++) t->passages[i] = (passage_ids){s->docs[i].ids, s->docs[i].n};
    *out = (sample_texts){{s->prompt.ids, s->prompt.n}, t->passages, s->n_references};
    return true;
}

static int drafts(void *ctx, const store_trial *of, const store_trial *plain, trial_drafts *out, err *e) {
    return draft_replay(ctx, of, plain, out, e);
}

/* Room for the references of any sample. */
static int reserve_passages(sweep_texts *t, err *e) {
    size_t most = 0;
    for (size_t i = 0; i < t->d->configs.n; i++)
        for (size_t k = 0; k < t->plans[i].p.n_samples; k++) {
            const samples *set = &t->plans[i].p.samples[k].set;
            for (size_t s = 0; s < set->n; s++)
                if (set->at[s].n_references > most) most = set->at[s].n_references;
        }
    return (t->passages = mem_new(most, sizeof *t->passages, e)) != NULL ? 0 : -1;
}

int sweep_texts_open(sweep_texts *out, const store_data *d, const recorded_paths *from, report_texts *view, err *e) {
    *out = (sweep_texts){.d = d, .opened = NO_TEXTS};
    out->plans = mem_new(d->configs.n, sizeof *out->plans, e);
    out->plan = mem_new(d->n_cells, sizeof *out->plan, e);
    out->cell = mem_new(d->n_cells, sizeof *out->cell, e);
    out->toks = mem_new(d->n_cells, sizeof *out->toks, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    if (out->plans == NULL || out->plan == NULL || out->cell == NULL || out->toks == NULL) return -1;
    if (make_plans(out, from, e) != 0 || find_cells(out, e) != 0) return -1;
    if (reserve_passages(out, e) != 0) return -1;
    *view = (report_texts){.ctx = out,
                           .missing = out->missing,
                           .n_vocabularies = out->n_toks,
                           .vocabulary = vocabulary,
                           .ids = count_ids,
                           .token = token,
                           .sample = sample_of,
                           .drafts = drafts};
    return 0;
}

void sweep_texts_close(sweep_texts *t) {
    draft_replay_close(t);
    for (size_t i = 0; t->plans != NULL && i < t->d->configs.n; i++) {
        if (t->plans[i].made) plan_free(&t->plans[i].p);
        config_free(&t->plans[i].c);
    }
    free(t->plans);
    free(t->plan);
    free(t->cell);
    free(t->toks);
    free(t->passages);
    free(t->missing);
    *t = (sweep_texts){0};
}
