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
static void usage_of(const command *c, char *buf, size_t size) {
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

static void print_usage(const command *c) {
    char        made[512];
    const char *form = c->usage != NULL ? c->usage : made;
    usage_of(c, made, sizeof made);
    for (bool first = true; form != NULL; first = false) {
        const char *end = strchr(form, '\n');
        size_t      n = end != NULL ? (size_t)(end - form) : strlen(form);
        char        line[640];
        int         indent = snprintf(line, sizeof line, "%s harness %s ", first ? "usage:" : "      ", c->name);
        snprintf(line + indent, sizeof line - (size_t)indent, "%.*s", (int)n, form);
        printf("%.*s", indent - (n == 0 ? 1 : 0), line);
        wrap_print(stdout, line + indent, (size_t)indent, (size_t)indent);
        form = end != NULL ? end + 1 : NULL;
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
        c->lists();
    }
}

int command_write(const void *bytes, size_t n, err *e) {
    return fwrite(bytes, 1, n, stdout) == n ? 0 : err_errno(e, "standard output", "cannot write");
}

void command_print_params(const param_spec *params, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const param_spec *p = &params[i];
        char              allowed[512];
        size_t            choices = 0;
        switch (p->type) {
        case PARAM_IS_INTEGER:
        case PARAM_IS_REAL:
            printf("  %s = %.15g (%s, %.15g to %.15g)\n", p->name, p->preset,
                   p->type == PARAM_IS_INTEGER ? "integer" : "number", p->min, p->max);
            break;
        case PARAM_IS_CHOICE:
            while (p->choices[choices] != NULL) choices++;
            err_list(allowed, sizeof allowed, p->choices, choices);
            printf("  %s = %s (%s)\n", p->name, p->choices[(size_t)p->preset], allowed);
            break;
        case PARAM_IS_FILE:
            printf("  %s = FILE (must be given)\n", p->name);
            break;
        }
        printf("      ");
        wrap_print(stdout, p->help, 6, 6);
    }
}
