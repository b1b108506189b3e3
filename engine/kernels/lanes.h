/* lanes.h - the 16 lanes of a sum (numerics.md, "Sums"). */
#ifndef ENGINE_KERNELS_LANES_H
#define ENGINE_KERNELS_LANES_H

#include "engine/kernels/simd.h"

enum { LANES = 16 };

/* Their sum by the fixed tree. */
INLINE float lanes_sum(const float a[LANES]) {
    float b[8], c[4];
    for (int l = 0; l < 8; l++) b[l] = a[l] + a[l + 8];
    for (int l = 0; l < 4; l++) c[l] = b[l] + b[l + 4];
    return (c[0] + c[2]) + (c[1] + c[3]);
}

#endif
