/* distinct.c - records in the order of a hash; those with the same one are compared. */
#include "datasets/distinct.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static uint64_t add(uint64_t hash, const void *bytes, size_t n) {
    const uint64_t both[] = {hash, digest64(bytes, n)};
    return digest64(both, sizeof both);
}

static uint64_t add_passage(uint64_t hash, const passage *p) {
    if (p->text != NULL) return add(hash, p->text, p->n_text);
    return add(hash, p->ids.ids, p->ids.n * sizeof *p->ids.ids);
}

static uint64_t hash_of(const record *r) {
    uint64_t hash = add_passage(r->n_references, &r->prompt);
    for (size_t i = 0; i < r->n_references; i++) hash = add_passage(hash, &r->references[i]);
    return r->has_output ? add_passage(hash, &r->output) : hash;
}

static bool same_passage(const passage *a, const passage *b) {
    if ((a->text != NULL) != (b->text != NULL)) return false;
    if (a->text == NULL) return tokens_equal(&a->ids, &b->ids);
    return a->n_text == b->n_text && memcmp(a->text, b->text, a->n_text) == 0;
}

static bool same_record(const record *a, const record *b) {
    if (a->n_references != b->n_references || a->has_output != b->has_output) return false;
    for (size_t i = 0; i < a->n_references; i++)
        if (!same_passage(&a->references[i], &b->references[i])) return false;
    return same_passage(&a->prompt, &b->prompt) && (!a->has_output || same_passage(&a->output, &b->output));
}

typedef struct {
    uint64_t hash;
    size_t   at;
} hashed;

static int by_hash(const void *a, const void *b) {
    const hashed *x = a, *y = b;
    return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash) : (x->at > y->at) - (x->at < y->at);
}

int dataset_distinct(const dataset *d, size_t *first, err *e) {
    hashed *all = mem_new(d->n, sizeof *all, e);
    if (all == NULL) return -1;
    for (size_t i = 0; i < d->n; i++) all[i] = (hashed){hash_of(&d->records[i]), i};
    qsort(all, d->n, sizeof *all, by_hash);
    for (size_t i = 0, begin = 0; i < d->n; i++) {
        if (all[i].hash != all[begin].hash) begin = i;
        size_t k = begin;
        while (k < i && !same_record(&d->records[all[k].at], &d->records[all[i].at])) k++;
        first[all[i].at] = all[k].at;
    }
    free(all);
    return 0;
}
