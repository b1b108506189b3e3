/* arctic.h - Arctic Inference's SuffixDecodingCache with one request at a time, for our programs in C.
 *
 * The two suffix trees are its own C++ (csrc/suffix_decoding). What is around them is in Python there
 * (suffix_decoding/cache.py) and is done in the same order by arctic.cc.
 */
#ifndef TESTS_PEERS_ARCTIC_H
#define TESTS_PEERS_ARCTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct arctic arctic;

typedef struct {
    int   max_tokens;
    float factor, offset, min_prob;
    bool  tree;
} arctic_settings;

typedef struct {
    const int32_t *ids, *parents; /* [n], until the next one */
    size_t         n;
    float          score;
    int            match_length;
} arctic_draft;

arctic *arctic_open(int max_depth, int max_requests);
void    arctic_close(arctic *a);

void         arctic_start(arctic *a, const int32_t *prompt, size_t n);
void         arctic_add(arctic *a, const int32_t *ids, size_t n);
arctic_draft arctic_speculate(arctic *a, const int32_t *text, size_t n, const arctic_settings *s);
void         arctic_stop(arctic *a);

/* What is wrong with the trees, or NULL; as long as no request runs. */
const char *arctic_fault(arctic *a);

#ifdef __cplusplus
}
#endif

#endif
