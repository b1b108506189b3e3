#include "tests/peers/arctic.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>

#include "suffix_tree.h"

struct arctic {
    int                       max_depth, max_requests;
    SuffixTree                global;
    std::optional<SuffixTree> local;
    std::deque<int>           cached; /* the running request's sequence last */
    int                       next = 0;
    Draft                     best;
    std::string               fault;
};

arctic *arctic_open(int max_depth, int max_requests) {
    return new arctic{max_depth, max_requests, SuffixTree(max_depth), {}, {}, 0, {}, {}};
}

void arctic_close(arctic *a) {
    delete a;
}

void arctic_start(arctic *a, const int32_t *prompt, size_t n) {
    a->local.emplace(a->max_depth);
    a->local->extend(0, {prompt, n});
    if (a->max_requests == 0) return;
    a->cached.push_back(a->next++);
    while (a->cached.size() > static_cast<size_t>(a->max_requests) && a->cached.size() > 1) {
        a->global.remove(a->cached.front());
        a->cached.pop_front();
    }
}

void arctic_add(arctic *a, const int32_t *ids, size_t n) {
    a->local->extend(0, {ids, n});
    if (a->max_requests != 0) a->global.extend(a->cached.back(), {ids, n});
}

arctic_draft arctic_speculate(arctic *a, const int32_t *text, size_t n, const arctic_settings *s) {
    size_t                   most = std::min(n, static_cast<size_t>(a->max_depth));
    std::span<const int32_t> context(text + n - most, most);
    Draft local = a->local->speculate(context, s->max_tokens, s->factor, s->offset, s->min_prob, s->tree);
    Draft global = a->global.speculate(context, s->max_tokens, s->factor, s->offset, s->min_prob, s->tree);
    a->best = local.score >= global.score ? std::move(local) : std::move(global);
    return {a->best.token_ids.data(), a->best.parents.data(), a->best.token_ids.size(), a->best.score,
            a->best.match_len};
}

void arctic_stop(arctic *a) {
    a->local.reset();
}

const char *arctic_fault(arctic *a) {
    /* Their check wants sequences numbered from 0 without gaps. */
    if (!a->cached.empty() && a->cached.front() != 0) return nullptr;
    a->fault = a->global.check_integrity();
    return a->fault.empty() ? nullptr : a->fault.c_str();
}
