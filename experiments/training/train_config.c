/* train_config.c - the keys, their sections, and the checks across several values. */
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

/* ---- the keys ----------------------------------------------------------------------------------------- */

static size_t type_names(const key_spec *k, const char *names[static KEY_NAMES]) {
    (void)k;
    for (size_t t = 0; t < DTYPE_COUNT; t++) names[t] = dtype_get((dtype)t)->name;
    return DTYPE_COUNT;
}

static int parse_type(const key_value *v, void *at, err *e) {
    for (size_t t = 0; t < DTYPE_COUNT; t++) {
        if (strcasecmp(dtype_get((dtype)t)->name, v->text) != 0) continue;
        *(dtype *)at = (dtype)t;
        return 0;
    }
    return key_unknown(v, e);
}

static const key_type key_dtype = {NULL, parse_type, .names = type_names};

/* clang-format off */
static const key_spec run_keys[] = {
    {"name", &key_name, KEY_AT(train_config, name), .required = true,
     .help = "name of the files: OUTPUT/NAME.checkpoint, .h5, .vocab.gguf and, without a path in [export], .gguf"},
    {"output", &key_path, KEY_AT(train_config, output), .preset = "results", .help = "folder for the files"},
    {"seed", &key_u64, KEY_AT(train_config, seed), .preset = "1", KEY_RANGE(0, 9007199254740992),
     .help = "seed of weights and records"},
    {"steps", &key_size, KEY_AT(train_config, trainer.optimizer.adamw.steps), .preset = "1000", KEY_RANGE(1, 100000000),
     .help = "steps of the whole training; the schedule ends there"},
    {"batch", &key_size, KEY_AT(train_config, batch), .preset = "32", KEY_RANGE(1, 65536), .help = "records in a step"},
    {"lanes", &key_size, KEY_AT(train_config, trainer.lanes), .preset = "2", KEY_RANGE(1, 256),
     .help = "parts of a batch, at most one thread each; the numbers depend on it"},
    {"micro_tokens", &key_size, KEY_AT(train_config, trainer.micro_tokens), .preset = "2048", KEY_RANGE(1, 1000000),
     .help = "tokens that a lane runs at once; the numbers depend on it"},
    {"threads", &key_int, KEY_AT(train_config, trainer.threads), .preset = "2", KEY_RANGE(1, PARALLEL_THREADS),
     .run_only = true, .help = "the numbers do not depend on it"},
    {"checkpoint", &key_size, KEY_AT(train_config, checkpoint), .preset = "200", KEY_RANGE(0, 100000000),
     .run_only = true, .help = "steps between checkpoints; 0 = only at the end"},
    {"validate", &key_size, KEY_AT(train_config, validate), .preset = "0", KEY_RANGE(0, 100000000),
     .help = "steps between validations; 0 = never"},
    {"validation", &key_size, KEY_AT(train_config, validation), .preset = "32", KEY_RANGE(1, 65536),
     .help = "test records of each source; their outputs are scored"},
    {"prompt_weight", &key_real, KEY_AT(train_config, trainer.prompt_weight), .preset = "0", KEY_REALS(0, 1),
     .help = "weight of the prompt's tokens in the loss; the output's have 1"},
};

static const key_spec model_keys[] = {
    {"layers", &key_size, KEY_AT(train_config, trainer.shape.layers), .preset = "4", KEY_RANGE(1, 1000),
     .help = "of the net"},
    {"dim", &key_size, KEY_AT(train_config, trainer.shape.dim), .preset = "256", KEY_RANGE(2, 65536),
     .help = "width of the residual stream"},
    {"heads", &key_size, KEY_AT(train_config, trainer.shape.heads), .preset = "8", KEY_RANGE(1, 1024),
     .help = "of attention; dim / heads must be an even number"},
    {"ffn", &key_size, KEY_AT(train_config, trainer.shape.ffn), .preset = "640", KEY_RANGE(1, 262144),
     .help = "width of the feed-forward layers"},
    {"context", &key_size, KEY_AT(train_config, trainer.context), .preset = "1024", KEY_RANGE(8, 131072),
     .help = "tokens of the longest record; longer ones are replaced by others and counted"},
    {"rope_theta", &key_real, KEY_AT(train_config, trainer.shape.rope_theta), .preset = "10000", KEY_REALS(1, 1e9),
     .help = "base of the rotation frequencies"},
    {"rms_eps", &key_real, KEY_AT(train_config, trainer.shape.rms_eps), .preset = "1e-5", KEY_REALS(1e-12, 0.1),
     .help = "added to the mean square in RMSNorm"},
};

static const key_spec adamw_keys[] = {
    {"lr", &key_real, KEY_AT(train_config, trainer.optimizer.adamw.lr), .preset = "1e-3", KEY_REALS(1e-9, 10),
     .help = "highest rate of learning"},
    {"min_lr", &key_real, KEY_AT(train_config, trainer.optimizer.adamw.min_lr), .preset = "1e-5", KEY_REALS(0, 10),
     .help = "rate at the end, after half a cosine down"},
    {"warmup", &key_size, KEY_AT(train_config, trainer.optimizer.adamw.warmup), .preset = "100",
     KEY_RANGE(0, 100000000), .help = "steps of linear increase to the highest rate"},
    {"beta1", &key_real, KEY_AT(train_config, trainer.optimizer.adamw.beta1), .preset = "0.9", KEY_REALS(0, 0.999999),
     .help = "memory of the first moment"},
    {"beta2", &key_real, KEY_AT(train_config, trainer.optimizer.adamw.beta2), .preset = "0.98", KEY_REALS(0, 0.999999),
     .help = "memory of the second moment"},
    {"eps", &key_real, KEY_AT(train_config, trainer.optimizer.adamw.eps), .preset = "1e-8", KEY_REALS(1e-20, 1),
     .help = "added to the root of the second moment"},
    {"decay", &key_real, KEY_AT(train_config, trainer.optimizer.adamw.decay), .preset = "0.1", KEY_REALS(0, 10),
     .help = "weight decay of matrices, times the rate; norms do not decay"},
    {"clip", &key_real, KEY_AT(train_config, trainer.optimizer.adamw.clip), .preset = "1", KEY_REALS(0, 1e9),
     .help = "largest norm of a gradient; 0 = any"},
};

static const key_spec muon_keys[] = {
    {"lr", &key_real, KEY_AT(train_config, trainer.optimizer.muon_lr), .preset = "0", KEY_REALS(0, 10),
     .help = "highest rate of the matrices between layers, on AdamW's schedule; 0 = AdamW moves them, too"},
    {"momentum", &key_real, KEY_AT(train_config, trainer.optimizer.muon_momentum), .preset = "0.95",
     KEY_REALS(0, 0.999999), .help = "memory of the gradient"},
};

static const key_spec tokenizer_keys[] = {
    {"vocab", &key_size, KEY_AT(train_config, trainer.shape.vocab), .preset = "2048", KEY_RANGE(260, 65536),
     .help = "ids of the tokenizer"},
    {"records", &key_size, KEY_AT(train_config, vocabulary_records), .preset = "4000", KEY_RANGE(1, 10000000),
     .help = "records that it is trained on, from the last step's mix"},
};

static const key_spec export_keys[] = {
    {"path", &key_path, KEY_AT(train_config, export_path), .help = "of the model; without it, OUTPUT/NAME.gguf"},
    {"type", &key_dtype, KEY_AT(train_config, export_type), .preset = "q8_0", .help = "of the matrices"},
};

static const key_spec source_keys[] = {
    {"scenario", &key_plugin, KEY_AT(train_source, scenario), .required = true, .of = &scenario_registry,
     .help = "scenario that makes the records"},
    {"share", &key_real, KEY_AT(train_source, share), .preset = "1", KEY_REALS(0, 1e6), .help = "parts of the mix"},
    {"from", &key_size, KEY_AT(train_source, from), .preset = "0", KEY_RANGE(0, 100000000),
     .help = "first step with this source"},
    {"until", &key_size, KEY_AT(train_source, until), .preset = "0", KEY_RANGE(0, 100000000),
     .help = "first step without it again; 0 = never"},
};
/* clang-format on */

enum { TRAIN, MODEL, ADAMW, MUON, TOKENIZER, EXPORT, SOURCE, SECTIONS };
static const key_section sections[SECTIONS] = {
    [TRAIN] = {"train", "Required: what the training is called, and how long it is.", run_keys, KEY_COUNT(run_keys)},
    [MODEL] = {"model", "The net. Its output matrix is the embedding.", model_keys, KEY_COUNT(model_keys)},
    [ADAMW] = {"adamw", "The optimizer.", adamw_keys, KEY_COUNT(adamw_keys)},
    [MUON] = {"muon", "With a rate, Muon moves the matrices between layers; AdamW keeps the embedding and the norms.",
              muon_keys, KEY_COUNT(muon_keys)},
    [TOKENIZER] = {"tokenizer", "A byte-pair tokenizer, trained first.", tokenizer_keys, KEY_COUNT(tokenizer_keys)},
    [EXPORT] = {"export", "The model's file.", export_keys, KEY_COUNT(export_keys)},
    [SOURCE] = {"source NAME",
                "One or more: records of a scenario, from one step until before another. Further keys are the "
                "scenario's parameters (harness dataset scenarios).",
                source_keys, KEY_COUNT(source_keys)},
};

const key_file train_config_keys = {
    .name = "train-config",
    .help = "sections and keys of a training's config",
    .about = "A training's config is an INI file. It is run with harness train, and checked with harness train -n. "
             "Relative paths start at the config's folder.",
    .sections = sections,
    .n_sections = SECTIONS,
};

/* ---- sections ----------------------------------------------------------------------------------------- */

/* The "FILE:LINE" to blame when two keys (either may be NULL) do not go together: that of the key set by an override,
 * else of the first key that is present, else `section`. */
static const char *blame(const ini_entry *a, const ini_entry *b, const char *section) {
    if (a == NULL || (b != NULL && b->overridden && !a->overridden)) a = b;
    return a != NULL ? a->parts[0].where : section;
}

static int read_params(const inifile *f, const ini_section *s, const scenario *by, param_values *out, err *e) {
    param_presets(by->params, by->n_params, out);
    for (size_t i = 0; i < by->n_params; i++) {
        const ini_entry *entry = ini_find(s, by->params[i].name);
        if (entry == NULL) continue;
        const ini_part *v = ini_value(entry, e);
        if (v == NULL) return -1;
        if (key_param(f, &by->params[i], v, &out->at[i], e) != 0) return -1;
    }
    bool wrong =
        param_check_present(by->name, by->params, by->n_params, out, e) != 0 || scenario_check(by, out, e) != 0;
    return wrong ? err_prefix(e, "%s", s->where) : 0;
}

static int read_source(const inifile *f, const ini_section *s, train_config *c, err *e) {
    if (c->n_sources == TRAIN_SOURCES) return err_input(e, "%s: more than %d sources", s->where, TRAIN_SOURCES);
    train_source *x = &c->sources[c->n_sources++];
    if ((x->name = mem_strdup(s->title + strlen("source "), e)) == NULL) return -1;
    if (keys_read(f, s, &sections[SOURCE], x, e) != 0) return -1;
    if (keys_check(s, &sections[SOURCE], x->scenario->params, x->scenario->n_params, e) != 0) return -1;
    if (read_params(f, s, x->scenario, &x->params, e) != 0) return -1;
    if (x->until != 0 && x->until <= x->from)
        return err_input(e, "%s: until = %zu is not allowed (after from = %zu)",
                         blame(ini_find(s, "until"), ini_find(s, "from"), s->where), x->until, x->from);
    return 0;
}

static bool is_source(const ini_section *s) {
    return strncmp(s->title, "source ", strlen("source ")) == 0;
}

/* Sources keep the file's order, which is the order of the mix; the other sections may come in any order. */
static int read_sections(const inifile *f, train_config *c, err *e) {
    const ini_section *found[SECTIONS] = {0};
    for (size_t i = 0; i < f->n_sections; i++) {
        const ini_section *s = &f->sections[i];
        const char        *titles[SECTIONS];
        size_t             k = 0;
        for (; k < SECTIONS; k++) titles[k] = sections[k].title;
        for (k = 0; k < SOURCE && strcmp(s->title, titles[k]) != 0;) k++;
        if (k < SOURCE)
            found[k] = s;
        else if (!is_source(s))
            return err_unknown(e, s->where, "section", s->title, titles, SECTIONS);
        if (k < SOURCE && keys_check(s, &sections[k], NULL, 0, e) != 0) return -1;
    }
    if (found[TRAIN] == NULL) return err_input(e, "%s: there is no [train] section", f->path);
    for (size_t k = 0; k < SOURCE; k++)
        if (keys_read(f, found[k], &sections[k], c, e) != 0) return -1;
    for (size_t i = 0; i < f->n_sections; i++)
        if (is_source(&f->sections[i]) && read_source(f, &f->sections[i], c, e) != 0) return -1;
    return 0;
}

static const ini_section *section_of(const inifile *f, const char *title) {
    for (size_t i = 0; i < f->n_sections; i++)
        if (strcmp(f->sections[i].title, title) == 0) return &f->sections[i];
    return NULL;
}

/* The same for keys in the sections with these titles; the file if it has none of them. */
static const char *where(const inifile *f, const char *title, const char *key, const char *other,
                         const char *other_key) {
    const ini_section *s = section_of(f, title), *t = section_of(f, other);
    const ini_entry   *a = s != NULL ? ini_find(s, key) : NULL, *b = t != NULL ? ini_find(t, other_key) : NULL;
    return blame(a, b, s != NULL ? s->where : f->path);
}

/* The model must not overwrite a file that the training needs. */
static int check_export(const inifile *f, const train_config *c, err *e) {
    static const struct {
        const char *suffix, *what;
    } files[] = {{".checkpoint", "checkpoint"}, {".h5", "loss curve"}, {".vocab.gguf", "tokenizer"}};
    int same = file_same_place(c->export_path, c->path, e);
    if (same > 0)
        return err_input(e, "%s: the model would be written over this config",
                         where(f, "export", "path", "train", "name"));
    for (size_t i = 0; same == 0 && i < KEY_COUNT(files); i++) {
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

/* Some source has a share in every step. */
static int check_mix(const train_config *c, err *e) {
    for (size_t step = 0; step < c->trainer.optimizer.adamw.steps; step++) { /* few matter, but this is quick */
        double sum = 0;
        for (size_t i = 0; i < c->n_sources; i++) {
            const train_source *x = &c->sources[i];
            if (step >= x->from && (x->until == 0 || step < x->until)) sum += x->share;
        }
        if (sum <= 0) return err_input(e, "%s: no source has a share in step %zu (add a [source NAME])", c->path, step);
    }
    return 0;
}

/* Checks across several values. */
static int check(const inifile *f, const train_config *c, err *e) {
    const net_shape *s = &c->trainer.shape;
    const adamw     *o = &c->trainer.optimizer.adamw;
    if (s->dim % s->heads != 0 || s->dim / s->heads % 2 != 0)
        return err_input(e, "%s: dim = %zu over heads = %zu is not allowed (a whole even number for each head)",
                         where(f, "model", "heads", "model", "dim"), s->dim, s->heads);
    if (check_width(f, c, "dim", s->dim, e) != 0 || check_width(f, c, "ffn", s->ffn, e) != 0) return -1;
    if (o->warmup >= o->steps)
        return err_input(e, "%s: warmup = %zu is not allowed (fewer than steps = %zu)",
                         where(f, "adamw", "warmup", "train", "steps"), o->warmup, o->steps);
    if (o->min_lr > o->lr) {
        const ini_section *adam = section_of(f, "adamw");
        bool               given = adam != NULL && ini_find(adam, "min_lr") != NULL;
        return err_input(e, "%s: min_lr = %g%s is not allowed (at most lr = %g)",
                         where(f, "adamw", "min_lr", "adamw", "lr"), o->min_lr, given ? "" : " (the default)", o->lr);
    }
    return check_export(f, c, e) != 0 ? -1 : check_mix(c, e);
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

/* The identity of a training: every number except those that only affect how it is run. */
static int make_digest(train_config *c, err *e) {
    text_buffer t = {0};
    for (size_t s = 0; s < SOURCE; s++)
        for (size_t i = 0; i < sections[s].n_keys; i++) {
            const key_spec *k = &sections[s].keys[i];
            if (k->run_only || k->type->number == NULL) continue;
            text_add(&t, "%s%s=%.17g\n", s == MUON ? "muon." : "", k->name,
                     k->type->number((const char *)c + k->offset));
        }
    for (size_t i = 0; i < c->n_sources; i++) {
        const train_source *x = &c->sources[i];
        text_add(&t, "[%s] %s share=%.17g from=%zu until=%zu\n", x->name, x->scenario->name, x->share, x->from,
                 x->until);
        for (size_t k = 0; k < x->scenario->n_params; k++) add_value(&t, &x->scenario->params[k], &x->params.at[k]);
    }
    int ret = text_check(&t, e);
    if (ret == 0) ret = digest_sha256(t.at, t.n, c->digest, e);
    text_free(&t);
    return ret;
}

int train_config_read(const char *path, const char *const *sets, size_t n_sets, train_config *c, err *e) {
    inifile f;
    *c = (train_config){0};
    if ((c->path = mem_strdup(path, e)) == NULL || inifile_read(path, &f, e) != 0) {
        train_config_free(c);
        return -1;
    }
    int ret = 0;
    for (size_t i = 0; i < n_sets && ret == 0; i++) ret = inifile_set(&f, sets[i], e);
    if (ret == 0) ret = read_sections(&f, c, e);
    if (ret == 0 && c->export_path == NULL)
        ret = (c->export_path = mem_printf(e, "%s/%s.gguf", c->output, c->name)) != NULL ? 0 : -1;
    if (ret == 0) ret = check(&f, c, e);
    if (ret == 0) ret = make_digest(c, e);
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
