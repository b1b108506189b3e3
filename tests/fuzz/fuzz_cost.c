/* fuzz_cost.c - a cost file of any bytes; one that is read gives times that can be reckoned with. */
#include <math.h>

#include "experiments/sweep/cost.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    static step_trace steps[3] = {{0}, {0}, {0}};
    cost_model        c;
    char              why[256];
    err               e = {0};
    if (cost_read(fuzz_file(0, bytes, n), &c, &e) != 0) {
        fuzz_expect_error(&e);
        return 0;
    }
    FUZZ_EXPECT(c.n > 0 && c.k[0] == 1 && c.n_contexts > 0);
    for (size_t i = 0; i < c.n * c.n_contexts; i++) {
        FUZZ_EXPECT(isfinite(c.ns[i]) && c.ns[i] > 0 && c.q1[i] <= c.ns[i] && c.ns[i] <= c.q3[i]);
        FUZZ_EXPECT(isfinite(c.fitted[i]) && c.fitted[i] > 0);
        FUZZ_EXPECT(cost_error(&c, i) >= 0);
    }
    (void)cost_doubtful(&c, why, sizeof why);
    FUZZ_EXPECT(cost_plain(&c, 5, 4) > 0);
    FUZZ_EXPECT(cost_trial(&c, 5, steps, 3) > 0);
    cost_free(&c);
    return 0;
}
