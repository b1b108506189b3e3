/* rule.h - acceptance rules: how many draft tokens stand, and what the target says next.
 *
 * To add one: write engine/rules/NAME.c that defines `const rule_ops rule_NAME`, and add a line to
 * rules.def. A rule sees the rows of one pass over a chain. It need not know about EOS or length limits:
 * the decode loop cuts its verdict there.
 */
#ifndef ENGINE_RULES_RULE_H
#define ENGINE_RULES_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/param.h"
#include "engine/base/registry.h"
#include "engine/base/rng.h"
#include "engine/target/target.h"

/* What a rule promises about the output, whatever was drafted. */
typedef enum {
    SAME_TOKENS,       /* plain decoding's tokens with the same seed, one for one */
    SAME_DISTRIBUTION, /* plain decoding's law, not its tokens */
    LOSSY              /* neither */
} guarantee;

typedef struct {
    size_t  accepted; /* draft tokens that stand: d[0..accepted) */
    int32_t next;     /* the target's own token after them */
} verdict;

typedef struct rule rule;

typedef struct {
    const char       *name, *help, *origin;
    const char       *source; /* the file it is in: __FILE__ */
    const param_spec *params;
    size_t            n_params;
    unsigned          needs; /* GIVES_CHOICES or GIVES_LOGITS */
    guarantee         keeps;
    /* `position`: index in the output of the first token this step emits; row i decides the token at
     * position + i, and noise is drawn there. */
    int (*accept)(rule *r, const rows *rows, const draft *d, uint64_t position, noise noise, verdict *out, err *e);
} rule_ops;

struct rule {
    const rule_ops *ops;
    param_values    params;
    size_t          vocab;
    double         *p; /* scratch [vocab] for rules that need logits */
};

rule *rule_open(const rule_ops *ops, const param_values *params, size_t vocab, err *e);
void  rule_close(rule *r); /* NULL is fine */

/* The value of the parameter "temperature"; 0 for a rule without one. */
double rule_temperature(const rule_ops *ops, const param_values *params);

/* What rules are made of. */

/* Index of the largest of n >= 1 finite values; ties go to the lowest index. */
int32_t logits_argmax(const float *logits, size_t n);

/* p[i] = softmax(logits / temperature), temperature > 0, in doubles; deterministic on every host.
 * p sums to 1 within rounding. */
void logits_softmax(const float *logits, size_t n, double temperature, double *p);

/* The id at which the running sum of p first exceeds u * sum(p), for u in [0, 1): inverse-CDF sampling in
 * order of ids. Never returns an id with p = 0; -1 when all are. */
int32_t probs_sample(const double *p, size_t n, double u);

/* Row i's own choice when decoding greedily: the recorded token when forced (-1 past its end). */
int32_t rows_choice(const rows *r, size_t i);

/* Whether the rows are what the rule needs and fit the draft; the first thing that a rule does. */
int rule_check(const rule *r, const rows *pass, const draft *d, err *e);

/* Row i's probabilities [vocab], in r->p; valid until the next call. */
const double *rule_probs(rule *r, const rows *pass, size_t i, double temperature);

extern const registry rule_registry; /* Every rule, of rules.def. */

#endif
