/* inifile.h - an INI file as sections, keys and values that know their place.
 *
 * inih reads the lines; this adds what it leaves out: empty sections, the line of everything, duplicates,
 * and the refusal of what it would cut or take silently. Comments are full lines with ; or #, and the rest of a
 * line after blank and ;. An indented line continues the value above it.
 *
 * Refused, with file and line: lines longer than inih's buffer (comments may be), control characters, invalid
 * UTF-8, a section or key given twice, a key outside a section, a line that is neither, files over 1 MiB.
 */
#ifndef EXPERIMENTS_INIFILE_H
#define EXPERIMENTS_INIFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

/* One line of a value, without surrounding blanks. */
typedef struct {
    char *text;
    char *where; /* "FILE:LINE", or "--set ..." for an override; begins errors */
} ini_part;

typedef struct {
    char     *key;
    ini_part *parts; /* [n_parts], at least one: the key's own line, then those that continue it */
    size_t    n_parts, cap;
    bool      overridden; /* by inifile_set */
} ini_entry;

typedef struct {
    char      *title; /* between the brackets, words one blank apart */
    char      *where;
    size_t     line;
    ini_entry *entries;
    size_t     n_entries, cap;
} ini_section;

typedef struct {
    char        *path;
    char        *text; /* as read; inifile_set appends its overrides as comments */
    size_t       n_text;
    ini_section *sections; /* in file order */
    size_t       n_sections, cap;
} inifile;

int  inifile_read(const char *path, inifile *out, err *e);
void inifile_free(inifile *f);

/* Puts "SECTION.KEY=VALUE" in place of the key's value; the section must exist. SECTION is the text before
 * the last dot before the "=". Call once for each override: the same key twice is an error. */
int inifile_set(inifile *f, const char *set, err *e);

const ini_entry *ini_find(const ini_section *s, const char *key); /* NULL when absent */

/* The one value of a key that takes no list (commas may belong to a path); NULL and an ERR_INPUT when it is empty or
 * goes on in the next line. */
const char *ini_value(const ini_entry *entry, err *e);

#endif
