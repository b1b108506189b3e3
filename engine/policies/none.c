/* none.c - drafts nothing: plain decoding, the baseline of everything else. */
#include "engine/policies/policy.h"

const policy_ops policy_none = {
    .name = "none",
    .source = __FILE__,
    .help = "drafts nothing: plain decoding",
    .origin = "the baseline",
};
