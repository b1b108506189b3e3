#include "experiments/commands/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "experiments/terminal/wrap.h"

static const void *const all[] = {
#define COMMAND(name) &command_##name,
#include "experiments/commands/commands.def"
#undef COMMAND
};

const registry command_registry = REGISTRY("command", all);

static option_table table_of(const command *c) {
    return (option_table){c->name, c->options, c->operands, c->n_options, c->n_operands};
}

int command_run(const command *c, int argc, char **argv, err *e) {
    const option_table t = table_of(c);
    const option_spec *alone;
    void              *options = mem_new(1, c->size, e);
    if (options == NULL) return -1;
    int ret = options_parse(&t, argc, argv, options, &alone, e);
    if (ret == 0 && alone == &option_help)
        command_print_help(c);
    else if (ret == 0)
        ret = c->run(options, e);
    options_free(&t, options);
    free(options);
    return ret;
}

/* ---- help ------------------------------------------------------------------------------------------------ */

/* "-m FILE [OPTION]... [NAME] FILE.h5" */
static void made_usage(const command *c, char *buf, size_t size) {
    const option_table t = table_of(c);
    char               operands[256];
    size_t             at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < c->n_options && at < size; i++) {
        const option_spec *s = &c->options[i];
        char               letter[] = {'-', s->letter, '\0'};
        if (!s->required) continue;
        at += (size_t)snprintf(buf + at, size - at, "%s%s %s ", s->letter != 0 ? letter : "--",
                               s->letter != 0 ? "" : s->name, s->arg);
    }
    options_operands(&t, operands, sizeof operands);
    if (at < size)
        snprintf(buf + at, size - at, "%s%s%s", c->n_options > 0 ? "[OPTION]..." : "",
                 c->n_options > 0 && c->n_operands > 0 ? " " : "", operands);
}

bool command_usage(const command *c, const char **next, char *buf, size_t size) {
    static const char none[] = "";
    if (*next == none) return false;
    const char *form = *next != NULL ? *next : c->usage;
    if (form == NULL) {
        made_usage(c, buf, size);
        *next = none;
        return true;
    }
    const char *end = strchr(form, '\n');
    snprintf(buf, size, "%.*s", (int)(end != NULL ? (size_t)(end - form) : strlen(form)), form);
    *next = end != NULL ? end + 1 : none;
    return true;
}

static void print_usage(const command *c) {
    char        form[512], start[64];
    const char *next = NULL;
    for (bool first = true; command_usage(c, &next, form, sizeof form); first = false) {
        int indent = snprintf(start, sizeof start, "%s harness %s ", first ? "usage:" : "      ", c->name);
        printf("%.*s", indent - (*form == '\0' ? 1 : 0), start);
        wrap_print(stdout, form, (size_t)indent, (size_t)indent);
    }
}

void command_print_help(const command *c) {
    const option_table t = table_of(c);
    print_usage(c);
    wrap_print(stdout, c->about, 0, 0);
    putchar('\n');
    options_print(&t, stdout);
    if (c->notes != NULL) {
        putchar('\n');
        wrap_print(stdout, c->notes, 0, 0);
    }
    if (c->lists != NULL) {
        putchar('\n');
        c->lists(stdout);
    }
}

int command_write(const void *bytes, size_t n, err *e) {
    return fwrite(bytes, 1, n, stdout) == n ? 0 : err_errno(e, "standard output", "cannot write");
}

int command_print_named(const registry *r, const text_list *names, void (*print)(const void *plugin), err *e) {
    for (size_t i = 0; i < names->n; i++)
        if (registry_named(r, "command line", names->at[i], e) == NULL) return -1;
    for (size_t i = 0; i < (names->n > 0 ? names->n : r->n); i++) {
        if (i > 0) putchar('\n');
        print(names->n > 0 ? registry_find(r, names->at[i]) : r->at[i]);
    }
    return 0;
}

void command_print_params(FILE *out, const param_spec *params, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const param_spec *p = &params[i];
        char              allowed[2048], line[2200];
        size_t            choices = 0;
        switch (p->type) {
        case PARAM_IS_INTEGER:
        case PARAM_IS_REAL:
            fprintf(out, "  %s = %.15g (%s, %.15g to %.15g)\n", p->name, p->preset,
                    p->type == PARAM_IS_INTEGER ? "integer" : "number", p->min, p->max);
            break;
        case PARAM_IS_CHOICE:
            while (p->choices[choices] != NULL) choices++;
            err_list(allowed, sizeof allowed, p->choices, choices);
            snprintf(line, sizeof line, "%s = %s (%s)", p->name, p->choices[(size_t)p->preset], allowed);
            fprintf(out, "  ");
            wrap_print(out, line, 2, 6);
            break;
        case PARAM_IS_FILE:
            fprintf(out, "  %s = %s\n", p->name, p->optional ? "none (FILE, or none)" : "FILE (must be given)");
            break;
        case PARAM_IS_TEXT:
            fprintf(out, "  %s = TEXT (must be given)\n", p->name);
            break;
        }
        fprintf(out, "      ");
        wrap_print(out, p->help, 6, 6);
    }
}
