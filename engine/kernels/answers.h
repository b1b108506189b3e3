/* answers.h - whether the kernels give the bits that they must, here and now.
 *
 * Flags that no macro shows, a preloaded library or a start-up object of the compiler's can change every number: by
 * fusing a product and a sum, by flushing subnormals, by another rounding. So before a table of kernels is used, small
 * known inputs go through its functions, and the bits that come out are compared with those of numerics.md.
 */
#ifndef ENGINE_KERNELS_ANSWERS_H
#define ENGINE_KERNELS_ANSWERS_H

#include "engine/base/err.h"
#include "engine/kernels/kernels.h"

/* ERR_RUN when any bit differs. In the calling thread's floating-point environment, which threads inherit. */
int answers_check(const kernel_table *k, err *e);

#endif
