#include "engine/target/target.h"

#define TARGET(name) extern const target_ops target_##name;
#include "engine/target/targets.def"
#undef TARGET

static const void *const all[] = {
#define TARGET(name) &target_##name,
#include "engine/target/targets.def"
#undef TARGET
};

const registry target_registry = REGISTRY("target", all);

const char *gemm_name(gemm g) {
    static const char *const names[GEMMS] = {[GEMM_EXACT] = "exact", [GEMM_BLAS] = "blas"};
    return names[g];
}

int target_prepare(const target_ops *ops, const target_spec *spec, err *e) {
    return ops->prepare != NULL ? ops->prepare(spec, e) : 0;
}

target *target_open(const target_ops *ops, const target_spec *spec, err *e) {
    if ((ops->needs & NEEDS_WEIGHTS) == 0 || spec->weights != NULL) return ops->open(spec, e);
    err_run(e, "target %s needs weights, and there are none", ops->name);
    return NULL;
}

void target_close(target *t) {
    if (t != NULL) t->ops->close(t);
}

int target_begin(target *t, const int32_t *forced, size_t n_forced, err *e) {
    if ((t->ops->needs & NEEDS_RECORDING) != 0 && forced == NULL)
        return err_input(e, "%s can only follow a recorded output, and there is none", t->ops->name);
    return t->ops->begin(t, forced, n_forced, e);
}

int target_verify(target *t, const int32_t *pending, size_t n_pending, const draft *d, rows *out, err *e) {
    return t->ops->verify(t, pending, n_pending, d, out, e);
}

int target_keep(target *t, const int32_t *path, size_t n, err *e) {
    return t->ops->keep(t, path, n, e);
}

size_t target_room(const target *t) {
    return t->ops->room(t);
}
