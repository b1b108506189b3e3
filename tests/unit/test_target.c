/* Every target of targets.def, held to what it declares. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "experiments/sweep/config.h"
#include "tests/fixtures/scratch.h"
#include "tests/fixtures/tiny_model.h"

TestSuite(targets, .init = scratch_enter, .fini = scratch_leave);

enum { CONTEXT = 48, PROMPT = 5, RECORDED = 12, EOS = 2 };

static const int32_t prompt[PROMPT] = {1, 5, 6, 7, 5};
static const int32_t recorded[RECORDED] = {6, 7, 5, 6, 8, 9, 5, 6, 7, 5, 6, EOS};

static model *open_tiny(void) {
    tiny_spec s = tiny_default();
    err       e = {0};
    model    *m = tiny_open(&s, &e);
    cr_assert_not_null(m, "%s", e.text);
    return m;
}

/* Everything that a spec may hold; a target takes what it needs. */
static target_spec spec_over(model *m) {
    return (target_spec){.weights = m, .vocab = m->shape.vocab, .context = CONTEXT, .threads = 1};
}

static target *open_ready(const target_ops *ops, model *m) {
    err         e = {0};
    target_spec spec = spec_over(m);
    cr_assert_eq(target_prepare(ops, &spec, &e), 0, "%s: %s", ops->name, e.text);
    target *t = target_open(ops, &spec, &e);
    cr_assert_not_null(t, "%s: %s", ops->name, e.text);
    cr_assert_eq(t->ops, ops);
    return t;
}

Test(targets, table_is_sound) {
    cr_assert_gt(target_registry.n, 0);
    for (size_t i = 0; i < target_registry.n; i++) {
        const target_ops *ops = target_registry.at[i];
        cr_assert_eq(registry_find(&target_registry, ops->name), ops, "two targets are named %s", ops->name);
        cr_assert(ops->help != NULL && ops->source != NULL);
        cr_assert((ops->gives & (GIVES_CHOICES | GIVES_LOGITS)) != 0, "%s gives nothing", ops->name);
        cr_assert(ops->open != NULL && ops->begin != NULL && ops->verify != NULL && ops->keep != NULL &&
                  ops->room != NULL && ops->close != NULL);
    }
    target_close(NULL);
}

/* The row of the pending token, from a pass over just that token. */
static void next_row(target *t, const int32_t *pending, size_t n, float *logits, int32_t *choice) {
    draft none;
    rows  r;
    err   e = {0};
    draft_clear(&none);
    cr_assert_eq(target_verify(t, pending, n, &none, &r, &e), 0, "%s", e.text);
    cr_assert_eq(r.n, 1);
    if (r.logits != NULL) memcpy(logits, r.logits, r.vocab * sizeof *logits);
    *choice = r.forced != NULL ? r.forced[0] : -1;
    cr_assert_eq(target_keep(t, NULL, 0, &e), 0);
}

Test(targets, a_pass_over_a_draft_says_what_passes_over_its_tokens_do) {
    model *m = open_tiny();
    for (size_t i = 0; i < target_registry.n; i++) {
        const target_ops *ops = target_registry.at[i];
        target           *t = open_ready(ops, m), *plain = open_ready(ops, m);
        size_t            vocab = m->shape.vocab, room;
        float            *logits = calloc(vocab, sizeof *logits);
        for (int turn = 0; turn < 2; turn++) { /* a target is used again after begin */
            for (size_t stand = 0; stand <= 3; stand++) {
                draft d;
                rows  r;
                err   e = {0};
                cr_assert_eq(target_begin(t, recorded, RECORDED, &e), 0, "%s", e.text);
                cr_assert_eq(target_begin(plain, recorded, RECORDED, &e), 0, "%s", e.text);
                room = target_room(t);
                draft_clear(&d);
                draft_extend(&d, recorded, stand);
                draft_extend(&d, (int32_t[]){11, 12, 13}, 3); /* none of it is accepted */
                cr_assert_eq(target_verify(t, prompt, PROMPT, &d, &r, &e), 0, "%s: %s", ops->name, e.text);
                cr_assert_eq(r.n, d.n + 1);
                cr_assert_eq(r.vocab, vocab);
                cr_assert_eq(r.logits != NULL, (ops->gives & GIVES_LOGITS) != 0, "%s", ops->name);
                cr_assert_not_null(r.forced);
                int32_t path[3];
                for (size_t k = 0; k <= stand; k++) {
                    int32_t choice;
                    next_row(plain, k == 0 ? prompt : recorded + k - 1, k == 0 ? PROMPT : 1, logits, &choice);
                    size_t row = rows_of((int32_t)k - 1);
                    cr_assert_eq(choice, recorded[k]);
                    cr_assert_eq(r.forced[row], recorded[k]);
                    cr_assert(r.logits == NULL || memcmp(r.logits + row * vocab, logits, vocab * sizeof *logits) == 0,
                              "%s: row %zu", ops->name, row);
                    if (k < stand) path[k] = (int32_t)k;
                }
                /* Kept: the prompt and the path. The next pass goes on from there on both. */
                cr_assert_eq(target_keep(t, path, stand, &e), 0);
                cr_assert_eq(target_room(t), target_room(plain), "%s", ops->name);
                if (room != SIZE_MAX) cr_assert_eq(target_room(t), room - PROMPT - stand);
                draft_clear(&d);
                cr_assert_eq(target_verify(t, recorded + stand, 1, &d, &r, &e), 0);
                int32_t choice;
                next_row(plain, recorded + stand, 1, logits, &choice);
                cr_assert_eq(r.forced[0], choice);
                cr_assert(r.logits == NULL || memcmp(r.logits, logits, vocab * sizeof *logits) == 0, "%s", ops->name);
            }
        }
        free(logits);
        target_close(t);
        target_close(plain);
    }
    model_close(m);
}

Test(targets, need_what_they_say) {
    model *m = open_tiny();
    for (size_t i = 0; i < target_registry.n; i++) {
        const target_ops *ops = target_registry.at[i];
        err               e = {0};
        target_spec       bare = spec_over(m);
        bare.weights = NULL;
        target *without = target_open(ops, &bare, &e);
        cr_assert_eq(without != NULL, (ops->needs & NEEDS_WEIGHTS) == 0, "%s", ops->name);
        if (without == NULL) cr_assert_not_null(strstr(e.text, ops->name), "%s", e.text);
        target_close(without);

        target *t = open_ready(ops, m);
        int     want = (ops->needs & NEEDS_RECORDING) != 0 ? -1 : 0;
        cr_assert_eq(target_begin(t, NULL, 0, &e), want, "%s", ops->name);
        if (want != 0) cr_assert_not_null(strstr(e.text, "can only follow a recorded output"), "%s", e.text);
        target_close(t);
    }
    model_close(m);
}

/* The row of the last of n tokens after the prompt, token by token. */
static void row_after(target *t, const int32_t *ids, size_t n, float *logits, int32_t *choice) {
    err e = {0};
    cr_assert_eq(target_begin(t, recorded, RECORDED, &e), 0);
    next_row(t, prompt, PROMPT, logits, choice);
    for (size_t i = 0; i < n; i++) next_row(t, ids + i, 1, logits, choice);
}

Test(targets, a_pass_over_a_tree_says_what_passes_over_its_paths_do) {
    /*  5 ── 6 ── 7      4 ── 6
     *  │    └─── 9 ── 5
     *  └─── 7                       the roots are siblings; nodes come in no order but parents first */
    static const int32_t ids[] = {5, 4, 6, 6, 7, 7, 9, 5}, parents[] = {-1, -1, 0, 1, 0, 2, 2, 6};
    model               *m = open_tiny();
    for (size_t i = 0; i < target_registry.n; i++) {
        const target_ops *ops = target_registry.at[i];
        target           *t = open_ready(ops, m), *plain = open_ready(ops, m);
        size_t            vocab = m->shape.vocab;
        float            *logits = calloc(vocab, sizeof *logits), *after = calloc(vocab, sizeof *after);
        int32_t           path[DRAFT_CAP], choice, choice_after;
        draft             d;
        rows              r;
        err               e = {0};
        draft_clear(&d);
        for (size_t k = 0; k < sizeof ids / sizeof *ids; k++) draft_add(&d, parents[k], ids[k]);
        cr_assert(d.branches);
        cr_assert_eq(target_begin(t, recorded, RECORDED, &e), 0);
        cr_assert_eq(target_verify(t, prompt, PROMPT, &d, &r, &e), 0, "%s", e.text);
        cr_assert_eq(r.n, d.n + 1);
        for (int32_t node = -1; node < (int32_t)d.n; node++) {
            size_t n = draft_depth(&d, node), row = rows_of(node);
            for (int32_t at = node, k = (int32_t)n; at >= 0; at = d.parent[at]) path[--k] = d.ids[at];
            row_after(plain, path, n, logits, &choice);
            cr_assert_eq(r.forced[row], choice, "%s: node %d", ops->name, (int)node);
            cr_assert(r.logits == NULL || memcmp(r.logits + row * vocab, logits, vocab * sizeof *logits) == 0,
                      "%s: node %d", ops->name, (int)node);
        }

        /* A path stands; the next pass goes on after it. */
        cr_assert_eq(target_keep(t, (int32_t[]){0, 2, 6, 7}, 4, &e), 0);
        next_row(t, (int32_t[]){8}, 1, after, &choice_after);
        row_after(plain, (int32_t[]){5, 6, 9, 5, 8}, 5, logits, &choice);
        cr_assert_eq(choice_after, choice);
        cr_assert_eq(memcmp(after, logits, vocab * sizeof *logits), 0, "%s", ops->name);
        free(logits);
        free(after);
        target_close(t);
        target_close(plain);
    }
    model_close(m);
}

/* A config must give what a target needs, and is refused what it does not. */
static int read_config(const target_ops *ops, const char *model_keys, const char *data_keys, const char *accept,
                       err *e) {
    char   text[1024];
    config c;
    snprintf(text, sizeof text,
             "[sweep]\nname = s\noutput = o\n[model m]\ntarget = %s\n%s[dataset d]\npath = d.jsonl\n%s[policy none]\n"
             "[accept %s]\n",
             ops->name, model_keys, data_keys, accept);
    scratch_write("c.ini", text);
    int ret = config_read("c.ini", NULL, 0, &c, e);
    if (ret == 0) config_free(&c);
    return ret;
}

Test(targets, configs_follow_from_what_they_declare) {
    for (size_t i = 0; i < target_registry.n; i++) {
        const target_ops *ops = target_registry.at[i];
        bool              weights = (ops->needs & NEEDS_WEIGHTS) != 0, recording = (ops->needs & NEEDS_RECORDING) != 0;
        bool              logits = (ops->gives & GIVES_LOGITS) != 0;
        const char       *right = weights ? "path = t.gguf\n" : "tokenizer = bytes\n";
        const char       *wrong = weights ? "path = t.gguf\ntokenizer = bytes\n" : "tokenizer = bytes\npath = t.gguf\n";
        char              bounded[64];
        err               e = {0};
        snprintf(bounded, sizeof bounded, "%scontext = 9\n", right);
        cr_assert_eq(read_config(ops, right, "forced = yes\n", "greedy", &e), 0, "%s", e.text);
        cr_assert_eq(read_config(ops, wrong, "forced = yes\n", "greedy", &e), -1);
        cr_assert_not_null(strstr(e.text, "does not go with target"), "%s", e.text);
        cr_assert_eq(read_config(ops, "", "forced = yes\n", "greedy", &e), -1);
        cr_assert_not_null(strstr(e.text, weights ? "no \"path\"" : "no \"tokenizer\""), "%s", e.text);
        cr_assert_eq(read_config(ops, bounded, "forced = yes\n", "greedy", &e), weights ? 0 : -1, "%s", e.text);
        cr_assert_eq(read_config(ops, right, "", "greedy", &e), recording ? -1 : 0, "%s", e.text);
        if (!recording) cr_assert_eq(read_config(ops, right, "", "coupled", &e), logits ? 0 : -1, "%s", e.text);
    }
}
