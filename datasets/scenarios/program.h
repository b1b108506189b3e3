/* program.h - small invented programs, settings and cards, as statements that can be changed and then written.
 *
 * A blank precedes every name wherever it is written, in a program as in an instruction, so that a tokenizer
 * with marked blanks cuts it into the same pieces in both.
 */
#ifndef DATASETS_SCENARIOS_PROGRAM_H
#define DATASETS_SCENARIOS_PROGRAM_H

#include "datasets/names.h"

typedef enum {
    LINE_OPEN,    /* what the text begins with; a is its name, b and c its parameters */
    LINE_SET,     /* a = number */
    LINE_COPY,    /* a = b */
    LINE_COMBINE, /* a = b op c */
    LINE_WHILE,   /* while a op number */
    LINE_IF,      /* if a op number */
    LINE_PRINT,   /* print a */
    LINE_RETURN,  /* return a */
    LINE_END,     /* ends a block, where the language writes one */
    LINE_COMMENT, /* words */
    LINE_WORDS,   /* a: words */
} line_type;

enum { PROGRAM_LINES = 40, PROGRAM_NAMES = 24 };

typedef struct {
    line_type   type;
    size_t      depth;     /* of indentation */
    const char *a, *b, *c; /* names */
    const char *op, *words;
    size_t      number;
} line;

/* How a language writes its lines: templates with {a} {b} {c} {op} {n} {w}; NULL: it has no such line. */
typedef struct {
    const char *name, *called; /* "c", "program" */
    bool        has_code;      /* else settings: only LINE_SET and LINE_WORDS between LINE_OPEN and LINE_END */
    const char *forms[LINE_WORDS + 1];
} language;

typedef struct {
    const language *in;
    line            lines[PROGRAM_LINES];
    size_t          n;
} program;

/* A program of about `size` statements (2 to PROGRAM_LINES / 2). No name is set to a number twice, and no number, name
 * of a setting or comparison is in two lines, so that an instruction can mean only one line. */
void program_draw(dice *d, names *taken, size_t size, program *out);

/* Whether two lines say the same, whatever their depth. */
bool line_is_same(const line *x, const line *y);

void program_insert(program *p, size_t at, line what);
void program_delete(program *p, size_t at);
void program_rename(program *p, const char *from, const char *to);

void line_write(const language *in, const line *l, text_buffer *out); /* with its line end */
void program_write(const program *p, text_buffer *out);

#endif
