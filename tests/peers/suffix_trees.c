/* suffix_trees.c - the policy suffix_tree beside Arctic Inference's own suffix trees: every draft must be the same.
 *
 *     peers_suffix_trees SETTINGS [REQUESTS [LIMIT]]
 *
 * SETTINGS is the policy's, say "k=16,form=tree,memory=cell". Each line of the file REQUESTS is a request: the ids of
 * its prompt, "|" and those of its output. Without it requests are drawn at random, from alphabets of 1 to 6 tokens,
 * 10000 or LIMIT of them; a new memory begins with every 20th. Drafts are compared before each token of the output. At
 * the end it says how many were compared; the first that differs is shown, and the exit status is 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/peers/suffix_requests.h"

enum { RANDOM_REQUESTS = 10000, RANDOM_MEMORY = 20, RANDOM_TOKENS = 120 };

static suffix_pair pair;
static size_t      drafts, drafted, branching, widest;

static void show(const char *name, const int32_t *ids, const int32_t *parents, size_t n, size_t match) {
    printf("%s, after %zu:", name, match);
    for (size_t i = 0; i < n; i++) printf(" %" PRId32 "(%" PRId32 ")", ids[i], parents[i]);
    putchar('\n');
}

static void compare(const request *r, size_t at) {
    err   e = {0};
    draft got;
    if (policy_propose(pair.ours, DRAFT_CAP, &got, &e) != 0) fail("%s", e.text);
    arctic_draft want = arctic_speculate(pair.theirs, r->ids, r->n_prompt + at, &pair.settings);
    drafts++;
    drafted += got.n;
    branching += got.branches;
    if (got.n > widest) widest = got.n;
    if (got.n == want.n && memcmp(got.ids, want.ids, got.n * sizeof *got.ids) == 0 &&
        memcmp(got.parent, want.parents, got.n * sizeof *got.parent) == 0 &&
        (got.n == 0 || got.match_length == want.match_length))
        return;
    printf("request %zu, after %zu tokens of prompt and %zu of output\n", r->number, r->n_prompt, at);
    show("ours", got.ids, got.parent, got.n, got.match_length);
    show("theirs", want.ids, want.parents, want.n, (size_t)want.match_length);
    exit(1);
}

static void run_request(const request *r) {
    err            e = {0};
    const int32_t *output = r->ids + r->n_prompt;
    policy_input   in = {.prompt = r->ids, .n_prompt = r->n_prompt};
    arctic_start(pair.theirs, r->ids, r->n_prompt);
    if (policy_begin(pair.ours, &in, &e) != 0) fail("%s", e.text);
    for (size_t at = 0; at < r->n - r->n_prompt; at++) {
        compare(r, at);
        step_view step = {.emitted = output + at, .n = 1, .position = at};
        if (policy_observe(pair.ours, &step, &e) != 0) fail("%s", e.text);
        arctic_add(pair.theirs, output + at, 1);
    }
    compare(r, r->n - r->n_prompt);
    arctic_stop(pair.theirs);
    const char *fault = arctic_fault(pair.theirs);
    if (fault != NULL) fail("their tree: %s", fault);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) fail("usage: peers_suffix_trees SETTINGS [REQUESTS [LIMIT]]");
    requests all = {0};
    bool     drawn = argc < 3 || strcmp(argv[2], "") == 0;
    size_t   limit = argc > 3 ? strtoul(argv[3], NULL, 10) : drawn ? RANDOM_REQUESTS : SIZE_MAX;
    suffix_pair_open(&pair, argv[1]);
    if (drawn)
        requests_draw(&all, limit, RANDOM_TOKENS, RANDOM_MEMORY);
    else
        requests_read(&all, argv[2], limit);
    for (size_t i = 0; i < all.n; i++) {
        if (!pair.keeps || (drawn && i % RANDOM_MEMORY == 0)) suffix_pair_forget(&pair);
        run_request(&all.at[i]);
    }
    printf("%s: %zu requests, %zu drafts of %zu tokens (at most %zu), %zu branching: all the same\n", argv[1], all.n,
           drafts, drafted, widest, branching);
    requests_free(&all);
    suffix_pair_close(&pair);
    return 0;
}
