/* kernels.c - which instruction set runs: the best that this CPU has, or the one that HARNESS_ISA names. */
#include "engine/kernels/kernels.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/suggest.h"
#include "engine/kernels/answers.h"
#include "engine/kernels/floats.h"

/* generic.c, compiled once for each. */
extern const kernel_table kernels_portable;
#ifdef KERNELS_PORTABLE_ONLY
#elif defined(__x86_64__)
extern const kernel_table kernels_avx2, kernels_avx512, kernels_avx512bf16;

/* What the Makefile lets the compiler use; no AVX2 without F16C was ever built. */
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}

static bool has_avx512bf16(void) {
    return has_avx512() && __builtin_cpu_supports("avx512bf16") && float_pairs_hold();
}
#elif defined(__aarch64__) && defined(__linux__) /* elsewhere another call says what there is: portable code */
#include <sys/auxv.h>

extern const kernel_table kernels_neon;

/* NEON itself every AArch64 has; portable code compiles to it. */
static bool has_neon_dot(void) {
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
#endif

static bool always(void) {
    return true;
}

/* Best first. */
static const struct {
    const kernel_table *table;
    bool (*runs)(void);
} choices[] = {
#ifdef KERNELS_PORTABLE_ONLY
#elif defined(__x86_64__)
    {&kernels_avx512bf16, has_avx512bf16},
    {&kernels_avx512, has_avx512},
    {&kernels_avx2, has_avx2},
#elif defined(__aarch64__) && defined(__linux__)
    {&kernels_neon, has_neon_dot},
#endif
    {&kernels_portable, always},
};
enum { CHOICES = sizeof choices / sizeof *choices };

const kernel_table *kernels_by_name(const char *isa) {
    for (size_t i = 0; i < CHOICES; i++)
        if (strcmp(choices[i].table->isa, isa) == 0) return choices[i].runs() ? choices[i].table : NULL;
    return NULL;
}

/* Of any processor, not only of this one. */
static bool is_isa(const char *name) {
    static const char *const all[] = {"portable", "avx2", "avx512", "avx512bf16", "neon"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i], name) == 0) return true;
    return false;
}

const kernel_table *kernels_get(err *e) {
    static _Atomic(const kernel_table *) chosen;
    const kernel_table                  *k = atomic_load(&chosen);
    if (k != NULL) return k;

    const char *forced = getenv("HARNESS_ISA");
    if (forced != NULL && *forced != '\0') {
        k = kernels_by_name(forced);
        if (k == NULL) {
            const char *names[CHOICES];
            char        list[128];
            size_t      n = 0;
            for (size_t i = 0; i < CHOICES; i++)
                if (choices[i].runs()) names[n++] = choices[i].table->isa;
            err_list(list, sizeof list, names, n);
            if (is_isa(forced))
                err_input(e, "HARNESS_ISA=%s: cannot run here (%s)", forced, list);
            else
                err_unknown(e, "HARNESS_ISA", "instruction set", forced, names, n);
            return NULL;
        }
    } else {
        for (size_t i = 0; k == NULL; i++)
            if (choices[i].runs()) k = choices[i].table;
    }
    if (answers_check(k, e) != 0) return NULL;
    atomic_store(&chosen, k);
    return k;
}
