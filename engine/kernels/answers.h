/* answers.h - checks that the kernels give the right bits in this process.
 *
 * Compiler flags that no macro shows, a preloaded library or the compiler's start-up object can change every number: by
 * fusing a product and a sum, by flushing subnormals, by another rounding. So before a kernel table is used, its
 * functions run on small known inputs, and the bits that come out are compared with those of numerics.md.
 */
#ifndef ENGINE_KERNELS_ANSWERS_H
#define ENGINE_KERNELS_ANSWERS_H

#include "engine/base/err.h"
#include "engine/kernels/kernels.h"

/* ERR_RUN when any bit differs. In the calling thread's floating-point environment, which threads inherit. */
int answers_check(const kernel_table *k, err *e);

#endif
