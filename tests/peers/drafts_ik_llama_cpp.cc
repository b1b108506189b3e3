/* drafts_ik_llama_cpp.cc - ik_llama.cpp's drafter "suffix", called as its server calls it.
 *
 * The trie is its common/suffix-tree.cpp. What is around it is a struct in the middle of its common/speculative.cpp,
 * which cannot be linked without a whole llama.cpp: the Makefile cuts it out, with the one that it derives from.
 */
#include "tests/peers/drafts.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "common.h"
#include "log.h"

/* Of its headers, only what follows has children to be ordered. */
#include "tests/peers/tie_order_map.h"

#include "suffix-tree.h"

#include "ik_suffix_state.inc"

const char drafter_origin[] = "ik_llama.cpp";

struct drafter {
    drafter_options                 options;
    common_params_speculative       params;
    common_speculative_state_suffix state;
    llama_tokens                    text, output; /* the last request's output */
    size_t                          n_prompt = 0;

    explicit drafter(const drafter_options &o)
        : options(o), state(COMMON_SPECULATIVE_TYPE_SUFFIX, (int)o.max_depth, "", nullptr) {
        params.p_min = o.p_min;
        params.suffix_min_match_len = (int32_t)o.n;
    }
};

drafter *drafter_open(const drafter_options *o) {
    return std::string(o->type) == "suffix" ? new drafter(*o) : nullptr;
}

void drafter_close(drafter *d) {
    delete d;
}

void drafter_table(drafter *d, const int32_t *ids, size_t n) {
    (void)d, (void)ids, (void)n;
}

/* Without one text for all requests, each has a trie of its own, and the last output is the corpus. */
void drafter_begin(drafter *d, const int32_t *prompt, size_t n) {
    if (!d->options.one_text) {
        d->state.tree.clear();
        d->state.corpus_tree.clear();
        d->state.corpus_tree.extend(d->output.data(), (int)d->output.size());
        d->state.has_corpus = !d->output.empty();
    }
    d->text.assign(prompt, prompt + n);
    d->n_prompt = n;
    d->state.begin(d->text);
}

size_t drafter_draft(drafter *d, size_t limit, int32_t *ids) {
    llama_tokens before(d->text.begin(), d->text.end() - 1), result;
    d->params.n_max = (int32_t)std::min(d->options.k, limit);
    d->state.draft(d->params, before, d->text.back(), result);
    std::copy(result.begin(), result.end(), ids);
    return result.size();
}

void drafter_emitted(drafter *d, const int32_t *ids, size_t n) {
    d->state.accept((uint16_t)(n - 1));
    d->text.insert(d->text.end(), ids, ids + n);
}

void drafter_end(drafter *d) {
    d->output.assign(d->text.begin() + (std::ptrdiff_t)d->n_prompt, d->text.end());
}

/* ---- what a corpus from a file would need, which is not read here ------------------------------------ */

int common_log_verbosity_thold = -1;

struct common_log *common_log_main() {
    return nullptr;
}

void common_log_add(struct common_log *, enum ggml_log_level, const char *, ...) {
}

std::vector<llama_token> common_tokenize(const struct llama_model *, const std::string &, bool, bool) {
    abort();
}
