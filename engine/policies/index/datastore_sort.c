/* datastore_sort.c - sorts the places of a datastore, and says what neighbours have in common.
 *
 * Places go into a bucket for each first token. A bucket is sorted by the next 8 bytes of text, several tokens at once
 * as one number, by quicksort with three ways (Bentley and Sedgewick 1997, with cached keys as Ng and Kakehi 2007);
 * places with equal numbers are sorted by the 8 bytes after these, until they differ, a border ends them, or
 * DATASTORE_DEPTH tokens are equal. So each round reads a place's text once, and the reads are known in advance.
 *
 * This limit is why no library for suffix arrays is used: those sort bytes by whole suffixes. libdivsufsort, on tokens
 * of two bytes of whose suffixes every other one is dropped, takes as long on one thread as this and
 * compare_places, 3.5 s for 10^7 tokens; it takes 20 bytes of memory per token where this takes 4, and 16 for the
 * largest bucket; it would take twice both on tokens of four bytes; and it does not share the work among threads.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/parallel.h"
#include "engine/policies/index/datastore_impl.h"

enum { AHEAD = 16, FEW = 12 }; /* places whose text is fetched in advance; those that are sorted by insertion */

/* A place while its bucket is sorted. */
typedef struct {
    uint64_t key;
    uint32_t at;
} item;

typedef struct {
    store_arrays *a;
    item        **scratch; /* [threads] */
    size_t        room;    /* in each */
} sorting;

static const char *text_byte(const store_arrays *a, size_t i) {
    return (const char *)a->text + i * a->width;
}

/* The next 8 bytes, the first token in the lowest bits. */
static uint64_t load(const store_arrays *a, size_t i) {
    uint64_t x;
    memcpy(&x, text_byte(a, i), sizeof x);
    return x;
}

/* The highest bit of the first token that is a border; bits above it may be set. 0: no border. */
static uint64_t find_border(const store_arrays *a, uint64_t x) {
    uint64_t ones = a->width == 2 ? 0x0001000100010001u : 0x0000000100000001u;
    return (x - ones) & ~x & ones << (8 * a->width - 1);
}

/* Tokens in common from two places on, up to a border; n are known to be. */
static size_t count_common(const store_arrays *a, size_t x, size_t y, size_t n) {
    for (; n < DATASTORE_DEPTH; n += 8 / a->width) {
        uint64_t one = load(a, x + n), ends = (one ^ load(a, y + n)) | find_border(a, one);
        if (ends == 0) continue;
        n += (size_t)__builtin_ctzll(ends) / (8 * a->width);
        return n < DATASTORE_DEPTH ? n : DATASTORE_DEPTH;
    }
    return DATASTORE_DEPTH;
}

/* ---- sorting a bucket ------------------------------------------------------------------------------------- */

/* The tokens from i on as a number that sorts as they do; nothing after a border counts. */
static uint64_t load_key(const store_arrays *a, size_t i) {
    uint64_t x = load(a, i), border = find_border(a, x);
    if (border != 0) x &= (border & -border) - 1;
    x = x << 32 | x >> 32;
    if (a->width == 4) return x;
    return (x & 0x0000ffff0000ffffu) << 16 | (x >> 16 & 0x0000ffff0000ffffu);
}

static void load_keys(const store_arrays *a, item *x, size_t n, size_t depth) {
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n) __builtin_prefetch(text_byte(a, x[i + AHEAD].at + depth));
        x[i].key = load_key(a, x[i].at + depth);
    }
}

static void sort_equal(const store_arrays *a, item *x, size_t n, size_t depth, uint64_t random);

static void swap(item *x, item *y) {
    item z = *x;
    *x = *y;
    *y = z;
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c) {
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

static void sort_few(const store_arrays *a, item *x, size_t n, size_t depth, uint64_t random) {
    for (size_t i = 1; i < n; i++) {
        item   y = x[i];
        size_t k = i;
        for (; k > 0 && x[k - 1].key > y.key; k--) x[k] = x[k - 1];
        x[k] = y;
    }
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && x[k].key == x[i].key; k++) continue;
        if (k - i > 1) sort_equal(a, x + i, k - i, depth, random);
    }
}

/* Sorts items whose first `depth` tokens are equal and whose keys are the next ones. Pivots are drawn at random, always
 * the same way, so that no text is a bad one. */
static void sort_keys(const store_arrays *a, item *x, size_t n, size_t depth, uint64_t random) {
    while (n > FEW) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t   r = (size_t)(random >> 33);
        uint64_t pivot = median(x[r % n].key, x[(r >> 7) % n].key, x[(r >> 14) % n].key);
        size_t   less = 0, i = 0, more = n;
        while (i < more) {
            if (x[i].key < pivot)
                swap(&x[less++], &x[i++]);
            else if (x[i].key > pivot)
                swap(&x[i], &x[--more]);
            else
                i++;
        }
        sort_equal(a, x + less, more - less, depth, random);
        if (less < n - more) { /* the shorter part first: the stack stays low */
            sort_keys(a, x, less, depth, random);
            x += more;
            n -= more;
        } else {
            sort_keys(a, x + more, n - more, depth, random);
            n = less;
        }
    }
    sort_few(a, x, n, depth, random);
}

/* Sorts a few items whose first n tokens are equal by the whole of what is read. */
static void sort_whole(const store_arrays *a, item *x, size_t count, size_t n) {
    for (size_t i = 1; i < count; i++) {
        item   y = x[i];
        size_t k = i;
        for (; k > 0; k--) {
            size_t   same = count_common(a, x[k - 1].at, y.at, n);
            uint32_t before = store_token(a->text, a->width, x[k - 1].at + same);
            uint32_t after = store_token(a->text, a->width, y.at + same);
            bool     equal = same == DATASTORE_DEPTH || before == after;
            if (equal ? x[k - 1].at < y.at : before < after) break;
            x[k] = x[k - 1];
        }
        x[k] = y;
    }
}

/* Sorts items with equal keys. A key ends in 0 when a border ended it; positions then decide, as beyond the depth. */
static void sort_equal(const store_arrays *a, item *x, size_t n, size_t depth, uint64_t random) {
    if (n <= 1) return;
    bool ended = (x->key & (a->width == 2 ? UINT16_MAX : UINT32_MAX)) == 0;
    depth += 8 / a->width;
    if (n <= FEW) {
        sort_whole(a, x, n, ended ? 0 : depth);
        return;
    }
    if (ended || depth >= DATASTORE_DEPTH) {
        for (size_t i = 0; i < n; i++) x[i].key = x[i].at;
        depth = SIZE_MAX / 2; /* no two are equal: it is not read */
    } else {
        load_keys(a, x, n, depth);
    }
    sort_keys(a, x, n, depth, random);
}

/* ---- all buckets ------------------------------------------------------------------------------------------ */

static void sort_buckets(void *ctx, size_t begin, size_t end, int thread) {
    const sorting      *s = ctx;
    const store_arrays *a = s->a;
    item               *x = s->scratch[thread];
    for (size_t token = begin; token < end; token++) {
        size_t from = a->roots[token].from, n = a->roots[token].to - from;
        for (size_t i = 0; i < n; i++) x[i].at = a->places[from + i];
        load_keys(a, x, n, 1);
        sort_keys(a, x, n, 1, 1);
        for (size_t i = 0; i < n; i++) a->places[from + i] = x[i].at;
    }
}

/* Puts the places into their buckets, in the order of the text; returns the size of the largest one. */
static size_t fill_buckets(store_arrays *a) {
    size_t largest = 0, from = 0;
    for (size_t i = 0; i < a->length; i++) a->roots[store_token(a->text, a->width, i)].to++;
    a->roots[0].to = 0;
    for (size_t token = 1; token <= a->vocab; token++) {
        size_t n = a->roots[token].to;
        if (n > largest) largest = n;
        a->roots[token] = (datastore_root){(uint32_t)from, (uint32_t)from};
        from += n;
    }
    for (size_t i = 0; i < a->length; i++) {
        uint32_t token = store_token(a->text, a->width, i);
        if (token != 0) a->places[a->roots[token].to++] = (uint32_t)i;
    }
    return largest;
}

/* What each place has in common with the one before it. */
static void compare_places(void *ctx, size_t begin, size_t end, int thread) {
    (void)thread;
    store_arrays *a = ((sorting *)ctx)->a;
    for (size_t i = begin; i < end; i++) {
        if (i + AHEAD < a->n) __builtin_prefetch(text_byte(a, a->places[i + AHEAD]));
        size_t   n = count_common(a, a->places[i], i > 0 ? a->places[i - 1] : a->length, 0);
        uint32_t token = store_token(a->text, a->width, a->places[i] + n);
        a->common[i] = (uint8_t)n;
        if (a->width == 2)
            ((uint16_t *)a->differs)[i] = (uint16_t)token;
        else
            ((uint32_t *)a->differs)[i] = token;
    }
}

int datastore_sort(store_arrays *a, int threads, err *e) {
    sorting s = {.a = a, .room = fill_buckets(a)};
    int     ret = 0;
    s.scratch = mem_new((size_t)threads, sizeof(item *), e);
    if (s.scratch == NULL) return -1;
    for (int i = 0; ret == 0 && i < threads; i++)
        if ((s.scratch[i] = mem_new(s.room, sizeof **s.scratch, e)) == NULL) ret = -1;
    if (ret == 0) {
        parallel_run_once(threads, a->vocab + 1, 1, sort_buckets, &s);
        parallel_run_once(threads, a->n, 1 << 16, compare_places, &s);
    }
    for (int i = 0; i < threads; i++) free(s.scratch[i]);
    free(s.scratch);
    return ret;
}
