/* Texts of policies in a row, made brief for tables. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/brief.h"
#include "engine/base/mem.h"

static void check(char *const *texts, const char *const *want, size_t n, const char *common) {
    char *brief[4], *left_out;
    err   e = {0};
    cr_assert_eq(brief_texts(texts, n, "chain", brief, &left_out, &e), 0, "%s", e.text);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(brief[i] == NULL, want[i] == NULL);
        if (want[i] != NULL) cr_assert_str_eq(brief[i], want[i]);
        free(brief[i]);
    }
    cr_assert_str_eq(left_out, common);
    free(left_out);
}

Test(brief, leaves_out_what_is_the_same_of_a_policy) {
    char *const texts[] = {"hf n=2 k=10 at_least=1 > pld n=3 miss=-1 at_least=1", NULL, "pld n=3 miss=-1 at_least=2",
                           "hf n=12 k=10 at_least=1 > none at_least=1"};
    check(texts, (const char *const[]){"hf n=2 > pld at_least=1", NULL, "pld at_least=2", "hf n=12 > none"}, 4,
          "chain.hf.at_least = 1, chain.hf.k = 10, chain.none.at_least = 1, chain.pld.miss = -1, chain.pld.n = 3");
}

/* Also where only one text has it twice. */
Test(brief, keeps_what_differs_within_a_text) {
    char *const texts[] = {"hf k=3 > hf k=4", "hf k=4 > hf k=3"};
    check(texts, (const char *const[]){"hf k=3 > hf k=4", "hf k=4 > hf k=3"}, 2, "");
}

/* A name that begins another one, and a value that does. */
Test(brief, compares_whole_words) {
    char *const texts[] = {"sam n=1 nn=5 k=10", "sam n=1 nn=5 k=1"};
    check(texts, (const char *const[]){"sam k=10", "sam k=1"}, 2, "chain.sam.n = 1, chain.sam.nn = 5");
    char *const others[] = {"suffix k=1", "suffix_tree k=2"};
    check(others, (const char *const[]){"suffix", "suffix_tree"}, 2, "chain.suffix.k = 1, chain.suffix_tree.k = 2");
}

Test(brief, survives_every_failing_allocation) {
    char *const texts[] = {"hf n=2 k=10 > pld n=3", "pld n=4"};
    int         ret = -1;
    for (size_t k = 1; ret != 0; k++) {
        char *brief[2], *common;
        err   e = {0};
        mem_fail_at(k);
        ret = brief_texts(texts, 2, "chain", brief, &common, &e);
        mem_fail_at(0);
        if (ret != 0) {
            cr_assert_eq(e.kind, ERR_RUN);
            cr_assert(brief[0] == NULL && brief[1] == NULL);
            continue;
        }
        cr_assert_gt(k, 4);
        for (size_t i = 0; i < 2; i++) free(brief[i]);
        free(common);
    }
}
