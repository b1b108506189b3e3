/* brief.h - texts of policies in a row as people see them in a table.
 *
 *     hf n=2 k=10 at_least=1 > pld n=3 k=10 miss=-1 at_least=1        hf n=2 > pld
 *     hf n=3 k=10 at_least=1                                          hf n=3
 *                                     in common: hf.k = 10, hf.at_least = 1, pld.n = 3, ...
 */
#ifndef ANALYSIS_BRIEF_H
#define ANALYSIS_BRIEF_H

#include <stddef.h>

#include "engine/base/err.h"

/* brief[i] becomes texts[i] without those parameters of a policy that are the same wherever it is, in new memory; NULL
 * where texts[i] is. What differs stays different. *common becomes "OWNER.POLICY.NAME = VALUE, ..." of what was left
 * out, sorted. After a failure there is nothing to free. */
int brief_texts(char *const *texts, size_t n, const char *owner, char **brief, char **common, err *e);

/* The value of the first parameter of this policy and name in a text, *n bytes; NULL when it has none. */
const char *brief_value(const char *text, const char *policy, size_t n_policy, const char *name, size_t n_name,
                        size_t *n);

#endif
