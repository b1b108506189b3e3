/* train_data.c - turns scenarios' records into lessons: BOS, the prompt, the output, EOS, as in a sweep's samples
 * (datasets/sample.c). */
#include "experiments/training/train_data.h"

#include <stdio.h>

#include "engine/base/parallel.h"
#include "engine/base/rng.h"

enum { TRIES = 100 }; /* for a record that fits the context */

static bool active(const train_source *s, size_t step) {
    return step >= s->from && (s->until == 0 || step < s->until);
}

static const train_source *source_of(const train_config *c, size_t step, uint64_t i) {
    const train_source *last = NULL;
    double              sum = 0, at = 0;
    for (size_t k = 0; k < c->n_sources; k++)
        if (active(&c->sources[k], step)) sum += c->sources[k].share;
    double wanted = noise_uniform((noise){c->seed, rng_stream("train", "source")}, i, 0) * sum;
    for (size_t k = 0; k < c->n_sources; k++) {
        if (!active(&c->sources[k], step) || c->sources[k].share <= 0) continue;
        last = &c->sources[k];
        if (wanted < (at += last->share)) break;
    }
    return last;
}

static int make(const train_config *c, const train_source *s, split which, uint64_t i, example *x, err *e) {
    return scenario_make(s->scenario, &s->params, c->seed, which, i, x, e);
}

int train_data_text(const train_config *c, uint64_t i, example *x, err *e) {
    return make(c, source_of(c, c->trainer.optimizer.adamw.steps - 1, i), SPLIT_TRAIN, i, x, e);
}

static int write_lesson(const tokenizer *tok, const example *x, lesson *out, err *e) {
    out->ids.n = 0;
    if (tokens_push(&out->ids, tokenizer_bos(tok), e) != 0 ||
        tokenizer_encode(tok, x->prompt.at, x->prompt.n, false, &out->ids, e) != 0)
        return -1;
    out->n_prompt = out->ids.n;
    return tokenizer_encode(tok, x->output.at, x->output.n, false, &out->ids, e) != 0 ||
                   tokens_push(&out->ids, tokenizer_eos(tok), e) != 0
               ? -1
               : 0;
}

/* Record i, or the first of i + 2^40, i + 2 * 2^40, ... that fits. */
static int fitting(train_data *d, const train_source *s, split which, uint64_t i, example *x, lesson *out, err *e) {
    for (uint64_t tries = 0; tries < TRIES; tries++) {
        if (make(d->c, s, which, i + (tries << 40), x, e) != 0 || write_lesson(d->tok, x, out, e) != 0) return -1;
        if (out->ids.n <= d->c->trainer.context + 1) return 0;
        atomic_fetch_add(&d->too_long, 1);
    }
    return err_input(e,
                     "%s: [source %s]: %d records in a row are longer than context = %zu tokens (a larger context, or "
                     "shorter records)",
                     d->c->path, s->name, (int)TRIES, d->c->trainer.context);
}

/* The first lesson that a thread could not make. */
typedef struct {
    size_t k;
    err    why;
} failure;

typedef struct {
    train_data         *d;
    const train_source *source; /* NULL: the mix of `step` */
    size_t              step;
    split               which;
    lesson             *lessons;
    failure            *failures; /* [threads] */
    atomic_size_t       failed;   /* records from here on are no longer needed */
} job;

static void make_range(void *ctx, size_t begin, size_t end, int thread) {
    job     *j = ctx;
    failure *f = &j->failures[thread];
    example  x = {0};
    for (size_t k = begin; k < end && k < atomic_load(&j->failed); k++) {
        uint64_t            i = j->source == NULL ? (uint64_t)j->step * j->d->c->batch + k : k;
        const train_source *s = j->source == NULL ? source_of(j->d->c, j->step, i) : j->source;
        err                 why = {0};
        if (fitting(j->d, s, j->which, i, &x, &j->lessons[k], &why) == 0) continue;
        if (f->why.kind == ERR_NONE || k < f->k) *f = (failure){k, why};
        for (size_t least = atomic_load(&j->failed); k < least;)
            if (atomic_compare_exchange_weak(&j->failed, &least, k)) break;
        break;
    }
    example_free(&x);
}

static int run(job *j, size_t n, err *e) {
    enum { MOST = 64 };
    failure failures[MOST] = {0};
    int     threads = j->d->c->trainer.threads < MOST ? j->d->c->trainer.threads : MOST;
    j->failures = failures;
    atomic_init(&j->failed, n);
    parallel_run(threads, n, 1, make_range, j);
    /* Reports the first record that fails, whichever thread failed first. */
    for (int t = 0; t < threads; t++)
        if (failures[t].why.kind != ERR_NONE && failures[t].k == atomic_load(&j->failed)) *e = failures[t].why;
    return atomic_load(&j->failed) < n ? -1 : 0;
}

int train_data_batch(train_data *d, size_t step, lesson *lessons, err *e) {
    job j = {.d = d, .step = step, .which = SPLIT_TRAIN, .lessons = lessons};
    return run(&j, d->c->batch, e);
}

int train_data_test(train_data *d, size_t source, lesson *lessons, size_t n, err *e) {
    job j = {.d = d, .source = &d->c->sources[source], .which = SPLIT_TEST, .lessons = lessons};
    return run(&j, n, e);
}
