/* options_print.c - a table of options, for people. */
#include <stdbool.h>
#include <string.h>

#include "experiments/commands/options.h"
#include "experiments/terminal/wrap.h"

enum { INDENT = 2, WIDEST = 30 }; /* of the column of option names; wider names have a line of their own */

/* "-t, --threads N", "--chat[=NAME]" */
static size_t name_option(const option_spec *s, char *buf, size_t size) {
    char        letter[] = {'-', s->letter, ',', ' ', '\0'};
    const char *between = s->arg == NULL ? "" : s->implied != NULL ? "[=" : " ";
    snprintf(buf, size, "%s--%s%s%s%s", s->letter != 0 ? letter : "    ", s->name, between,
             s->arg != NULL ? s->arg : "", s->implied != NULL ? "]" : "");
    return strlen(buf);
}

int options_describe(const option_spec *s, char *buf, size_t size) {
    return snprintf(buf, size, "%s%s%s%s%s", s->help, s->list ? " (repeatable)" : "",
                    s->preset != NULL ? " (default\t" : "", s->preset != NULL ? s->preset : "",
                    s->preset != NULL ? ")" : "");
}

static void print_option(const option_spec *s, size_t column, FILE *out) {
    char   name[96], text[1024];
    size_t width = name_option(s, name, sizeof name);
    bool   fits = width <= WIDEST;
    fprintf(out, "%*s%s%s%*s", INDENT, "", name, fits ? "" : "\n", (int)(fits ? column - INDENT - width : column), "");
    options_describe(s, text, sizeof text);
    wrap_print(out, text, column, column);
}

void options_print(const option_table *t, FILE *out) {
    size_t widest = 0;
    char   name[96];
    for (size_t i = 0; i <= t->n_options; i++) {
        size_t width = name_option(i < t->n_options ? &t->options[i] : &option_help, name, sizeof name);
        if (width > widest && width <= WIDEST) widest = width;
    }
    for (size_t i = 0; i < t->n_options; i++) print_option(&t->options[i], INDENT + widest + 2, out);
    print_option(&option_help, INDENT + widest + 2, out);
}
