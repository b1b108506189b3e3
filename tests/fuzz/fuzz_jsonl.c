/* fuzz_jsonl.c - a dataset of any bytes, in every format, and its records as samples.
 *
 * The first byte chooses the format (or auto), the second the options. A dataset that was read keeps what dataset.h
 * promises of records.
 */
#include <string.h>

#include "datasets/distinct.h"
#include "datasets/sample.h"
#include "engine/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void count_skipped(void *ctx, const err *why) {
    fuzz_expect_error(why);
    ++*(size_t *)ctx;
}

static void check_passage(const passage *p) {
    if (p->text == NULL) {
        fuzz_touch(p->ids.ids, p->ids.n * sizeof *p->ids.ids);
        return;
    }
    FUZZ_EXPECT(p->text[p->n_text] == '\0');
    FUZZ_EXPECT(utf8_valid(p->text, p->n_text) == p->n_text);
}

static void check_records(const dataset *d) {
    for (size_t i = 0; i < d->n; i++) {
        const record *r = &d->records[i];
        FUZZ_EXPECT(r->id != NULL && r->scenario != NULL && r->line > 0);
        check_passage(&r->prompt);
        if (r->has_output) check_passage(&r->output);
        for (size_t k = 0; k < r->n_references; k++) check_passage(&r->references[k]);
        for (size_t k = 0; k < r->n_turns; k++) fuzz_touch(r->turns[k].text, r->turns[k].n_text + 1);
        if (i > 0 && d->n < 50)
            for (size_t k = 0; k < i; k++) FUZZ_EXPECT(strcmp(d->records[k].id, r->id) != 0);
    }
}

static void use_samples(const dataset *d, unsigned flags, size_t *skipped, const tokenizer *tok) {
    sample_options how = {.need_output = (flags & 1) != 0,
                          .context = (flags & 2) != 0 ? 16 : 0,
                          .skip_bad = (flags & 4) != 0,
                          .as_is = (flags & 8) != 0};
    char           hex[DIGEST_HEX];
    samples        s;
    err            e = {0};
    if (samples_prepare(d, tok, &how, count_skipped, skipped, &s, &e) != 0) {
        fuzz_expect_error(&e);
        return;
    }
    FUZZ_EXPECT(samples_digest(&s, &d->skipped, hex, &e) == 0);
    samples_free(&s);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    static tokenizer *tok;
    fuzz_input        in = {bytes, n};
    err               e = {0};
    if (tok == NULL) tok = tokenizer_bytes(&e);
    size_t          format = fuzz_below(&in, format_registry.n + 1), skipped = 0;
    unsigned        flags = fuzz_byte(&in);
    dataset_options o = {.format = format == 0 ? "auto" : registry_name(&format_registry, format - 1),
                         .limit = flags & 1 ? 3 : 0,
                         .append_docs = (flags & 2) != 0,
                         .doc_tokens = flags & 4 ? 5 : 0,
                         .tok = tok,
                         .skip_bad = (flags & 8) != 0,
                         .as_turn = (flags & 16) != 0,
                         .tools = (dataset_tools)((flags >> 5) % TOOLS_CHOICES),
                         .outputs = (flags & 128) != 0};
    dataset         d;
    if (dataset_read(fuzz_file(0, in.at, in.n), &o, count_skipped, &skipped, &d, &e) != 0) {
        fuzz_expect_error(&e);
        return 0;
    }
    FUZZ_EXPECT(d.bad == skipped);
    check_records(&d);
    use_samples(&d, flags >> 3, &skipped, tok);
    dataset_free(&d);
    return 0;
}
