/* transformer.c - real weights: a forward pass over the pending tokens and the drafted ones, a chain or a tree.
 *
 * Refuses ids outside the vocabulary, passes that overflow the context, and logits that are not
 * finite. Following a recorded output costs the same passes; only the verdicts come from the recording.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/model/blas.h"
#include "engine/model/transformer.h"
#include "engine/rules/logits.h"
#include "engine/target/target.h"

_Static_assert(TREE_CAP == DRAFT_CAP + 1, "the longest draft and the token before it are a tree");

typedef struct {
    target         base;
    transformer   *t;
    size_t         vocab;
    const int32_t *forced;
    size_t         n_forced;
    size_t         n_prompt;               /* tokens of the first pass; SIZE_MAX before it */
    size_t         settled;                /* tokens of the context, without those of the last draft */
    bool           tree;                   /* the last pass had a draft that branches */
    int32_t       *ids;                    /* [context]: the tokens of one pass */
    float         *logits;                 /* [rows, vocab]; memory is touched only as it is used */
    int32_t        choices[DRAFT_CAP + 1]; /* the recorded tokens at the rows */
} scorer;

static int scorer_begin(target *base, const int32_t *forced, size_t n_forced, err *e) {
    scorer *s = (scorer *)base;
    (void)e;
    s->forced = forced;
    s->n_forced = n_forced;
    s->n_prompt = SIZE_MAX;
    s->settled = 0;
    s->tree = false;
    transformer_rewind(s->t, 0);
    return 0;
}

/* The last pending token and the draft below it are a tree; the tokens before, a prompt's, go first. */
static int forward_tree(scorer *s, size_t n_pending, const draft *d, err *e) {
    int32_t parent[DRAFT_CAP + 1] = {-1};
    size_t  before = n_pending - 1;
    for (size_t i = 0; i < d->n; i++) parent[i + 1] = d->parent[i] + 1;
    if (before > 0 && transformer_forward(s->t, s->ids, before, 0, NULL, e) != 0) return -1;
    return transformer_forward_tree(s->t, s->ids + before, parent, d->n + 1, s->logits, e);
}

static int scorer_verify(target *base, const int32_t *pending, size_t n_pending, const draft *d, rows *out, err *e) {
    scorer *s = (scorer *)base;
    size_t  seen = transformer_length(s->t), room = transformer_context(s->t) - seen, n = n_pending + d->n;
    if (n_pending == 0) return err_input(e, "a pass needs at least one pending token (an empty prompt needs a BOS)");
    if (n > room || n < d->n)
        return err_input(e, "%zu tokens after %zu do not fit into a context of %zu", n, seen, seen + room);
    memcpy(s->ids, pending, n_pending * sizeof *pending);
    memcpy(s->ids + n_pending, d->ids, d->n * sizeof *d->ids);
    for (size_t i = 0; i < n; i++)
        if (s->ids[i] < 0 || (size_t)s->ids[i] >= s->vocab)
            return err_input(e, "token id %d at position %zu is not in the vocabulary (0 to %zu)", (int)s->ids[i],
                             seen + i, s->vocab - 1);

    s->tree = false;
    if ((d->branches ? forward_tree(s, n_pending, d, e)
                     : transformer_forward(s->t, s->ids, n, d->n + 1, s->logits, e)) != 0) {
        transformer_rewind(s->t, seen);
        return -1;
    }
    s->tree = d->branches;
    for (size_t i = 0; i <= d->n; i++)
        if (!logits_finite(s->logits + i * s->vocab, s->vocab))
            return err_run(e, "logits that are not finite at position %zu",
                           seen + n_pending - 1 + draft_depth(d, (int32_t)i - 1));

    if (s->n_prompt == SIZE_MAX) s->n_prompt = n_pending;
    s->settled = seen + n_pending;
    *out = (rows){.n = d->n + 1, .vocab = s->vocab, .logits = s->logits};
    if (s->forced != NULL) {
        rows_forced(s->forced, s->n_forced, s->settled - s->n_prompt, d, s->choices);
        out->forced = s->choices;
    }
    return 0;
}

static int scorer_keep(target *base, const int32_t *path, size_t n, err *e) {
    scorer *s = (scorer *)base;
    (void)e;
    if (s->tree) {
        int32_t kept[DRAFT_CAP + 1] = {0}; /* the pending one, then the path */
        for (size_t i = 0; i < n; i++) kept[i + 1] = path[i] + 1;
        transformer_keep(s->t, kept, n + 1);
    } else {
        transformer_rewind(s->t, s->settled + n); /* the path is the first n nodes of the draft */
    }
    return 0;
}

static size_t scorer_room(const target *base) {
    const scorer *s = (const scorer *)base;
    return transformer_context(s->t) - transformer_length(s->t);
}

static void scorer_close(target *base) {
    scorer *s = (scorer *)base;
    transformer_free(s->t);
    free(s->ids);
    free(s->logits);
    free(s);
}

static int scorer_prepare(const target_spec *spec, err *e) {
    return (spec->gemm == GEMM_BLAS ? model_decode : model_pack)(spec->weights, e);
}

static target *scorer_open(const target_spec *spec, err *e) {
    const model *m = spec->weights;
    scorer      *s = mem_new(1, sizeof *s, e);
    if (s == NULL) return NULL;
    size_t most_rows = spec->context < DRAFT_CAP + 1 ? spec->context : DRAFT_CAP + 1;
    s->base.ops = &target_transformer;
    s->vocab = m->shape.vocab;
    s->n_prompt = SIZE_MAX;
    matrix_product *instead = spec->gemm == GEMM_BLAS ? blas_multiply : NULL;
    if ((s->t = transformer_new(m, spec->context, spec->threads, instead, e)) == NULL ||
        (s->ids = mem_new(spec->context, sizeof *s->ids, e)) == NULL ||
        (s->logits = mem_new(most_rows, s->vocab * sizeof *s->logits, e)) == NULL) {
        scorer_close(&s->base);
        return NULL;
    }
    if (spec->gemm == GEMM_BLAS) blas_set_threads(spec->threads);
    return &s->base;
}

const target_ops target_transformer = {
    .name = "transformer",
    .source = __FILE__,
    .help = "a model from a GGUF file: logits and times are real",
    .needs = NEEDS_WEIGHTS,
    .gives = GIVES_CHOICES | GIVES_LOGITS,
    .timed = true,
    .prepare = scorer_prepare,
    .open = scorer_open,
    .begin = scorer_begin,
    .verify = scorer_verify,
    .keep = scorer_keep,
    .room = scorer_room,
    .close = scorer_close,
};
