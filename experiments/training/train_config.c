/* train_config.c - sections, keys, checks. Numbers are declared as parameters (engine/base/param.h). */
#include "experiments/training/train_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/base/suggest.h"
#include "experiments/ini/inifile.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { SEED, STEPS, BATCH, LANES, MICRO_TOKENS, THREADS, CHECKPOINT, VALIDATE, VALIDATION, PROMPT_WEIGHT };
static const param_spec run_keys[] = {
    [SEED] = PARAM_INTEGER("seed", 1, 0, 9007199254740992.0, "of weights and records"),
    [STEPS] = PARAM_INTEGER("steps", 1000, 1, 1e8, "of the whole training; the schedule ends there"),
    [BATCH] = PARAM_INTEGER("batch", 32, 1, 65536, "records in a step"),
    [LANES] = PARAM_INTEGER("lanes", 2, 1, 256, "parts of a batch, at most one thread each; the numbers depend on it"),
    [MICRO_TOKENS] = PARAM_INTEGER("micro_tokens", 2048, 1, 1e6, "tokens that a lane runs at once"),
    [THREADS] = PARAM_INTEGER("threads", 2, 1, PARALLEL_THREADS, "the numbers do not depend on it"),
    [CHECKPOINT] = PARAM_INTEGER("checkpoint", 200, 0, 1e8, "steps between checkpoints; 0 = at the end alone"),
    [VALIDATE] = PARAM_INTEGER("validate", 0, 0, 1e8, "steps between validations; 0 = never"),
    [VALIDATION] = PARAM_INTEGER("validation", 32, 1, 65536, "test records of each source"),
    [PROMPT_WEIGHT] = PARAM_REAL("prompt_weight", 0, 0, 1, "of the prompt's tokens in the loss; the output's have 1"),
};

enum { LAYERS, DIM, HEADS, FFN, CONTEXT, ROPE_THETA, RMS_EPS };
static const param_spec model_keys[] = {
    [LAYERS] = PARAM_INTEGER("layers", 4, 1, 1000, "of the net"),
    [DIM] = PARAM_INTEGER("dim", 256, 2, 65536, "width of the residual stream"),
    [HEADS] = PARAM_INTEGER("heads", 8, 1, 1024, "dim / heads must be an even number"),
    [FFN] = PARAM_INTEGER("ffn", 640, 1, 262144, "width of the feed-forward layers"),
    [CONTEXT] = PARAM_INTEGER("context", 1024, 8, 131072, "tokens of the longest record"),
    [ROPE_THETA] = PARAM_REAL("rope_theta", 10000, 1, 1e9, "base of the rotation frequencies"),
    [RMS_EPS] = PARAM_REAL("rms_eps", 1e-5, 1e-12, 0.1, "of RMSNorm"),
};

enum { LR, MIN_LR, WARMUP, BETA1, BETA2, EPS, DECAY, CLIP };
static const param_spec adamw_keys[] = {
    [LR] = PARAM_REAL("lr", 1e-3, 1e-9, 10, "highest rate of learning"),
    [MIN_LR] = PARAM_REAL("min_lr", 1e-5, 0, 10, "rate at the end"),
    [WARMUP] = PARAM_INTEGER("warmup", 100, 0, 1e8, "steps until the highest rate"),
    [BETA1] = PARAM_REAL("beta1", 0.9, 0, 0.999999, "memory of the first moment"),
    [BETA2] = PARAM_REAL("beta2", 0.98, 0, 0.999999, "memory of the second moment"),
    [EPS] = PARAM_REAL("eps", 1e-8, 1e-20, 1, "added to the root of the second moment"),
    [DECAY] = PARAM_REAL("decay", 0.1, 0, 10, "weight decay of matrices, times the rate"),
    [CLIP] = PARAM_REAL("clip", 1, 0, 1e9, "largest norm of a gradient; 0 = any"),
};

enum { MUON_LR, MUON_MOMENTUM };
static const param_spec muon_keys[] = {
    [MUON_LR] = PARAM_REAL("lr", 0, 0, 10, "highest rate of the matrices between layers; 0 = they are AdamW's too"),
    [MUON_MOMENTUM] = PARAM_REAL("momentum", 0.95, 0, 0.999999, "memory of the gradient"),
};

enum { VOCAB, RECORDS };
static const param_spec tokenizer_keys[] = {
    [VOCAB] = PARAM_INTEGER("vocab", 2048, 260, 65536, "ids of the tokenizer"),
    [RECORDS] = PARAM_INTEGER("records", 4000, 1, 1e7, "that it is trained on, of the last step's mix"),
};

enum { SHARE, FROM, UNTIL };
static const param_spec source_keys[] = {
    [SHARE] = PARAM_REAL("share", 1, 0, 1e6, "parts of the mix"),
    [FROM] = PARAM_INTEGER("from", 0, 0, 1e8, "first step with this source"),
    [UNTIL] = PARAM_INTEGER("until", 0, 0, 1e8, "first step without it again; 0 = never"),
};

/* A key's value, if the specs have that key: 1 when it was taken, 0 when it is another's. */
static int take(const char *ini, const ini_entry *entry, const param_spec *specs, size_t n, param_value *values,
                err *e) {
    int i = param_find(specs, n, entry->key);
    if (i < 0) return 0;
    const ini_part *v = ini_value(entry, e);
    if (v == NULL) return -1;
    param_value_free(&values[i]);
    return ini_param(ini, &specs[i], v, &values[i], e) == 0 ? 1 : -1;
}

static int unknown_key(const ini_entry *entry, const param_spec *a, size_t n_a, const param_spec *b, size_t n_b,
                       const char *const *texts, size_t n_texts, err *e) {
    const char *names[64];
    size_t      n = 0;
    for (size_t i = 0; i < n_texts; i++) names[n++] = texts[i];
    for (size_t i = 0; i < n_a; i++) names[n++] = a[i].name;
    for (size_t i = 0; i < n_b; i++) names[n++] = b[i].name;
    return err_unknown(e, entry->parts[0].where, "key", entry->key, names, n);
}

/* A section of numbers alone. */
static int read_numbers(const char *ini, const ini_section *s, const param_spec *specs, size_t n, param_value *values,
                        err *e) {
    for (size_t i = 0; i < s->n_entries; i++) {
        int taken = take(ini, &s->entries[i], specs, n, values, e);
        if (taken < 0) return -1;
        if (taken == 0) return unknown_key(&s->entries[i], specs, n, NULL, 0, NULL, 0, e);
    }
    return 0;
}

static int read_run(const ini_section *s, train_config *c, param_value *values, err *e) {
    static const char *const texts[] = {"name", "output"};
    for (size_t i = 0; i < s->n_entries; i++) {
        const ini_entry *entry = &s->entries[i];
        int              taken = take(c->path, entry, run_keys, COUNT(run_keys), values, e);
        if (taken < 0) return -1;
        if (taken > 0) continue;
        bool is_name = strcmp(entry->key, "name") == 0;
        if (!is_name && strcmp(entry->key, "output") != 0)
            return unknown_key(entry, run_keys, COUNT(run_keys), NULL, 0, texts, COUNT(texts), e);
        const ini_part *v = ini_value(entry, e);
        if (v == NULL) return -1;
        if (is_name && !ini_plain_name(v->text))
            return err_input(e, "%s: name = \"%s\" is not allowed (name of the files: " INI_PLAIN_NAME ")", v->where,
                             v->text);
        char **to = is_name ? &c->name : &c->output;
        if ((*to = is_name ? mem_strdup(v->text, e) : ini_path(c->path, "output", v, e)) == NULL) return -1;
    }
    return c->name != NULL ? 0 : err_input(e, "%s: [train] needs a name", s->where);
}

static int read_export(const ini_section *s, train_config *c, err *e) {
    static const char *const texts[] = {"path", "type"};
    for (size_t i = 0; i < s->n_entries; i++) {
        const ini_entry *entry = &s->entries[i];
        const ini_part  *v = ini_value(entry, e);
        const char      *types[DTYPE_COUNT];
        if (v == NULL) return -1;
        if (strcmp(entry->key, "path") == 0) {
            if ((c->export_path = ini_path(c->path, "path", v, e)) == NULL) return -1;
        } else if (strcmp(entry->key, "type") == 0) {
            size_t t = 0;
            for (; t < DTYPE_COUNT; t++) types[t] = dtype_get((dtype)t)->name;
            for (t = 0; t < DTYPE_COUNT && strcasecmp(types[t], v->text) != 0;) t++;
            if (t == DTYPE_COUNT) return err_unknown(e, v->where, "type", v->text, types, DTYPE_COUNT);
            c->export_type = (dtype)t;
        } else {
            return unknown_key(entry, NULL, 0, NULL, 0, texts, COUNT(texts), e);
        }
    }
    return 0;
}

/* "FILE:LINE" of the one of two keys, either may be NULL, that is to blame when they do not go together: the one that
 * an override set, else the first that is there, else `section`. */
static const char *blame(const ini_entry *a, const ini_entry *b, const char *section) {
    if (a == NULL || (b != NULL && b->overridden && !a->overridden)) a = b;
    return a != NULL ? a->parts[0].where : section;
}

static int read_source(const ini_section *s, train_config *c, err *e) {
    static const char *const texts[] = {"scenario"};
    const ini_entry         *which = ini_find(s, "scenario");
    const ini_part          *v;
    param_value              values[COUNT(source_keys)];
    if (c->n_sources == TRAIN_SOURCES) return err_input(e, "%s: more than %d sources", s->where, TRAIN_SOURCES);
    train_source *x = &c->sources[c->n_sources++];
    if ((x->name = mem_strdup(s->title + strlen("source "), e)) == NULL) return -1;
    if (which == NULL) return err_input(e, "%s: [%s] needs a scenario", s->where, s->title);
    if ((v = ini_value(which, e)) == NULL) return -1;
    if ((x->scenario = registry_named(&scenario_registry, v->where, v->text, e)) == NULL) return -1;
    param_presets(x->scenario->params, x->scenario->n_params, &x->params);
    for (size_t i = 0; i < COUNT(source_keys); i++) values[i] = param_preset(&source_keys[i]);
    for (size_t i = 0; i < s->n_entries; i++) {
        const ini_entry *entry = &s->entries[i];
        if (entry == which) continue;
        int taken = take(c->path, entry, source_keys, COUNT(source_keys), values, e);
        if (taken == 0) taken = take(c->path, entry, x->scenario->params, x->scenario->n_params, x->params.at, e);
        if (taken < 0) return -1;
        if (taken == 0)
            return unknown_key(entry, source_keys, COUNT(source_keys), x->scenario->params, x->scenario->n_params,
                               texts, COUNT(texts), e);
    }
    if (param_check_files(x->scenario->name, x->scenario->params, x->scenario->n_params, &x->params, e) != 0 ||
        scenario_check(x->scenario, &x->params, e) != 0)
        return err_prefix(e, "%s", s->where);
    x->share = values[SHARE].real;
    x->from = (size_t)values[FROM].integer;
    x->until = (size_t)values[UNTIL].integer;
    if (x->until != 0 && x->until <= x->from)
        return err_input(e, "%s: until = %zu is not allowed (after from = %zu)",
                         blame(ini_find(s, "until"), ini_find(s, "from"), s->where), x->until, x->from);
    return 0;
}

typedef struct {
    param_value run[COUNT(run_keys)], model[COUNT(model_keys)], adamw[COUNT(adamw_keys)], muon[COUNT(muon_keys)],
        tokenizer[COUNT(tokenizer_keys)];
} numbers;

static int read_sections(const inifile *f, train_config *c, numbers *v, err *e) {
    static const char *const titles[] = {"train", "model", "adamw", "muon", "tokenizer", "export", "source NAME"};
    bool                     has_train = false;
    for (size_t i = 0; i < f->n_sections; i++) {
        const ini_section *s = &f->sections[i];
        int                ret;
        if (strcmp(s->title, "train") == 0)
            ret = read_run(s, c, v->run, e), has_train = true;
        else if (strcmp(s->title, "model") == 0)
            ret = read_numbers(f->path, s, model_keys, COUNT(model_keys), v->model, e);
        else if (strcmp(s->title, "adamw") == 0)
            ret = read_numbers(f->path, s, adamw_keys, COUNT(adamw_keys), v->adamw, e);
        else if (strcmp(s->title, "muon") == 0)
            ret = read_numbers(f->path, s, muon_keys, COUNT(muon_keys), v->muon, e);
        else if (strcmp(s->title, "tokenizer") == 0)
            ret = read_numbers(f->path, s, tokenizer_keys, COUNT(tokenizer_keys), v->tokenizer, e);
        else if (strcmp(s->title, "export") == 0)
            ret = read_export(s, c, e);
        else if (strncmp(s->title, "source ", 7) == 0)
            ret = read_source(s, c, e);
        else
            ret = err_unknown(e, s->where, "section", s->title, titles, COUNT(titles));
        if (ret != 0) return -1;
    }
    return has_train ? 0 : err_input(e, "%s: there is no [train] section", f->path);
}

static const ini_section *section_of(const inifile *f, const char *title) {
    for (size_t i = 0; i < f->n_sections; i++)
        if (strcmp(f->sections[i].title, title) == 0) return &f->sections[i];
    return NULL;
}

/* The same of keys in the sections of these titles; the file when there is nothing of it. */
static const char *where(const inifile *f, const char *title, const char *key, const char *other,
                         const char *other_key) {
    const ini_section *s = section_of(f, title), *t = section_of(f, other);
    const ini_entry   *a = s != NULL ? ini_find(s, key) : NULL, *b = t != NULL ? ini_find(t, other_key) : NULL;
    return blame(a, b, s != NULL ? s->where : f->path);
}

/* The model may not be written over what the training needs. */
static int check_export(const inifile *f, const train_config *c, err *e) {
    static const struct {
        const char *suffix, *what;
    } files[] = {{".checkpoint", "checkpoint"}, {".h5", "loss curve"}, {".vocab.gguf", "tokenizer"}};
    int same = file_same_place(c->export_path, c->path, e);
    if (same > 0)
        return err_input(e, "%s: the model would be written over this config",
                         where(f, "export", "path", "train", "name"));
    for (size_t i = 0; same == 0 && i < COUNT(files); i++) {
        char *path = mem_printf(e, "%s/%s%s", c->output, c->name, files[i].suffix);
        same = path != NULL ? file_same_place(c->export_path, path, e) : -1;
        free(path);
        if (same > 0)
            return err_input(e, "%s: path = %s is where the training keeps its %s",
                             where(f, "export", "path", "train", "name"), c->export_path, files[i].what);
    }
    return same;
}

/* Rows are written in blocks of the type. */
static int check_width(const inifile *f, const train_config *c, const char *key, size_t width, err *e) {
    const dtype_info *type = dtype_get(c->export_type);
    if (width % type->block == 0) return 0;
    return err_input(e, "%s: %s = %zu cannot be written as %s (a multiple of %zu)",
                     where(f, "model", key, "export", "type"), key, width, type->name, type->block);
}

/* The numbers into their places, and what no single value shows. */
static int settle(const inifile *f, train_config *c, const numbers *v, err *e) {
    trainer_options *t = &c->trainer;
    t->shape = (net_shape){.layers = (size_t)v->model[LAYERS].integer,
                           .dim = (size_t)v->model[DIM].integer,
                           .heads = (size_t)v->model[HEADS].integer,
                           .ffn = (size_t)v->model[FFN].integer,
                           .vocab = (size_t)v->tokenizer[VOCAB].integer,
                           .rope_theta = v->model[ROPE_THETA].real,
                           .rms_eps = v->model[RMS_EPS].real};
    t->optimizer.adamw = (adamw){.lr = v->adamw[LR].real,
                                 .min_lr = v->adamw[MIN_LR].real,
                                 .beta1 = v->adamw[BETA1].real,
                                 .beta2 = v->adamw[BETA2].real,
                                 .eps = v->adamw[EPS].real,
                                 .decay = v->adamw[DECAY].real,
                                 .clip = v->adamw[CLIP].real,
                                 .warmup = (size_t)v->adamw[WARMUP].integer,
                                 .steps = (size_t)v->run[STEPS].integer};
    t->optimizer.muon_lr = v->muon[MUON_LR].real;
    t->optimizer.muon_momentum = v->muon[MUON_MOMENTUM].real;
    t->lanes = (size_t)v->run[LANES].integer;
    t->context = (size_t)v->model[CONTEXT].integer;
    t->micro_tokens = (size_t)v->run[MICRO_TOKENS].integer;
    t->prompt_weight = v->run[PROMPT_WEIGHT].real;
    t->threads = (int)v->run[THREADS].integer;
    c->seed = (uint64_t)v->run[SEED].integer;
    c->batch = (size_t)v->run[BATCH].integer;
    c->checkpoint = (size_t)v->run[CHECKPOINT].integer;
    c->validate = (size_t)v->run[VALIDATE].integer;
    c->validation = (size_t)v->run[VALIDATION].integer;
    c->vocabulary_records = (size_t)v->tokenizer[RECORDS].integer;
    if (t->shape.dim % t->shape.heads != 0 || t->shape.dim / t->shape.heads % 2 != 0)
        return err_input(e, "%s: dim = %zu over heads = %zu is not allowed (a whole even number for each head)",
                         where(f, "model", "heads", "model", "dim"), t->shape.dim, t->shape.heads);
    if (check_width(f, c, "dim", t->shape.dim, e) != 0 || check_width(f, c, "ffn", t->shape.ffn, e) != 0) return -1;
    if (t->optimizer.adamw.warmup >= t->optimizer.adamw.steps)
        return err_input(e, "%s: warmup = %zu is not allowed (fewer than steps = %zu)",
                         where(f, "adamw", "warmup", "train", "steps"), t->optimizer.adamw.warmup,
                         t->optimizer.adamw.steps);
    if (t->optimizer.adamw.min_lr > t->optimizer.adamw.lr)
        return err_input(e, "%s: min_lr = %g%s is not allowed (at most lr = %g)",
                         where(f, "adamw", "min_lr", "adamw", "lr"), t->optimizer.adamw.min_lr,
                         t->optimizer.adamw.min_lr == adamw_keys[MIN_LR].preset ? " (the default)" : "",
                         t->optimizer.adamw.lr);
    if (check_export(f, c, e) != 0) return -1;
    for (size_t step = 0; step < t->optimizer.adamw.steps;
         step++) { /* sources come and go at few steps, but this is quick */
        double sum = 0;
        for (size_t i = 0; i < c->n_sources; i++) {
            const train_source *x = &c->sources[i];
            if (step >= x->from && (x->until == 0 || step < x->until)) sum += x->share;
        }
        if (sum <= 0) return err_input(e, "%s: no source has a share in step %zu (add a [source NAME])", c->path, step);
    }
    return 0;
}

static void add_value(text_buffer *t, const param_spec *spec, const param_value *v) {
    switch (v->type) {
    case PARAM_IS_CHOICE:
        text_add(t, "%s=%s\n", spec->name, spec->choices[v->choice]);
        break;
    case PARAM_IS_FILE:
        text_add(t, "%s=%s\n", spec->name, v->file->sha256);
        break;
    default:
        text_add(t, "%s=%.17g\n", spec->name, param_number(v));
    }
}

static void add_values(text_buffer *t, const param_spec *specs, size_t n, const param_value *v) {
    for (size_t i = 0; i < n; i++) add_value(t, &specs[i], &v[i]);
}

/* The identity of a training: every value but those that only say how it is run. */
static int make_digest(train_config *c, const numbers *v, err *e) {
    text_buffer t = {0};
    for (size_t i = 0; i < COUNT(run_keys); i++)
        if (i != THREADS && i != CHECKPOINT) add_value(&t, &run_keys[i], &v->run[i]);
    add_values(&t, model_keys, COUNT(model_keys), v->model);
    add_values(&t, adamw_keys, COUNT(adamw_keys), v->adamw);
    for (size_t i = 0; i < COUNT(muon_keys); i++) {
        text_add(&t, "muon.");
        add_value(&t, &muon_keys[i], &v->muon[i]);
    }
    add_values(&t, tokenizer_keys, COUNT(tokenizer_keys), v->tokenizer);
    for (size_t i = 0; i < c->n_sources; i++) {
        const train_source *x = &c->sources[i];
        text_add(&t, "[%s] %s share=%.17g from=%zu until=%zu\n", x->name, x->scenario->name, x->share, x->from,
                 x->until);
        add_values(&t, x->scenario->params, x->scenario->n_params, x->params.at);
    }
    int ret = text_check(&t, e);
    if (ret == 0) ret = digest_sha256(t.at, t.n, c->digest, e);
    text_free(&t);
    return ret;
}

static char *default_output(const train_config *c, err *e) {
    static const char name[] = "results";
    ini_part          v = {.raw = (char *)name, .text = (char *)name};
    return ini_path(c->path, "output", &v, e);
}

int train_config_read(const char *path, const char *const *sets, size_t n_sets, train_config *c, err *e) {
    inifile f;
    numbers v;
    *c = (train_config){.export_type = DTYPE_Q8_0};
    for (size_t i = 0; i < COUNT(run_keys); i++) v.run[i] = param_preset(&run_keys[i]);
    for (size_t i = 0; i < COUNT(model_keys); i++) v.model[i] = param_preset(&model_keys[i]);
    for (size_t i = 0; i < COUNT(adamw_keys); i++) v.adamw[i] = param_preset(&adamw_keys[i]);
    for (size_t i = 0; i < COUNT(muon_keys); i++) v.muon[i] = param_preset(&muon_keys[i]);
    for (size_t i = 0; i < COUNT(tokenizer_keys); i++) v.tokenizer[i] = param_preset(&tokenizer_keys[i]);
    if ((c->path = mem_strdup(path, e)) == NULL || inifile_read(path, &f, e) != 0) {
        train_config_free(c);
        return -1;
    }
    int ret = 0;
    for (size_t i = 0; i < n_sets && ret == 0; i++) ret = inifile_set(&f, sets[i], e);
    if (ret == 0) ret = read_sections(&f, c, &v, e);
    if (ret == 0 && c->output == NULL) ret = (c->output = default_output(c, e)) != NULL ? 0 : -1;
    if (ret == 0 && c->export_path == NULL)
        ret = (c->export_path = mem_printf(e, "%s/%s.gguf", c->output, c->name)) != NULL ? 0 : -1;
    if (ret == 0) ret = settle(&f, c, &v, e);
    if (ret == 0) ret = make_digest(c, &v, e);
    if (ret == 0) ret = (c->text = mem_strndup(f.text, f.n_text, e)) != NULL ? 0 : -1;
    inifile_free(&f);
    if (ret != 0) train_config_free(c);
    return ret;
}

void train_config_free(train_config *c) {
    for (size_t i = 0; i < c->n_sources; i++) {
        free(c->sources[i].name);
        param_values_free(&c->sources[i].params);
    }
    free(c->path);
    free(c->text);
    free(c->name);
    free(c->output);
    free(c->export_path);
    *c = (train_config){0};
}
