#include "engine/policies/history.h"

int history_begin(history *h, size_t min_n, size_t max_n, history_place place, size_t lag, const policy_input *in,
                  err *e) {
    h->n_prompt = in->n_prompt;
    if (ngram_index_init(&h->index, min_n, max_n, in->n_prompt, e) != 0) return -1;
    h->index.latest = place == HISTORY_LATEST;
    h->index.lag = lag;
    if (ngram_index_sequence(&h->index, e) != 0) return -1;
    return ngram_index_append(&h->index, in->prompt, in->n_prompt, e);
}

int history_observe(history *h, const step_view *step, err *e) {
    return ngram_index_append(&h->index, step->emitted, step->n, e);
}

void history_free(history *h) {
    ngram_index_free(&h->index);
}

const int32_t *history_ids(const history *h, size_t *n) {
    return ngram_index_tokens(&h->index, 0, n);
}

size_t history_suffixes(const history *h, size_t ends[NGRAM_MAX]) {
    ngram_place    places[NGRAM_MAX];
    size_t         n;
    const int32_t *ids = history_ids(h, &n);
    size_t         found = ngram_index_suffixes(&h->index, ids, n, places);
    for (size_t i = 0; i < found; i++) ends[i] = places[i].position + h->index.min_n + i;
    return found;
}

size_t history_longest(const history *h, size_t *from) {
    size_t ends[NGRAM_MAX], n;
    history_ids(h, &n);
    for (size_t i = history_suffixes(h, ends); i-- > 0;) {
        if (ends[i] == n) continue; /* it occurs here only */
        *from = ends[i];
        return h->index.min_n + i;
    }
    return 0;
}

void history_copy(const history *h, size_t from, size_t count, size_t n, draft *d) {
    size_t         length;
    const int32_t *ids = history_ids(h, &length);
    draft_extend(d, ids + from, count < length - from ? count : length - from);
    d->match_length = (uint16_t)n;
    d->source = from < h->n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
    d->source_position = (int32_t)(from < h->n_prompt ? from : from - h->n_prompt);
}
