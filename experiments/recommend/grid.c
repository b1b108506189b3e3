#include "experiments/recommend/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/text.h"
#include "engine/base/atomic.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/quote.h"
#include "engine/base/utf8.h"
#include "engine/engine.h"
#include "experiments/ini/inifile.h"

/* ---- the candidates -------------------------------------------------------------------------------------- */

/* What is worth trying where nothing is known: the trigger and the copy length of the simple ones, the others as their
 * authors set them. Each is a section; %W is the longest draft whose pass has a time, and shorter lists of k end
 * there. */
static const char *const candidates[] = {
    "llma:n=1;2;3,k=2;3;4;6;8;12;16;24",
    "llma:n=2,k=2;3;4;6;8;12;16,key=history,sources=references_prompt_output,fallback=yes",
    "pld:k=1;2;3;5;10",
    "hf:k=1;2;3;5;10",
    "vllm_ngram:n_min=2,k=2;3;5;10",
    "ngram_map_k4v:n=3,k=4;8",
    "ngram_cache:k=2;4;8,memory=cell",
    "suffix_tree:memory=none;cell,form=path;tree,k=%W",
    "sam:k=%W",
    "predicted",
    "copyspec",
    "adaptive:memory=none;cell",
    "oracle:from=copies,k=%W",
};

enum { WIDEST = 63 };

/* A list of k, up to the longest draft; at least its first. */
static void add_list(text_buffer *t, const char *values, size_t n, bool is_k, size_t widest) {
    for (size_t at = 0; at < n;) {
        size_t len = strcspn(values + at, ";,");
        if (at + len > n) len = n - at;
        bool wide = is_k && at > 0 && strtoul(values + at, NULL, 10) > widest;
        if (strncmp(values + at, "%W", 2) == 0)
            text_add(t, "%zu", widest < WIDEST ? widest : (size_t)WIDEST);
        else if (!wide)
            text_add(t, "%s%.*s", at > 0 ? ", " : "", (int)len, values + at);
        at += len + 1;
    }
}

/* One of `candidates` as a section. */
static void add_candidate(text_buffer *t, const char *spec, size_t number, size_t widest) {
    size_t name = strcspn(spec, ":");
    text_add(t, "\n[policy %.*s %zu]\n", (int)name, spec, number);
    for (const char *at = spec + name; *at != '\0';) {
        const char *key = at + 1;
        size_t      n_key = strcspn(key, "="), n = strcspn(key, ",");
        text_add(t, "%.*s = ", (int)n_key, key);
        add_list(t, key + n_key + 1, n - n_key - 1, n_key == 1 && *key == 'k', widest);
        text_add(t, "\n");
        at = key + n;
    }
}

enum { LONGEST_LINE = 199, QUOTES = 2 }; /* of an INI file (inifile.h: inih's buffer) */

static int check_line(const char *key, const char *value, err *e) {
    size_t n = strlen(key) + strlen(" = ") + strlen(value) + QUOTES;
    return n <= LONGEST_LINE ? 0
                             : err_input(e, "%s = %.100s...: takes %zu bytes in a config (at most %d a line)", key,
                                         value, n, LONGEST_LINE);
}

/* A line that holds anything else would be refused when it is read, or be several lines. */
static bool is_text(const char *s) {
    for (const char *at = s; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) return false;
    return utf8_valid(s, strlen(s)) == strlen(s);
}

/* key = 'absolute path' */
static int add_path(text_buffer *t, const char *key, const char *path, err *e) {
    char *place = file_place(path, e), shown[LONGEST_LINE];
    if (place == NULL) return -1;
    int  ret = 0;
    char quote_of = strchr(place, '\'') != NULL ? '"' : '\'';
    if (!is_text(place))
        ret = err_input(e, "%s: has control characters or invalid UTF-8, which a config cannot hold",
                        quote(shown, sizeof shown, path, strlen(path)));
    else if (strchr(place, quote_of) != NULL)
        ret = err_input(e, "%s: has quotes of both kinds, which a config cannot hold", path);
    else if (quote_of == '"' && ini_unexpanded(place) != NULL)
        ret = err_input(e, "%s: has a ' and what a config takes for a shell's: %s", path, ini_unexpanded(place));
    else if ((ret = check_line(key, place, e)) == 0)
        text_add(t, "%s = %c%s%c\n", key, quote_of, place, quote_of);
    free(place);
    return ret;
}

/* NAME = VALUE, in one line, which an INI file bounds. */
static int add_value(text_buffer *t, const param_spec *spec, const param_value *v, err *e) {
    if (spec->type == PARAM_IS_FILE) return v->file != NULL ? add_path(t, spec->name, v->file->path, e) : 0;
    size_t n = (size_t)param_brief(spec, v, NULL, 0) + 1, size = n + QUOTES;
    char  *text = mem_new(n, 1, e), *quoted = text != NULL ? mem_new(size, 1, e) : NULL;
    int    ret = quoted != NULL ? 0 : -1;
    if (ret == 0) {
        param_brief(spec, v, text, n);
        param_quote(text, ",;", quoted, size);
        if (!is_text(text))
            ret = err_input(e, "%s: has control characters or invalid UTF-8, which a config cannot hold", spec->name);
        else
            ret = check_line(spec->name, quoted, e);
        if (ret == 0) text_add(t, "%s = %s\n", spec->name, quoted);
    }
    free(text);
    free(quoted);
    return ret;
}

/* A candidate of the command line. Zeroed, it holds nothing. */
typedef struct {
    const policy_ops *ops;
    param_values      values;
} named_policy;

static int read_policy(const char *spec, named_policy *out, err *e) {
    const char *colon = strchr(spec, ':');
    char        name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(spec, ":"), spec);
    const policy_ops *ops = registry_named(&policy_registry, "--policy", name, e);
    if (ops == NULL) return -1;
    if (param_parse_list(ops->name, ops->params, ops->n_params, colon != NULL ? colon + 1 : "", &out->values, e) != 0)
        return err_prefix(e, "--policy");
    out->ops = ops;
    return 0;
}

static bool same_policy(const named_policy *a, const named_policy *b) {
    if (a->ops != b->ops) return false;
    for (size_t i = 0; i < a->ops->n_params; i++)
        if (!param_equal(&a->values.at[i], &b->values.at[i])) return false;
    return true;
}

static int check_candidate(const char *spec, const named_policy *p, err *e) {
    if (strcmp(p->ops->name, "none") == 0)
        return err_input(e, "--policy %s: plain decoding is compared in any case (policies that draft)", spec);
    if ((policy_needs(p->ops, &p->values) & READS_LOGITS) != 0)
        return err_input(
            e, "--policy %s: drafts from logits, which a replay does not give (policies that draft from text)", spec);
    return 0;
}

int grid_check(const char *const *specs, size_t n, err *e) {
    named_policy *at = n > 0 ? mem_new(n, sizeof *at, e) : NULL;
    int           ret = n == 0 || at != NULL ? 0 : -1;
    for (size_t i = 0; ret == 0 && i < n; i++) {
        ret = read_policy(specs[i], &at[i], e);
        if (ret == 0) ret = check_candidate(specs[i], &at[i], e);
        for (size_t k = 0; ret == 0 && k < i; k++)
            if (same_policy(&at[k], &at[i]))
                ret = err_input(e, "--policy %s: is the same as --policy %s (each candidate once)", specs[i], specs[k]);
    }
    for (size_t i = 0; at != NULL && i < n; i++) param_values_free(&at[i].values);
    free(at);
    return ret;
}

/* "llma:n=2,k=4" of a command line as a section. */
static int add_policy(text_buffer *t, const char *spec, size_t number, err *e) {
    named_policy named = {0};
    if (read_policy(spec, &named, e) != 0) return -1;
    const policy_ops *ops = named.ops;
    int               ret = param_values_place(&named.values, e);
    text_add(t, "\n[policy %s %zu]\n", ops->name, number);
    for (size_t i = 0; ret == 0 && i < ops->n_params; i++) ret = add_value(t, &ops->params[i], &named.values.at[i], e);
    param_values_free(&named.values);
    return ret == 0 ? 0 : err_prefix(e, "--policy %.100s", spec);
}

/* ---- the file -------------------------------------------------------------------------------------------- */

static int add_model(text_buffer *t, grid_kind kind, const grid *g, err *e) {
    bool decodes = kind == GRID_DECODE || kind == GRID_CHECK;
    text_add(t, "\n[model model]\ntarget = %s\n", decodes ? "transformer" : "replay");
    if (add_path(t, decodes ? "path" : "tokenizer", g->model, e) != 0) return -1;
    if (decodes) text_add(t, "threads = %zu\n", g->threads);
    if (g->chat != NULL) text_add(t, "chat = %s\n", g->chat);
    return g->cost != NULL ? add_path(t, "cost", g->cost, e) : 0;
}

static int add_data(text_buffer *t, grid_kind kind, const grid *g, err *e) {
    text_add(t, "\n[dataset data]\n");
    if (add_path(t, "path", g->data, e) != 0) return -1;
    if (g->format != NULL) text_add(t, "format = %s\n", g->format);
    if (g->as_turn) text_add(t, "as_turn = yes\n");
    if (g->limit > 0) text_add(t, "limit = %zu\n", g->limit);
    text_add(t, "forced = %s\nmax_new_tokens = %zu\n", kind != GRID_DECODE ? "yes" : "no", g->max_new_tokens);
    return 0;
}

int grid_write(const char *path, grid_kind kind, const grid *g, err *e) {
    text_buffer t = {0};
    size_t      n = 0, widest = g->widest > 1 ? g->widest - 1 : 1;
    text_add(&t, "; Written by harness recommend; harness sweep runs it again.\n[sweep]\nname = %s\n", g->name);
    int ret = add_path(&t, "output", g->output, e);
    if (kind == GRID_CHECK) text_add(&t, "paired = yes\n");
    if (ret == 0) ret = add_model(&t, kind, g, e);
    if (ret == 0) ret = add_data(&t, kind, g, e);
    text_add(&t, "\n[policy none]\n");
    for (size_t i = 0; ret == 0 && i < g->n_policies; i++) ret = add_policy(&t, g->policies[i], n++, e);
    for (size_t i = 0; kind == GRID_REPLAY && g->n_policies == 0 && i < sizeof candidates / sizeof *candidates; i++)
        add_candidate(&t, candidates[i], n++, widest);
    text_add(&t, "\n[accept greedy]\n");
    if (ret == 0) ret = text_check(&t, e);
    if (ret == 0) ret = atomic_write(path, t.at, t.n, false, e);
    text_free(&t);
    return ret;
}
