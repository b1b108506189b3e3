#include "engine/score.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/tokens.h"
#include "engine/rules/logits.h"

enum { ROWS = 32 }; /* logits in memory at once */

struct scorer {
    transformer *t;
    tokens       seen; /* the tokens in the cache */
    size_t       vocab;
    float       *logits; /* [ROWS, vocab] */
};

scorer *scorer_new(const model *m, size_t context, int threads, err *e) {
    scorer *s = mem_new(1, sizeof *s, e);
    if (s == NULL) return NULL;
    s->vocab = m->shape.vocab;
    if ((s->t = transformer_new(m, context, threads, NULL, e)) != NULL &&
        (s->logits = mem_new(ROWS, s->vocab * sizeof *s->logits, e)) != NULL)
        return s;
    scorer_free(s);
    return NULL;
}

void scorer_free(scorer *s) {
    if (s == NULL) return;
    transformer_free(s->t);
    tokens_free(&s->seen);
    free(s->logits);
    free(s);
}

static void score_row(const float *x, size_t vocab, int32_t id, token_score *out) {
    int32_t ids[2];
    size_t  n = logits_top(x, vocab, 2, ids), larger = 0;
    for (size_t i = 0; i < vocab; i++) larger += x[i] > x[id];
    *out = (token_score){.likeliest = ids[0],
                         .top = (double)x[ids[0]],
                         .second = (double)x[ids[n - 1]],
                         .logit = (double)x[id],
                         .rank = larger + 1};
}

/* Rewinds to what the ids share with the cache, so that the logits after ids[..from) are computed again. */
static void rewind_to(scorer *s, const int32_t *ids, size_t from) {
    size_t shared = 0, most = from - 1 < s->seen.n ? from - 1 : s->seen.n;
    while (shared < most && s->seen.ids[shared] == ids[shared]) shared++;
    transformer_rewind(s->t, shared);
    s->seen.n = shared;
}

/* Runs ids[seen..to) and keeps the logits of the last `rows`. */
static int run_to(scorer *s, const int32_t *ids, size_t to, size_t rows, err *e) {
    size_t at = s->seen.n;
    if (at == to) return 0;
    if (transformer_forward(s->t, ids + at, to - at, rows, rows > 0 ? s->logits : NULL, e) != 0) return -1;
    return tokens_append(&s->seen, ids + at, to - at, e);
}

int scorer_run(scorer *s, const int32_t *ids, size_t n, size_t from, token_score *out, err *e) {
    if (from == n) return 0;
    rewind_to(s, ids, from);
    if (run_to(s, ids, from - 1, 0, e) != 0) return -1;
    for (size_t at = from, rows; at < n; at += rows) {
        rows = n - at < ROWS ? n - at : ROWS;
        if (run_to(s, ids, at - 1 + rows, rows, e) != 0) return -1;
        if (!logits_finite(s->logits, rows * s->vocab))
            return err_run(e, "a logit is not finite after token %zu to %zu", at - 1, at + rows - 2);
        for (size_t i = 0; i < rows; i++)
            score_row(s->logits + i * s->vocab, s->vocab, ids[at + i], &out[at + i - from]);
    }
    return 0;
}
