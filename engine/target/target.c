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

static const target_ops *const table[] = {
#define TARGET(name) &target_ops_##name,
#include "engine/target/targets.def"
#undef TARGET
};

size_t target_ops_count(void) {
    return sizeof table / sizeof table[0];
}

const target_ops *target_ops_at(size_t i) {
    return table[i];
}

const target_ops *target_ops_find(const char *name) {
    for (size_t i = 0; i < target_ops_count(); i++)
        if (strcmp(table[i]->name, name) == 0) return table[i];
    return NULL;
}
