/* CopySpec, compared with a table of all places as its code keeps it, and with the policy that it equals. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/policy_steps.h"

enum { HISTORY_CAP = 128 };

Test(policy_copyspec, examples) {
    const struct {
        const char    *params;
        const int32_t *history;
        size_t         n_history;
        const int32_t *draft;
        size_t         n_draft;
    } cases[] = {
        {"n=2", WHOLE(H1), IDS(4, 5, 6, 7, 8, 1, 2, 3)},
        {"n=3,k=4", WHOLE(H1), IDS(4, 5, 6, 7)},
        {"n=4", WHOLE(H1), NULL, 0}, /* three match, and no shorter suffix is tried */
        {"n=2", WHOLE(H2), IDS(1, 7, 1, 7)},
        {"n=6", WHOLE(H2), NULL, 0},
        {"n=3,k=3", WHOLE(H3), IDS(9, 5, 1)},
        {"n=2,k=3", WHOLE(H4), IDS(8, 0, 1)},
        {"n=2,k=3", WHOLE(H5), IDS(7, 5, 6)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = cases[i].n_history;
        for (size_t n_prompt = 0; n_prompt <= n; n_prompt++) { /* wherever it is cut into prompt and output */
            steps_check_after(steps_open("copyspec", cases[i].params), cases[i].history, n, n_prompt, cases[i].draft,
                              n_prompt == n ? 0 : cases[i].n_draft, cases[i].params);
        }
    }
}

/* From the left, the first place of the last n tokens that something follows. */
static void first_place(const int32_t *h, size_t n_h, size_t n_prompt, size_t n, size_t k, draft *d) {
    draft_clear(d);
    for (size_t at = 0; at + n < n_h && n_h > n_prompt; at++) {
        size_t same = 0;
        while (same < n && h[at + same] == h[n_h - n + same]) same++;
        if (same < n) continue;
        size_t from = at + n;
        draft_extend(d, h + from, k < n_h - from ? k : n_h - from);
        d->match_length = (uint16_t)n;
        d->source = from < n_prompt ? SOURCE_PROMPT : SOURCE_OUTPUT;
        d->source_position = (int32_t)(from < n_prompt ? from : from - n_prompt);
        return;
    }
}

Test(policy_copyspec, is_the_naive_scan_and_vllm_ngram_of_one_length) {
    gsl_rng *r = rng_new(14, 21);
    int32_t  h[HISTORY_CAP];
    size_t   compared = 0, matches = 0;
    while (compared < FUZZ_HISTORIES) {
        size_t n = 1 + steps_pick(r, 5), k = 1 + steps_pick(r, 12), alphabet = 1 + steps_pick(r, 6);
        char   text[2][40];
        snprintf(text[0], sizeof text[0], "n=%zu,k=%zu", n, k);
        snprintf(text[1], sizeof text[1], "n=%zu,n_min=%zu,k=%zu", n, n, k);
        policy *p = steps_open_over("copyspec", text[0], alphabet, NULL);
        policy *q = steps_open_over("vllm_ngram", text[1], alphabet, NULL);
        for (int again = 0; again < 10; again++) {
            size_t n_prompt = steps_pick(r, 60), n_h = n_prompt + steps_pick(r, 60);
            size_t limit = steps_pick(r, 4) == 0 ? steps_pick(r, 5) : DRAFT_CAP;
            steps_fill(r, h, n_h, alphabet);
            policy_input in = {.prompt = h, .n_prompt = n_prompt};
            steps_begin(q, &in);
            steps_begin(p, &in);
            for (size_t at = n_prompt;;) {
                draft got, also, want;
                first_place(h, at, n_prompt, n, k < limit ? k : limit, &want);
                steps_propose(p, limit, &got);
                steps_propose(q, limit, &also);
                cr_assert(steps_same(&got, &want), "n %zu k %zu: %zu drafted, not %zu, after %zu", n, k, got.n, want.n,
                          at);
                cr_assert(steps_same(&got, &also));
                matches += want.match_length > 0;
                compared++;
                if (at == n_h) break;
                size_t chunk = 1 + steps_pick(r, n_h - at < 5 ? n_h - at : 5);
                steps_observe(q, h + at, chunk);
                steps_observe(p, h + at, chunk);
                at += chunk;
            }
        }
        policy_close(p);
        policy_close(q);
    }
    cr_assert_gt(matches, compared / 4);
    gsl_rng_free(r);
}
