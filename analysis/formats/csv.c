/* csv.c - RFC 4180, with line feeds. */
#include <string.h>

#include "analysis/formats/table_format.h"
#include "engine/base/mem.h"

/* Quoted where it must be; a program reads every byte back. */
static char *escape(const char *s, err *e) {
    bool  quote = strpbrk(s, ",\"\r\n") != NULL;
    char *out = mem_new(2 * strlen(s) + sizeof "\"\"", 1, e), *at = out; /* each byte may be a quote */
    if (out == NULL) return NULL;
    if (quote) *at++ = '"';
    for (; *s != '\0'; s++) {
        if (*s == '"') *at++ = '"';
        *at++ = *s;
    }
    if (quote) *at = '"';
    return out;
}

static void write_row(const layout *l, size_t row, FILE *out) {
    for (size_t c = 0; c < l->columns; c++)
        fprintf(out, "%s%s", l->at[row * l->columns + c], c + 1 < l->columns ? "," : "\n");
}

static void write_header(const layout *l, FILE *out) {
    write_row(l, 0, out);
}

const table_format table_format_csv = {
    .name = "csv",
    .help = "every column in full precision (RFC 4180)",
    .for_programs = true,
    .missing = "",
    .escape = escape,
    .header = write_header,
    .row = write_row,
    .above_group = "",
    .end = "",
};
