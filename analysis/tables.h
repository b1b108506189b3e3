/* tables.h - results as tables: text, Markdown, CSV, booktabs LaTeX. */
#ifndef ANALYSIS_TABLES_H
#define ANALYSIS_TABLES_H

#include <stdio.h>

#include "analysis/summary.h"

typedef enum { TABLE_TEXT, TABLE_MD, TABLE_CSV, TABLE_LATEX } table_format;

extern const char *const table_format_names[]; /* in the order of table_format, NULL after the last one */

int table_format_parse(const char *name, table_format *out, err *e);

/* The tables there are: name and what it shows. The first is printed when none is named. */
size_t      table_count(void);
const char *table_name(size_t i);
const char *table_help(size_t i);
int         table_find(const char *name, size_t *i, err *e); /* ERR_INPUT that lists the names when there is none */

int table_print(const char *name, const store_data *d, table_format f, FILE *out, err *e);

#endif
