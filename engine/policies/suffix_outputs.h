/* suffix_outputs.h - the outputs of requests in one index, for policies that learn from them. When there are too many,
 * the oldest ones go, in the order in which they came. */
#ifndef ENGINE_POLICIES_SUFFIX_OUTPUTS_H
#define ENGINE_POLICIES_SUFFIX_OUTPUTS_H

#include "engine/base/tokens.h"
#include "engine/policies/index/suffix_index.h"

/* A zeroed struct holds nothing and may be freed. */
typedef struct {
    suffix_index index;
    tokens       text;   /* of all outputs, one after the other */
    size_t      *starts; /* [n] where each one begins in text, the running one last */
    size_t       n, cap_starts;
    size_t       gone;     /* outputs that are not in the index any more, the first ones */
    uint32_t     appended; /* tokens, before the running output */
} suffix_outputs;

/* Begins the next output. Of them all, `most` stay in the index, at least this one. */
int  suffix_outputs_begin(suffix_outputs *o, size_t depth, size_t most, err *e);
int  suffix_outputs_append(suffix_outputs *o, const int32_t *ids, size_t n, err *e);
void suffix_outputs_free(suffix_outputs *o);

#endif
