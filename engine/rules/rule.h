/* rule.h - acceptance rules: how many draft tokens are accepted ("stand"), and which token the target adds.
 *
 * To add one: write engine/rules/NAME.c that defines `const rule_ops rule_NAME`, and add a line to
 * rules.def. A rule sees the rows of one pass over a draft, and walks down from the pending token as long as a child
 * stands. It need not know about stop tokens or length limits: the decode loop cuts its verdict there.
 */
#ifndef ENGINE_RULES_RULE_H
#define ENGINE_RULES_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/param.h"
#include "engine/base/registry.h"
#include "engine/base/rng.h"
#include "engine/draft.h"
#include "engine/rules/sampler.h"
#include "engine/target/rows.h"

/* What a rule promises about the output, whatever was drafted. */
typedef enum {
    SAME_TOKENS,       /* plain decoding's tokens with the same seed, one for one */
    SAME_DISTRIBUTION, /* plain decoding's distribution, not its tokens */
    LOSSY              /* neither */
} guarantee;

typedef struct rule rule;

typedef struct {
    const char       *name, *help, *origin;
    const char       *source; /* the file it is in: __FILE__ */
    const param_spec *params;
    size_t            n_params;
    unsigned          needs; /* GIVES_CHOICES or GIVES_LOGITS */
    guarantee         keeps; /* with every parameter */
    const char       *more;  /* what it keeps with some parameters; NULL: no more than that */
    /* ERR_INPUT when parameters do not fit each other or the vocabulary; NULL: they always do. */
    int (*check)(const rule *r, err *e);
    /* A rule that depends on what was said before: begin sees a trial's prompt, observe each step's tokens. NULL for
     * the others. */
    void (*begin)(rule *r, const int32_t *prompt, size_t n);
    void (*observe)(rule *r, const int32_t *emitted, size_t n);
    /* Fills out; its path is empty at the call. `position`: index in the output of the first token this step emits. The
     * token after a path of n is at position + n, and noise is drawn there. */
    int (*accept)(rule *r, const rows *rows, const draft *d, uint64_t position, noise draws, verdict *out, err *e);
} rule_ops;

struct rule {
    const rule_ops *ops;
    param_values    params;
    size_t          vocab;
    sampler         sampler; /* of its parameters */
    double         *p;       /* scratch [vocab] for rules that need logits */
    bool            inside;  /* a rule with begin and observe: whether the text is where it looks for */
};

rule *rule_open(const rule_ops *ops, const param_values *params, size_t vocab, err *e);
void  rule_close(rule *r); /* NULL is allowed */

/* The value of the parameter "temperature"; 0 for a rule without one. */
double rule_temperature(const rule_ops *ops, const param_values *params);

/* A new trial with this prompt. */
void rule_begin(rule *r, const int32_t *prompt, size_t n);

/* The tokens that a step emitted. */
void rule_observe(rule *r, const int32_t *emitted, size_t n);

/* Calls the rule on the rows of one pass; checks that they give what it needs and fit the draft. */
int rule_accept(rule *r, const rows *pass, const draft *d, uint64_t position, noise draws, verdict *out, err *e);

/* ---- building blocks of rules; see also logits.h and chances.h ---- */

/* A row's own choice when decoding greedily: the recorded token when forced (-1 past its end), else the argmax. */
int32_t rule_choice(const rows *pass, size_t row);

/* A row's logits [vocab]. */
const float *rule_logits(const rows *pass, size_t row);

/* The probabilities [vocab] that plain decoding draws from at a row (sampler.h), in r->p; valid until the next call. */
const double *rule_probs(rule *r, const rows *pass, size_t row);

extern const registry rule_registry; /* Every rule in rules.def. */

#endif
