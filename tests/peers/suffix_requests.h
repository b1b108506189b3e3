/* suffix_requests.h - what the programs share that run our policy suffix_tree beside Arctic Inference's trees: both
 * with the same settings, and prompts and outputs as ids, from a file or drawn at random. */
#ifndef TESTS_PEERS_SUFFIX_REQUESTS_H
#define TESTS_PEERS_SUFFIX_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "tests/peers/arctic.h"

typedef struct {
    policy         *ours;
    arctic         *theirs;
    arctic_settings settings;
    int             depth, requests;
    bool            keeps; /* the outputs of earlier requests */
} suffix_pair;

/* With these parameters of the policy; nothing is learned yet. */
void suffix_pair_open(suffix_pair *p, const char *text);
void suffix_pair_forget(suffix_pair *p);
void suffix_pair_close(suffix_pair *p);

typedef struct {
    size_t   number;
    int32_t *ids; /* [n], the prompt first */
    size_t   n, n_prompt;
} request;

typedef struct {
    request *at;
    size_t   n, cap;
} requests;

/* Of a file with a line for each: the prompt's ids, "|", the output's ids. At most `limit`. */
void requests_read(requests *r, const char *path, size_t limit);

/* n of up to `most` tokens, which repeat themselves and those of their group of `group` requests. */
void requests_draw(requests *r, size_t n, size_t most, size_t group);

void requests_free(requests *r);

/* Prints it and ends the program. */
_Noreturn void fail(const char *fmt, ...) ERR_PRINTF(1, 2);

#endif
