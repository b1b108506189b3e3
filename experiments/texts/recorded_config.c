#include "experiments/texts/recorded_config.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"

/* ---- paths -------------------------------------------------------------------------------------------- */

static size_t component(const char *at) {
    return strcspn(at, "/");
}

static const char *next(const char *at) {
    at += component(at);
    return at + strspn(at, "/");
}

static bool is(const char *at, const char *name) {
    return component(at) == strlen(name) && strncmp(at, name, strlen(name)) == 0;
}

/* How many folders `rest` goes down; SIZE_MAX when it goes up. */
static size_t depth(const char *rest) {
    size_t n = 0;
    for (; *rest != '\0'; rest = next(rest)) {
        if (is(rest, "..")) return SIZE_MAX;
        n += !is(rest, ".");
    }
    return n;
}

char *recorded_path(const char *path, const char *output, const char *folder, err *e) {
    const char *p = path, *o = output;
    if (*path == '/') return mem_strdup(path, e);
    while (*p != '\0' && *o != '\0' && component(p) == component(o) && strncmp(p, o, component(p)) == 0) {
        p = next(p);
        o = next(o);
    }
    size_t up = depth(o);
    if (up == SIZE_MAX) return mem_strdup(path, e);
    char *out = mem_strdup(folder, e);
    for (size_t i = 0; out != NULL && i < up; i++) {
        char *longer = mem_printf(e, "%s../", out);
        free(out);
        out = longer;
    }
    char *whole = out != NULL ? mem_printf(e, "%s%s", out, p) : NULL;
    free(out);
    return whole;
}

static int relocate(char **path, const char *output, const char *folder, err *e) {
    if (*path == NULL || strcmp(*path, "bytes") == 0) return 0;
    char *there = recorded_path(*path, output, folder, e);
    if (there == NULL) return -1;
    free(*path);
    *path = there;
    return 0;
}

static int replace(char **path, const char *by, err *e) {
    if (*path == NULL) return 0;
    free(*path);
    return (*path = mem_strdup(by, e)) != NULL ? 0 : -1;
}

/* ---- overrides ------------------------------------------------------------------------------------------ */

static const char mark[] = "; --set ";

/* Where the recorded overrides begin: the lines at the text's end that are marked as such. */
static const char *overrides_of(const char *text) {
    const char *from = text + strlen(text);
    while (from > text) {
        const char *line = from - 1;
        while (line > text && line[-1] != '\n') line--;
        if (strncmp(line, mark, sizeof mark - 1) != 0) break;
        from = line;
    }
    return from;
}

typedef struct {
    char  *text; /* of them all; the list points into it */
    char **at;
    size_t n, cap;
} override_list;

static int split_overrides(const char *from, override_list *out, err *e) {
    if ((out->text = mem_strdup(from, e)) == NULL) return -1;
    for (char *line = out->text; *line != '\0';) {
        char *end = line + strcspn(line, "\n");
        bool  last = *end == '\0';
        *end = '\0';
        if (mem_reserve(&out->at, &out->cap, out->n + 1, e) != 0) return -1;
        out->at[out->n++] = line + sizeof mark - 1;
        line = last ? end : end + 1;
    }
    return 0;
}

/* Whether a later override is of the same key. */
static bool overridden(const char *set, const char *const *later, size_t n) {
    size_t key = strcspn(set, "=");
    for (size_t i = 0; i < n; i++)
        if (strcspn(later[i], "=") == key && strncmp(later[i], set, key) == 0) return true;
    return false;
}

/* ---- the config ----------------------------------------------------------------------------------------- */

static bool given(const recorded_paths *from, const char *key, const char *label) {
    for (size_t i = 0; i < from->n_sets; i++) {
        const char *set = from->sets[i], *dot = memrchr(set, '.', strcspn(set, "="));
        size_t      n = strlen(label);
        if (dot != NULL && strncmp(dot + 1, key, strlen(key)) == 0 && (size_t)(dot - set) >= n &&
            strncmp(dot - n, label, n) == 0)
            return true;
    }
    return false;
}

static int place_files(config *c, const recorded_paths *from, const char *folder, err *e) {
    bool told = from->config == NULL;
    int  ret = 0;
    for (size_t i = 0; ret == 0 && i < c->n_models; i++) {
        model_config *m = &c->models[i];
        free(m->cost);
        m->cost = NULL;
        if (from->model != NULL) {
            ret = replace(&m->path, from->model, e) != 0 || replace(&m->tokenizer, from->model, e) != 0 ? -1 : 0;
        } else if (told) {
            if (!given(from, "path", m->label)) ret = relocate(&m->path, c->output, folder, e);
            if (ret == 0 && !given(from, "tokenizer", m->label)) ret = relocate(&m->tokenizer, c->output, folder, e);
        }
    }
    for (size_t i = 0; ret == 0 && told && i < c->n_datasets; i++)
        if (!given(from, "path", c->datasets[i].label)) ret = relocate(&c->datasets[i].path, c->output, folder, e);
    return ret;
}

int recorded_config(const char *name, const char *text, const recorded_paths *from, config *out, err *e) {
    override_list sets = {0};
    const char   *own = overrides_of(text);
    char         *ini = mem_strndup(text, (size_t)(own - text), e), *folder = file_folder(from->results, e);
    int           ret = ini != NULL && folder != NULL ? split_overrides(own, &sets, e) : -1;
    size_t        n = 0;
    const char  **all =
        mem_new(sets.n + from->n_sets, sizeof *all, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    *out = (config){0};
    if (all == NULL) ret = -1;
    for (size_t i = 0; ret == 0 && i < sets.n; i++)
        if (!overridden(sets.at[i], from->sets, from->n_sets)) all[n++] = sets.at[i];
    for (size_t i = 0; ret == 0 && i < from->n_sets; i++) all[n++] = from->sets[i];
    if (ret == 0) ret = config_parse(from->config != NULL ? from->config : name, ini, all, n, out, e);
    if (ret == 0 && place_files(out, from, folder, e) != 0) {
        config_free(out);
        ret = -1;
    }
    free(all);
    free(sets.at);
    free(sets.text);
    free(ini);
    free(folder);
    return ret;
}
