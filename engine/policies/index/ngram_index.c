#include "engine/policies/index/ngram_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum {
    SLOTS_EXPECTED_MAX = 1 << 16,
    TEXT_MAX = INT32_MAX,
    BLOCK = 16,   /* tokens whose n-grams are entered together */
    GROUP = 8,    /* lengths that are looked up together */
    VECTOR = 16,  /* tokens that a scan compares together */
    CATCH_UP = 4, /* tokens that are entered for each one appended, once a text is too long to be scanned */
    LONG = 4096   /* tokens of a text after which there is room for as many: a step then finds a large table ready */
};

/* The slot of the n-gram `key`, or the free one where it would go. */
static tag_slot *table_find(const tag_table *t, const int32_t *text, const int32_t *key, size_t n, uint32_t tag) {
    tag_slot *s = tag_table_first(t, tag);
    while (s->id != 0 && !(s->tag == tag && memcmp(text + s->id - 1, key, n * sizeof *key) == 0))
        s = tag_table_next(t, s);
    return s;
}

/* Fetches the text that will be compared if the first slot has the tag. */
static void fetch_text(const tag_table *t, const int32_t *text, uint32_t tag) {
    const tag_slot *s = tag_table_first(t, tag);
    if (s->tag == tag && s->id != 0) __builtin_prefetch(text + s->id - 1);
}

/* The same for a look-up of n tokens, with what tells the sequence and what may be copied. */
static void fetch_place(const ngram_index *x, const tag_table *t, uint32_t tag, size_t n) {
    enum { LINE = 64 / sizeof *x->text.ids };
    const tag_slot *s = tag_table_first(t, tag);
    if (s->tag != tag || s->id == 0) return;
    __builtin_prefetch(x->text.ids + s->id - 1);
    __builtin_prefetch(x->text.ids + s->id - 1 + n + LINE);
    if (x->n_sequences > 1) __builtin_prefetch(x->owner + s->id - 1);
}

/* Hashes the n-grams of up to `longest` tokens that end before `end`: tags[n - 1] is of n tokens. A hash is built from
 * the last token to the first: one walk backwards hashes all suffixes of a history. */
static void hash_suffixes(const int32_t *end, size_t longest, uint32_t *tags) {
    uint64_t h = ids_hash_empty;
    for (size_t n = 1; n <= longest; n++) {
        h = ids_hash_extend(h, end[-(ptrdiff_t)n]);
        tags[n - 1] = (uint32_t)h;
    }
}

/* ---- scanning (N4) ----------------------------------------------------------------------------------- */

size_t ngram_index_scanned = 2048;

/* What a scan looks for: text[i] is `id`, and text[i - back] is `other`. */
typedef struct {
    int32_t id, other;
    size_t  back;
} pattern;

static bool fits(const int32_t *at, const pattern *p) {
    return at[0] == p->id && *(at - p->back) == p->other;
}

/* Whether it is at one of VECTOR tokens: a loop without branches, which compilers make vectors of. */
static bool fits_one(const int32_t *at, const pattern *p) {
    const int32_t *before = at - p->back, id = p->id, other = p->other;
    int32_t        any = 0;
    for (size_t i = 0; i < VECTOR; i++) any |= (at[i] == id) & (before[i] == other);
    return any != 0;
}

/* The first place in text[from..end), or the last one; `end` without one. from >= back. */
static size_t find_first(const int32_t *text, size_t from, size_t end, const pattern *p) {
    while (from + VECTOR <= end && !fits_one(text + from, p)) from += VECTOR;
    while (from < end && !fits(text + from, p)) from++;
    return from;
}

static size_t find_last(const int32_t *text, size_t from, size_t end, const pattern *p) {
    size_t i = end;
    while (i >= from + VECTOR && !fits_one(text + i - VECTOR, p)) i -= VECTOR;
    while (i > from && !fits(text + i - 1, p)) i--;
    return i > from ? i - 1 : end;
}

static bool is_scanned(const ngram_index *x) {
    return x->entered + x->lag < x->text.n;
}

/* Whether n-grams that end at text[end] are never found. */
static bool is_apart(const ngram_index *x, size_t end) {
    return x->apart && x->owner[end + x->lag] != x->owner[end];
}

/* How many of the last `longest` tokens before history_end stand before text[end + 1], in one sequence. */
static size_t match_length(const ngram_index *x, size_t end, const int32_t *history_end, size_t longest) {
    size_t m = 0, room = end + 1 - x->starts[x->owner[end]];
    if (room < longest) longest = room;
    while (m < longest && x->text.ids[end - m] == history_end[-1 - (ptrdiff_t)m]) m++;
    return m;
}

/* ngram_index_suffixes, by a scan: of the places where more matches than before, the first one or the last one. */
static size_t scan_suffixes(const ngram_index *x, const int32_t *history, size_t n, ngram_place places[NGRAM_MAX]) {
    const int32_t *text = x->text.ids, *history_end = history + n;
    size_t         longest = n < x->max_n ? n : x->max_n, best = 0, from = 0, end = x->text.n - x->lag;
    while (best < longest) {
        pattern p = {history_end[-1], history_end[-1 - (ptrdiff_t)best], best};
        if (from < best) from = best;
        size_t at = from < end ? x->latest ? find_last(text, from, end, &p) : find_first(text, from, end, &p) : end;
        if (at >= end) break;
        size_t m = is_apart(x, at) ? 0 : match_length(x, at, history_end, longest), sequence = x->owner[at];
        for (size_t i = best < x->min_n ? x->min_n : best + 1; i <= m; i++)
            places[i - x->min_n] = (ngram_place){sequence, at + 1 - i - x->starts[sequence]};
        if (m > best) best = m;
        if (x->latest)
            end = at;
        else
            from = at + 1;
    }
    return best >= x->min_n ? best + 1 - x->min_n : 0;
}

/* ---- the index -------------------------------------------------------------------------------------- */

int ngram_index_init(ngram_index *x, size_t min_n, size_t max_n, size_t expected, err *e) {
    assert(1 <= min_n && min_n <= max_n && max_n <= NGRAM_MAX);
    *x = (ngram_index){.min_n = min_n, .max_n = max_n};
    /* Long texts repeat themselves: a table for their distinct n-grams is smaller than one for all n-grams, and
     * stays in the cache longer. */
    size_t slots = TAG_SLOTS_MIN;
    while (expected > ngram_index_scanned && slots < SLOTS_EXPECTED_MAX && slots / 2 < expected) slots *= 2;
    for (size_t n = min_n; n <= max_n; n++)
        if (tag_table_grow(&x->tables[n - min_n], slots, e) != 0) return -1;
    if (tokens_reserve(&x->text, expected, e) != 0) return -1;
    return mem_reserve(&x->owner, &x->cap_owner, expected, e);
}

void ngram_index_free(ngram_index *x) {
    for (size_t i = 0; i < NGRAM_MAX; i++) tag_table_free(&x->tables[i]);
    tokens_free(&x->text);
    free(x->owner);
    free(x->starts);
    *x = (ngram_index){0};
}

int ngram_index_sequence(ngram_index *x, err *e) {
    if (mem_reserve(&x->starts, &x->cap_starts, x->n_sequences + 1, e) != 0) return -1;
    x->starts[x->n_sequences++] = x->text.n;
    return 0;
}

static int reserve(ngram_index *x, size_t n, err *e) {
    for (size_t m = x->min_n; m <= x->max_n; m++)
        if (tag_table_expect(&x->tables[m - x->min_n], n, e) != 0) return -1;
    return 0;
}

/* Enters the n-grams of up to `longest` tokens that end at text[end], for which there is room. */
static void enter(ngram_index *x, size_t end, size_t longest, const uint32_t *tags) {
    const int32_t *text = x->text.ids;
    x->before = 0;
    for (size_t n = x->min_n; n <= longest; n++) {
        const int32_t *key = text + end + 1 - n;
        tag_table     *t = &x->tables[n - x->min_n];
        tag_slot      *slot = table_find(t, text, key, n, tags[n - 1]);
        bool           known = slot->id != 0;
        if (known && !x->latest && n == x->max_n) x->before = slot->id - 1 + n;
        if (known && !x->latest) continue; /* an earlier place stays */
        *slot = (tag_slot){tags[n - 1], (uint32_t)(key - text) + 1};
        t->used += !known;
    }
}

/* Enters those that end at the n tokens from text[from] on, n <= BLOCK: first all slots are fetched, then all texts. */
static int enter_block(ngram_index *x, size_t from, size_t n, err *e) {
    uint32_t tags[BLOCK][NGRAM_MAX];
    size_t   longest[BLOCK];
    if (reserve(x, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        size_t end = from + i, room = is_apart(x, end) ? 0 : end + 1 - x->starts[x->owner[end]];
        longest[i] = room < x->max_n ? room : x->max_n;
        hash_suffixes(x->text.ids + end + 1, longest[i], tags[i]);
        for (size_t m = x->min_n; m <= longest[i]; m++) tag_table_fetch(&x->tables[m - x->min_n], tags[i][m - 1]);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t m = x->min_n; m <= longest[i]; m++)
            fetch_text(&x->tables[m - x->min_n], x->text.ids, tags[i][m - 1]);
    for (size_t i = 0; i < n; i++) enter(x, from + i, longest[i], tags[i]);
    return 0;
}

/* N3: whether text[at], the next to be entered, was there before with the tokens in front of it. */
static bool is_copied(const ngram_index *x, size_t at) {
    size_t from = x->before;
    if (from == 0 || x->text.ids[from] != x->text.ids[at]) return false;
    if (x->n_sequences == 1) return true;
    const uint32_t *owner = x->owner;
    return owner[at] == owner[at - 1] && owner[from] == owner[from - 1] && !is_apart(x, from);
}

/* Enters what is found from now on: all, or where a text has become too long to be scanned, a part at a time. */
static int catch_up(ngram_index *x, size_t appended, err *e) {
    size_t end = x->entered + CATCH_UP * appended + BLOCK;
    if (x->text.n <= ngram_index_scanned) return 0;
    if (end > x->text.n - x->lag) end = x->text.n - x->lag;
    while (x->entered < end) {
        if (is_copied(x, x->entered)) {
            x->before++;
            x->entered++;
            continue;
        }
        size_t left = end - x->entered, some = left < BLOCK ? left : BLOCK;
        if (enter_block(x, x->entered, some, e) != 0) return -1;
        x->entered += some;
    }
    return 0;
}

int ngram_index_append(ngram_index *x, const int32_t *ids, size_t n, err *e) {
    assert(x->n_sequences > 0);
    if (n > TEXT_MAX - x->text.n || x->n_sequences > UINT32_MAX)
        return err_run(e, "an n-gram index holds at most %d tokens", TEXT_MAX);
    size_t from = x->text.n;
    if (mem_reserve(&x->owner, &x->cap_owner, from + n, e) != 0) return -1;
    if (tokens_append(&x->text, ids, n, e) != 0) return -1;
    for (size_t i = from; i < from + n; i++) x->owner[i] = (uint32_t)(x->n_sequences - 1);
    if (is_scanned(x) && catch_up(x, n, e) != 0) return -1;
    return n < LONG ? 0 : reserve(x, LONG, e);
}

size_t ngram_index_suffixes(const ngram_index *x, const int32_t *history, size_t n, ngram_place places[NGRAM_MAX]) {
    size_t   longest = n < x->max_n ? n : x->max_n, found = 0;
    uint32_t tags[NGRAM_MAX] = {0};
    if (is_scanned(x)) return scan_suffixes(x, history, n, places);
    hash_suffixes(history + n, longest, tags);
    for (size_t from = x->min_n; from <= longest; from += GROUP) {
        size_t end = longest + 1 - from < GROUP ? longest + 1 : from + GROUP;
        for (size_t m = from; m < end; m++) tag_table_fetch(&x->tables[m - x->min_n], tags[m - 1]);
        for (size_t m = from; m < end; m++) fetch_place(x, &x->tables[m - x->min_n], tags[m - 1], m);
        for (size_t m = from; m < end; m++) {
            const int32_t  *key = history + n - m;
            const tag_slot *slot = table_find(&x->tables[m - x->min_n], x->text.ids, key, m, tags[m - 1]);
            if (slot->id == 0) return found; /* N2 */
            size_t at = slot->id - 1, sequence = x->n_sequences > 1 ? x->owner[at] : 0;
            places[found++] = (ngram_place){sequence, at - x->starts[sequence]};
        }
    }
    return found;
}

void ngram_index_fetch(const ngram_index *x, const int32_t *text, size_t n, size_t from) {
    assert(1 <= x->min_n && x->min_n <= x->max_n);
    uint32_t tags[BLOCK][NGRAM_MAX];
    size_t   longest[BLOCK];
    if (is_scanned(x)) return;
    for (size_t some; from < n; from += some) {
        some = n - from < BLOCK ? n - from : BLOCK;
        for (size_t i = 0; i < some; i++) {
            longest[i] = from + i + 1 < x->max_n ? from + i + 1 : x->max_n;
            hash_suffixes(text + from + i + 1, longest[i], tags[i]);
            for (size_t m = x->min_n; m <= longest[i]; m++) tag_table_fetch(&x->tables[m - x->min_n], tags[i][m - 1]);
        }
        for (size_t i = 0; i < some; i++)
            for (size_t m = x->min_n; m <= longest[i]; m++) fetch_place(x, &x->tables[m - x->min_n], tags[i][m - 1], m);
    }
}

const int32_t *ngram_index_tokens(const ngram_index *x, size_t sequence, size_t *n) {
    size_t end = sequence + 1 < x->n_sequences ? x->starts[sequence + 1] : x->text.n;
    *n = end - x->starts[sequence];
    return x->text.ids != NULL ? x->text.ids + x->starts[sequence] : NULL;
}

const int32_t *ngram_index_rest(const ngram_index *x, size_t sequence, size_t *n) {
    *n = x->text.n - x->starts[sequence];
    return x->text.ids != NULL ? x->text.ids + x->starts[sequence] : NULL;
}
