/* Kernels are refused if the processor flushes subnormals or rounds differently from numerics.md. */
#include <criterion/criterion.h>
#include <fenv.h>
#include <string.h>

#include "engine/kernels/answers.h"

static const char *const isas[] = {"portable", "avx2", "avx512", "avx512bf16", "neon"};
enum { ISAS = sizeof isas / sizeof *isas };

static fenv_t usual;

static void save(void) {
    fegetenv(&usual);
}

static void restore(void) {
    fesetenv(&usual);
}

TestSuite(answers, .init = save, .fini = restore);

/* All instruction sets of this machine, in the current floating-point environment. */
static void expect(bool right, const char *when) {
    for (int i = 0; i < ISAS; i++) {
        err                 e = {0};
        const kernel_table *k = kernels_by_name(isas[i]);
        if (k == NULL) continue;
        int ret = answers_check(k, &e);
        cr_expect_eq(ret == 0, right, "%s, %s: %s", isas[i], when, e.text);
        if (ret != 0) cr_expect(e.kind == ERR_RUN && strstr(e.text, isas[i]) != NULL, "%s", e.text);
    }
}

Test(answers, are_right) {
    expect(true, "as programs start");
}

Test(answers, are_other_ones_under_every_other_rounding) {
    const int   modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    const char *names[] = {"upward", "downward", "toward zero"};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fesetround(modes[i]), 0);
        expect(false, names[i]);
    }
    cr_assert_eq(fesetround(FE_TONEAREST), 0);
    expect(true, "to nearest");
}

#if defined(__x86_64__)
#include <immintrin.h>

Test(answers, are_other_ones_when_subnormals_are_flushed) {
    const unsigned was = _mm_getcsr(), results = 0x8000, inputs = 0x0040;
    _mm_setcsr(was | results);
    expect(false, "subnormal results are zero");
    _mm_setcsr(was | inputs);
    expect(false, "subnormal inputs are zero");
    _mm_setcsr(was);
    expect(true, "neither");
}
#endif

Test(answers, decide_whether_there_are_kernels) {
    err e = {0};
    cr_assert_eq(fesetround(FE_UPWARD), 0);
    cr_assert_null(kernels_get(&e));
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert_not_null(strstr(e.text, "floating-point settings"), "%s", e.text);
    restore();
    cr_assert_not_null(kernels_get(&e), "%s", e.text);
}
