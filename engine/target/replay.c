/* replay.c - a recorded output in place of a model: no weights, no logits, no time.
 *
 * A row's verdict is the recorded token at its position, whatever was drafted before it. That is faithful
 * for exact acceptance: rows after the first mismatch are never looked at. It is not for rules that accept
 * other tokens than the target's own, which is why those need logits and are refused here.
 */
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/target/forced.h"
#include "engine/target/target.h"

typedef struct {
    target         base;
    size_t         vocab;
    const int32_t *forced;
    size_t         n_forced;
    size_t         n_prompt; /* tokens of the first pass; known once it was made */
    size_t         seen;     /* context length so far */
    int32_t        choices[DRAFT_CAP + 1];
} replay;

static int replay_begin(target *t, const int32_t *forced, size_t n_forced, err *e) {
    replay *r = (replay *)t;
    if (forced == NULL) return err_input(e, "replay can only follow a recorded output, and there is none");
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
    forced_rows(r->forced, r->n_forced, r->seen - r->n_prompt, d->n + 1, r->choices);
    r->seen += d->n;
    *out = (rows){.n = d->n + 1, .vocab = r->vocab, .forced = r->choices};
    return 0;
}

static int replay_rollback(target *t, size_t length, err *e) {
    (void)e;
    ((replay *)t)->seen = length;
    return 0;
}

static size_t replay_room(const target *t) {
    (void)t;
    return SIZE_MAX;
}

static void replay_close(target *t) {
    free(t);
}

const target_ops target_ops_replay = {
    .name = "replay",
    .source = __FILE__,
    .help = "a recorded output, followed without weights: accepted lengths are real, times are not",
    .gives = GIVES_CHOICES,
    .begin = replay_begin,
    .verify = replay_verify,
    .rollback = replay_rollback,
    .room = replay_room,
    .close = replay_close,
};

target *target_replay_open(size_t vocab, err *e) {
    replay *r = mem_new(1, sizeof *r, e);
    if (r == NULL) return NULL;
    r->base.ops = &target_ops_replay;
    r->vocab = vocab;
    return &r->base;
}
