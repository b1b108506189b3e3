/* share.c - lanes of units, and how a worker goes through them. */
#include "experiments/sweep/share.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/mem.h"

enum { POLL_FIRST = 50, POLL_MOST = 2000, POLL_SLICE = 50 }; /* ms */

size_t unit_trials(const plan *p, const cell_unit *u) {
    size_t n = p->samples[p->cells[u->cell].samples].set.n;
    return (n + u->parts - 1 - u->part) / u->parts * p->cfg->repeats;
}

size_t share_parts(const plan *p, size_t wanted, size_t jobs) {
    size_t most = 1, groups = 0;
    for (size_t i = 0; i < p->n_samples; i++)
        if (p->samples[i].set.n > most) most = p->samples[i].set.n;
    for (size_t i = 0; i < p->n_cells; i++) groups += plan_cell_is_baseline(&p->cells[i]);
    if (wanted == 0) wanted = groups > 0 ? (jobs + groups - 1) / groups : 1;
    return wanted < most ? wanted : most;
}

/* ---- the units -------------------------------------------------------------------------------------------- */

/* Cells follow their baseline in the plan. One whose policy remembers is in one part, in the first lane. */
static void add_lane(share *s, size_t baseline, size_t part) {
    const plan *p = s->p;
    size_t      first = s->n;
    if (part == 0) s->group[baseline] = first;
    for (size_t i = baseline; i < p->n_cells && p->cells[i].baseline == baseline; i++) {
        bool      whole = plan_cell_remembers(&p->cells[i]);
        cell_unit u = {i, part, whole ? 1 : s->parts};
        if ((whole && part > 0) || unit_trials(p, &u) == 0) continue;
        s->units[s->n] = u;
        s->missing[s->n] = unit_trials(p, &u);
        s->lane[s->n++] = first;
    }
    if (s->n > first) s->after[first] = s->n;
}

int share_open(share *s, const plan *p, const char *dir, size_t parts, err *e) {
    *s = (share){.p = p, .dir = dir, .parts = parts};
    size_t most = p->n_cells * parts;
    s->units = mem_new(most, sizeof *s->units, e);
    s->lane = mem_new(most, sizeof *s->lane, e);
    s->after = mem_new(most, sizeof *s->after, e);
    s->missing = mem_new(most, sizeof *s->missing, e);
    s->group = mem_new(p->n_cells, sizeof *s->group, e);
    if (s->units == NULL || s->lane == NULL || s->after == NULL || s->missing == NULL || s->group == NULL) {
        share_close(s);
        return -1;
    }
    for (size_t i = 0; i < p->n_cells; i++)
        for (size_t k = 0; plan_cell_is_baseline(&p->cells[i]) && k < parts; k++) add_lane(s, i, k);
    size_t bytes = 2 * most + p->n_cells + 1;
    void  *both = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED) {
        share_close(s);
        return err_errno(e, dir, "cannot map memory shared with workers");
    }
    s->state = both;
    s->begun = s->state + most;
    s->finished = s->begun + most;
    s->shared_bytes = bytes;
    return 0;
}

void share_close(share *s) {
    if (s->state != NULL) munmap(s->state, s->shared_bytes);
    free(s->units);
    free(s->lane);
    free(s->after);
    free(s->missing);
    free(s->group);
    *s = (share){0};
}

/* Whether unit i is one of the group whose baseline is this cell. */
static bool in_group(const share *s, size_t i, size_t baseline) {
    return i < s->n && s->p->cells[s->units[i].cell].baseline == baseline;
}

int share_count(share *s, size_t cell, err *e) {
    cell_trials t;
    size_t      baseline = s->p->cells[cell].baseline;
    int         ret = cell_trials_init(&t, s->p, cell, e);
    if (ret == 0) ret = cell_trials_load(&t, s->p, s->dir, cell, 0, NULL, NULL, e);
    for (size_t i = s->group[baseline]; ret == 0 && in_group(s, i, baseline); i++) {
        const cell_unit *u = &s->units[i];
        if (u->cell != cell) continue;
        s->missing[i] = 0;
        for (size_t k = 0; k < t.n; k++) s->missing[i] += !t.there[k] && k / t.repeats % u->parts == u->part;
    }
    cell_trials_free(&t);
    return ret;
}

bool share_unit_done(share *s, size_t unit) {
    return atomic_exchange(&s->state[unit], UNIT_DONE) != UNIT_DONE;
}

bool share_cell_finished(share *s, size_t cell) {
    return atomic_exchange(&s->finished[cell], 1) == 0;
}

char *share_unit_name(const share *s, size_t unit, err *e) {
    const cell_unit *u = &s->units[unit];
    return mem_printf(e, "%s.%zu-of-%zu", s->p->cells[u->cell].id, u->part + 1, u->parts);
}

/* ---- one worker ------------------------------------------------------------------------------------------- */

int share_worker_open(share_worker *w, share *s, unsigned lease, err *e) {
    *w = (share_worker){.s = s};
    w->seen = mem_new(s->n, sizeof *w->seen, e);
    w->ready = mem_new(s->n, sizeof *w->ready, e);
    if (w->seen != NULL && w->ready != NULL && (w->c = claims_open(s->dir, lease, e)) != NULL) return 0;
    share_worker_close(w);
    return -1;
}

void share_worker_close(share_worker *w) {
    claims_close(w->c);
    free(w->seen);
    free(w->ready);
    *w = (share_worker){0};
}

void share_worker_give(share_worker *w) {
    claims_release(w->c);
}

static int fail(const share_worker *w, size_t i) {
    atomic_store(&w->s->state[i], UNIT_FAILED);
    return -1;
}

/* Whether the unit's cell is finished; notes it. */
static int is_finished(share_worker *w, size_t i, err *e) {
    int there = cell_exists(w->s->dir, &w->s->p->cells[w->s->units[i].cell], e);
    if (there < 0) return fail(w, i);
    if (there > 0 && share_unit_done(w->s, i) && w->finished != NULL) w->finished(w->ctx, i);
    return there;
}

/* Whether all trials of a unit are there, though its cell is not finished; *whole: all of its cell are. */
static int is_full(const share_worker *w, const cell_unit *u, bool *whole, err *e) {
    size_t          kept, all;
    const cell_unit cell = {u->cell, 0, 1};
    if (cell_count_kept(w->s->p, w->s->dir, u, &kept, &all, e) != 0) return -1;
    *whole = all == unit_trials(w->s->p, &cell);
    return kept == unit_trials(w->s->p, u);
}

/* Whether the trials of a lane's baseline are there. What has failed in this process is taken as there: cells run as
 * far as it goes, and say what is missing. */
static int is_ready(share_worker *w, size_t first, err *e) {
    const cell_unit *u = &w->s->units[first];
    unsigned char    state = atomic_load(&w->s->state[first]);
    if (w->ready[first] || state == UNIT_DONE || state == UNIT_FAILED) return 1;
    int  there = is_finished(w, first, e);
    bool whole;
    if (there == 0 && u->parts > 1 && (there = is_full(w, u, &whole, e)) < 0) return fail(w, first);
    w->ready[first] = there > 0;
    return there;
}

/* The same for what a unit is compared with: of one in a single part, all parts. */
static int has_baseline(share_worker *w, size_t i, size_t *failed, err *e) {
    const share *s = w->s;
    size_t       baseline = s->p->cells[s->units[i].cell].baseline, at = *failed = s->lane[i];
    int          there = is_ready(w, at, e);
    if (s->units[i].parts == s->parts) return there;
    while (there > 0 && in_group(s, at = s->after[at], baseline)) there = is_ready(w, *failed = at, e);
    return there;
}

/* Takes a unit if it is open and nobody has claimed it. */
static int try_unit(share_worker *w, size_t i, claim_watch *seen, err *e) {
    char *name = share_unit_name(w->s, i, e);
    if (name == NULL) return fail(w, i);
    claim_state state = claims_take(w->c, name, seen, e);
    free(name);
    if (state == CLAIM_FAILED) {
        w->unsaved = true;
        return fail(w, i);
    }
    if (state != CLAIM_MINE) return 0;
    int there = is_finished(w, i, e); /* between the look at it and the claim */
    if (there == 0) return 1;
    share_worker_give(w);
    return there < 0 ? -1 : 0;
}

static bool is_open(const share_worker *w, size_t i) {
    return atomic_load(&w->s->state[i]) == UNIT_OPEN;
}

/* Whether another process has claimed it, as far as can be seen without a claim of one's own. */
static int is_claimed(const share_worker *w, size_t i, err *e) {
    char  who[8];
    char *name = share_unit_name(w->s, i, e);
    int   held = name != NULL ? claims_held(w->c, name, who, sizeof who) : -1;
    free(name);
    return held;
}

/* S7. What is to become of an open unit of several parts before it is claimed: UNIT_OPEN if it is to be. */
static int look_at_part(const share_worker *w, size_t i, unsigned char *state, err *e) {
    bool whole;
    int  held = is_claimed(w, i, e), full = held == 0 ? is_full(w, &w->s->units[i], &whole, e) : 0;
    *state = held > 0 ? UNIT_CLAIMED : full > 0 && !whole ? UNIT_LEFT : UNIT_OPEN;
    return held < 0 || full < 0 ? -1 : 0;
}

static int open_unit(share_worker *w, size_t i, err *e) {
    if (!is_open(w, i)) return 0;
    int there = is_finished(w, i, e);
    if (there != 0) return there < 0 ? -1 : 0;
    unsigned char was = UNIT_OPEN, next = UNIT_OPEN;
    if (w->s->units[i].parts > 1 && look_at_part(w, i, &next, e) != 0) return fail(w, i);
    int got = next == UNIT_OPEN ? try_unit(w, i, NULL, e) : 0;
    if (got == 0) atomic_compare_exchange_strong(&w->s->state[i], &was, next == UNIT_OPEN ? UNIT_CLAIMED : next);
    return got;
}

/* A unit of the lane that begins with `first`: its baseline, or the next cell that can be run. */
static int from_lane(share_worker *w, size_t first, bool only_baseline, size_t *unit, err *e) {
    const share *s = w->s;
    for (size_t i = first; i < (only_baseline ? first + 1 : s->after[first]); i++) {
        *unit = i;
        if (!is_open(w, i)) continue;
        if (i > first) {
            size_t failed;
            int    there = has_baseline(w, i, &failed, e);
            if (there < 0) *unit = failed;
            if (there < 0) return -1;
            if (there == 0 && s->units[i].parts == s->parts) return 0; /* nor are the others of the lane */
            if (there == 0) continue;
        }
        int got = open_unit(w, i, e);
        if (got != 0) return got;
    }
    return 0;
}

/* S1, S2. */
static int pick(share_worker *w, size_t *unit, err *e) {
    const share *s = w->s;
    size_t       start = w->at;
    int          got = from_lane(w, start, false, unit, e);
    for (int help = 0; got == 0 && help < 2; help++) {
        size_t at = start;
        do {
            at = s->after[at] < s->n ? s->after[at] : 0;
            got = from_lane(w, at, help == 0, unit, e);
        } while (got == 0 && at != start);
        if (got > 0) w->at = at;
    }
    return got;
}

/* Whether cells wait for this unit. */
static bool is_waited_for(const share_worker *w, size_t i) {
    const share *s = w->s;
    size_t       baseline = s->units[i].cell;
    for (size_t k = s->group[baseline]; s->lane[i] == i && in_group(s, k, baseline); k++)
        if (is_open(w, k)) return true;
    return false;
}

/* S3 to S5. Looks again at what others have claimed. *wait: something is still unclear, or waited for. */
static int pick_claimed(share_worker *w, size_t *unit, size_t *wait, err *e) {
    share *s = w->s;
    *wait = SIZE_MAX;
    for (size_t i = 0; i < s->n; i++) {
        unsigned char state = atomic_load(&s->state[i]);
        *unit = i;
        if (state != UNIT_CLAIMED) continue;
        int there = is_finished(w, i, e);
        if (there < 0) return -1;
        if (there > 0) continue;
        char *name = share_unit_name(s, i, e);
        if (name == NULL) return fail(w, i);
        claim_state now = claims_take(w->c, name, &w->seen[i], e);
        free(name);
        if (now == CLAIM_MINE) return 1;
        if (now == CLAIM_FAILED) {
            w->unsaved = true;
            return fail(w, i);
        }
        if (now == CLAIM_UNCLEAR || is_waited_for(w, i))
            *wait = i;
        else
            atomic_compare_exchange_strong(&s->state[i], &state, UNIT_LEFT);
    }
    return 0;
}

/* Cells whose baseline another process has finished meanwhile can be run, too. */
static bool any_open(const share_worker *w) {
    for (size_t i = 0; i < w->s->n; i++)
        if (is_open(w, i)) return true;
    return false;
}

static void tell(share_worker *w, size_t unit) {
    char  who[512];
    char *name = share_unit_name(w->s, unit, NULL);
    if (!w->waited && w->waiting != NULL && name != NULL && claims_held(w->c, name, who, sizeof who)) {
        w->waiting(w->ctx, who);
        w->waited = true;
    }
    free(name);
}

static bool is_stopped(const share_worker *w) {
    return w->stop != NULL && *w->stop;
}

static void pause_for(const share_worker *w, unsigned ms) {
    for (; ms > 0 && !is_stopped(w); ms -= ms < POLL_SLICE ? ms : POLL_SLICE) usleep(POLL_SLICE * 1000);
}

int share_worker_next(share_worker *w, size_t *unit, err *e) {
    for (unsigned ms = POLL_FIRST; !is_stopped(w); ms = ms * 2 < POLL_MOST ? ms * 2 : POLL_MOST) {
        size_t wait = SIZE_MAX;
        int    got = pick(w, unit, e);
        if (got == 0) got = pick_claimed(w, unit, &wait, e);
        if (got > 0) atomic_store(&w->s->begun[*unit], 1);
        if (got != 0) return got;
        if (wait == SIZE_MAX && !any_open(w)) return 0;
        if (wait != SIZE_MAX) tell(w, wait);
        pause_for(w, ms);
    }
    return 0;
}
