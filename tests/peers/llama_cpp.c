/* llama_cpp.c - one GGUF, two engines: the same tokens, and logits how far apart?
 *
 *     make peer LLAMA_CPP=path/to/llama.cpp
 *     build/release/llama_cpp MODEL.gguf FILE.jsonl [LIMIT]
 *
 * Prompts and outputs of a dataset go through both tokenizers and both forward passes; the logits of every position
 * are compared. llama.cpp keeps its cache in f32 here; what it rounds inside a product is its own: activations to
 * f16 or to blocks of 8 bits with a scale in f16, as the weights' type has it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/sample.h"
#include "engine/base/mem.h"
#include "engine/model/transformer.h"
#include "tests/peers/peer.h"

/* What was seen so far. */
typedef struct {
    size_t records, texts, positions, argmax;
    double largest, squares;
} tally;

/* One text: the same ids from both tokenizers? */
static int compare_ids(const peer *p, const tokenizer *tok, const passage *text, const char *id, tally *t, err *e) {
    tokens   ours = {0};
    int32_t *theirs = mem_new(text->n_text + 8, sizeof *theirs, e);
    if (theirs == NULL || tokenizer_encode(tok, text->text, text->n_text, false, &ours, e) != 0) return -1;
    int32_t n = peer_tokenize(p, text->text, text->n_text, theirs, text->n_text + 8);
    int     ret = 0;
    if (n != (int32_t)ours.n || memcmp(theirs, ours.ids, ours.n * sizeof *theirs) != 0)
        ret = err_run(e, "%s: %zu tokens here, %d in llama.cpp, or other ones", id, ours.n, (int)n);
    t->texts++;
    free(theirs);
    tokens_free(&ours);
    return ret;
}

static size_t argmax(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
    return best;
}

static void compare_rows(const float *ours, const float *theirs, size_t n, size_t vocab, tally *out) {
    for (size_t i = 0; i < n * vocab; i++) {
        double gap = fabs((double)ours[i] - (double)theirs[i]);
        out->largest = fmax(out->largest, gap);
        out->squares += gap * gap;
    }
    for (size_t i = 0; i < n; i++) out->argmax += argmax(ours + i * vocab, vocab) == argmax(theirs + i * vocab, vocab);
    out->positions += n;
}

/* Prompt and output as one sequence. */
static int compare_logits(peer *p, transformer *t, const sample *s, size_t vocab, tally *out, err *e) {
    tokens ids = {0};
    if (tokens_append(&ids, s->prompt.ids, s->prompt.n, e) != 0 ||
        tokens_append(&ids, s->output.ids, s->output.n, e) != 0)
        return -1;
    float *ours = mem_new(ids.n * vocab, sizeof *ours, e);
    transformer_rewind(t, 0);
    peer_begin(p, ids.ids, ids.n, ids.n);
    int          ret = ours == NULL ? -1 : transformer_forward(t, ids.ids, ids.n, ids.n, ours, e);
    const float *theirs = ret == 0 ? peer_pass(p, e) : NULL;
    if (theirs != NULL)
        compare_rows(ours, theirs, ids.n, vocab, out);
    else
        ret = err_prefix(e, "%s", s->rec->id);
    free(ours);
    tokens_free(&ids);
    return ret;
}

static int compare(const char *path, const char *data, size_t limit, err *e) {
    dataset         d;
    samples         all;
    tally           t = {0};
    dataset_options o = {.format = "auto", .limit = limit};
    model          *m = model_open(path, e);
    if (m == NULL || model_pack(m, e) != 0) return -1;
    size_t         context = m->shape.context, vocab = m->shape.vocab;
    sample_options s = {.need_output = true, .need_prompt = true, .context = context};
    transformer   *net = transformer_new(m, context, 1, NULL, e);
    peer          *p = net == NULL ? NULL : peer_open(path, context, 1, true, e);
    if (p == NULL || dataset_read(data, &o, NULL, NULL, &d, e) != 0 ||
        samples_prepare(&d, m->tok, &s, NULL, NULL, &all, e) != 0)
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        const record *r = all.at[i].rec;
        if (compare_ids(p, m->tok, &r->prompt, r->id, &t, e) != 0 ||
            compare_ids(p, m->tok, &r->output, r->id, &t, e) != 0)
            return -1;
        if (all.at[i].prompt.n + all.at[i].output.n > context) continue;
        if (compare_logits(p, net, &all.at[i], vocab, &t, e) != 0) return -1;
        t.records++;
    }
    printf("%s: %zu texts have the same tokens; %zu records, %zu positions: largest logit difference %.2e, root mean "
           "square %.2e, same likeliest token at %zu\n",
           path, t.texts, t.records, t.positions, t.largest, sqrt(t.squares / ((double)t.positions * (double)vocab)),
           t.argmax);
    samples_free(&all);
    dataset_free(&d);
    peer_close(p);
    transformer_free(net);
    model_close(m);
    return 0;
}

int main(int argc, char **argv) {
    err e = {0};
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: llama_cpp MODEL.gguf FILE.jsonl [LIMIT]\n");
        return 2;
    }
    if (compare(argv[1], argv[2], argc == 4 ? strtoul(argv[3], NULL, 10) : 0, &e) == 0) return 0;
    fprintf(stderr, "llama_cpp: %s\n", e.text);
    return 1;
}
