#include "analysis/records.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/id_pattern.h"
#include "engine/base/mem.h"
#include "engine/base/quote.h"

typedef struct {
    const sample_row *row;
    size_t            at; /* its index */
} placed_sample;

static int by_content(const void *a, const void *b) {
    const placed_sample *x = a, *y = b;
    int                  by = strcmp(x->row->dataset, y->row->dataset);
    if (by != 0) return by;
    if (x->row->content != y->row->content) return x->row->content < y->row->content ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

size_t *records_originals(const store_data *d, err *e) {
    size_t        *first = mem_new(d->n_samples, sizeof *first, e);
    placed_sample *sorted = mem_new(d->n_samples, sizeof *sorted, e);
    if (first == NULL || sorted == NULL) {
        free(first);
        free(sorted);
        return NULL;
    }
    for (size_t i = 0; i < d->n_samples; i++) sorted[i] = (placed_sample){&d->samples[i], i};
    qsort(sorted, d->n_samples, sizeof *sorted, by_content);
    for (size_t i = 0; i < d->n_samples; i++) {
        bool same = i > 0 && sorted[i].row->content == sorted[i - 1].row->content &&
                    strcmp(sorted[i].row->dataset, sorted[i - 1].row->dataset) == 0;
        first[sorted[i].at] = same ? first[sorted[i - 1].at] : sorted[i].at;
    }
    free(sorted);
    return first;
}

/* ---- groups -------------------------------------------------------------------------------------------- */

/* What names a sample's group: bytes of the sample. */
typedef struct {
    const char *dataset, *text;
    size_t      length, at; /* which sample's it is */
} group_name;

static int by_name(const void *a, const void *b) {
    const group_name *x = a, *y = b;
    int               by = strcmp(x->dataset, y->dataset);
    if (by != 0) return by;
    by = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    if (by != 0) return by;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static group_name name_of_text(const sample_row *s, size_t at, const char *text, size_t length) {
    return (group_name){s->dataset, text, length, at};
}

/* The names of the samples that have one, by what groups them. */
static size_t names_of_conversations(const store_data *d, group_name *out) {
    size_t n = 0;
    for (size_t i = 0; i < d->n_samples; i++) {
        const sample_row *s = &d->samples[i];
        if (*s->conversation != '\0') out[n++] = name_of_text(s, i, s->conversation, strlen(s->conversation));
    }
    return n;
}

static size_t names_of_documents(const store_data *d, group_name *out) {
    size_t n = 0;
    for (size_t i = 0; i < d->n_samples; i++) {
        const sample_row *s = &d->samples[i];
        if (s->documents != 0) out[n++] = name_of_text(s, i, (const char *)&s->documents, sizeof s->documents);
    }
    return n;
}

static int names_of_ids(const store_data *d, const id_pattern *pattern, group_name *out, size_t *n, err *e) {
    *n = 0;
    for (size_t i = 0; i < d->n_samples; i++) {
        const sample_row *s = &d->samples[i];
        size_t            from, to;
        int               found = id_pattern_find(pattern, s->id, &from, &to, e);
        if (found < 0) return -1;
        if (found > 0) out[(*n)++] = name_of_text(s, i, s->id + from, to - from);
    }
    return 0;
}

static bool same_group(const group_name *a, const group_name *b) {
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0 && strcmp(a->dataset, b->dataset) == 0;
}

/* The group that a sample is in by now; on the way the chains that lead there get shorter. */
static size_t first_of(size_t *first, size_t i) {
    while (first[i] != i) i = first[i] = first[first[i]];
    return i;
}

/* A group may join duplicates, and duplicates may join groups. */
static void join_groups(const group_name *names, size_t n, size_t *first, size_t samples) {
    for (size_t i = 1; i < n; i++) {
        if (!same_group(&names[i - 1], &names[i])) continue;
        size_t a = first_of(first, names[i - 1].at), b = first_of(first, names[i].at);
        first[a > b ? a : b] = a > b ? b : a;
    }
    for (size_t i = 0; i < samples; i++) first[i] = first_of(first, i);
}

/* How many samples `by` applies to, and their names. */
static int find_names(const store_data *d, const char *by, group_name *out, size_t *n, err *e) {
    if (strcmp(by, "conversation") == 0) {
        *n = names_of_conversations(d, out);
        return *n > 0 || d->n_samples == 0 ? 0 : err_input(e, "no record here is a turn of a conversation");
    }
    if (strcmp(by, "documents") == 0) {
        *n = names_of_documents(d, out);
        return *n > 0 || d->n_samples == 0 ? 0 : err_input(e, "no record here has references");
    }
    id_pattern *pattern = id_pattern_open(by, e);
    int         ret = pattern != NULL ? names_of_ids(d, pattern, out, n, e) : -1;
    id_pattern_close(pattern);
    if (ret != 0) return -1;
    if (*n > 0 || d->n_samples == 0) return 0;
    const char *first = d->samples[0].id;
    char        pattern_shown[220], id_shown[220];
    return err_input(e, "the pattern %s matches no record's id (the first is %s; or \"conversation\" or \"documents\")",
                     quote(pattern_shown, sizeof pattern_shown, by, strlen(by)),
                     quote(id_shown, sizeof id_shown, first, strlen(first)));
}

size_t *records_groups(const store_data *d, const char *by, err *e) {
    size_t *first = records_originals(d, e), n = 0;
    if (first == NULL || by == NULL) return first;
    group_name *names = mem_new(d->n_samples, sizeof *names, e);
    int         ret = names != NULL ? find_names(d, by, names, &n, e) : -1;
    if (ret == 0) {
        if (n > 0) qsort(names, n, sizeof *names, by_name);
        join_groups(names, n, first, d->n_samples);
    } else {
        free(first);
        first = NULL;
    }
    free(names);
    return first;
}

/* ---- counts -------------------------------------------------------------------------------------------- */

typedef struct {
    const size_t *first; /* [d->n_samples] the first record with the same content */
    size_t       *seen;  /* [d->n_samples] 1 + the last cell that a record was in */
    record_count *of;    /* [d->n_cells] */
    size_t        cell, sample;
    bool          any;
} counting;

static int count_trial(const store_trial *at, void *ctx, err *e) {
    counting        *x = ctx;
    const trial_row *t = at->trial;
    bool             same = x->any && t->cell == x->cell && t->sample == x->sample;
    (void)e;
    x->of[t->cell].records += !same;
    x->of[t->cell].distinct += x->seen[x->first[t->sample]] != 1 + (size_t)t->cell;
    x->seen[x->first[t->sample]] = 1 + (size_t)t->cell;
    x->cell = t->cell;
    x->sample = t->sample;
    x->any = true;
    return 0;
}

record_count *records_count(const store_data *d, err *e) {
    size_t       *first = records_originals(d, e);
    size_t       *seen = mem_new(d->n_samples, sizeof *seen, e);
    record_count *out = mem_new(d->n_cells, sizeof *out, e);
    counting      x = {.first = first, .seen = seen, .of = out};
    if (first == NULL || seen == NULL || out == NULL || store_visit(d, 0, count_trial, &x, e) != 0) {
        free(out);
        out = NULL;
    }
    free(first);
    free(seen);
    return out;
}
