/* replay.c - a recorded output instead of a model: no weights, no logits, no times.
 *
 * A row's verdict is the recorded token at its position, whatever was drafted before it. That is faithful
 * for exact acceptance: rows after the first mismatch are never looked at. It is not for rules that accept
 * other tokens than the target's own; those need logits, so they are refused here.
 */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/target/target.h"

extern const target_ops target_replay;

typedef struct {
    target         base;
    size_t         vocab;
    const int32_t *forced;
    size_t         n_forced;
    size_t         n_prompt; /* tokens of the first pass; known after it */
    size_t         seen;     /* tokens of the context; those of the last draft count once they are kept */
    int32_t        choices[DRAFT_CAP + 1];
} replay;

static int replay_begin(target *t, const int32_t *forced, size_t n_forced, err *e) {
    (void)e;
    replay *r = (replay *)t;
    r->forced = forced;
    r->n_forced = n_forced;
    r->n_prompt = SIZE_MAX;
    r->seen = 0;
    return 0;
}

static int replay_verify(target *t, const int32_t *pending, size_t n_pending, const draft *d, rows *out, err *e) {
    (void)pending;
    (void)e;
    replay *r = (replay *)t;
    if (r->n_prompt == SIZE_MAX) r->n_prompt = n_pending;
    r->seen += n_pending;
    rows_forced(r->forced, r->n_forced, r->seen - r->n_prompt, d, r->choices);
    *out = (rows){.n = d->n + 1, .vocab = r->vocab, .forced = r->choices};
    return 0;
}

static int replay_keep(target *t, const int32_t *path, size_t n, err *e) {
    (void)path, (void)e;
    ((replay *)t)->seen += n;
    return 0;
}

static size_t replay_room(const target *t) {
    (void)t;
    return SIZE_MAX;
}

static void replay_close(target *t) {
    free(t);
}

static target *replay_open(const target_spec *spec, err *e) {
    replay *r = mem_new(1, sizeof *r, e);
    if (r == NULL) return NULL;
    r->base.ops = &target_replay;
    r->vocab = spec->vocab;
    return &r->base;
}

const target_ops target_replay = {
    .name = "replay",
    .source = __FILE__,
    .help = "a recorded output, followed without weights: accepted lengths are real, times are not",
    .needs = NEEDS_RECORDING,
    .gives = GIVES_CHOICES,
    .open = replay_open,
    .begin = replay_begin,
    .verify = replay_verify,
    .keep = replay_keep,
    .room = replay_room,
    .close = replay_close,
};
