/* drafts_llama_cpp.cc - calls the drafters as llama.cpp's example speculative-simple does, and ngram-cache also as its
 * example lookup does. */
#include "tests/peers/drafts.h"

#include <algorithm>
#include <memory>

#include "log.h"
#include "ngram-cache.h"
#include "speculative.h"

const char drafter_origin[] = "llama.cpp";

struct drafter {
    llama_tokens text; /* all of it */
    virtual ~drafter() = default;
    virtual void   begin() = 0;
    virtual size_t draft(size_t limit, int32_t *ids) = 0;
    virtual void   emitted(const int32_t *ids, size_t n) = 0;
    virtual void   end() {
    }
    virtual void table(llama_tokens &) {
    }
};

namespace {

/* The last token is held apart. */
struct speculative : drafter {
    common_params_speculative params;
    common_speculative_ptr    spec;
    llama_tokens              before;

    void begin() override {
        before.assign(text.begin(), text.end() - 1);
        common_speculative_begin(spec.get(), 0, before);
    }

    size_t draft(size_t limit, int32_t *ids) override {
        llama_tokens                     result;
        common_speculative_draft_params &p = common_speculative_get_draft_params(spec.get(), 0);
        before.assign(text.begin(), text.end() - 1);
        p.drafting = true;
        p.n_max = (int32_t)limit;
        p.pos0 = (llama_pos)before.size();
        p.id_last = text.back();
        p.prompt = &before;
        p.result = &result;
        common_speculative_draft(spec.get());
        std::copy(result.begin(), result.end(), ids);
        return result.size();
    }

    void emitted(const int32_t *ids, size_t n) override {
        common_speculative_accept(spec.get(), 0, (uint16_t)(n - 1));
        text.insert(text.end(), ids, ids + n);
    }
};

struct lookup : drafter {
    size_t             k = 0;
    common_ngram_cache context, dynamic, fixed;

    void begin() override {
        context.clear();
        common_ngram_cache_update(context, LLAMA_NGRAM_MIN, LLAMA_NGRAM_MAX, text, (int)text.size(), false);
    }

    size_t draft(size_t limit, int32_t *ids) override {
        llama_tokens result{text.back()};
        common_ngram_cache_draft(text, result, (int)std::min(k, limit), LLAMA_NGRAM_MIN, LLAMA_NGRAM_MAX, context,
                                 dynamic, fixed);
        std::copy(result.begin() + 1, result.end(), ids);
        return result.size() - 1;
    }

    void emitted(const int32_t *ids, size_t n) override {
        for (size_t i = 0; i < n; i++) {
            text.push_back(ids[i]);
            common_ngram_cache_update(context, LLAMA_NGRAM_MIN, LLAMA_NGRAM_MAX, text, 1, false);
        }
    }

    void end() override {
        common_ngram_cache_merge(dynamic, context);
    }

    void table(llama_tokens &ids) override { /* as its example lookup-create */
        common_ngram_cache_update(fixed, LLAMA_NGRAM_STATIC, LLAMA_NGRAM_STATIC, ids, (int)ids.size(), false);
    }
};

} // namespace

drafter *drafter_open(const drafter_options *o) {
    common_log_set_verbosity_thold(-1); /* nothing is logged */
    if (o->lookup) {
        auto d = std::make_unique<lookup>();
        d->k = o->k;
        return d.release();
    }
    auto                                      d = std::make_unique<speculative>();
    const common_params_speculative_ngram_map map = {(uint16_t)o->n, (uint16_t)o->k, (uint16_t)o->min_hits};
    d->params.types = {common_speculative_type_from_name(o->type)};
    if (d->params.types[0] == COMMON_SPECULATIVE_TYPE_COUNT) return nullptr;
    d->params.ngram_simple = d->params.ngram_map_k = d->params.ngram_map_k4v = map;
    d->params.ngram_mod = {(int32_t)o->n, (int32_t)o->k, (int32_t)o->n_min};
    d->spec.reset(common_speculative_init(d->params, 1));
    return d.release();
}

void drafter_close(drafter *d) {
    delete d;
}

void drafter_table(drafter *d, const int32_t *ids, size_t n) {
    llama_tokens copy(ids, ids + n);
    d->table(copy);
}

void drafter_begin(drafter *d, const int32_t *prompt, size_t n) {
    d->text.assign(prompt, prompt + n);
    d->begin();
}

size_t drafter_draft(drafter *d, size_t limit, int32_t *ids) {
    return d->draft(limit, ids);
}

void drafter_emitted(drafter *d, const int32_t *ids, size_t n) {
    d->emitted(ids, n);
}

void drafter_end(drafter *d) {
    d->end();
}
