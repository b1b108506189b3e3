/* table_format.h - what a format is, and what all of them share. Each is one file here, listed in formats.def.
 *
 *  F1  Text comes from data files. Whatever has a meaning in the format is escaped, and control characters and
 *      bytes that are not UTF-8, which could talk to a terminal, become "?" for people.
 */
#ifndef ANALYSIS_TABLE_FORMAT_H
#define ANALYSIS_TABLE_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include "analysis/table.h"
#include "engine/base/registry.h"

/* A table as one format shows it: escaped strings, hidden columns gone. Row 0 is the header:
 *
 *     at      "policy" "steps"      width  {6, 5}
 *             "none"   "20"         side   {left, right}
 *             "llma"   "10"         group  {no, no, yes}: space goes above the last row
 */
typedef struct {
    size_t       rows, columns;
    char       **at;    /* [rows][columns] */
    size_t      *width; /* [columns] of the widest string, as a terminal counts */
    column_side *side;  /* [columns] */
    column_role *role;  /* [columns] */
    bool        *group; /* [rows] */
    const char  *missing;
    size_t       keys, from, to; /* what is written: the first `keys` columns, and from <= column < to (fit.h) */
} layout;

typedef struct {
    const char *name, *help;
    size_t      widest;                              /* line that it may write; 0: any */
    bool        for_programs;                        /* full precision, names instead of titles, no captions */
    const char *missing;                             /* stands for a missing value */
    char *(*escape)(const char *s, err *e);          /* a new string. Keeps F1 */
    void (*caption)(const char *escaped, FILE *out); /* a line above the table; NULL when for programs */
    const char *after_captions;                      /* below the last one, if there are any */
    void (*header)(const layout *l, FILE *out);      /* all up to the first row */
    void (*row)(const layout *l, size_t row, FILE *out);
    const char *above_group; /* "" for nothing */
    const char *end;         /* after the last row */
} table_format;

extern const registry table_format_registry; /* the first is the default */

/* What table_write writes above a table, alone: for a heading over several tables. */
int table_write_captions(const table *t, const table_format *f, FILE *out, err *e);

int table_write(const table *t, const table_format *f, FILE *out, err *e);

/* ---- for the formats ----------------------------------------------------------------------------------- */

/* A row's strings, padded to their columns' widths; `last` pads the last one, too. */
void layout_write_row(const layout *l, size_t row, const char *between, bool last, FILE *out);

/* What stands for byte c of a text, such as "\\%" for '%'; NULL when it stands for itself. */
typedef const char *char_escape(char c);

/* A new string, fit for people: control characters and invalid bytes as "?", all others by `escape` (NULL: as they
 * are). */
char *escape_for_people(const char *s, char_escape *escape, err *e);

#endif
