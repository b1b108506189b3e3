#include "engine/target/target.h"

#include <string.h>

#include "engine/target/forced.h"

void forced_rows(const int32_t *forced, size_t n_forced, size_t position, size_t n, int32_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = position + i < n_forced ? forced[position + i] : -1;
}

void target_close(target *t) {
    if (t != NULL) t->ops->close(t);
}

#define TARGET(name) extern const target_ops target_ops_##name;
#include "engine/target/targets.def"
#undef TARGET

static const void *const all[] = {
#define TARGET(name) &target_ops_##name,
#include "engine/target/targets.def"
#undef TARGET
};

const registry target_registry = REGISTRY("target", all);
