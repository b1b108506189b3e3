#include "experiments/sweep/plain_runs.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

int plain_runs_init(plain_runs *p, size_t n, size_t repeats, err *e) {
    size_t samples = repeats > 0 ? n / repeats : 0;
    *p = (plain_runs){.n = n, .repeats = repeats};
    if ((p->at = mem_new(n, sizeof *p->at, e)) == NULL) return -1;
    if ((p->first = mem_new(samples, sizeof *p->first, e)) == NULL) return -1;
    for (size_t i = 0; i < samples; i++) p->first[i] = SIZE_MAX;
    return 0;
}

void plain_runs_free(plain_runs *p) {
    free(p->at);
    free(p->first);
    free(p->ids);
    free(p->hash);
    free(p->step_ns);
    *p = (plain_runs){0};
}

bool plain_runs_complete(const plain_runs *p) {
    for (size_t i = 0; i < p->n; i++)
        if (!p->at[i].there) return false;
    return true;
}

const plain_run *plain_runs_find(const plain_runs *p, size_t sample, size_t repeat) {
    const plain_run *run = &p->at[sample * p->repeats + repeat];
    return run->there ? run : NULL;
}

const int32_t *plain_run_output(const plain_runs *p, const plain_run *run) {
    return p->ids + run->output;
}

const uint64_t *plain_run_hashes(const plain_runs *p, const plain_run *run) {
    return p->hash != NULL ? p->hash + run->output : NULL;
}

/* Whether a trial gave what the first one of its sample did. */
static bool is_as_first(const plain_runs *p, const plain_run *first, const store_trial *t) {
    size_t n = t->trial->tokens;
    if (first == NULL || first->tokens != n) return false;
    if (n == 0) return true;
    if ((t->hash != NULL) != (p->hash != NULL)) return false;
    return memcmp(plain_run_output(p, first), t->ids, n * sizeof *t->ids) == 0 &&
           (t->hash == NULL || memcmp(plain_run_hashes(p, first), t->hash, n * sizeof *t->hash) == 0);
}

static int add_output(plain_runs *p, const store_trial *t, err *e) {
    size_t n = t->trial->tokens;
    if (n > 0 && p->n_ids > 0 && (t->hash != NULL) != (p->hash != NULL))
        return err_run(e, "some trials of plain decoding have logits and some have none");
    if (mem_reserve(&p->ids, &p->cap_ids, p->n_ids + n, e) != 0) return -1;
    if (t->hash != NULL && mem_reserve(&p->hash, &p->cap_hash, p->n_ids + n, e) != 0) return -1;
    if (n > 0) memcpy(p->ids + p->n_ids, t->ids, n * sizeof *t->ids);
    if (n > 0 && t->hash != NULL) memcpy(p->hash + p->n_ids, t->hash, n * sizeof *t->hash);
    p->n_ids += n;
    return 0;
}

static int add_times(plain_runs *p, const store_trial *t, err *e) {
    size_t n = t->trial->steps;
    if (mem_reserve(&p->step_ns, &p->cap_steps, p->n_steps + n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) p->step_ns[p->n_steps++] = t->steps[i].draft_ns + t->steps[i].verify_ns;
    return 0;
}

int plain_runs_add(plain_runs *p, const store_trial *t, err *e) {
    const trial_row *row = t->trial;
    size_t           at = (size_t)row->sample * p->repeats + row->repeat, *as = &p->first[row->sample];
    const plain_run *first = *as != SIZE_MAX ? &p->at[*as] : NULL;
    plain_run       *run = &p->at[at];
    plain_run        made = {
               .tokens = row->tokens,
               .there = true,
               .timed = t->steps != NULL,
               .decode_ns = row->decode_ns,
               .log_likelihood = row->log_likelihood,
               .output = p->n_ids,
               .times = p->n_steps,
    };
    if (run->there) return 0;
    if (is_as_first(p, first, t))
        made.output = first->output;
    else if (add_output(p, t, e) != 0)
        return -1;
    if (made.timed && add_times(p, t, e) != 0) return -1;
    *run = made;
    if (first == NULL) *as = at;
    return 0;
}
