#include "experiments/sweep/plan.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/model/blas.h"
#include "experiments/sweep/plan_cells.h"

/* Puts "FILE:LINE", the place that names a file, before the error about that file. */
static int named_at(const char *where, err *e) {
    return err_prefix(e, "%s", where);
}

/* ---- models ------------------------------------------------------------------------------------------- */

static bool needs_weights(const model_config *m) {
    return (m->target->needs & NEEDS_WEIGHTS) != 0;
}

/* The plan's model of an earlier section with the same file, to share what is open; or NULL. */
static const plan_model *earlier_model(const plan *p, const model_config *cfg) {
    for (size_t i = 0; i < p->n_models; i++) {
        const model_config *other = p->models[i].cfg;
        const char         *a = cfg->path != NULL ? cfg->path : cfg->tokenizer;
        const char         *b = other->path != NULL ? other->path : other->tokenizer;
        if (needs_weights(cfg) == needs_weights(other) && strcmp(a, b) == 0) return &p->models[i];
    }
    return NULL;
}

/* Opens weights and tokenizer, or takes them from an earlier section. */
static int open_weights(plan *p, const model_config *cfg, plan_model *out, err *e) {
    const plan_model *same = earlier_model(p, cfg);
    if (same != NULL) {
        out->spec.weights = same->spec.weights;
        out->tok = same->tok;
        memcpy(out->sha256, same->sha256, sizeof out->sha256);
    } else {
        model *m = model_open(cfg->path, e);
        if (m == NULL) return named_at(cfg->path_at, e);
        p->weights[p->n_weights++] = out->spec.weights = m;
        out->tok = m->tok;
        if (gguf_sha256(m->file, out->sha256, e) != 0) return named_at(cfg->path_at, e);
    }
    size_t own = out->spec.weights->shape.context;
    if (cfg->context > own)
        return err_input(e, "%s: [model %s] context = %zu is not allowed (the model's own is %zu)", cfg->context_at,
                         cfg->label, cfg->context, own);
    out->spec.context = cfg->context > 0 ? cfg->context : own;
    return 0;
}

static int open_tokenizer(plan *p, const model_config *cfg, plan_model *out, err *e) {
    const plan_model *same = earlier_model(p, cfg);
    if (same != NULL) {
        out->tok = same->tok;
    } else {
        tokenizer *t = tokenizer_open(cfg->tokenizer, e);
        if (t == NULL) return named_at(cfg->tokenizer_at, e);
        p->toks[p->n_toks++] = t;
        out->tok = t;
    }
    memcpy(out->sha256, tokenizer_digest(out->tok), sizeof out->sha256);
    return 0;
}

/* The model's own stop tokens and those that the section adds. */
static int find_stops(plan *p, const model_config *cfg, plan_model *m, err *e) {
    plan_stops *s = &p->stops[p->n_stops++];
    stops       own = tokenizer_stops(m->tok);
    tokens      added = {0};
    int         ret = tokens_append(&s->ids, own.ids, own.n, e);
    for (size_t i = 0; ret == 0 && i < cfg->stop.n; i++)
        if ((ret = stops_add_named(&s->ids, m->tok, cfg->stop.at[i], e)) != 0)
            err_prefix(e, "%s: [model %s] stop", cfg->stop_at, cfg->label);
    for (size_t i = 0; ret == 0 && i < s->ids.n; i++)
        if (!stops_have(own, s->ids.ids[i])) ret = stops_add(&added, s->ids.ids[i], e);
    if (ret == 0 &&
        ((s->text = stops_text(stops_of(&s->ids), e)) == NULL || (s->added = stops_text(stops_of(&added), e)) == NULL))
        ret = -1;
    tokens_free(&added);
    m->stops = s;
    return ret;
}

/* One plan_model for each thread count of the section. */
static int add_model(plan *p, const model_config *cfg, err *e) {
    plan_model m = {.cfg = cfg};
    if (cfg->cost != NULL) {
        cost_model *cost = &p->costs[p->n_costs];
        if (cost_read(cfg->cost, cost, e) != 0) return named_at(cfg->cost_at, e);
        p->n_costs++;
        m.cost = cost;
    }
    if ((needs_weights(cfg) ? open_weights : open_tokenizer)(p, cfg, &m, e) != 0) return -1;
    if (find_stops(p, cfg, &m, e) != 0) return -1;
    m.spec.vocab = tokenizer_vocab(m.tok);
    m.spec.gemm = cfg->gemm;
    if (cfg->gemm == GEMM_BLAS && blas_open(e) != 0) return -1;
    for (size_t i = 0; i < cfg->threads.n; i++) {
        m.spec.threads = (int)cfg->threads.at[i].integer;
        p->models[p->n_models++] = m;
    }
    return 0;
}

/* ---- data --------------------------------------------------------------------------------------------- */

static bool same_tokenizer(const tokenizer *a, const tokenizer *b) {
    return a == b || strcmp(tokenizer_digest(a), tokenizer_digest(b)) == 0;
}

/* Index of the dataset as read for this model; reads it when that has not been done. */
static int find_dataset(plan *p, const plan_options *o, const dataset_config *cfg, const plan_model *m, size_t *index,
                        err *e) {
    bool again = false; /* a second reading skips the same lines: they are not reported twice */
    for (*index = 0; *index < p->n_datasets; ++*index) {
        const plan_dataset *d = &p->datasets[*index];
        if (d->cfg != cfg) continue;
        if (!d->data.cut || same_tokenizer(d->tok, m->tok)) return 0;
        again = true;
    }
    plan_dataset   *d = &p->datasets[p->n_datasets];
    dataset_options how = {.format = cfg->format,
                           .limit = cfg->limit,
                           .append_docs = cfg->append_docs,
                           .doc_tokens = cfg->doc_tokens,
                           .tok = m->tok,
                           .skip_bad = o->skip_bad,
                           .as_turn = cfg->as_turn,
                           .tools = dataset_tools_named(cfg->tools)};
    *d = (plan_dataset){.cfg = cfg, .tok = m->tok};
    if (again && file_check_regular(cfg->path, "a file that is there to be read for each tokenizer", e) != 0)
        return named_at(cfg->path_at, e);
    if (dataset_read(cfg->path, &how, again ? NULL : o->report, o->ctx, &d->data, e) != 0)
        return named_at(cfg->path_at, e);
    p->n_datasets++;
    return 0;
}

/* Logits follow a token: there must be one. */
static bool needs_prompt(const plan_model *m) {
    return (m->cfg->target->gives & GIVES_LOGITS) != 0;
}

/* Only datasets with turns need one, so that a model with an unknown template can run on all others. */
static int choose_chat(plan *p, plan_model *m, err *e) {
    if (m->chosen) return 0;
    if (chat_choose(&m->chat, m->cfg->chat, m->tok, e) != 0)
        return err_prefix(e, "%s:%zu: [model %s] chat = %s", p->cfg->path, m->cfg->line, m->cfg->label, m->cfg->chat);
    m->chosen = true;
    return 0;
}

/* Index of the samples of this dataset as the model sees them; prepares them when that has not been done. */
static int find_samples(plan *p, const plan_options *o, size_t model_at, size_t dataset_at, size_t *index, err *e) {
    plan_model         *m = &p->models[model_at];
    const plan_dataset *d = &p->datasets[dataset_at];
    bool                has_turns = d->data.has_turns;
    if (has_turns && choose_chat(p, m, e) != 0) return -1;
    for (*index = 0; *index < p->n_samples; ++*index) {
        const plan_samples *s = &p->samples[*index];
        const plan_model   *first = &p->models[s->model];
        if (s->dataset != dataset_at) continue;
        if (same_tokenizer(first->tok, m->tok) && first->spec.context == m->spec.context &&
            needs_prompt(first) == needs_prompt(m) && tokens_equal(&first->stops->ids, &m->stops->ids) &&
            (!has_turns || chat_equal(&first->chat, &m->chat)))
            return 0;
    }
    plan_samples  *s = &p->samples[p->n_samples];
    sample_options how = {.need_output = d->cfg->forced,
                          .need_prompt = needs_prompt(m),
                          .context = m->spec.context,
                          .chat = &m->chat,
                          .stops = stops_of(&m->stops->ids),
                          .skip_bad = o->skip_bad};
    *s = (plan_samples){.model = model_at, .dataset = dataset_at};
    if (samples_prepare(&d->data, m->tok, &how, o->report, o->ctx, &s->set, e) != 0)
        return named_at(d->cfg->path_at, e);
    p->n_samples++;
    return samples_digest(&s->set, &d->data.skipped, s->sha256, e);
}

/* ---- the plan ----------------------------------------------------------------------------------------- */

/* Allocates room for all that will be opened, so that pointers between the parts stay valid. */
static int reserve(plan *p, size_t n_cells, err *e) {
    const config *c = p->cfg;
    size_t        variants = 0;
    for (size_t i = 0; i < c->n_models; i++) variants += c->models[i].threads.n;
    p->models = mem_new(variants, sizeof *p->models, e);
    p->datasets = mem_new(c->n_models * c->n_datasets, sizeof *p->datasets, e);
    p->samples = mem_new(c->n_models * c->n_datasets, sizeof *p->samples, e);
    p->cells = mem_new(n_cells, sizeof *p->cells, e);
    p->weights = mem_new(c->n_models, sizeof *p->weights, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    p->toks = mem_new(c->n_models, sizeof *p->toks, e);       /* NOLINT(bugprone-sizeof-expression): pointers */
    p->costs = mem_new(c->n_models, sizeof *p->costs, e);
    p->stops = mem_new(c->n_models, sizeof *p->stops, e);
    bool all = p->models != NULL && p->datasets != NULL && p->samples != NULL && p->cells != NULL &&
               p->weights != NULL && p->toks != NULL && p->costs != NULL && p->stops != NULL;
    return all ? 0 : -1;
}

int plan_make(const config *c, const plan_options *o, plan *out, err *e) {
    size_t n_cells;
    *out = (plan){.cfg = c};
    if (plan_cells_count(c, &n_cells, e) != 0 || reserve(out, n_cells, e) != 0) goto fail;
    for (size_t i = 0; i < c->n_models; i++)
        if (add_model(out, &c->models[i], e) != 0) goto fail;

    for (size_t m = 0; m < out->n_models; m++) {
        for (size_t i = 0; i < c->n_datasets; i++) {
            size_t dataset_at, samples_at;
            if (find_dataset(out, o, &c->datasets[i], &out->models[m], &dataset_at, e) != 0 ||
                find_samples(out, o, m, dataset_at, &samples_at, e) != 0 ||
                plan_cells_add(out, m, dataset_at, samples_at, e) != 0)
                goto fail;
        }
    }
    return 0;
fail:
    plan_free(out);
    return -1;
}

void plan_free(plan *p) {
    plan_cells_free(p);
    for (size_t i = 0; i < p->n_samples; i++) samples_free(&p->samples[i].set);
    for (size_t i = 0; i < p->n_models; i++) chat_free(&p->models[i].chat);
    for (size_t i = 0; i < p->n_datasets; i++) dataset_free(&p->datasets[i].data);
    for (size_t i = 0; i < p->n_weights; i++) model_close(p->weights[i]);
    for (size_t i = 0; i < p->n_toks; i++) tokenizer_close(p->toks[i]);
    for (size_t i = 0; i < p->n_costs; i++) cost_free(&p->costs[i]);
    for (size_t i = 0; i < p->n_stops; i++) {
        tokens_free(&p->stops[i].ids);
        free(p->stops[i].text);
        free(p->stops[i].added);
    }
    free(p->samples);
    free(p->datasets);
    free(p->models);
    free(p->weights);
    free(p->toks);
    free(p->costs);
    free(p->stops);
    *p = (plan){0};
}
