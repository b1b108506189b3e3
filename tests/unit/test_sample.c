/* Samples under the byte tokenizer: where BOS and EOS go, what is refused, and the data set that comes with the
 * project. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datasets/sample.h"
#include "engine/base/mem.h"

enum { BOS = 256, EOS = 257, VOCAB = 258 };

static char       path[] = "/tmp/test-sample-XXXXXX";
static tokenizer *tok;

static void setup(void) {
    err e = {0};
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    tok = tokenizer_bytes(&e);
    cr_assert_not_null(tok, "%s", e.text);
    cr_assert_eq(tokenizer_bos(tok), BOS);
    cr_assert_eq(tokenizer_eos(tok), EOS);
    cr_assert_eq(tokenizer_vocab(tok), VOCAB);
}

static void teardown(void) {
    tokenizer_close(tok);
    unlink(path);
}

TestSuite(sample, .init = setup, .fini = teardown);

static dataset read_text(const char *text) {
    const dataset_options o = {.format = "native"};
    dataset               d;
    err                   e = {0};
    FILE                 *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(dataset_read(path, &o, NULL, NULL, &d, &e), 0, "%s", e.text);
    return d;
}

static samples prepare(const dataset *d, const sample_options *o) {
    samples s;
    err     e = {0};
    cr_assert_eq(samples_prepare(d, tok, o, NULL, NULL, &s, &e), 0, "%s", e.text);
    return s;
}

static void assert_refused(const char *text, const sample_options *o, const char *expected) {
    dataset d = read_text(text);
    samples s;
    err     e = {0};
    cr_assert_eq(samples_prepare(&d, tok, o, NULL, NULL, &s, &e), -1, "taken, but should be refused with %s", expected);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strncmp(e.text, path, strlen(path)) == 0, "%s", e.text);
    cr_assert_str_eq(e.text + strlen(path), expected);
    cr_assert_null(s.at);
    cr_assert_eq(s.n, 0);
    dataset_free(&d);
}

/* Ids written as text: "B" for BOS, "E" for EOS, other characters for their bytes. */
static void assert_ids(const int32_t *ids, size_t n, const char *expected) {
    cr_assert_eq(n, strlen(expected), "%zu ids for \"%s\"", n, expected);
    for (size_t i = 0; i < n; i++) {
        int32_t want = expected[i] == 'B' ? BOS : expected[i] == 'E' ? EOS : (unsigned char)expected[i];
        cr_assert_eq(ids[i], want, "id %zu of \"%s\" is %d", i, expected, ids[i]);
    }
}

Test(sample, bos_and_eos_of_texts) {
    dataset d = read_text("{\"id\":\"a\",\"prompt\":\"hi\",\"references\":[\"one\",\"\",\"</s>\"],\"output\":\"ok\"}\n"
                          "{\"id\":\"b\",\"prompt\":\"\",\"output\":\"\"}\n"
                          "{\"id\":\"c\",\"prompt\":\"x\\u0000y\"}\n");
    samples s = prepare(&d, &(sample_options){0});
    cr_assert_eq(s.n, 3);
    cr_assert_eq(s.bad, 0);
    const sample *a = &s.at[0], *b = &s.at[1], *c = &s.at[2];
    cr_assert_eq(a->rec, &d.records[0]);
    assert_ids(a->prompt.ids, a->prompt.n, tokenizer_adds_bos(tok) ? "Bhi" : "hi");
    cr_assert_eq(a->n_references, 3);
    assert_ids(a->references[0].ids, a->references[0].n, "one");
    cr_assert_eq(a->references[1].n, 0);
    assert_ids(a->references[2].ids, a->references[2].n, "</s>"); /* text stays text */
    cr_assert_eq(a->reference_tokens, 7);
    cr_assert(a->has_output);
    assert_ids(a->output.ids, a->output.n, "okE");

    assert_ids(b->prompt.ids, b->prompt.n, "B"); /* whether or not the tokenizer adds BOS to others */
    assert_ids(b->output.ids, b->output.n, "E");
    cr_assert_eq(b->n_references, 0);
    cr_assert_eq(b->reference_tokens, 0);

    cr_assert_eq(c->prompt.n, 3 + (size_t)tokenizer_adds_bos(tok));
    cr_assert_eq(c->prompt.ids[c->prompt.n - 2], 0);
    cr_assert_not(c->has_output);
    cr_assert_eq(c->output.n, 0);
    samples_free(&s);
    cr_assert_null(s.at);
    dataset_free(&d);
}

Test(sample, ids_are_taken_as_they_stand) {
    dataset d =
        read_text("{\"id\":\"a\",\"prompt_ids\":[104,105],\"references_ids\":[[257,256],[]],\"output_ids\":[111,107]}\n"
                  "{\"id\":\"b\",\"prompt_ids\":[],\"output_ids\":[111,107,257]}\n"
                  "{\"id\":\"c\",\"prompt_ids\":[257,256],\"output_ids\":[]}\n"
                  "{\"id\":\"d\",\"prompt_ids\":[0],\"output_ids\":[97,256,257]}\n");
    samples s = prepare(&d, &(sample_options){.need_output = true});
    assert_ids(s.at[0].prompt.ids, s.at[0].prompt.n, "hi");
    assert_ids(s.at[0].references[0].ids, s.at[0].references[0].n, "EB");
    cr_assert_eq(s.at[0].reference_tokens, 2);
    assert_ids(s.at[0].output.ids, s.at[0].output.n, "okE");
    cr_assert_eq(s.at[1].prompt.n, 0); /* no BOS is added to ids */
    assert_ids(s.at[1].output.ids, s.at[1].output.n, "okE");
    assert_ids(s.at[2].prompt.ids, s.at[2].prompt.n, "EB");
    assert_ids(s.at[2].output.ids, s.at[2].output.n, "E");
    assert_ids(s.at[3].output.ids, s.at[3].output.n, "aBE");
    samples_free(&s);
    dataset_free(&d);
}

Test(sample, refusals_name_file_line_and_what_is_allowed) {
    const struct {
        const char    *text;
        sample_options o;
        const char    *why;
    } cases[] = {
        {"\n{\"id\":\"a\",\"prompt_ids\":[257,258]}",
         {0},
         ":2: prompt_ids[1] is 258 (the tokenizer has the ids 0 to 257)"},
        {"{\"id\":\"a\",\"prompt\":\"\",\"references_ids\":[[],[1,2147483647]]}",
         {0},
         ":1: references_ids[1][1] is 2147483647 (the tokenizer has the ids 0 to 257)"},
        {"{\"id\":\"a\",\"prompt\":\"\",\"output_ids\":[300]}",
         {0},
         ":1: output_ids[0] is 300 (the tokenizer has the ids 0 to 257)"},
        {"{\"id\":\"a\",\"prompt\":\"\",\"output_ids\":[256,65]}",
         {0},
         ":1: output_ids[0] is 256, which begins a text (an output follows the prompt, without it)"},
        {"{\"id\":\"a\",\"prompt\":\"\",\"output_ids\":[65,257,66]}",
         {0},
         ":1: output_ids[1] is 257, which ends a text (only the last id may)"},
        {"{\"id\":\"a\",\"prompt\":\"\",\"output_ids\":[257,257]}",
         {0},
         ":1: output_ids[0] is 257, which ends a text (only the last id may)"},
        {"{\"id\":\"a\",\"prompt\":\"\",\"output\":\"o\"}\n{\"id\":\"b\",\"prompt\":\"\"}",
         {.need_output = true},
         ":2: no output (decoding is forced: each record needs \"output\" or \"output_ids\")"},
        {"{\"id\":\"a\",\"prompt_ids\":[]}",
         {.need_prompt = true},
         ":1: the prompt has no tokens (a transformer needs at least one)"},
        {"{\"id\":\"a\",\"prompt_ids\":[1,2,3]}",
         {.context = 3},
         ":1: the prompt has 3 tokens (at most 2 leave room for one more in a context of 3)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_refused(cases[i].text, &cases[i].o, cases[i].why);
}

Test(sample, the_prompt_and_one_more_token_fit) {
    dataset d = read_text("{\"id\":\"a\",\"prompt_ids\":[1,2,3]}\n{\"id\":\"b\",\"prompt\":\"\"}\n");
    samples s = prepare(&d, &(sample_options){.context = 4, .need_prompt = true});
    cr_assert_eq(s.n, 2);
    samples_free(&s);
    dataset_free(&d);
}

static void collect(void *ctx, const err *why) {
    strcat(ctx, why->text + strlen(path));
    strcat(ctx, "\n");
}

Test(sample, skip_bad_leaves_out_and_reports) {
    dataset d = read_text(
        "{\"id\":\"a\",\"prompt_ids\":[258]}\n{\"id\":\"b\",\"prompt\":\"b\",\"output\":\"B\"}\n"
        "{\"id\":\"c\",\"prompt\":\"c\",\"references\":[\"r\"]}\n{\"id\":\"d\",\"prompt\":\"d\",\"output\":\"D\"}\n");
    const sample_options o = {.need_output = true, .skip_bad = true};
    char                 reports[1000] = "";
    samples              s;
    err                  e = {0};
    cr_assert_eq(samples_prepare(&d, tok, &o, collect, reports, &s, &e), 0, "%s", e.text);
    cr_assert_eq(s.n, 2);
    cr_assert_eq(s.bad, 2);
    cr_assert_str_eq(s.at[0].rec->id, "b");
    cr_assert_str_eq(s.at[1].rec->id, "d");
    cr_assert_str_eq(reports, ":1: prompt_ids[0] is 258 (the tokenizer has the ids 0 to 257)\n"
                              ":3: no output (decoding is forced: each record needs \"output\" or \"output_ids\")\n");
    samples_free(&s);
    dataset_free(&d);
    assert_refused("{\"id\":\"a\",\"prompt\":\"\"}\n{\"id\":\"b\",\"prompt\":\"\"}\n", &o,
                   ": no usable records (2 of 2 are bad)");
}

Test(sample, every_failed_allocation_is_reported) {
    dataset d = read_text("{\"id\":\"a\",\"prompt\":\"p\",\"references\":[\"x\",\"y\"],\"output\":\"o\"}\n"
                          "{\"id\":\"b\",\"prompt_ids\":[1],\"references_ids\":[[2]],\"output_ids\":[3]}\n");
    size_t  k = 1;
    for (int done = 0; !done; k++) {
        samples s;
        err     e = {0};
        mem_fail_at(k);
        done = samples_prepare(&d, tok, &(sample_options){.skip_bad = true}, NULL, NULL, &s, &e) == 0;
        mem_fail_at(0);
        if (!done) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", k, e.text);
        if (done) cr_assert_eq(s.n, 2);
        samples_free(&s);
    }
    cr_assert_gt(k, 8);
    dataset_free(&d);
}

/* Tests run at the root of the repository, as `make unit` does. */
Test(sample, quickstart_data) {
    static const char *const scenarios[] = {"rag", "cache", "multi-turn", "edit"};
    const dataset_options    o = {.format = "auto"};
    size_t                   count[4] = {0};
    dataset                  d;
    err                      e = {0};
    cr_assert_eq(dataset_read("datasets/samples/quickstart.jsonl", &o, NULL, NULL, &d, &e), 0, "%s", e.text);
    samples s = prepare(&d, &(sample_options){.need_output = true, .need_prompt = true, .context = 2048});
    cr_assert_geq(s.n, 36);
    for (size_t i = 0; i < s.n; i++) {
        const sample *at = &s.at[i];
        size_t        k = 0;
        while (k < 4 && strcmp(at->rec->scenario, scenarios[k]) != 0) k++;
        cr_assert_lt(k, 4, "scenario \"%s\"", at->rec->scenario);
        count[k]++;
        cr_assert(at->n_references >= 1 && at->reference_tokens > 100, "%s", at->rec->id);
        cr_assert(at->output.n >= 200 && at->output.n <= 900, "%s: %zu tokens", at->rec->id, at->output.n);
        for (size_t r = 0; r < at->n_references; r++) /* adapted, not repeated */
            cr_assert_neq(strcmp(at->rec->references[r].text, at->rec->output.text), 0, "%s", at->rec->id);
    }
    for (size_t k = 0; k < 4; k++) cr_assert_geq(count[k], 9, "%s", scenarios[k]);
    samples_free(&s);
    dataset_free(&d);
}
