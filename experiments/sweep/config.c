/* Three steps: inifile.c gives sections and keys with their places; the tables below say what each key takes
 * and where it goes; config_check.c refuses what no single value shows. */
#include "experiments/sweep/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/dataset.h"
#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/base/suggest.h"
#include "experiments/ini/inifile.h"
#include "experiments/ini/keys.h"
#include "experiments/sweep/config_check.h"
#include "experiments/sweep/needs.h"
#include "experiments/sweep/values.h"

/* ---- types of keys that are a sweep's own ------------------------------------------------------------- */

static int parse_tokenizer(const key_value *v, void *at, err *e) {
    return strcmp(v->text, "bytes") == 0 ? key_keep(v->text, at, e) : key_path_parse(v, at, e);
}

static size_t tokenizer_names(const key_spec *k, const char *names[static KEY_NAMES]) {
    (void)k;
    names[0] = "bytes";
    return 1;
}

static int parse_format(const key_value *v, void *at, err *e) {
    return dataset_format_check(v->where, v->text, e) == 0 ? key_keep(v->text, at, e) : -1;
}

static size_t format_names(const key_spec *k, const char *names[static KEY_NAMES]) {
    size_t n = 0;
    (void)k;
    names[n++] = "auto";
    for (size_t i = 0; i < format_registry.n && n < KEY_NAMES; i++) names[n++] = registry_name(&format_registry, i);
    return n;
}

static int parse_chat(const key_value *v, void *at, err *e) {
    return chat_check_name(v->where, v->text, e) == 0 ? key_keep(v->text, at, e) : -1;
}

static size_t names_of_chat(const key_spec *k, const char *names[static KEY_NAMES]) {
    (void)k;
    return chat_names(names, KEY_NAMES);
}

static size_t gemm_names(const key_spec *k, const char *names[static KEY_NAMES]) {
    (void)k;
    for (size_t i = 0; i < GEMMS; i++) names[i] = gemm_name((gemm)i);
    return GEMMS;
}

static int parse_gemm(const key_value *v, void *at, err *e) {
    for (size_t i = 0; i < GEMMS; i++) {
        if (strcmp(gemm_name((gemm)i), v->text) != 0) continue;
        *(gemm *)at = (gemm)i;
        return 0;
    }
    return key_unknown(v, e);
}

static const key_type key_tokenizer = {"path", parse_tokenizer, .names = tokenizer_names};
static const key_type key_format = {NULL, parse_format, .names = format_names};
static const key_type key_chat = {NULL, parse_chat, .names = names_of_chat};
static const key_type key_gemm = {NULL, parse_gemm, .names = gemm_names};

/* ---- the keys ----------------------------------------------------------------------------------------- */

/* clang-format off */
static const key_spec sweep_keys[] = {
    {"name", &key_name, KEY_AT(config, name), .required = true, .help = "name of the results, OUTPUT/NAME.h5"},
    {"output", &key_path, KEY_AT(config, output),
     .help = "folder for results; without it results/ in the folder where the sweep is started"},
    {"seed", &key_u64, KEY_AT(config, seed), .preset = "1", KEY_RANGE(0, INT64_MAX), .help = "seed of all randomness"},
    {"repeats", &key_size, KEY_AT(config, repeats), .preset = "1", KEY_RANGE(1, 100000),
     .help = "trials of each sample; tokens are the same in each, times are not"},
    {"paired", &key_bool, KEY_AT(config, paired), .preset = "no",
     .help = "time plain decoding again with every trial of a target with real times; speed-up is relative to that"},
};
static const key_spec model_keys[] = {
    {"target", &key_plugin, KEY_AT(model_config, target), .required = true, .of = &target_registry,
     .help = "transformer: real weights; replay: a recorded output is decoded again, without weights or times"},
    {"path", &key_path, KEY_PLACED(model_config, path),
     .help = "transformer: GGUF with weights and tokenizer; a list is swept, each model named LABEL/FILE"},
    {"tokenizer", &key_tokenizer, KEY_PLACED(model_config, tokenizer),
     .help = "replay: GGUF with a tokenizer, of which a vocabulary is enough, or one token for each byte; a list is "
             "swept in the same way"},
    {"threads", &key_item, KEY_AT(model_config, threads), .preset = "1", .list = true, KEY_RANGE(1, PARALLEL_THREADS),
     .help = "threads of a forward pass; a list is swept"},
    {"gemm", &key_gemm, KEY_AT(model_config, gemm), .preset = "exact",
     .help = "exact: logits do not depend on how tokens are split into passes; blas: products through OpenBLAS, for "
             "weights in F32, F16 or BF16"},
    {"chat", &key_chat, KEY_AT(model_config, chat), .preset = "auto",
     .help = "how conversations become prompts; auto: by the chat template in the model's file, and as a transcript if "
             "there is none; none: as a transcript; else the format of this name"},
    {"cost", &key_path, KEY_PLACED(model_config, cost),
     .help = "file of measured pass times T(k, context), for the modeled speed-up (harness help cost-file)"},
    {"context", &key_size, KEY_PLACED(model_config, context), .preset = "0", KEY_RANGE(0, INT32_MAX),
     .help = "tokens; 0 = the model's own"},
    {"stop", &key_texts, KEY_PLACED(model_config, stop), .list = true,
     .help = "tokens that end a text beside the model's own (harness inspect shows those): spellings in its vocabulary, "
             "or ids; a list is one set"},
};
static const key_spec dataset_keys[] = {
    {"path", &key_path, KEY_PLACED(dataset_config, path), .required = true, .help = "JSONL file of records"},
    {"format", &key_format, KEY_AT(dataset_config, format), .preset = "auto",
     .help = "of the records; auto: told by the first one"},
    {"limit", &key_size, KEY_AT(dataset_config, limit), .preset = "0", KEY_RANGE(0, UINT32_MAX),
     .help = "records to take from the start; 0 = all"},
    {"forced", &key_bool, KEY_AT(dataset_config, forced), .preset = "no",
     .help = "impose the recorded output on the target; replay needs it"},
    {"append_docs", &key_bool, KEY_AT(dataset_config, append_docs), .preset = "no",
     .help = "formats native, llma and ms-marco: put the references into the prompt, in LLMA's template"},
    {"doc_tokens", &key_size, KEY_AT(dataset_config, doc_tokens), .preset = "768", KEY_RANGE(0, INT32_MAX),
     .help = "with append_docs: tokens after which each document is cut in the prompt; 0 = whole"},
    {"as_turn", &key_bool, KEY_AT(dataset_config, as_turn), .preset = "no",
     .help = "make each prompt that is a text the user's turn of a conversation, for models with a chat format"},
    {"tools", &key_choice, KEY_AT(dataset_config, tools), .preset = "error", .of = dataset_tools_names,
     .help = "turns and calls of tools in conversations; skip: left out; text: kept as text"},
    {"max_new_tokens", &key_size, KEY_AT(dataset_config, max_new_tokens), .preset = "256", KEY_RANGE(1, INT32_MAX),
     .help = "tokens after which an output is cut, even a recorded one"},
};
static const key_spec need_keys[] = {
    {"path", &key_path, KEY_PLACED(need_config, path), .required = true, .help = "a file that this config reads"},
    {"command", &key_line, KEY_PLACED(need_config, command), .required = true, .help = "what fetches or makes it"},
};
/* clang-format on */

enum { SWEEP, MODEL, DATASET, POLICY, ACCEPT, NEEDS, KINDS };
static const key_section sections[KINDS] = {
    [SWEEP] = {"sweep", "Once: the name and the output folder.", sweep_keys, KEY_COUNT(sweep_keys)},
    [MODEL] = {"model LABEL", "One or more: what scores tokens.", model_keys, KEY_COUNT(model_keys)},
    [DATASET] = {"dataset LABEL", "One or more: records.", dataset_keys, KEY_COUNT(dataset_keys)},
    [POLICY] = {.title = "policy NAME",
                .help = "Or [policy NAME LABEL], one or more: what drafts. Keys are the policy's parameters (harness "
                        "policies); each takes a list of values. \"none\" is added where it is missing."},
    [ACCEPT] = {.title = "accept NAME",
                .help = "Or [accept NAME LABEL], one or more: what accepts. Keys are the rule's parameters (harness "
                        "rules); each takes a list of values."},
    [NEEDS] = {"needs LABEL",
               "Any number: files that must be fetched or made first. If one is missing, the config is skipped and the "
               "command is shown.",
               need_keys, KEY_COUNT(need_keys)},
};

const key_file config_keys = {
    .name = "sweep-config",
    .help = "sections and keys of a sweep's config",
    .about = "A sweep's config is an INI file. It is run with harness sweep, and checked with harness sweep -n. Labels "
             "are yours. The grid is every combination of values within a policy's section, all policy sections "
             "together, times accept sections, times models, times datasets.\n"
             "\n"
             "Comments begin with ; or # at a line's start, or with \" ;\" after a value. Relative paths start at the "
             "config's folder. A list is separated by commas and goes on in indented lines.",
    .sections = sections,
    .n_sections = KINDS,
};

/* ---- sections ----------------------------------------------------------------------------------------- */

/* Fills the struct at `base` from a section that takes only its declared keys. */
static int read_keys(const inifile *f, const ini_section *s, size_t kind, void *base, err *e) {
    return keys_check(s, &sections[kind], NULL, 0, e) != 0 ? -1 : keys_read(f, s, &sections[kind], base, e);
}

static int read_sweep(const inifile *f, const ini_section *s, config *c, err *e) {
    return read_keys(f, s, SWEEP, c, e);
}

/* A section that is being read into one model for each of its files. */
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

/* Adds one model: the section as if it had only this file. With several files, each model is named LABEL/STEM. */
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
    int ret = m->label == NULL ? -1 : read_keys(x->file, &alone, MODEL, m, e);
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
    return read_keys(f, s, DATASET, d, e);
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

static int read_need(const inifile *f, const ini_section *s, const char *label, config *c, err *e) {
    need_config *x = &c->needs[c->n_needs++];
    x->line = s->line;
    if ((x->label = mem_strdup(label, e)) == NULL) return -1;
    return read_keys(f, s, NEEDS, x, e);
}

static const struct {
    const char *kind, *form;
    size_t      min_words, max_words; /* after the kind */
} kinds[KINDS] = {
    {"sweep", "[sweep]", 0, 0},
    {"model", "[model LABEL]", 1, 1},
    {"dataset", "[dataset LABEL]", 1, 1},
    {"policy", "[policy NAME] or [policy NAME LABEL]", 1, 2},
    {"accept", "[accept NAME] or [accept NAME LABEL]", 1, 2},
    {"needs", "[needs LABEL]", 1, 1}, /* optional */
};

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
        if (count[kind] == 0 && kind != NEEDS)
            return err_input(e, "%s: no section %s (at least one)", f->path, kinds[kind].form);

    c->datasets = mem_new(count[DATASET], sizeof *c->datasets, e);
    c->policies = mem_new(count[POLICY], sizeof *c->policies, e);
    c->rules = mem_new(count[ACCEPT], sizeof *c->rules, e);
    c->needs = mem_new(count[NEEDS], sizeof *c->needs, e);
    if (c->needs == NULL || c->datasets == NULL || c->policies == NULL || c->rules == NULL) return -1;

    for (size_t i = 0; i < f->n_sections; i++) {
        const ini_section *s = &f->sections[i];
        memset(words, 0, sizeof words);
        if (read_title(s, words, &kind, e) != 0) return -1;
        int failed = kind == SWEEP     ? read_sweep(f, s, c, e)
                     : kind == MODEL   ? read_model(f, s, words[1], c, e)
                     : kind == DATASET ? read_dataset(f, s, words[1], c, e)
                     : kind == POLICY  ? read_policy(f, s, words[1], words[2], c, e)
                     : kind == ACCEPT  ? read_rule(f, s, words[1], words[2], c, e)
                                       : read_need(f, s, words[1], c, e);
        if (failed) return -1;
    }
    return 0;
}

/* Takes the parsed file over. */
static int make(inifile *f, const char *const *sets, size_t n_sets, config *out, err *e) {
    int ret = -1;
    for (size_t i = 0; i < n_sets; i++)
        if (inifile_set(f, sets[i], e) != 0) goto out;
    if ((out->path = mem_strdup(f->path, e)) == NULL || (out->text = mem_strdup(f->text, e)) == NULL) goto out;
    if (read_sections(f, out, e) != 0) goto out;
    /* No preset, which would be a path in the file's folder: an installed config lies where only root writes. */
    if (out->output == NULL && (out->output = mem_strdup("results", e)) == NULL) goto out;
    ret = config_check(out, e);
    if (ret == 0) ret = needs_check(out, n_sets > 0, e);
out:
    inifile_free(f);
    if (ret != 0) config_free(out);
    return ret;
}

int config_read(const char *path, const char *const *sets, size_t n_sets, config *out, err *e) {
    inifile f;
    *out = (config){0};
    return inifile_read(path, &f, e) == 0 ? make(&f, sets, n_sets, out, e) : -1;
}

int config_parse(const char *path, const char *text, const char *const *sets, size_t n_sets, config *out, err *e) {
    inifile f;
    *out = (config){0};
    return inifile_parse(path, text, &f, e) == 0 ? make(&f, sets, n_sets, out, e) : -1;
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
        free(m->chat);
        free(m->cost);
        free(m->path_at);
        free(m->tokenizer_at);
        free(m->cost_at);
        free(m->context_at);
        text_items_free(&m->stop);
        free(m->stop_at);
    }
    for (size_t i = 0; i < c->n_datasets; i++) {
        free(c->datasets[i].label);
        free(c->datasets[i].path);
        free(c->datasets[i].path_at);
        free(c->datasets[i].format);
        free(c->datasets[i].tools);
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        free(c->policies[i].label);
        for (size_t k = 0; k < PARAM_MAX; k++) value_list_free(&c->policies[i].values[k]);
    }
    for (size_t i = 0; i < c->n_rules; i++) {
        free(c->rules[i].label);
        for (size_t k = 0; k < PARAM_MAX; k++) value_list_free(&c->rules[i].values[k]);
    }
    for (size_t i = 0; i < c->n_needs; i++) {
        free(c->needs[i].label);
        free(c->needs[i].path);
        free(c->needs[i].path_at);
        free(c->needs[i].command);
        free(c->needs[i].command_at);
    }
    free(c->needs);
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

int config_set_output(config *c, const char *output, err *e) {
    const char *why = ini_unexpanded(output);
    if (*output == '\0') return err_input(e, "--output \"\" is not allowed (a folder)");
    if (why != NULL)
        return err_input(e, "--output \"%s\": %s (--set \"sweep.output='%s'\" is a folder with exactly this name)",
                         output, why, output);
    free(c->output);
    return (c->output = mem_strdup(output, e)) != NULL ? 0 : -1;
}
