/* rng.h - randomness: PCG (pcg-cpp's pcg64, XSL-RR 128/64; O'Neill, HMC-CS-2014-0905) with a C interface.
 *
 * Two forms of the same generator. `rng_pcg64` is a gsl_rng_type for generators and statistics.
 * `noise` is random access: the number at (seed, stream, position, draw) does not depend on which
 * others were drawn before. So a sampled token depends only on its position and never on how decoding
 * was split into passes.
 */
#ifndef ENGINE_BASE_RNG_H
#define ENGINE_BASE_RNG_H

#include <gsl/gsl_rng.h>
#include <stdint.h>

#include "engine/base/strict.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const gsl_rng_type *const rng_pcg64;

/* A generator on its own stream; gsl_rng_set(r, s) without it means stream 0. Free with gsl_rng_free.
 * NULL when memory is out. */
gsl_rng *rng_new(uint64_t seed, uint64_t stream);

enum { NOISE_DRAWS = 4 }; /* independent numbers at each position */

typedef struct {
    uint64_t seed, stream;
} noise;

/* Uniform in [0, 1) with 53 bits. draw < NOISE_DRAWS. Costs O(log position). */
double noise_uniform(noise n, uint64_t position, unsigned draw);

/* A stream number from the texts that name it, such as a purpose and a sample's id: XXH3-64 over both, each with
 * its terminating NUL. */
uint64_t rng_stream(const char *purpose, const char *id);

#ifdef __cplusplus
}
#endif
#endif
