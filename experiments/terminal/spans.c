#include "experiments/terminal/spans.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"

/* Sources other than references, by -1 - source. */
enum { PROMPT, OUTPUT, OTHER, SOURCES };

static size_t source_index(int32_t source, size_t n_references) {
    if (source >= 0 && (size_t)source < n_references) return SOURCES + (size_t)source;
    return source == SOURCE_PROMPT ? PROMPT : source == SOURCE_OUTPUT ? OUTPUT : OTHER;
}

/* SGR parameters (ECMA-48): the other sources differ from references in more than colour. */
static const char *source_style(size_t index) {
    static const char *const others[] = {[PROMPT] = "4", [OUTPUT] = "1", [OTHER] = "7"};
    static const char *const references[] = {"32", "33", "36", "35", "34", "31"};
    return index < SOURCES ? others[index] : references[(index - SOURCES) % (sizeof references / sizeof *references)];
}

static const char *source_name(const spans *s, size_t index) {
    static const char *const others[] = {[PROMPT] = "the prompt", [OUTPUT] = "the output", [OTHER] = "elsewhere"};
    return index < SOURCES ? others[index] : s->names[index - SOURCES];
}

int spans_begin(spans *s, const tokenizer *t, bool drop_prefix, const char *const *names, size_t n_references,
                bool colours, bool terminal, err *e) {
    *s = (spans){.colours = colours, .terminal = terminal, .names = names, .n_references = n_references};
    detokenizer_begin(&s->detok, t, drop_prefix);
    s->shown = mem_new(SOURCES + n_references, sizeof *s->shown, e);
    return s->shown != NULL ? 0 : -1;
}

void spans_free(spans *s) {
    free(s->shown);
    free(s->text);
    *s = (spans){0};
}

static void write_text(const spans *s, size_t n) {
    static const utf8_rules shown = {.invalid = "\xEF\xBF\xBD", .control = "\xEF\xBF\xBD"}, as_is = {0};
    utf8_write(s->text, n, s->terminal ? &shown : &as_is, stdout);
}

/* Writes the ids' text, in the given style unless it is NULL. */
static int write_ids(spans *s, const int32_t *ids, size_t n, const char *style, err *e) {
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        size_t room = 3 * tokenizer_piece(s->detok.t, ids[i]).n + 16;
        if (mem_reserve(&s->text, &s->cap, length + room, e) != 0) return -1;
        length += detokenizer_push(&s->detok, ids[i], s->text + length);
    }
    if (length == 0) return 0;
    if (style != NULL) printf("\033[%sm", style);
    write_text(s, length);
    if (style != NULL) fputs("\033[0m", stdout);
    return 0;
}

static int flush_text(err *e) {
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : err_errno(e, "standard output", "cannot write");
}

int spans_step(void *ctx, const step_trace *step, const step_view *view, err *e) {
    spans *s = ctx;
    size_t copied = step->accepted, source = source_index(step->source, s->n_references);
    if (copied > 0) s->shown[source] = true;
    if (write_ids(s, view->emitted, copied, s->colours ? source_style(source) : NULL, e) != 0) return -1;
    if (write_ids(s, view->emitted + copied, view->n - copied, NULL, e) != 0) return -1;
    return flush_text(e);
}

int spans_end(spans *s, err *e) {
    if (mem_reserve(&s->text, &s->cap, 16, e) != 0) return -1;
    write_text(s, detokenizer_end(&s->detok, s->text));
    putchar('\n');
    return flush_text(e);
}

void spans_legend(const spans *s, FILE *out) {
    const char *before = "copied from: ";
    if (!s->colours) return;
    for (size_t i = 0; i < SOURCES + s->n_references; i++) {
        if (!s->shown[i]) continue;
        fprintf(out, "%s\033[%sm%s\033[0m", before, source_style(i), source_name(s, i));
        before = ", ";
    }
    if (*before == ',') fputc('\n', out);
}
