#include "engine/policies/index/match_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

/* Links are 1 + an index, 0 = none. */
struct pool_match {
    uint32_t at, size, length; /* text[at] begins the pattern; the match comes `size` tokens later */
    uint32_t next, last;       /* of the pattern's matches */
    uint32_t next_short, last_short;
};

struct pool_pattern {
    uint32_t at;
    uint16_t size;
    bool     whole; /* M2: the k tokens behind it are its match */
    uint32_t oldest, newest;
    uint32_t oldest_short, newest_short;
};

static const uint64_t base = 0x9e3779b97f4a7c15u; /* odd */

enum { BLOCK = 16 }; /* patterns whose slots are fetched together */

int match_pool_init(match_pool *m, size_t n, size_t k, bool all, bool oldest, bool compat, err *e) {
    assert(1 <= n && n <= POOL_PATTERN_MAX);
    *m = (match_pool){.n = n, .k = k, .all = all, .oldest = oldest, .compat = compat};
    if ((m->power = mem_new(n + k + 1, sizeof *m->power, e)) == NULL) return -1;
    if ((m->ends = mem_new(k, sizeof *m->ends, e)) == NULL) return -1;
    m->power[0] = 1;
    for (size_t i = 1; i <= n + k; i++) m->power[i] = m->power[i - 1] * base;
    if (mem_reserve(&m->beginning, &m->cap_beginning, 1, e) != 0) return -1;
    m->beginning[0] = 0;
    if (tag_table_grow(&m->find_pattern, TAG_SLOTS_MIN, e) != 0) return -1;
    return tag_table_grow(&m->find_match, TAG_SLOTS_MIN, e);
}

void match_pool_free(match_pool *m) {
    tokens_free(&m->text);
    free(m->ends);
    free(m->beginning);
    free(m->power);
    free(m->patterns);
    free(m->matches);
    tag_table_free(&m->find_pattern);
    tag_table_free(&m->find_match);
    *m = (match_pool){0};
}

/* M2. */
static bool first_lasts(const match_pool *m) {
    return !m->compat && (m->oldest || !m->all);
}

/* Makes room for the patterns and matches of so many more tokens: entering them then moves no table. */
static int expect(match_pool *m, size_t n, err *e) {
    size_t more = n * m->n;
    if (mem_reserve(&m->patterns, &m->cap_patterns, m->n_patterns + more, e) != 0) return -1;
    if (tag_table_expect(&m->find_pattern, more, e) != 0) return -1;
    if (first_lasts(m)) more = 0;
    if (mem_reserve(&m->matches, &m->cap_matches, m->n_matches + more, e) != 0) return -1;
    return tag_table_expect(&m->find_match, more, e);
}

int match_pool_append(match_pool *m, const int32_t *ids, size_t n, err *e) {
    size_t from = m->text.n;
    if (n > INT32_MAX - from) return err_run(e, "a pool of matches holds at most %d tokens", (int)INT32_MAX);
    if (mem_reserve(&m->beginning, &m->cap_beginning, from + n + 1, e) != 0) return -1;
    if (tokens_append(&m->text, ids, n, e) != 0) return -1;
    for (size_t i = from; i < from + n; i++)
        m->beginning[i + 1] = m->beginning[i] * base + (uint32_t)m->text.ids[i] + 1;
    return 0;
}

/* Of the n tokens at text[at], of which the first `size` are the pattern. */
static uint32_t span_tag(const match_pool *m, size_t at, size_t n, size_t size) {
    uint64_t h = m->beginning[at + n] - m->beginning[at] * m->power[n];
    h = (h ^ size << 48 ^ n << 32) * 0xd6e8feb86659fd93u; /* odd */
    return (uint32_t)(h >> 32);
}

static bool same(const match_pool *m, size_t a, size_t b, size_t n) {
    return memcmp(m->text.ids + a, m->text.ids + b, n * sizeof *m->text.ids) == 0;
}

/* The slot of a pattern, or the free one where it would go. */
static tag_slot *pattern_slot(const match_pool *m, size_t at, size_t size, uint32_t tag) {
    tag_slot *s = tag_table_first(&m->find_pattern, tag);
    for (; s->id != 0; s = tag_table_next(&m->find_pattern, s)) {
        const struct pool_pattern *p = &m->patterns[s->id - 1];
        if (s->tag == tag && p->size == size && same(m, p->at, at, size)) break;
    }
    return s;
}

static tag_slot *match_slot(const match_pool *m, size_t at, size_t size, size_t length, uint32_t tag) {
    tag_slot *s = tag_table_first(&m->find_match, tag);
    for (; s->id != 0; s = tag_table_next(&m->find_match, s)) {
        const struct pool_match *x = &m->matches[s->id - 1];
        if (s->tag == tag && x->size == size && x->length == length && same(m, x->at, at, size + length)) break;
    }
    return s;
}

static bool has(const match_pool *m, size_t at, size_t size, size_t length) {
    return match_slot(m, at, size, length, span_tag(m, at, size + length, size))->id != 0;
}

/* ---- a pattern's matches ----------------------------------------------------------------------------- */

static int refuse_more(const char *what, err *e) {
    return err_run(e, "a pool of matches holds at most %u %s", UINT32_MAX, what);
}

/* Adds a match as the newest one. */
static int add(match_pool *m, struct pool_pattern *p, size_t at, size_t length, err *e) {
    uint32_t id = m->unused;
    if (id == 0) {
        if (m->n_matches == UINT32_MAX) return refuse_more("matches", e);
        if (mem_reserve(&m->matches, &m->cap_matches, m->n_matches + 1, e) != 0) return -1;
        id = (uint32_t)++m->n_matches;
    } else {
        m->unused = m->matches[id - 1].next;
    }
    struct pool_match *x = &m->matches[id - 1];
    *x = (struct pool_match){.at = (uint32_t)at, .size = p->size, .length = (uint32_t)length, .last = p->newest};
    *(p->newest != 0 ? &m->matches[p->newest - 1].next : &p->oldest) = id;
    p->newest = id;
    if (length < m->k) {
        x->last_short = p->newest_short;
        *(p->newest_short != 0 ? &m->matches[p->newest_short - 1].next_short : &p->oldest_short) = id;
        p->newest_short = id;
    }
    uint32_t tag = span_tag(m, at, p->size + length, p->size);
    *match_slot(m, at, p->size, length, tag) = (tag_slot){tag, id};
    return tag_table_filled(&m->find_match, e);
}

static void take_out(match_pool *m, struct pool_pattern *p, uint32_t id) {
    struct pool_match *x = &m->matches[id - 1], *all = m->matches;
    uint32_t           tag = span_tag(m, x->at, x->size + x->length, x->size);
    tag_table_remove(&m->find_match, match_slot(m, x->at, x->size, x->length, tag));
    *(x->last != 0 ? &all[x->last - 1].next : &p->oldest) = x->next;
    *(x->next != 0 ? &all[x->next - 1].last : &p->newest) = x->last;
    if (x->length < m->k) {
        *(x->last_short != 0 ? &all[x->last_short - 1].next_short : &p->oldest_short) = x->next_short;
        *(x->next_short != 0 ? &all[x->next_short - 1].last_short : &p->newest_short) = x->last_short;
    }
    x->next = m->unused;
    m->unused = id;
}

/* Takes out the matches of fewer than `length` tokens. */
static void take_out_shorter(match_pool *m, struct pool_pattern *p, size_t length) {
    for (uint32_t id = p->oldest_short, after; id != 0; id = after) {
        const struct pool_match *x = &m->matches[id - 1];
        after = x->next_short;
        if (x->length >= length) continue;
        if (m->compat && after != 0 && after == x->next) after = m->matches[after - 1].next_short; /* passed over */
        take_out(m, p, id);
    }
}

/* Enters the `size` tokens at text[at] as a pattern, or finds it. */
static struct pool_pattern *enter_pattern(match_pool *m, size_t at, size_t size, uint32_t tag, err *e) {
    tag_slot *s = pattern_slot(m, at, size, tag);
    if (s->id != 0) return &m->patterns[s->id - 1];
    if (m->n_patterns == UINT32_MAX) {
        refuse_more("patterns", e);
        return NULL;
    }
    if (mem_reserve(&m->patterns, &m->cap_patterns, m->n_patterns + 1, e) != 0) return NULL;
    m->patterns[m->n_patterns] = (struct pool_pattern){.at = (uint32_t)at, .size = (uint16_t)size};
    *s = (tag_slot){tag, (uint32_t)++m->n_patterns};
    return tag_table_filled(&m->find_pattern, e) == 0 ? &m->patterns[m->n_patterns - 1] : NULL;
}

/* M1, for a match of `length` tokens. */
static int enter(match_pool *m, size_t at, size_t size, size_t length, err *e) {
    struct pool_pattern *p = enter_pattern(m, at, size, span_tag(m, at, size, size), e);
    if (p == NULL) return -1;
    if (p->whole) return 0;
    if (!m->all && (p->oldest == 0 || length > m->matches[p->oldest - 1].length)) {
        while (p->oldest != 0) take_out(m, p, p->oldest);
        return add(m, p, at, length, e);
    }
    if ((!m->all && !m->compat) || has(m, at, size, length)) return 0;
    take_out_shorter(m, p, length);
    return add(m, p, at, length, e);
}

/* ---- steps ------------------------------------------------------------------------------------------- */

/* Of the patterns of one size: the first that a text up to `end` does not give k tokens. */
static size_t first_short(const match_pool *m, size_t size, size_t end) {
    return end >= m->begin + size + m->k ? end - size - m->k + 1 : m->begin;
}

/* Before `pooled`, nothing is new: where k tokens follow, their match is in the pool. But `compat` may have lost it. */
static int enter_again(match_pool *m, err *e) {
    size_t end = m->text.n;
    for (size_t size = m->n; size >= 1; size--) {
        size_t back = first_short(m, m->compat && !m->all ? m->n : size, m->pooled);
        for (size_t at = back; at + size < end; at++) {
            size_t left = end - at - size;
            if (enter(m, at, size, left < m->k ? left : m->k, e) != 0) return -1;
        }
    }
    return 0;
}

/* M3: of the patterns that end before text[from], ..., text[end - 1], the first that may not be where the text before
 * it was copied from. */
static size_t follow_copy(match_pool *m, size_t size, size_t from, size_t end) {
    const int32_t *ids = m->text.ids;
    size_t         copied = m->copied[size - 1];
    for (; copied != 0 && from < end && ids[copied + size] == ids[from - 1] && ids[copied + size + m->k] >= 0; from++)
        copied++;
    m->copied[size - 1] = from < end ? 0 : copied;
    return from;
}

static int enter_one(match_pool *m, size_t at, size_t size, uint32_t tag, err *e) {
    struct pool_pattern *p = enter_pattern(m, at, size, tag, e);
    if (p == NULL) return -1;
    m->copied[size - 1] = p->whole ? p->at : 0;
    if (p->whole) return 0;
    while (p->oldest != 0) take_out(m, p, p->oldest);
    p->whole = true;
    p->at = (uint32_t)at;
    return 0;
}

/* Enters the patterns that end before text[from], ..., text[end - 1], at most BLOCK, and that k tokens follow: first
 * all slots are fetched, then all patterns. */
static int enter_block(match_pool *m, size_t from, size_t end, err *e) {
    uint32_t tags[POOL_PATTERN_MAX][BLOCK];
    size_t   first[POOL_PATTERN_MAX], most = end - 1 - m->begin < m->n ? end - 1 - m->begin : m->n;
    for (size_t size = 1; size <= most; size++) {
        size_t least = from > m->begin + size ? from : m->begin + size;
        first[size - 1] = follow_copy(m, size, least, end);
        for (size_t i = first[size - 1]; i < end; i++) {
            tags[size - 1][i - from] = span_tag(m, i - size, size, size);
            tag_table_fetch(&m->find_pattern, tags[size - 1][i - from]);
        }
    }
    for (size_t size = 1; size <= most; size++)
        for (size_t i = first[size - 1]; i < end; i++) {
            uint32_t        tag = tags[size - 1][i - from];
            const tag_slot *s = tag_table_first(&m->find_pattern, tag);
            if (s->id != 0 && s->tag == tag) __builtin_prefetch(&m->patterns[s->id - 1]);
        }
    for (size_t size = 1; size <= most; size++)
        for (size_t i = first[size - 1]; i < end; i++)
            if (enter_one(m, i - size, size, tags[size - 1][i - from], e) != 0) return -1;
    return 0;
}

/* M2: the patterns that k tokens follow now. Blocks are small at first: the first one often says where the text was
 * copied from. */
static int enter_whole(match_pool *m, err *e) {
    size_t from = (m->pooled > m->begin + m->k ? m->pooled - m->k : m->begin) + 1, end = m->text.n - m->k + 1, n = 1;
    if (m->text.n < m->begin + m->k) return 0;
    for (; from < end; from += n, n = 2 * n < BLOCK ? 2 * n : BLOCK) {
        if (n > end - from) n = end - from;
        if (enter_block(m, from, from + n, e) != 0) return -1;
    }
    return 0;
}

/* M2: enters the matches that a sample leaves short, as each of its steps would have. */
static int enter_short(match_pool *m, err *e) {
    for (size_t i = m->n_ends < m->k ? 0 : m->n_ends - m->k; i < m->n_ends; i++)
        for (size_t size = m->n, end = m->ends[i % m->k]; size >= 1; size--)
            for (size_t at = first_short(m, size, m->pooled); at + size < end; at++)
                if (enter(m, at, size, end - at - size, e) != 0) return -1;
    return 0;
}

int match_pool_begin(match_pool *m, size_t expected, err *e) {
    if (first_lasts(m) && enter_short(m, e) != 0) return -1;
    if (expect(m, expected, e) != 0 || match_pool_append(m, (const int32_t[]){-1}, 1, e) != 0) return -1;
    memset(m->copied, 0, sizeof m->copied);
    m->begin = m->pooled = m->text.n;
    m->n_samples++;
    m->n_ends = 0;
    return 0;
}

int match_pool_step(match_pool *m, err *e) {
    if (m->text.n == m->pooled) return 0;
    if ((first_lasts(m) ? enter_whole(m, e) : enter_again(m, e)) != 0) return -1;
    m->pooled = m->text.n;
    m->ends[m->n_ends++ % m->k] = m->pooled;
    return 0;
}

/* ---- questions --------------------------------------------------------------------------------------- */

/* The most tokens of a match at text[at] that some step entered and the pattern p, NULL for none, did not have; what is
 * not more than `least` does not count. */
static size_t longest_new(const match_pool *m, const struct pool_pattern *p, size_t at, size_t size, size_t least) {
    for (size_t i = m->n_ends; i > 0 && m->n_ends - i < m->k; i--) {
        size_t end = m->ends[(i - 1) % m->k];
        if (end <= at + size + least) break;
        if (p == NULL || !m->all || !has(m, at, size, end - at - size)) return end - at - size;
    }
    return least;
}

/* M2: as if the matches that are short had been entered. What is new takes out what is shorter, and comes last. */
static bool find_short(const match_pool *m, const struct pool_pattern *p, size_t size, pool_span *out) {
    size_t end = m->text.n, first = end, least = 0;
    for (size_t at = first_short(m, size, end); at + size < end; at++) {
        if (m->text.ids[at + size - 1] != m->text.ids[end - 1] || !same(m, at, end - size, size)) continue;
        if (first == end) first = at;
        least = longest_new(m, p, at, size, least);
    }
    for (uint32_t id = p != NULL ? p->oldest : 0; id != 0; id = m->matches[id - 1].next) {
        const struct pool_match *x = &m->matches[id - 1];
        if (x->length < least) continue;
        *out = (pool_span){x->at + x->size, x->length};
        return true;
    }
    if (first == end) return false;
    *out = (pool_span){first + size, end - first - size};
    return true;
}

/* The match of the text's last `size` tokens; false when they are no pattern. */
static bool find(const match_pool *m, size_t size, uint32_t tag, pool_span *out) {
    const tag_slot            *s = pattern_slot(m, m->text.n - size, size, tag);
    const struct pool_pattern *p = s->id != 0 ? &m->patterns[s->id - 1] : NULL;
    if (p != NULL && p->whole) {
        *out = (pool_span){p->at + size, m->k};
        return true;
    }
    if (first_lasts(m)) return find_short(m, p, size, out);
    if (p == NULL || p->oldest == 0) return false;
    const struct pool_match *x = &m->matches[(m->oldest ? p->oldest : p->newest) - 1];
    *out = (pool_span){x->at + x->size, x->length};
    return true;
}

/* A pattern's suffixes are patterns, too. */
size_t match_pool_longest(const match_pool *m, pool_span *out) {
    size_t   sample = m->text.n - m->begin, most = sample < m->n + 1 ? sample : m->n + 1, n = 0;
    uint32_t tags[POOL_PATTERN_MAX];
    for (size_t size = 1; size < most; size++) {
        tags[size - 1] = span_tag(m, m->text.n - size, size, size);
        tag_table_fetch(&m->find_pattern, tags[size - 1]);
    }
    while (n + 1 < most && find(m, n + 1, tags[n], out)) n++;
    return n;
}
