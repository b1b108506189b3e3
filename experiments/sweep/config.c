/* Three steps: inifile.c gives sections and keys with their places; the tables below say what each key takes
 * and where it goes; config_check.c refuses what no single value shows. */
#include "experiments/sweep/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/dataset.h"
#include "engine/base/number.h"
#include "engine/base/parallel.h"
#include "engine/base/suggest.h"
#include "experiments/ini/inifile.h"
#include "experiments/sweep/config_check.h"

enum { MAX_NAMES = 64 }; /* in lists of what is allowed */

/* ---- values: each parses one text into *at, or says what is allowed ---------------------------------- */

typedef struct key_spec key_spec;
typedef struct {
    const inifile  *file;
    const key_spec *key;
    const ini_part *part;
    const char     *text, *where; /* of the part */
} value;

struct key_spec {
    const char *name;
    int (*parse)(const value *v, void *at, err *e);
    size_t      offset;   /* of the field in the section's struct */
    size_t      place;    /* of a field for the key's "FILE:LINE"; 0: none */
    const char *preset;   /* parsed when the key is absent; NULL: the field stays zero */
    bool        required; /* then there is no preset */
    bool        list;     /* several values, into a value_list */
    uint64_t    min, max; /* of integers */
    const char *help;
};

static int refuse(const value *v, err *e) {
    return err_input(e, "%s: %s = \"%s\" is not allowed (%s)", v->where, v->key->name, v->text, v->key->help);
}

static int parse_integer(const value *v, uint64_t *out, err *e) {
    if (count_parse(v->text, v->key->min, v->key->max, out)) return 0;
    return err_input(e, "%s: %s = \"%s\" is not allowed (an integer from %" PRIu64 " to %" PRIu64 ": %s)", v->where,
                     v->key->name, v->text, v->key->min, v->key->max, v->key->help);
}

static int parse_u64(const value *v, void *at, err *e) {
    return parse_integer(v, at, e);
}

static int parse_size(const value *v, void *at, err *e) {
    uint64_t n;
    if (parse_integer(v, &n, e) != 0) return -1;
    *(size_t *)at = (size_t)n;
    return 0;
}

/* An item of a value_list. */
static int parse_item(const value *v, void *at, err *e) {
    uint64_t n;
    if (parse_integer(v, &n, e) != 0) return -1;
    *(param_value *)at = (param_value){.type = PARAM_IS_INTEGER, .integer = (int64_t)n};
    return 0;
}

static int parse_bool(const value *v, void *at, err *e) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(v->text, words[i]) != 0) continue;
        *(bool *)at = i % 2 == 1;
        return 0;
    }
    return err_input(e, "%s: %s = \"%s\" is not allowed (yes or no: %s)", v->where, v->key->name, v->text,
                     v->key->help);
}

static int keep_text(const char *text, void *at, err *e) {
    char *copy = mem_strdup(text, e);
    if (copy == NULL) return -1;
    *(char **)at = copy;
    return 0;
}

static int parse_name(const value *v, void *at, err *e) {
    return ini_plain_name(v->text) ? keep_text(v->text, at, e) : refuse(v, e);
}

static int parse_path(const value *v, void *at, err *e) {
    char *path = ini_path(v->file->path, v->key->name, v->part, e);
    if (path == NULL) return -1;
    *(char **)at = path;
    return 0;
}

static int parse_tokenizer(const value *v, void *at, err *e) {
    return strcmp(v->text, "bytes") == 0 ? keep_text(v->text, at, e) : parse_path(v, at, e);
}

static int parse_gemm(const value *v, void *at, err *e) {
    const char *names[GEMMS];
    for (size_t i = 0; i < GEMMS; i++) {
        names[i] = gemm_name((gemm)i);
        if (strcmp(v->text, names[i]) != 0) continue;
        *(gemm *)at = (gemm)i;
        return 0;
    }
    return err_unknown(e, v->where, v->key->name, v->text, names, GEMMS);
}

static int parse_target(const value *v, void *at, err *e) {
    *(const target_ops **)at = registry_named(&target_registry, v->where, v->text, e);
    return *(const target_ops **)at != NULL ? 0 : -1;
}

static int parse_format(const value *v, void *at, err *e) {
    return dataset_format_check(v->where, v->text, e) == 0 ? keep_text(v->text, at, e) : -1;
}

/* ---- the keys ----------------------------------------------------------------------------------------- */

#define AT(type, field)     .offset = offsetof(type, field)
#define PLACED(type, field) .offset = offsetof(type, field), .place = offsetof(type, field##_at)
#define RANGE(low, high)    .min = (low), .max = (high)
#define REQUIRED            .required = true
#define COUNT(keys)         (sizeof(keys) / sizeof *(keys))

/* clang-format off */
static const key_spec sweep_keys[] = {
    {"name",    parse_name, AT(config, name),    REQUIRED, .help = "name of the results file: " INI_PLAIN_NAME},
    {"output",  parse_path, AT(config, output),  REQUIRED, .help = "folder for results"},
    {"seed",    parse_u64,  AT(config, seed),    .preset = "1", RANGE(0, INT64_MAX), .help = "of all randomness"},
    {"repeats", parse_size, AT(config, repeats), .preset = "1", RANGE(1, 100000), .help = "trials of each sample"},
    {"paired",  parse_bool, AT(config, paired),  .preset = "no", .help = "time plain decoding again beside every trial"},
};
static const key_spec model_keys[] = {
    {"target",    parse_target,    AT(model_config, target),    REQUIRED, .help = "what scores tokens, such as transformer"},
    {"path",      parse_path,      PLACED(model_config, path),      .help = "GGUF with weights and tokenizer; a list is swept"},
    {"tokenizer", parse_tokenizer, PLACED(model_config, tokenizer), .help = "GGUF with a tokenizer, or \"bytes\"; a list is swept"},
    {"threads",   parse_item,      AT(model_config, threads),   .preset = "1", .list = true, RANGE(1, PARALLEL_THREADS),
                                                                .help = "threads of a forward pass"},
    {"gemm",      parse_gemm,      AT(model_config, gemm),      .preset = "exact", .help = "exact or blas"},
    {"cost",      parse_path,      PLACED(model_config, cost),      .help = "file of measured pass times T(k), for modeled_speedup"},
    {"context",   parse_size,      PLACED(model_config, context),   .preset = "0", RANGE(0, INT32_MAX),
                                                                .help = "tokens; 0 = the model's own"},
};
static const key_spec dataset_keys[] = {
    {"path",           parse_path,   PLACED(dataset_config, path),           REQUIRED, .help = "JSONL file of records"},
    {"format",         parse_format, AT(dataset_config, format),         .preset = "auto", .help = "of the records"},
    {"limit",          parse_size,   AT(dataset_config, limit),          .preset = "0", RANGE(0, UINT32_MAX),
                                                                         .help = "records to take; 0 = all"},
    {"forced",         parse_bool,   AT(dataset_config, forced),         .preset = "no",
                                                                         .help = "follow the recorded output"},
    {"append_docs",    parse_bool,   AT(dataset_config, append_docs),    .preset = "no",
                                                                         .help = "llma, ms-marco: documents in the prompt"},
    {"doc_tokens",     parse_size,   AT(dataset_config, doc_tokens),     .preset = "768", RANGE(0, INT32_MAX),
                                                                         .help = "with append_docs: cut of documents in "
                                                                                 "the prompt; 0 = whole"},
    {"max_new_tokens", parse_size,   AT(dataset_config, max_new_tokens), .preset = "256", RANGE(1, INT32_MAX),
                                                                         .help = "longest output"},
};
/* clang-format on */

/* ---- keys into fields --------------------------------------------------------------------------------- */

typedef struct {
    const inifile  *file;
    const key_spec *key;
} key_context;

static value value_of(const inifile *f, const key_spec *key, const ini_part *part) {
    return (value){f, key, part, part->text, part->where};
}

static int parse_key_item(const void *ctx, const ini_part *item, param_value *out, err *e) {
    const key_context *k = ctx;
    value              v = value_of(k->file, k->key, item);
    return k->key->parse(&v, out, e);
}

/* Fills the struct at `base` from a section by its table. */
static int read_keys(const inifile *f, const ini_section *s, const key_spec *keys, size_t n, void *base, err *e) {
    const char *names[MAX_NAMES] = {0};
    for (size_t i = 0; i < n; i++) names[i] = keys[i].name;
    if (ini_check_keys(s, names, n, e) != 0) return -1;

    for (size_t i = 0; i < n; i++) {
        const key_spec  *key = &keys[i];
        const ini_entry *entry = ini_find(s, key->name);
        void            *at = (char *)base + key->offset;
        if (entry == NULL && key->required)
            return err_input(e, "%s: [%s] has no \"%s\" (%s)", s->where, s->title, key->name, key->help);
        if (entry == NULL && key->preset == NULL) continue;

        char     *text = (char *)key->preset;
        ini_part  preset_part = {.raw = text, .text = text, .where = s->where};
        ini_entry preset = {.key = (char *)key->name, .parts = &preset_part, .n_parts = 1};
        if (entry == NULL)
            entry = &preset;
        else if (key->place != 0 && keep_text(entry->parts[0].where, (char *)base + key->place, e) != 0)
            return -1;
        if (key->list) {
            if (value_list_read(entry, parse_key_item, &(key_context){f, key}, at, e) != 0) return -1;
        } else {
            const ini_part *part = ini_value(entry, e);
            if (part == NULL) return -1;
            value v = value_of(f, key, part);
            if (key->parse(&v, at, e) != 0) return -1;
        }
    }
    return 0;
}

/* ---- sections ----------------------------------------------------------------------------------------- */

static int read_sweep(const inifile *f, const ini_section *s, config *c, err *e) {
    return read_keys(f, s, sweep_keys, COUNT(sweep_keys), c, e);
}

/* A section while it is read into one model for each of its files. */
typedef struct {
    const inifile     *file;
    const ini_section *section;
    const ini_entry   *files; /* its "path" or "tokenizer" */
    const char        *label;
    bool               several;
    config            *c;
} model_files;

/* The file's base name without ".gguf". */
static char *stem_of(const char *path, err *e) {
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path, *dot = strrchr(base, '.');
    size_t      n = dot != NULL && strcmp(dot, ".gguf") == 0 ? (size_t)(dot - base) : strlen(base);
    return mem_strndup(base, n, e);
}

/* One model: the section as if it had this file alone. Of several, each is named LABEL/STEM. */
static int add_model(void *ctx, const ini_part *item, err *e) {
    const model_files *x = ctx;
    config            *c = x->c;
    if (mem_reserve(&c->models, &c->cap_models, c->n_models + 1, e) != 0) return -1;
    model_config *m = &c->models[c->n_models++];
    *m = (model_config){.line = x->section->line};

    ini_part    part = item != NULL ? *item : (ini_part){.where = x->section->where};
    ini_section alone = *x->section;
    alone.entries = mem_new(alone.n_entries, sizeof *alone.entries, e);
    if (alone.entries == NULL) return -1;
    for (size_t i = 0; i < alone.n_entries; i++) {
        alone.entries[i] = x->section->entries[i];
        if (&x->section->entries[i] != x->files) continue;
        alone.entries[i].parts = &part;
        alone.entries[i].n_parts = 1;
    }
    char *stem = x->several ? stem_of(item->text, e) : NULL;
    m->label = stem != NULL ? mem_printf(e, "%s/%s", x->label, stem) : x->several ? NULL : mem_strdup(x->label, e);
    int ret = m->label == NULL ? -1 : read_keys(x->file, &alone, model_keys, COUNT(model_keys), m, e);
    if (ret == 0) ret = config_check_model(&alone, m, e);
    for (size_t i = 0; ret == 0 && i + 1 < c->n_models; i++)
        if (strcmp(c->models[i].label, m->label) == 0)
            ret =
                err_input(e, "%s: two models would be named %s (give one a section of its own)", part.where, m->label);
    free(stem);
    free(alone.entries);
    return ret;
}

static int count_item(void *ctx, const ini_part *item, err *e) {
    (void)item, (void)e;
    ++*(size_t *)ctx;
    return 0;
}

static int read_model(const inifile *f, const ini_section *s, const char *label, config *c, err *e) {
    const ini_entry *path = ini_find(s, "path");
    model_files      x = {f, s, path != NULL ? path : ini_find(s, "tokenizer"), label, false, c};
    if (x.files == NULL) return add_model(&x, NULL, e); /* which says what is missing */
    size_t n = 0;
    if (ini_items(x.files, count_item, &n, e) != 0) return -1;
    x.several = n > 1;
    return ini_items(x.files, add_model, &x, e);
}

static int read_dataset(const inifile *f, const ini_section *s, const char *label, config *c, err *e) {
    dataset_config *d = &c->datasets[c->n_datasets++];
    d->line = s->line;
    if ((d->label = mem_strdup(label, e)) == NULL) return -1;
    return read_keys(f, s, dataset_keys, COUNT(dataset_keys), d, e);
}

static int read_policy(const inifile *f, const ini_section *s, const char *name, const char *label, config *c, err *e) {
    policy_config *p = &c->policies[c->n_policies++];
    p->line = s->line;
    if ((p->ops = registry_named(&policy_registry, s->where, name, e)) == NULL) return -1;
    if ((p->label = mem_strdup(label, e)) == NULL) return -1;
    return values_read(f, s, p->ops->params, p->ops->n_params, p->values, e);
}

static int read_rule(const inifile *f, const ini_section *s, const char *name, const char *label, config *c, err *e) {
    rule_config *r = &c->rules[c->n_rules++];
    r->line = s->line;
    if ((r->ops = registry_named(&rule_registry, s->where, name, e)) == NULL) return -1;
    if ((r->label = mem_strdup(label, e)) == NULL) return -1;
    return values_read(f, s, r->ops->params, r->ops->n_params, r->values, e);
}

static const struct {
    const char *kind, *form;
    size_t      min_words, max_words; /* after the kind */
} kinds[] = {
    {"sweep", "[sweep]", 0, 0},
    {"model", "[model LABEL]", 1, 1},
    {"dataset", "[dataset LABEL]", 1, 1},
    {"policy", "[policy NAME] or [policy NAME LABEL]", 1, 2},
    {"accept", "[accept NAME] or [accept NAME LABEL]", 1, 2},
};
enum { SWEEP, MODEL, DATASET, POLICY, ACCEPT, KINDS };

/* Splits a title into kind, name and label, in the memory of `words`. */
static int read_title(const ini_section *s, char words[static 3][128], size_t *kind, err *e) {
    size_t      n = 0;
    const char *at = s->title;
    for (; *at != '\0'; n++) {
        size_t len = strcspn(at, " ");
        if (len >= sizeof words[0]) return err_input(e, "%s: a word of the section's title is too long", s->where);
        if (n < 3) snprintf(words[n], sizeof words[n], "%.*s", (int)len, at);
        at += len + (at[len] == ' ' ? 1 : 0);
    }
    for (*kind = 0; *kind < KINDS; ++*kind)
        if (strcmp(words[0], kinds[*kind].kind) == 0) break;
    if (*kind == KINDS) {
        const char *names[KINDS];
        for (size_t i = 0; i < KINDS; i++) names[i] = kinds[i].kind;
        return err_unknown(e, s->where, "section", words[0], names, KINDS);
    }
    if (n - 1 < kinds[*kind].min_words || n - 1 > kinds[*kind].max_words)
        return err_input(e, "%s: section [%s] is not allowed (%s)", s->where, s->title, kinds[*kind].form);
    for (size_t i = 1; i < n; i++)
        if (!ini_plain_name(words[i]))
            return err_input(e, "%s: section [%s]: \"%s\" is not a name (" INI_PLAIN_NAME ")", s->where, s->title,
                             words[i]);
    return 0;
}

static int read_sections(const inifile *f, config *c, err *e) {
    size_t count[KINDS] = {0};
    char   words[3][128];
    size_t kind = 0;

    for (size_t i = 0; i < f->n_sections; i++) {
        memset(words, 0, sizeof words);
        if (read_title(&f->sections[i], words, &kind, e) != 0) return -1;
        count[kind]++;
    }
    for (kind = 0; kind < KINDS; kind++)
        if (count[kind] == 0) return err_input(e, "%s: no section %s (at least one)", f->path, kinds[kind].form);

    c->datasets = mem_new(count[DATASET], sizeof *c->datasets, e);
    c->policies = mem_new(count[POLICY], sizeof *c->policies, e);
    c->rules = mem_new(count[ACCEPT], sizeof *c->rules, e);
    if (c->datasets == NULL || c->policies == NULL || c->rules == NULL) return -1;

    for (size_t i = 0; i < f->n_sections; i++) {
        const ini_section *s = &f->sections[i];
        memset(words, 0, sizeof words);
        if (read_title(s, words, &kind, e) != 0) return -1;
        int failed = kind == SWEEP     ? read_sweep(f, s, c, e)
                     : kind == MODEL   ? read_model(f, s, words[1], c, e)
                     : kind == DATASET ? read_dataset(f, s, words[1], c, e)
                     : kind == POLICY  ? read_policy(f, s, words[1], words[2], c, e)
                                       : read_rule(f, s, words[1], words[2], c, e);
        if (failed) return -1;
    }
    return 0;
}

int config_read(const char *path, const char *const *sets, size_t n_sets, config *out, err *e) {
    int     ret = -1;
    inifile f;
    *out = (config){0};
    if (inifile_read(path, &f, e) != 0) return -1;
    for (size_t i = 0; i < n_sets; i++)
        if (inifile_set(&f, sets[i], e) != 0) goto out;
    if ((out->path = mem_strdup(path, e)) == NULL || (out->text = mem_strdup(f.text, e)) == NULL) goto out;
    if (read_sections(&f, out, e) != 0) goto out;
    ret = config_check(out, e);
out:
    inifile_free(&f);
    if (ret != 0) config_free(out);
    return ret;
}

const char *config_base_name(const config *c) {
    const char *slash = strrchr(c->path, '/');
    return slash != NULL ? slash + 1 : c->path;
}

void config_free(config *c) {
    for (size_t i = 0; i < c->n_models; i++) {
        model_config *m = &c->models[i];
        free(m->label);
        free(m->path);
        free(m->tokenizer);
        value_list_free(&m->threads);
        free(m->cost);
        free(m->path_at);
        free(m->tokenizer_at);
        free(m->cost_at);
        free(m->context_at);
    }
    for (size_t i = 0; i < c->n_datasets; i++) {
        free(c->datasets[i].label);
        free(c->datasets[i].path);
        free(c->datasets[i].path_at);
        free(c->datasets[i].format);
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        free(c->policies[i].label);
        for (size_t k = 0; k < PARAM_MAX; k++) value_list_free(&c->policies[i].values[k]);
    }
    for (size_t i = 0; i < c->n_rules; i++) {
        free(c->rules[i].label);
        for (size_t k = 0; k < PARAM_MAX; k++) value_list_free(&c->rules[i].values[k]);
    }
    free(c->models);
    free(c->datasets);
    free(c->policies);
    free(c->rules);
    free(c->path);
    free(c->text);
    free(c->name);
    free(c->output);
    *c = (config){0};
}
