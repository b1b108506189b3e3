/* sources.c - what is won where: steps by the source that their drafts were copied from. */
#include "analysis/tables/step_sums.h"

/* Rows, from what helps most steps to what is not copied at all. */
static const char *const names[] = {"references", "prompt", "output", "elsewhere", "no draft"};

enum { REFERENCES, PROMPT, OUTPUT, ELSEWHERE, NO_DRAFT, ROWS };

static size_t row_of(const step_row *s) {
    if (s->drafted == 0) return NO_DRAFT;
    return s->source >= 0 ? REFERENCES : s->source == -2 ? PROMPT : s->source == -3 ? OUTPUT : ELSEWHERE;
}

static void put(size_t row, table *t) {
    table_put_text(t, names[row]);
}

static int print(const table_source *x, err *e) {
    static const step_classes classes = {ROWS, row_of, put};
    return step_sums_print(x, &classes, "copied from", "copied_from", e);
}

const table_kind table_sources = {
    .name = "sources",
    .help = "by where drafts were copied from: share of steps, tokens and time, acceptance, speed-up",
    .print = print,
};
