#include "experiments/sweep/needs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/fetch.h"
#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/mem.h"

/* ---- the files of a config ---------------------------------------------------------------------------- */

typedef struct {
    const char *path, *at; /* "FILE:LINE" */
    bool        parameter; /* of a policy or a rule */
} used_file;

/* Stops at the first call that does not return 0, and returns its result. */
typedef int each_file(void *ctx, const used_file *f, err *e);

typedef struct {
    each_file *each;
    void      *ctx;
} visit;

static int visit_param(void *ctx, const param_file *f, err *e) {
    const visit *v = ctx;
    return v->each(v->ctx, &(used_file){f->path, f->where, true}, e);
}

static int visit_values(const value_list *lists, size_t n, each_file *each, void *ctx, err *e) {
    visit v = {each, ctx};
    int   ret = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; ret == 0 && k < lists[i].n; k++) ret = param_each_file(&lists[i].at[k], visit_param, &v, e);
    return ret;
}

static int visit_files(const config *c, each_file *each, void *ctx, err *e) {
    int ret = 0;
    for (size_t i = 0; ret == 0 && i < c->n_models; i++) {
        const model_config *m = &c->models[i];
        if (m->path != NULL) ret = each(ctx, &(used_file){m->path, m->path_at, false}, e);
        if (ret == 0 && m->tokenizer != NULL && strcmp(m->tokenizer, "bytes") != 0)
            ret = each(ctx, &(used_file){m->tokenizer, m->tokenizer_at, false}, e);
        if (ret == 0 && m->cost != NULL) ret = each(ctx, &(used_file){m->cost, m->cost_at, false}, e);
    }
    for (size_t i = 0; ret == 0 && i < c->n_datasets; i++)
        ret = each(ctx, &(used_file){c->datasets[i].path, c->datasets[i].path_at, false}, e);
    for (size_t i = 0; ret == 0 && i < c->n_policies; i++)
        ret = visit_values(c->policies[i].values, c->policies[i].ops->n_params, each, ctx, e);
    for (size_t i = 0; ret == 0 && i < c->n_rules; i++)
        ret = visit_values(c->rules[i].values, c->rules[i].ops->n_params, each, ctx, e);
    return ret;
}

static int is_file(void *ctx, const used_file *f, err *e) {
    const need_config *need = ctx;
    return file_same_place(need->path, f->path, e);
}

/* ---- commands ----------------------------------------------------------------------------------------- */

static bool is_path(const char *word) {
    return strncmp(word, "./", 2) == 0 || strncmp(word, "../", 3) == 0;
}

/* One word as it is typed in the working folder, in new memory. */
static char *word_here(const config *c, const char *word, err *e) {
    if (strcmp(word, "harness") == 0) return here_quoted(program_invocation_name, e);
    if (!is_path(word)) return mem_strdup(word, e);
    char *folder = file_folder(c->path, e), *path = folder != NULL ? mem_printf(e, "%s%s", folder, word) : NULL;
    char *shown = path != NULL ? here_word(path, e) : NULL;
    free(folder);
    free(path);
    return shown;
}

/* A command as it is typed in the working folder, in new memory. */
static char *command_here(const config *c, const char *command, err *e) {
    char *line = mem_strdup("", e);
    for (const char *at = command; line != NULL && *at != '\0';) {
        size_t n = strcspn(at, " \t"), blanks = strspn(at + n, " \t");
        char  *word = mem_strndup(at, n, e), *here = word != NULL ? word_here(c, word, e) : NULL;
        char  *longer = here != NULL ? mem_printf(e, "%s%s%.*s", line, here, (int)blanks, at + n) : NULL;
        free(word);
        free(here);
        free(line);
        line = longer;
        at += n + blanks;
    }
    return line;
}

/* ---- checks ------------------------------------------------------------------------------------------- */

/* The words that are rewritten must be words of their own: what a shell would make of the others is not known here. */
static int check_command(const need_config *need, err *e) {
    for (const char *at = need->command; *at != '\0';) {
        size_t n = strcspn(at, " \t");
        char   word[256];
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        bool program = strstr(word, "harness") != NULL, path = strstr(word, "./") != NULL; /* "../" has it, too */
        bool marks = strpbrk(word, ";|&()<>*?$`'\"\\") != NULL;
        if (path && !is_path(word))
            return err_input(e,
                             "%s: command = %s: the path in \"%s\" does not begin the word (a word that begins with "
                             "./ or ../ starts at this file's folder, wherever the user is; others stay as they are)",
                             need->command_at, need->command, word);
        if ((path || program) && marks)
            return err_input(e,
                             "%s: command = %s: \"%s\" is not allowed (blanks around what a shell reads, such as && or "
                             "; and a path without wildcards and quotes)",
                             need->command_at, need->command, word);
        at += n + strspn(at + n, " \t");
    }
    return 0;
}

int needs_check(const config *c, bool overridden, err *e) {
    for (size_t i = 0; i < c->n_needs; i++) {
        need_config *need = &c->needs[i];
        if (check_command(need, e) != 0) return -1;
        if (overridden) continue;
        int known = visit_files(c, is_file, need, e);
        if (known < 0) return -1;
        if (known == 0)
            return err_input(e,
                             "%s: [needs %s] path = %s is not a file that this config reads (a path, tokenizer or cost "
                             "of its models and data, or a parameter)",
                             need->path_at, need->label, need->path);
    }
    return 0;
}

/* ---- what is missing ---------------------------------------------------------------------------------- */

typedef struct {
    const config  *c;
    missing_files *out;
    size_t         cap;
    used_file      undeclared; /* the first one */
    bool           parameter;  /* a parameter is among the undeclared */
} search;

static int add_missing(void *ctx, const used_file *f, err *e) {
    search       *s = ctx;
    const config *c = s->c;
    const char   *path = f->path;
    if (access(path, F_OK) == 0 || errno != ENOENT) return 0;
    const need_config *need = NULL;
    for (size_t i = 0; i < c->n_needs && need == NULL; i++) {
        int same = file_same_place(c->needs[i].path, path, e);
        if (same < 0) return -1;
        if (same > 0) need = &c->needs[i];
    }
    if (need == NULL) {
        if (s->undeclared.path == NULL) s->undeclared = *f;
        s->parameter = s->parameter || f->parameter;
        return 0;
    }
    char *shown = here_path(path, e);
    if (shown == NULL) return -1;
    for (size_t i = 0; i < s->out->n; i++) {
        if (strcmp(s->out->at[i].path, shown) != 0) continue;
        free(shown);
        return 0;
    }
    char *command = command_here(c, need->command, e);
    if (command == NULL || mem_reserve(&s->out->at, &s->cap, s->out->n + 1, e) != 0) {
        free(shown);
        free(command);
        return -1;
    }
    s->out->at[s->out->n++] = (missing_file){shown, command};
    return 0;
}

int needs_find(const config *c, missing_files *out, err *e) {
    search s = {.c = c, .out = out};
    *out = (missing_files){0};
    if (visit_files(c, add_missing, &s, e) != 0) goto fail;
    if (s.undeclared.path != NULL && (out->n > 0 || s.parameter)) { /* else planning says it of the others */
        errno = ENOENT;
        err_unreadable(e, s.undeclared.path);
        fetch_advise(s.undeclared.path, e);
        err_prefix(e, "%s", s.undeclared.at);
        goto fail;
    }
    return 0;
fail:
    needs_free(out);
    return -1;
}

void needs_free(missing_files *m) {
    for (size_t i = 0; i < m->n; i++) {
        free(m->at[i].path);
        free(m->at[i].command);
    }
    free(m->at);
    *m = (missing_files){0};
}

void needs_print(const missing_files *m, const char *indent, FILE *out) {
    for (size_t i = 0; i < m->n; i++)
        fprintf(out, "%s%s is missing; to get it, run:\n%s    %s\n", indent, m->at[i].path, indent, m->at[i].command);
}
