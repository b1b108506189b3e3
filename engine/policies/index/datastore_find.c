/* datastore_find.c - finds the places of n-grams, several lengths at a time.
 *
 * An n-gram is found token by token, as a range of ranks that narrows. Where a range has more than DATASTORE_SMALL
 * places, the table has the next one. Else the next one is among the few ranks from the range's first on:
 *
 *     rank      40      41      42      43      44
 *     places    7 3 9   7 3 9   7 5 2   7 5 4   8 1 1       after 7, at rank 40
 *     common    .       3       1       2       0           where 1 is in common, another second token begins:
 * `differs` ^ 5                         the range ends before the first that has less in common
 *
 * The range's first continuation (3, here) is in no `differs`. What is not found there, and could be before all that
 * were seen, is taken to be the first one; the text, read at the end, tells (S2).
 *
 * A look-up has four phases. Each ends by fetching what the next one reads, and the look-ups of several lengths go
 * through them together.
 */
#include <assert.h>

#include "engine/policies/index/datastore_impl.h"

enum { TOGETHER = 4, FETCHED = 3 }; /* look-ups; tokens whose slots are fetched before they are known to be read */

typedef struct {
    const int32_t *ids;
    size_t         n, known; /* tokens; of these, those that the range at `rank` begins with */
    size_t         rank;
    bool           big, absent;
} lookup;

static void fetch(const void *array, unsigned width, size_t i) {
    __builtin_prefetch((const char *)array + i * width);
}

/* ---- the phases ------------------------------------------------------------------------------------------- */

static void find_root(const datastore *s, lookup *x, const int32_t *ids, size_t n) {
    *x = (lookup){.ids = ids, .n = n, .known = 1, .absent = true};
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= s->vocab) return;
    datastore_root r = s->roots[ids[0] + 1];
    if (r.from == r.to) return;
    x->absent = false;
    x->rank = r.from;
    x->big = r.to - r.from > DATASTORE_SMALL;
    if (!x->big) return;
    uint64_t h = ids_hash_extend(s->seed, (int32_t)((uint32_t)ids[0] + 1));
    for (size_t i = 1; i < n && i < FETCHED; i++) {
        h = ids_hash_extend(h, (int32_t)((uint32_t)ids[i] + 1));
        __builtin_prefetch(&s->slots[store_home(h, s->n_slots)]);
    }
}

/* Ends at a free slot, and after all slots where there is none: the file was written over. */
static const struct datastore_slot *find_slot(const datastore *s, uint64_t h) {
    size_t   i = store_home(h, s->n_slots);
    uint32_t tag = store_tag(h);
    for (size_t left = s->n_slots; left > 0 && s->slots[i].at != 0; left--, i = i + 1 < s->n_slots ? i + 1 : 0)
        if ((s->slots[i].tag & ~(uint32_t)1) == tag) return &s->slots[i];
    return NULL;
}

static void find_in_table(const datastore *s, lookup *x) {
    if (x->absent) return;
    uint64_t h = ids_hash_extend(s->seed, (int32_t)((uint32_t)x->ids[0] + 1));
    while (x->big && x->known < x->n) {
        h = ids_hash_extend(h, (int32_t)((uint32_t)x->ids[x->known] + 1));
        const struct datastore_slot *slot = find_slot(s, h);
        if (slot == NULL) {
            x->absent = true;
            return;
        }
        x->rank = slot->at - 1;
        x->big = (slot->tag & 1) != 0;
        x->known++;
    }
    fetch(s->common, 1, x->rank);
    fetch(s->common, 1, x->rank + DATASTORE_SMALL);
    fetch(s->differs, s->width, x->rank);
    fetch(s->places, sizeof *s->places, x->rank);
}

static void find_among_few(const datastore *s, lookup *x) {
    for (; !x->absent && x->known < x->n; x->known++) {
        uint32_t token = (uint32_t)x->ids[x->known] + 1;
        for (size_t i = x->rank + 1; s->common[i] >= x->known; i++) {
            if (s->common[i] > x->known) continue;
            uint32_t here = store_token(s->differs, s->width, i);
            if (here < token) x->absent = true; /* unless it comes later: the first one has a lower token */
            if (here == token) {
                x->absent = false;
                x->rank = i;
            }
            if (here >= token) break;
        }
    }
    if (!x->absent) fetch(s->text, s->width, s->places[x->rank]);
}

/* Compares with the text, and goes on to the first place that a token follows. */
static void compare_text(const datastore *s, lookup *x) {
    if (x->absent) return;
    size_t at = s->places[x->rank];
    for (size_t i = 0; i < x->n; i++)
        if (store_token(s->text, s->width, at + i) != (uint32_t)x->ids[i] + 1) x->absent = true;
    if (x->absent || store_token(s->text, s->width, at + x->n) != 0) return;
    do x->rank++;
    while (s->common[x->rank] == x->n && store_token(s->differs, s->width, x->rank) == 0);
    x->absent = s->common[x->rank] != x->n;
}

/* ---- several lengths -------------------------------------------------------------------------------------- */

/* Looks up these numbers of last ids, in ascending order: the largest that occurs, or 0. */
static size_t find_largest(const datastore *s, const int32_t *end, const size_t *lengths, size_t count, size_t *rank) {
    lookup x[TOGETHER];
    for (size_t i = 0; i < count; i++) find_root(s, &x[i], end - lengths[i], lengths[i]);
    for (size_t i = 0; i < count; i++) find_in_table(s, &x[i]);
    for (size_t i = 0; i < count; i++) find_among_few(s, &x[i]);
    for (size_t i = count; i-- > 0;) {
        compare_text(s, &x[i]);
        if (x[i].absent) continue;
        *rank = x[i].rank;
        return x[i].n;
    }
    return 0;
}

/* What occurs does so with all its suffixes, so lengths are tried upwards until one is absent; but the largest first,
 * too, which is the one while a long text is copied. */
size_t datastore_longest(const datastore *s, const int32_t *ids, size_t n, size_t least, size_t most, size_t *rank) {
    assert(1 <= least && least <= most && most <= DATASTORE_SPAN);
    if (most > n) most = n;
    size_t best = 0;
    while (least <= most) {
        size_t lengths[TOGETHER], count = 0, last = 0;
        for (; count + 1 < TOGETHER && least + count < most; count++) lengths[count] = last = least + count;
        lengths[count++] = most;
        size_t found = find_largest(s, ids + n, lengths, count, rank);
        if (found > best) best = found;
        if (found == most || found != last || last == 0) break;
        least = last + 1;
        most--;
    }
    return best;
}

/* ---- places ------------------------------------------------------------------------------------------------ */

int32_t datastore_token(const datastore *s, size_t index) {
    return (int32_t)store_token(s->text, s->width, index) - 1;
}

size_t datastore_places(const datastore *s, size_t rank, size_t n) {
    size_t end = rank + 1;
    while (s->common[end] >= n) end++; /* 0s come after the last one */
    return end - rank;
}

/* The first of the ranks from..end - 1 whose next token is `token` or a higher one. */
static size_t first_followed(const datastore *s, size_t from, size_t end, size_t n, uint32_t token) {
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        if (store_token(s->text, s->width, s->places[middle] + n) < token)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

size_t datastore_followed(const datastore *s, size_t rank, size_t n, int32_t id, uint32_t *first) {
    size_t   end = rank + datastore_places(s, rank, n);
    uint32_t token = (uint32_t)id + 1;
    size_t   from = first_followed(s, rank, end, n, token), to = first_followed(s, from, end, n, token + 1);
    for (size_t i = from; i < to; i++)
        if (i == from || s->places[i] < *first) *first = s->places[i];
    return to - from;
}
