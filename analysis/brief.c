/* brief.c - which words of texts tell them apart.
 *
 * A text is words with blanks between them: a policy, its parameters, > and the next policy. Values hold no blanks: a
 * file is there by its digest. All parameters of all texts are sorted, so that those of one policy and name are
 * neighbours, and equal ones too.
 */
#include "analysis/brief.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

typedef struct {
    const char *at;
    size_t      n;
} span;

typedef struct {
    span policy, name, value;
    bool varies;
} word;

typedef struct {
    word  *at;
    size_t n, cap;
} words;

/* ---- reading ------------------------------------------------------------------------------------------ */

/* The next word; n = 0 at the end. */
static span next_span(const char **at) {
    *at += strspn(*at, " ");
    span s = {*at, strcspn(*at, " ")};
    *at += s.n;
    return s;
}

/* A parameter of `policy`, which a word without = sets. */
static bool read_parameter(span s, span *policy, word *out) {
    const char *equals = memchr(s.at, '=', s.n);
    if (equals == NULL) {
        if (*s.at != '>') *policy = s;
        return false;
    }
    size_t n_name = (size_t)(equals - s.at);
    *out = (word){.policy = *policy, .name = {s.at, n_name}, .value = {equals + 1, s.n - n_name - 1}};
    return true;
}

static int collect(words *all, const char *text, err *e) {
    span policy = {"", 0};
    for (span s; (s = next_span(&text)).n > 0;) {
        word w;
        if (!read_parameter(s, &policy, &w)) continue;
        if (mem_reserve(&all->at, &all->cap, all->n + 1, e) != 0) return -1;
        all->at[all->n++] = w;
    }
    return 0;
}

static bool is(span s, const char *text, size_t n) {
    return s.n == n && memcmp(s.at, text, n) == 0;
}

const char *brief_value(const char *text, const char *policy, size_t n_policy, const char *name, size_t n_name,
                        size_t *n) {
    span of = {"", 0};
    word w;
    for (span s; (s = next_span(&text)).n > 0;) {
        if (!read_parameter(s, &of, &w) || !is(w.policy, policy, n_policy) || !is(w.name, name, n_name)) continue;
        *n = w.value.n;
        return w.value.at;
    }
    return NULL;
}

/* ---- what varies -------------------------------------------------------------------------------------- */

static int compare_spans(span a, span b) {
    int order = memcmp(a.at, b.at, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_parameters(const void *a_, const void *b_) {
    const word *a = a_, *b = b_;
    int         order = compare_spans(a->policy, b->policy);
    return order != 0 ? order : compare_spans(a->name, b->name);
}

static int compare_words(const void *a_, const void *b_) {
    const word *a = a_, *b = b_;
    int         order = compare_parameters(a, b);
    return order != 0 ? order : compare_spans(a->value, b->value);
}

/* Leaves one word of each policy and name, which says whether its value varies. */
static void find_varying(words *all) {
    size_t kept = 0;
    if (all->n > 0) qsort(all->at, all->n, sizeof *all->at, compare_words);
    for (size_t i = 0; i < all->n; i++) {
        word *last = &all->at[kept > 0 ? kept - 1 : 0], *w = &all->at[i];
        if (kept == 0 || compare_parameters(last, w) != 0)
            all->at[kept++] = *w;
        else if (compare_spans(last->value, w->value) != 0)
            last->varies = true;
    }
    all->n = kept;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static char *brief_of(const words *all, const char *text, err *e) {
    char *out = mem_new(strlen(text) + 1, 1, e), *end = out;
    span  policy = {"", 0};
    for (span s; out != NULL && (s = next_span(&text)).n > 0;) {
        word w;
        if (read_parameter(s, &policy, &w)) {
            const word *known = all->n > 0 ? bsearch(&w, all->at, all->n, sizeof w, compare_parameters) : NULL;
            if (known == NULL || !known->varies) continue;
        }
        if (end != out) *end++ = ' ';
        memcpy(end, s.at, s.n);
        end += s.n;
    }
    return out;
}

static char *common_of(const words *all, const char *owner, err *e) {
    char *list = mem_strdup("", e);
    for (size_t i = 0; list != NULL && i < all->n; i++) {
        const word *w = &all->at[i];
        if (w->varies) continue;
        char *longer =
            mem_printf(e, "%s%s%s.%.*s.%.*s = %.*s", list, *list != '\0' ? ", " : "", owner, (int)w->policy.n,
                       w->policy.at, (int)w->name.n, w->name.at, (int)w->value.n, w->value.at);
        free(list);
        list = longer;
    }
    return list;
}

int brief_texts(char *const *texts, size_t n, const char *owner, char **brief, char **common, err *e) {
    words all = {0};
    int   ret = 0;
    *common = NULL;
    for (size_t i = 0; i < n; i++) brief[i] = NULL;
    for (size_t i = 0; ret == 0 && i < n; i++)
        if (texts[i] != NULL) ret = collect(&all, texts[i], e);
    find_varying(&all);
    for (size_t i = 0; ret == 0 && i < n; i++)
        if (texts[i] != NULL && (brief[i] = brief_of(&all, texts[i], e)) == NULL) ret = -1;
    if (ret == 0 && (*common = common_of(&all, owner, e)) == NULL) ret = -1;
    for (size_t i = 0; ret != 0 && i < n; i++) {
        free(brief[i]);
        brief[i] = NULL;
    }
    free(all.at);
    return ret;
}
