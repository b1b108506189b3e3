/* names.h - invented names from syllables, of many thousands each; one in eight belongs only to the test split.
 *
 * A name is ASCII, begins with a capital and is new in spelling, not a word that readers know. A draw of the
 * test split gives only test names, one of the training split only the others.
 */
#ifndef DATASETS_NAMES_H
#define DATASETS_NAMES_H

#include "datasets/scenario.h"

typedef enum {
    NAME_PERSON,  /* "Orla Venquist": first and family name */
    NAME_PLACE,   /* "Tarnhollow", "Port Elvane" */
    NAME_COMPANY, /* "Brindlecom Works" */
    NAME_MACHINE, /* "Veltrix 40" */
    NAME_DISH,    /* "Maroska stew" */
    NAME_LAW,     /* "Hadley Quarry Act" */
    NAME_IDENT,   /* "brindle_cast": an identifier of a program, lower case */
    NAME_KINDS
} name_kind;

enum { NAME_SIZE = 48, NAMES_TAKEN = 160, WORD_SIZE = 20, WORD_START = 3 };

/* The names of one record, zeroed before the first. */
typedef struct {
    char   at[NAMES_TAKEN][NAME_SIZE];
    char   words[2 * NAMES_TAKEN][WORD_SIZE];
    size_t n, n_words;
    size_t start; /* no two invented words share their first letters, this many; 0: WORD_START */
} names;

/* A new name, in memory of `taken`. At most NAMES_TAKEN of them. */
const char *name_draw(dice *d, names *taken, name_kind kind);

#endif
