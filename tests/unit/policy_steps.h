/* policy_steps.h - helpers for tests that run a drafting policy step by step. */
#ifndef TESTS_UNIT_POLICY_STEPS_H
#define TESTS_UNIT_POLICY_STEPS_H

#include "engine/engine.h"

enum { VOCAB = 1000 };

/* How many histories a comparison with a naive scan takes. */
#if defined __SANITIZE_ADDRESS__ || defined KERNELS_PORTABLE_ONLY
enum { FUZZ_HISTORIES = 20000 };
#else
enum { FUZZ_HISTORIES = 1000000 };
#endif

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

#define WHOLE(h) h, sizeof h / sizeof *h /* an array and its length, as IDS gives them */

/* Histories in which n-grams come again, and references that share some. */
extern const int32_t   H1[11], H2[7], H3[13], H4[14], H5[14];
extern const reference EXAMPLES[3];

/* Parameters with which a policy runs anywhere: "" where presets do. NULL: it needs a file. */
const char *steps_params(const policy_ops *ops);

/* A policy with these parameters, "" for the presets. NULL with the error; the others fail the test. */
policy *steps_try_open(const char *name, const char *text, size_t vocab, const tokenizer *tok, err *e);
policy *steps_open_over(const char *name, const char *text, size_t vocab, const tokenizer *tok);
policy *steps_open(const char *name, const char *text); /* over VOCAB ids */

/* Begins a trial. */
int  steps_try_begin(policy *p, const policy_input *in, err *e);
void steps_begin(policy *p, const policy_input *in);

/* A step that emitted these tokens. */
int  steps_try_observe(policy *p, const int32_t *ids, size_t n, err *e);
void steps_observe(policy *p, const int32_t *ids, size_t n);

/* The same in a chain, where another policy drafted. */
void steps_observe_foreign(policy *p, const int32_t *ids, size_t n);

void steps_propose(policy *p, size_t limit, draft *d);

/* The draft must be this chain. */
void steps_check(const draft *d, const int32_t *ids, size_t n, const char *what);

/* After these n_h tokens, of which the first n_prompt are the prompt, the draft must be this chain. Closes the policy.
 */
void steps_check_after(policy *p, const int32_t *h, size_t n_h, size_t n_prompt, const int32_t *want, size_t n_want,
                       const char *what);

/* The draft must be this chain; then a step emits these n tokens. */
void steps_check_step(policy *p, const int32_t *want, size_t n_want, const int32_t *emitted, size_t n,
                      const char *what);

bool steps_same(const draft *a, const draft *b);

/* Random numbers below n, and ids below `alphabet`. */
size_t steps_pick(gsl_rng *r, size_t n);
void   steps_fill(gsl_rng *r, int32_t *ids, size_t n, size_t alphabet);

#endif
