/* inifile.h - an INI file as sections, keys and values that know their line.
 *
 * inih reads the lines; this adds what it lacks: empty sections, line numbers, duplicates, and errors for whatever it
 * would truncate or accept silently. A comment is a full line that begins with ; or #, or the rest of a line after a
 * blank and ; outside quotes. An indented line continues the value above it.
 *
 * Refused, with file and line: lines longer than inih's buffer (comments may be), control characters, invalid
 * UTF-8, a section or key given twice, a key outside a section, a line that is neither, files over 1 MiB.
 */
#ifndef EXPERIMENTS_INIFILE_H
#define EXPERIMENTS_INIFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

/* One line of a value, or one item of a list. */
typedef struct {
    char *raw;   /* without surrounding blanks */
    char *text;  /* the same without the quotes around it */
    char  quote; /* '"' or '\'', 0 for none */
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
int  inifile_parse(const char *path, const char *text, inifile *out, err *e); /* `path` names it; nothing is read */
void inifile_free(inifile *f);

/* Replaces the value of a key by that in "SECTION.KEY=VALUE"; the section must exist. SECTION is the text before
 * the last dot before the "=". Call once for each override: the same key twice is an error. */
int inifile_set(inifile *f, const char *set, err *e);

const ini_entry *ini_find(const ini_section *s, const char *key); /* NULL when absent */

/* ---- values (ini_value.c) ----------- ---------------------------------------------------------------------
 *
 * A value, or an item of a list, may be in quotes of either kind, which are not part of it: commas, blanks and
 * comment signs inside quotes belong to it. Nothing in a path is expanded. What a shell would expand is refused, since
 * it would become a folder of that name; single quotes allow it. */

/* The one line of a key that takes any text, unchanged; NULL and an ERR_INPUT when it is empty or continues on the next
 * line. */
const char *ini_line(const ini_entry *entry, err *e);

/* The one value of a key that takes no list (commas may belong to it); NULL and an ERR_INPUT when it is empty,
 * continues on the next line, or has a quote at one end only. */
const ini_part *ini_value(const ini_entry *entry, err *e);

/* Calls each() for every item of a list: items end at commas and at line ends. An item is valid during its call only.
 */
typedef int ini_each(void *ctx, const ini_part *item, err *e);
int         ini_items(const ini_entry *entry, ini_each *each, void *ctx, err *e);

/* ERR_INPUT for a path with quotes inside, or with what a shell would expand. */
int ini_check_path(const char *key, const ini_part *v, err *e);

/* A path in new memory, checked and made relative to the INI file's folder. */
char *ini_path(const char *ini, const char *key, const ini_part *v, err *e);

/* Says what a shell would expand in a path, and what to write instead; NULL when there is nothing to expand. */
const char *ini_unexpanded(const char *path);

/* Fills the value of a line or item from `raw`, in new memory. */
int ini_unquote(ini_part *part, err *e);

/* Names become file names and table entries. */
bool ini_plain_name(const char *text);
#define INI_PLAIN_NAME "at most 64 of A-Z a-z 0-9 . _ -, not starting with a dot"

#endif
