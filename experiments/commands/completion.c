#include "experiments/commands/completion.h"

#include <ctype.h>
#include <string.h>

/* The ending in "MODEL.gguf" or "[NAME] FILE.h5"; "" without one, and where it is no word: "NAME[:P=V,..]". */
static void ending_of(const char *shown, char *buf, size_t size) {
    const char *dot = strrchr(shown, '.'), *c = dot;
    *buf = '\0';
    if (dot == NULL) return;
    while (isalnum((unsigned char)*++c)) continue;
    if (*c == '\0' && c > dot + 1) snprintf(buf, size, "%s", dot + 1);
}

void completion_of(const option_spec *s, completion *out) {
    const char *shown = s->arg != NULL ? s->arg : s->name;
    *out = (completion){0};
    out->n = options_names(s, out->names);
    if (!s->type->is_path) return;
    out->folders = strcmp(shown, "DIR") == 0;
    out->files = !out->folders;
    ending_of(shown, out->ending, sizeof out->ending);
}

void completion_brief(const char *help, char *buf, size_t size) {
    size_t n = 0;
    while (help[n] != '\0' && help[n] != ';' && strncmp(help + n, ". ", 2) != 0 && strncmp(help + n, " (", 2) != 0) n++;
    snprintf(buf, size, "%.*s", (int)n, help);
}

void completion_quoted(const char *text, const char *special, FILE *out) {
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL) putc('\\', out);
        if (*text == '\'')
            fputs("'\\''", out);
        else
            putc(*text, out);
    }
}
