/* program.c - languages, drawing and writing. */
#include "datasets/scenarios/program.h"

#include <string.h>

static const language languages[] = {
    {"script",
     "script",
     true,
     {"function {a}( {b}, {c} ) {", "let {a} = {n};", "let {a} = {b};", "let {a} = {b} {op} {c};",
      "while ( {a} {op} {n} ) {", "if ( {a} {op} {n} ) {", "print( {a} );", "return {a};", "}", "# {w}", NULL}},
    {"c",
     "function",
     true,
     {"int {a}( int {b}, int {c} ) {", "int {a} = {n};", "int {a} = {b};", "int {a} = {b} {op} {c};",
      "while ( {a} {op} {n} ) {", "if ( {a} {op} {n} ) {", "show( {a} );", "return {a};", "}", "// {w}", NULL}},
    {"pascal",
     "procedure",
     true,
     {"function {a} with {b} and {c}", "let {a} := {n}", "let {a} := {b}", "let {a} := {b} {op} {c}",
      "as long as {a} {op} {n} do", "when {a} {op} {n} then", "write {a}", "give {a}", "end", "-- {w}", NULL}},
    {"settings",
     "file of settings",
     false,
     {"section {a} {", "set {a} = {n};", NULL, NULL, NULL, NULL, NULL, NULL, "}", "# {w}", "set {a} = {w};"}},
    {"card",
     "card",
     false,
     {"card {a} {", "field {a} : {n};", NULL, NULL, NULL, NULL, NULL, NULL, "}", "/* {w} */", "field {a} : {w};"}},
};

static const char *const comparisons[] = {"<", ">", "<=", ">=", "==", "!="};
static const char *const operators[] = {"+", "-", "*", "/", "%"};
static const char *const words[] = {
    "as agreed in spring", "not in use",       "see the manual", "by order of the board", "open all night",
    "out of stock",        "green and white",  "only on paper",  "ask the owner",         "closed in winter",
    "made of brass",       "under repair",     "sent by post",   "kept in the cellar",    "too old to change",
    "first floor",         "valid for a year", "in good order",
};

/* A number that begins as no line's does. */
static size_t new_number(dice *d, const program *p) {
    for (;;) {
        size_t number = dice_between(d, 100, 999), i = 0;
        while (i < p->n && p->lines[i].number / 10 != number / 10) i++;
        if (i == p->n) return number;
    }
}

static const char *new_words(dice *d, const program *p) {
    for (;;) {
        const char *w = DICE_OF(d, words);
        size_t      i = 0;
        while (i < p->n && p->lines[i].words != w) i++;
        if (i == p->n) return w;
    }
}

static void add(program *p, line l) {
    p->lines[p->n++] = l;
}

static void draw_settings(dice *d, names *taken, size_t size, program *p) {
    add(p, (line){.type = LINE_OPEN, .a = name_draw(d, taken, NAME_IDENT)});
    for (size_t i = 0; i < size && i < 16; i++) {
        line l = {.type = dice_chance(d, 0.6) ? LINE_SET : LINE_WORDS, .depth = 1};
        l.a = name_draw(d, taken, NAME_IDENT);
        if (l.type == LINE_SET)
            l.number = new_number(d, p);
        else
            l.words = new_words(d, p);
        add(p, l);
    }
    add(p, (line){.type = LINE_END});
}

bool line_is_same(const line *x, const line *y) {
    return x->type == y->type && x->a == y->a && x->b == y->b && x->c == y->c && x->op == y->op &&
           x->number == y->number && x->words == y->words;
}

/* Two equal lines would leave it open which one an instruction means, and where a copy goes on. */
static bool is_new(const program *p, const line *l) {
    for (size_t i = 0; i < p->n; i++)
        if (line_is_same(&p->lines[i], l)) return false;
    return true;
}

/* Whether a line has these two names on its right side. */
static bool has_pair(const program *p, const char *b, const char *c) {
    for (size_t i = 0; i < p->n; i++)
        if (p->lines[i].type == LINE_COMBINE && p->lines[i].b == b && p->lines[i].c == c) return true;
    return false;
}

/* Statements use names that have a value by then; blocks hold one or two statements. */
static void draw_code(dice *d, names *taken, size_t size, program *p) {
    const char *known[PROGRAM_NAMES];
    size_t      n = 0, depth = 1, left = 0;
    for (size_t i = 0; i < 3; i++) known[n++] = name_draw(d, taken, NAME_IDENT);
    add(p, (line){.type = LINE_OPEN, .a = known[0], .b = known[1], .c = known[2]});
    for (size_t i = 0; i < size; i++) {
        const char *a = known[dice_between(d, 1, n - 1)], *b = known[dice_between(d, 1, n - 1)];
        line        l = {.depth = depth, .a = a};
        size_t      roll = dice_below(d, depth == 1 && i + 1 < size ? 8 : 6);
        switch (roll) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
            if (roll < 4 && a != b && !has_pair(p, a, b)) {
                l.type = LINE_COMBINE;
                l.op = DICE_OF(d, operators);
                l.b = a;
                l.c = b;
            } else {
                l.type = LINE_SET;
                l.number = new_number(d, p);
            }
            l.a = n < PROGRAM_NAMES ? (known[n] = name_draw(d, taken, NAME_IDENT)) : a;
            n += n < PROGRAM_NAMES;
            break;
        case 5:
            l.type = LINE_PRINT;
            if (is_new(p, &l)) break;
            l.type = LINE_SET;
            l.number = new_number(d, p);
            break;
        default:
            l.type = dice_chance(d, 0.5) ? LINE_IF : LINE_WHILE;
            l.op = DICE_OF(d, comparisons);
            l.number = new_number(d, p);
            break;
        }
        add(p, l);
        if (l.type == LINE_IF || l.type == LINE_WHILE) {
            depth++;
            left = dice_between(d, 1, 2);
        } else if (depth > 1 && (--left == 0 || i + 1 == size)) {
            depth--;
            add(p, (line){.type = LINE_END, .depth = depth});
        }
    }
    add(p, (line){.type = LINE_RETURN, .depth = 1, .a = known[dice_between(d, 1, n - 1)]});
    add(p, (line){.type = LINE_END});
}

void program_draw(dice *d, names *taken, size_t size, program *out) {
    *out = (program){.in = &DICE_OF(d, languages)};
    if (out->in->has_code)
        draw_code(d, taken, size, out);
    else
        draw_settings(d, taken, size, out);
    for (size_t i = out->n; i-- > 0;)
        if (out->in->forms[out->lines[i].type] == NULL) program_delete(out, i);
}

void program_insert(program *p, size_t at, line what) {
    memmove(p->lines + at + 1, p->lines + at, (p->n - at) * sizeof *p->lines);
    p->lines[at] = what;
    p->n++;
}

void program_delete(program *p, size_t at) {
    p->n--;
    memmove(p->lines + at, p->lines + at + 1, (p->n - at) * sizeof *p->lines);
}

void program_rename(program *p, const char *from, const char *to) {
    for (size_t i = 0; i < p->n; i++) {
        line *l = &p->lines[i];
        if (l->a == from) l->a = to;
        if (l->b == from) l->b = to;
        if (l->c == from) l->c = to;
    }
}

void line_write(const language *in, const line *l, text_buffer *out) {
    for (size_t i = 0; i < l->depth; i++) text_add(out, "  ");
    for (const char *at = in->forms[l->type]; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        /* A brace of the language itself ends its line. */
        if (at[plain] != '\0' && strchr(at + plain, '}') == NULL) plain = strlen(at);
        text_put(out, at, plain);
        at += plain;
        if (*at == '\0') break;
        if (at[1] == 'n')
            text_add(out, "%zu", l->number);
        else
            text_add(out, "%s",
                     at[1] == 'a'   ? l->a
                     : at[1] == 'b' ? l->b
                     : at[1] == 'c' ? l->c
                     : at[1] == 'w' ? l->words
                                    : l->op);
        at = strchr(at, '}') + 1;
    }
    text_add(out, "\n");
}

void program_write(const program *p, text_buffer *out) {
    for (size_t i = 0; i < p->n; i++) line_write(p->in, &p->lines[i], out);
}
