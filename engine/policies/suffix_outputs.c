#include "engine/policies/suffix_outputs.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

void suffix_outputs_free(suffix_outputs *o) {
    suffix_index_free(&o->index);
    tokens_free(&o->text);
    free(o->starts);
    *o = (suffix_outputs){0};
}

/* Takes the oldest output out of the index; its tokens go when half of all are such. */
static void drop_oldest(suffix_outputs *o) {
    size_t from = o->starts[o->gone], end = o->starts[++o->gone];
    suffix_index_remove(&o->index, o->text.ids + from, end - from);
    if (o->gone * 2 <= o->n) return;
    o->n -= o->gone;
    o->text.n -= end;
    if (o->text.n > 0) memmove(o->text.ids, o->text.ids + end, o->text.n * sizeof *o->text.ids);
    memmove(o->starts, o->starts + o->gone, o->n * sizeof *o->starts);
    for (size_t i = 0; i < o->n; i++) o->starts[i] -= end;
    o->gone = 0;
}

int suffix_outputs_begin(suffix_outputs *o, size_t depth, size_t most, err *e) {
    if (o->index.broken) suffix_outputs_free(o); /* memory ran out: it begins anew */
    if (o->index.n_states == 0 && suffix_index_init(&o->index, depth, 0, e) != 0) {
        suffix_outputs_free(o);
        return -1;
    }
    if (mem_reserve(&o->starts, &o->cap_starts, o->n + 1, e) != 0) return -1;
    suffix_index_sequence(&o->index);
    o->appended = o->index.appended;
    o->starts[o->n++] = o->text.n;
    while (o->n - o->gone > most && o->n - o->gone > 1) drop_oldest(o);
    return 0;
}

int suffix_outputs_append(suffix_outputs *o, const int32_t *ids, size_t n, err *e) {
    if (tokens_append(&o->text, ids, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++)
        if (suffix_index_append(&o->index, ids[i], e) != 0) return -1;
    return 0;
}
