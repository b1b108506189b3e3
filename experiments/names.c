#include "experiments/names.h"

#include "engine/base/suggest.h"

enum { MAX_NAMES = 64 }; /* in an error; more are not listed */

const policy_ops *policy_named(const char *where, const char *name, err *e) {
    const char       *names[MAX_NAMES] = {0};
    size_t            n = 0;
    const policy_ops *found = policy_find(name);
    if (found != NULL) return found;
    for (; n < policy_count() && n < MAX_NAMES; n++) names[n] = policy_at(n)->name;
    err_unknown(e, where, "policy", name, names, n);
    return NULL;
}

const rule_ops *rule_named(const char *where, const char *name, err *e) {
    const char     *names[MAX_NAMES] = {0};
    size_t          n = 0;
    const rule_ops *found = rule_find(name);
    if (found != NULL) return found;
    for (; n < rule_count() && n < MAX_NAMES; n++) names[n] = rule_at(n)->name;
    err_unknown(e, where, "rule", name, names, n);
    return NULL;
}

const target_ops *target_named(const char *where, const char *name, err *e) {
    const char       *names[MAX_NAMES] = {0};
    size_t            n = 0;
    const target_ops *found = target_ops_find(name);
    if (found != NULL) return found;
    for (; n < target_ops_count() && n < MAX_NAMES; n++) names[n] = target_ops_at(n)->name;
    err_unknown(e, where, "target", name, names, n);
    return NULL;
}
