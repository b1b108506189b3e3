/* complete.c - llama.cpp's greedy completions, plain or with one of its drafters that need no model.
 *
 *     peer_complete MODEL.gguf [-t THREADS] [-c CONTEXT] [-n TOKENS] [-b BUG]
 *                              [-d TYPE] [-g TRIGGER] [-k DRAFT] [-m N_MIN] <IDS
 *
 * A request is a prompt's ids on a line, its answer the output's ids on a line, a token that ends the text included.
 * The engine runs as its programs run it: its default cache and attention, passes of at most 512 tokens, drafters with
 * the settings of -g, -k and -m, ngram-cache as in llama-lookup. The loop around it is that of its example
 * speculative-simple: a pass over the last token and the draft, accepted as long as it is the likeliest token, and the
 * rest taken out of the cache.
 *
 * -b plants a bug, which an audit must find:
 *     accept    one in eight wrong draft tokens is accepted
 *     lose      after one in eight rejections the cache loses its last token
 *
 * What was drafted and accepted is on stderr, a line after each output and all of it at the end.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tests/peers/drafts.h"
#include "tests/peers/peer.h"
#include "tests/peers/requests.h"

enum { PASS = 512, DRAFT_MOST = 128, BUG_EVERY = 8 };
typedef enum { BUG_NONE, BUG_ACCEPT, BUG_LOSE, BUGS } bug;
static const char *const bugs[BUGS] = {"none", "accept", "lose"};

typedef struct {
    peer           *p;
    drafter        *d; /* NULL: plain */
    drafter_options drafting;
    size_t          n_tokens, vocab, length; /* length: tokens in the cache */
    bug             bug;
    size_t          rejections, steps, drafted, accepted, emitted;
} completion;

static int32_t likeliest(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (int32_t)best;
}

/* Whether this rejection is one that the bug strikes at. */
static bool strikes(completion *c, bug b) {
    return c->bug == b && c->rejections % BUG_EVERY == BUG_EVERY - 1;
}

/* All of the prompt but its last token, as the example has it. */
static int read_prompt(completion *c, const tokens *prompt, err *e) {
    peer_clear(c->p);
    c->length = prompt->n - 1;
    for (size_t at = 0, n; at < c->length; at += n) {
        n = c->length - at < PASS ? c->length - at : PASS;
        if (peer_pass(c->p, prompt->ids + at, n, 1, e) == NULL) return -1;
    }
    return 0;
}

/* A pass over the pending token and a draft: appends what is emitted. */
static int step(completion *c, int32_t pending, size_t limit, tokens *out, err *e) {
    int32_t      ids[DRAFT_MOST + 1] = {pending};
    size_t       most = limit < DRAFT_MOST ? limit : DRAFT_MOST, begin = out->n, right = 0;
    size_t       n = c->d != NULL && most > 0 ? drafter_draft(c->d, most, ids + 1) : 0; /* 0 would be no limit */
    const float *rows = peer_pass(c->p, ids, n + 1, n + 1, e);
    if (rows == NULL) return -1;
    for (bool stands = true; stands; right += stands) {
        int32_t id = likeliest(rows + right * c->vocab, c->vocab);
        stands = right < n && ids[right + 1] == id;
        if (right < n && !stands) {
            if (strikes(c, BUG_ACCEPT)) id = ids[right + 1], stands = true;
            c->rejections++;
        }
        if (tokens_push(out, id, e) != 0) return -1;
        stands = stands && !peer_ends(c->p, id);
    }
    c->length += 1 + right;
    if (right < n && c->length > 2 && strikes(c, BUG_LOSE)) c->length--;
    peer_rewind(c->p, c->length);
    if (c->d != NULL) drafter_emitted(c->d, out->ids + begin, out->n - begin);
    c->steps++;
    c->drafted += n;
    c->accepted += right;
    return 0;
}

static int complete(completion *c, const tokens *prompt, tokens *out, err *e) {
    out->n = 0;
    if (c->drafting.type != NULL) {
        if (c->d != NULL) drafter_close(c->d);
        if ((c->d = drafter_open(&c->drafting)) == NULL) return err_input(e, "llama.cpp has no %s", c->drafting.type);
        drafter_begin(c->d, prompt->ids, prompt->n);
    }
    if (read_prompt(c, prompt, e) != 0) return -1;
    for (int32_t pending = prompt->ids[prompt->n - 1];;) {
        if (step(c, pending, c->n_tokens - out->n - 1, out, e) != 0) return -1;
        pending = out->ids[out->n - 1];
        if (out->n >= c->n_tokens || peer_ends(c->p, pending)) break;
    }
    if (c->d != NULL) drafter_end(c->d);
    c->emitted += out->n;
    return 0;
}

static int answer_all(completion *c, err *e) {
    char  *line = NULL;
    size_t cap = 0;
    tokens prompt = {0}, out = {0};
    int    ret = 0;
    while (ret == 0 && getline(&line, &cap, stdin) > 0) {
        size_t drafted = c->drafted, accepted = c->accepted;
        ret = request_ids(line, c->vocab, &prompt, e);
        if (ret == 0) ret = complete(c, &prompt, &out, e);
        for (size_t i = 0; ret == 0 && i < out.n; i++) printf(i > 0 ? " %" PRId32 : "%" PRId32, out.ids[i]);
        if (ret == 0 && (putchar('\n') == EOF || fflush(stdout) != 0)) ret = err_errno(e, "stdout", "cannot write");
        if (ret == 0) fprintf(stderr, "drafted %zu, accepted %zu\n", c->drafted - drafted, c->accepted - accepted);
    }
    free(line);
    tokens_free(&prompt);
    tokens_free(&out);
    return ret;
}

static int wrong_usage(void) {
    fprintf(stderr, "usage: peer_complete MODEL.gguf [-t THREADS] [-c CONTEXT] [-n TOKENS] [-b none|accept|lose]\n"
                    "       [-d TYPE] [-g TRIGGER] [-k DRAFT] [-m N_MIN] <IDS\n");
    return 2;
}

int main(int argc, char **argv) {
    err          e = {0};
    completion   c = {.n_tokens = 64};
    peer_options o = {.context = 2048, .threads = 1, .pass = PASS};
    for (int f; (f = getopt(argc, argv, "t:c:n:b:d:g:k:m:")) != -1;) {
        size_t value = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;
        if (f == '?' || (strchr("tcngk", f) != NULL && (value < 1 || value > 1 << 20))) return wrong_usage();
        if (f == 't') o.threads = (int)value;
        if (f == 'c') o.context = value;
        if (f == 'n') c.n_tokens = value;
        if (f == 'd') c.drafting = (drafter_options){.type = optarg, .lookup = strcmp(optarg, "ngram-cache") == 0};
        if (f == 'g') c.drafting.n = value;
        if (f == 'k') c.drafting.k = value;
        if (f == 'm') c.drafting.n_min = value;
        if (f == 'b')
            while (c.bug < BUGS && strcmp(bugs[c.bug], optarg) != 0) c.bug++;
    }
    if (argc - optind != 1 || c.bug == BUGS) return wrong_usage();
    c.p = peer_open(argv[optind], &o, &e);
    c.vocab = c.p != NULL ? peer_vocab(c.p) : 0;
    if (c.p != NULL) fprintf(stderr, "peer_complete: %s, %d threads\n", peer_kernels(c.p), o.threads);
    int ret = c.p != NULL ? answer_all(&c, &e) : -1;
    if (c.d != NULL) drafter_close(c.d);
    peer_close(c.p);
    if (ret != 0) fprintf(stderr, "peer_complete: %s\n", e.text);
    if (ret == 0)
        fprintf(stderr, "peer_complete: %zu tokens in %zu steps, %zu drafted, %zu accepted\n", c.emitted, c.steps,
                c.drafted, c.accepted);
    return ret == 0 ? 0 : 1;
}
