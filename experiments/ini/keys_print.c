/* keys_print.c - a table of keys, for people. */
#include <string.h>

#include "experiments/ini/keys.h"
#include "experiments/terminal/wrap.h"

enum { INDENT = 6 };

/* "integer, 1 to 64", "list of integers, 1 to 64", "exact or blas", "path". */
static void describe_type(const key_spec *k, char *buf, size_t size) {
    size_t at = 0;
    if (k->list) at += (size_t)snprintf(buf, size, "list of ");
    if (k->type->what != NULL && at < size)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", k->type->what, k->list ? "s" : "");
    if (k->type->range != NULL && at + 2 < size) {
        at += (size_t)snprintf(buf + at, size - at, ", ");
        at += (size_t)k->type->range(k, buf + at, size - at);
    }
    if (k->type->names == NULL) return;
    const char *names[KEY_NAMES];
    size_t      n = k->type->names(k, names);
    if (k->type->what != NULL && at < size) at += (size_t)snprintf(buf + at, size - at, ", or ");
    for (size_t i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", names[i]);
}

int keys_describe(const key_spec *k, char *buf, size_t size) {
    char type[512];
    describe_type(k, type, sizeof type);
    return snprintf(buf, size, "%s%s%s (%s%s)", k->name, k->preset != NULL ? " = " : "",
                    k->preset != NULL ? k->preset : "", type, k->required ? "; required" : "");
}

static void print_key(const key_spec *k, FILE *out) {
    char line[768] = "  ";
    keys_describe(k, line + 2, sizeof line - 2);
    wrap_print(out, line, 0, INDENT - 2);
    fprintf(out, "%*s", INDENT, "");
    wrap_print(out, k->help, INDENT, INDENT);
}

void keys_print(const key_file *file, FILE *out) {
    wrap_print(out, file->about, 0, 0);
    for (size_t i = 0; i < file->n_sections; i++) {
        const key_section *s = &file->sections[i];
        fprintf(out, "\n[%s]\n", s->title);
        wrap_print(out, s->help, 0, 0);
        for (size_t k = 0; k < s->n_keys; k++) print_key(&s->keys[k], out);
    }
}
