// PCG with the C interface of rng.h: the one C++ file of the project, because pcg-cpp is a C++ library.
#include "engine/base/rng.h"

#include <cstring>
#include <new>

#include <pcg_random.hpp>
#define XXH_STATIC_LINKING_ONLY // XXH3_state_t itself
#include <xxhash.h>

extern "C" {
#include "engine/base/digest.h"
}

static double unit(uint64_t bits) {
    return static_cast<double>(bits >> 11) * 0x1p-53;
}

// PCG's own streams with neighbouring seeds or numbers are correlated (a chi-square test over seeds 1, 2, 3, ...
// finds it), and people do count seeds so: both pass through a hash first.
static pcg64 scattered(uint64_t seed, uint64_t stream) {
    const uint64_t key[] = {seed, stream}, other[] = {stream, seed, 1};
    return pcg64(digest64(key, sizeof key), digest64(other, sizeof other));
}

static void pcg_set(void *state, unsigned long seed) {
    new (state) pcg64(static_cast<uint64_t>(seed), uint64_t{0});
}

static unsigned long pcg_get(void *state) {
    return static_cast<unsigned long>((*static_cast<pcg64 *>(state))());
}

static double pcg_get_double(void *state) {
    return unit((*static_cast<pcg64 *>(state))());
}

static_assert(sizeof(unsigned long) == 8, "gsl_rng_get must return 64 bits");

static const gsl_rng_type pcg64_type = {"pcg64", ~0UL, 0, sizeof(pcg64), pcg_set, pcg_get, pcg_get_double};

extern "C" {

const gsl_rng_type *const rng_pcg64 = &pcg64_type;

gsl_rng *rng_new(uint64_t seed, uint64_t stream) {
    gsl_rng *r = gsl_rng_alloc(rng_pcg64);
    if (r != nullptr) new (r->state) pcg64(scattered(seed, stream));
    return r;
}

double noise_uniform(noise n, uint64_t position, unsigned draw) {
    pcg64 g = scattered(n.seed, n.stream);
    g.advance(position * NOISE_DRAWS + draw);
    return unit(g());
}

uint64_t rng_stream(const char *purpose, const char *id) {
    XXH3_state_t both; // on the stack: what takes no memory cannot fail
    XXH3_INITSTATE(&both);
    XXH3_64bits_reset(&both);
    XXH3_64bits_update(&both, purpose, std::strlen(purpose) + 1);
    XXH3_64bits_update(&both, id, std::strlen(id) + 1);
    return XXH3_64bits_digest(&both);
}
}
