/* main.c - one engine, asked over stdin and stdout; the scripts beside it ask two of them and compare.
 *
 *     peer_ours | peer_llama_cpp  COMMAND MODEL.gguf [-t THREADS] [-c CONTEXT] [-s SPLIT] [-n TOKENS] [-b]
 *
 *     command   a request                  its answer
 *     ids       a text, up to a NUL        its ids on a line; -b: BOS first where the model asks for it
 *     logits    ids on a line              f32 [ids, vocab], passes of SPLIT tokens; a u32 before the first: vocab
 *     greedy    ids on a line              a line of TOKENS times ID:MARGIN, the logit over the second largest
 *     times     k on a line                nanoseconds of a pass over k tokens with k rows of logits
 *
 * `times` makes each pass twice, from an empty cache, and times the second: threads are awake and caches warm, as they
 * are between the steps of a decoding.
 */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "tests/peers/peer.h"
#include "tests/peers/requests.h"

typedef struct {
    peer_options open;
    size_t       split, n_tokens;
    bool         bos;
} options;

/* ---- requests and answers ------------------------------------------------------------------------------ */

static int flush(err *e) {
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : err_errno(e, "stdout", "cannot write");
}

static int answer_ids(peer *p, const options *o, const char *text, size_t n, tokens *ids, err *e) {
    ids->n = 0;
    if (peer_tokenize(p, text, n, o->bos, ids, e) != 0) return -1;
    for (size_t i = 0; i < ids->n; i++) printf(i > 0 ? " %" PRId32 : "%" PRId32, ids->ids[i]);
    putchar('\n');
    return 0;
}

static int answer_logits(peer *p, const options *o, const tokens *ids, err *e) {
    size_t vocab = peer_vocab(p);
    peer_clear(p);
    for (size_t at = 0, n; at < ids->n; at += n) {
        n = ids->n - at < o->split ? ids->n - at : o->split;
        const float *rows = peer_pass(p, ids->ids + at, n, n, e);
        if (rows == NULL) return -1;
        if (fwrite(rows, sizeof *rows * vocab, n, stdout) != n) return err_errno(e, "stdout", "cannot write");
    }
    return 0;
}

/* The id with the largest logit, and by how much it is larger than all others. */
static int32_t likeliest(const float *x, size_t n, float *margin) {
    size_t best = 0;
    float  second = -HUGE_VALF;
    for (size_t i = 1; i < n; i++) {
        float larger = x[i] > x[best] ? x[best] : x[i];
        best = x[i] > x[best] ? i : best;
        second = larger > second ? larger : second;
    }
    *margin = x[best] - second;
    return (int32_t)best;
}

static int answer_greedy(peer *p, const options *o, const tokens *prompt, err *e) {
    const float *row = NULL;
    peer_clear(p);
    for (size_t at = 0, n; at < prompt->n; at += n) {
        n = prompt->n - at < o->split ? prompt->n - at : o->split;
        if ((row = peer_pass(p, prompt->ids + at, n, 1, e)) == NULL) return -1;
    }
    for (size_t i = 0; i < o->n_tokens; i++) {
        float   margin;
        int32_t id = likeliest(row, peer_vocab(p), &margin);
        printf(i > 0 ? " %" PRId32 ":%.6g" : "%" PRId32 ":%.6g", id, (double)margin);
        if (i + 1 < o->n_tokens && (row = peer_pass(p, &id, 1, 1, e)) == NULL) return -1;
    }
    putchar('\n');
    return 0;
}

static int answer_times(peer *p, const options *o, const char *line, tokens *ids, err *e) {
    size_t   k = strtoul(line, NULL, 10);
    uint64_t begun = 0;
    if (k < 1 || k > o->open.pass) return err_input(e, "k = %zu (1 to %zu)", k, o->open.pass);
    for (ids->n = 0; ids->n < k;)
        if (tokens_push(ids, (int32_t)(ids->n * 7919 % peer_vocab(p)), e) != 0) return -1;
    for (int twice = 0; twice < 2; twice++) {
        peer_clear(p);
        begun = clock_ns();
        if (peer_pass(p, ids->ids, k, k, e) == NULL) return -1;
    }
    printf("%" PRIu64 "\n", clock_ns() - begun);
    return 0;
}

static int answer_all(peer *p, const char *command, const options *o, err *e) {
    char    *request = NULL;
    size_t   cap = 0;
    ssize_t  n;
    tokens   ids = {0};
    bool     texts = strcmp(command, "ids") == 0, numbers = strcmp(command, "times") == 0;
    bool     rows = strcmp(command, "logits") == 0;
    uint32_t vocab = (uint32_t)peer_vocab(p);
    int      ret = 0;
    if (rows && fwrite(&vocab, sizeof vocab, 1, stdout) != 1) ret = err_errno(e, "stdout", "cannot write");
    while (ret == 0 && (n = getdelim(&request, &cap, texts ? '\0' : '\n', stdin)) > 0) {
        if (texts) {
            ret = answer_ids(p, o, request, (size_t)n - (request[n - 1] == '\0'), &ids, e);
        } else if (numbers) {
            ret = answer_times(p, o, request, &ids, e);
        } else if ((ret = request_ids(request, vocab, &ids, e)) == 0) {
            ret = rows ? answer_logits(p, o, &ids, e) : answer_greedy(p, o, &ids, e);
        }
        if (ret == 0) ret = flush(e);
    }
    free(request);
    tokens_free(&ids);
    return ret;
}

/* ---- the command line ---------------------------------------------------------------------------------- */

static int wrong_usage(void) {
    fprintf(stderr,
            "usage: peer ids|logits|greedy|times MODEL.gguf [-t THREADS] [-c CONTEXT] [-s SPLIT] [-n TOKENS] [-b]\n");
    return 2;
}

int main(int argc, char **argv) {
    err     e = {0};
    options o = {.open = {.context = 512, .threads = 1}, .split = 64, .n_tokens = 64};
    for (int c; (c = getopt(argc, argv, "t:c:s:n:b")) != -1;) {
        size_t value = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;
        if (c == '?' || (c != 'b' && (value < 1 || value > 1 << 20))) return wrong_usage();
        if (c == 't') o.open.threads = (int)value;
        if (c == 'c') o.open.context = value;
        if (c == 's') o.split = value;
        if (c == 'n') o.n_tokens = value;
        if (c == 'b') o.bos = true;
    }
    static const char *const commands[] = {"ids", "logits", "greedy", "times"};
    const char              *command = argv[optind];
    size_t                   known = 0;
    while (command != NULL && known < 4 && strcmp(command, commands[known]) != 0) known++;
    if (argc - optind != 2 || known == 4) return wrong_usage();
    bool timed = strcmp(command, "times") == 0;
    o.open.exact = !timed;
    o.open.vocab_only = strcmp(command, "ids") == 0;
    o.open.pass = timed || o.split > o.open.context ? o.open.context : o.split;
    peer *p = peer_open(argv[optind + 1], &o.open, &e);
    if (p != NULL) fprintf(stderr, "%s: %s, %d threads\n", argv[0], peer_kernels(p), o.open.threads);
    int ret = p != NULL ? answer_all(p, command, &o, &e) : -1;
    peer_close(p);
    if (ret == 0) return 0;
    fprintf(stderr, "%s: %s\n", argv[0], e.text);
    return 1;
}
