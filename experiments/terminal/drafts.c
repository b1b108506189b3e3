#include "experiments/terminal/drafts.h"

#include <stdio.h>

#include "engine/base/number.h"
#include "engine/base/quote.h"

enum { PIECE_SIZE = 200 };

/* What the nodes of one draft look like. */
typedef struct {
    const drafts_view *v;
    const draft       *d;
    bool               stands[DRAFT_CAP];
    bool               more[DRAFT_CAP]; /* at each level of branching: whether a sibling follows */
} picture;

static void print_token(const drafts_view *v, char mark, int32_t id, const char *style) {
    char     text[PIECE_SIZE];
    gguf_str piece = tokenizer_piece(v->tok, id);
    if (piece.n == 0) piece = tokenizer_spelling(v->tok, id); /* a control token */
    quote(text, sizeof text, piece.at, piece.n);
    if (v->colours)
        printf(" %c \033[%sm%s\033[0m", mark, style, text);
    else
        printf(" %c %s", mark, text);
}

static void print_indent(const picture *p, size_t level) {
    fputs(" ", stdout);
    for (size_t i = 0; i + 1 < level; i++) fputs(p->more[i] ? " │ " : "   ", stdout);
    if (level > 0) fputs(p->more[level - 1] ? " ├─" : " └─", stdout);
}

/* The children of `parent`, each with what is below it; siblings begin at `level`. */
static void print_children(picture *p, int32_t parent, size_t level) {
    const draft *d = p->d;
    int32_t      first = draft_next_child(d, parent, parent);
    for (int32_t node = first, next; node >= 0; node = next) {
        next = draft_next_child(d, parent, node);
        bool branches = node != first || next >= 0;
        if (branches) p->more[level] = next >= 0;
        size_t  below = level + (branches ? 1 : 0);
        int32_t last = node;
        print_indent(p, below);
        for (int32_t at = node; at >= 0;) { /* the run */
            print_token(p->v, p->stands[at] ? '+' : '-', d->ids[at], p->stands[at] ? "32" : "31");
            last = at;
            at = draft_next_child(d, at, at);
            if (at >= 0 && draft_next_child(d, last, at) >= 0) break;
        }
        putchar('\n');
        print_children(p, last, below);
    }
}

static void print_source(const drafts_view *v, const step_trace *s) {
    if (s->source >= 0 && (size_t)s->source < v->n_references)
        printf("from %s", v->names[s->source]);
    else
        printf("from %s", s->source == SOURCE_PROMPT   ? "the prompt"
                          : s->source == SOURCE_OUTPUT ? "the output"
                                                       : "elsewhere");
    if (s->source_position >= 0) printf(" at %d", (int)s->source_position);
    if (s->match_length > 0) printf(", %d token%s matched", s->match_length, plural(s->match_length));
}

int drafts_step(void *ctx, const step_trace *step, const step_view *view, err *e) {
    drafts_view *v = ctx;
    picture      p = {.v = v, .d = view->draft};
    printf("step %zu, token %zu: ", v->steps++, view->position);
    for (size_t i = 0; i < view->verdict->n; i++) p.stands[view->verdict->path[i]] = true;
    if (step->drafted > 0) {
        print_source(v, step);
        if (v->stages != NULL) printf(", by %s, stage %d", v->stages[p.d->stage - 1].ops->name, p.d->stage);
        printf("; %d of %d drafted stand%s\n", step->accepted, step->drafted, step->accepted == 1 ? "s" : "");
        print_children(&p, DRAFT_ROOT, 0);
    } else {
        puts("nothing drafted");
    }
    fputs(" ", stdout);
    print_token(v, '=', view->emitted[view->n - 1], "1");
    putchar('\n');
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : err_errno(e, "standard output", "cannot write");
}
