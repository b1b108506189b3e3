/* spans.h - a generation as it grows, on stdout: copied spans show where they come from.
 *
 * Text goes out as whole UTF-8 characters, so what is written does not depend on how decoding was split into
 * steps. On a terminal, control characters except newline and tab become U+FFFD: text must not control it.
 */
#ifndef EXPERIMENTS_SPANS_H
#define EXPERIMENTS_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/engine.h"

typedef struct {
    detokenizer        detok;
    bool               colours, terminal;
    const char *const *names; /* [n_references], borrowed */
    size_t             n_references;
    bool              *shown; /* [n_references + SOURCES] sources that something was copied from */
    char              *text;  /* of one step */
    size_t             cap;
} spans;

/* drop_prefix: as for detokenizer_begin. */
int  spans_begin(spans *s, const tokenizer *t, bool drop_prefix, const char *const *names, size_t n_references,
                 bool colours, bool terminal, err *e);
void spans_free(spans *s);

/* A decode_sink's step: writes and flushes what the step emitted. `ctx` is the spans. */
int spans_step(void *ctx, const step_trace *step, const step_view *view, err *e);

/* Writes what is still held back and ends the line. */
int spans_end(spans *s, err *e);

/* One line that explains the colours in use; nothing without colours or copies. */
void spans_legend(const spans *s, FILE *out);

#endif
