/* export.c - keys and tensors. */
#include "engine/train/export.h"

#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/model/architecture.h"
#include "engine/model/mix.h"

/* What net.c computes. */
static const architecture *const trained = &architecture_llama;

static model_shape shape_of(const export_options *o, const net_shape *s) {
    return (model_shape){.n_layers = s->layers,
                         .dim = s->dim,
                         .n_heads = s->heads,
                         .n_kv_heads = s->heads,
                         .head_dim = s->dim / s->heads,
                         .rope_dim = s->dim / s->heads,
                         .ffn_dim = s->ffn,
                         .vocab = s->vocab,
                         .context = o->context,
                         .rms_eps = (float)s->rms_eps,
                         .rope_theta = (float)s->rope_theta,
                         .rope_scale = 1};
}

static int put_shape(gguf_writer *w, const export_options *o, const net_shape *s, err *e) {
    model_shape     shape = shape_of(o, s);
    const type_mix *mix = type_mix_named("export", dtype_get(o->type)->name, e);
    if (mix == NULL || gguf_put_u32(w, "general.file_type", mix->file_type, e) != 0) return -1;
    return architecture_put_shape(trained, &shape, w, e);
}

static int put_name(gguf_writer *w, const char *name, err *e) {
    return gguf_put_string(w, "general.architecture", trained->name, e) != 0 ||
                   gguf_put_string(w, "general.name", name, e) != 0
               ? -1
               : 0;
}

/* stored[i] becomes tensor i in its storage layout. */
static int put_tensors(gguf_writer *w, const export_options *o, const net_shape *s, const float *params, void **stored,
                       err *e) {
    const model_shape shape = shape_of(o, s);
    for (size_t i = 0; i < net_tensor_count(s); i++) {
        net_tensor t = net_tensor_at(s, i);
        size_t     n = t.rows * t.cols;
        uint64_t   dims[] = {t.cols, t.rows};

        const tensor_spec *spec = architecture_tensor(trained, t.name);
        if (spec == NULL || shape_extent(&shape, spec->rows) != t.rows || shape_extent(&shape, spec->cols) != t.cols)
            return err_run(e, "%s is no tensor of the architecture \"%s\"", t.name, trained->name);
        bool  norm = spec->kind == TENSOR_VECTOR;
        dtype type = norm ? DTYPE_F32 : o->type;
        if (t.cols % dtype_get(type)->block != 0)
            return err_input(e, "%s has rows of %zu, and %s needs a multiple of %zu", t.name, t.cols,
                             dtype_get(type)->name, dtype_get(type)->block);
        if ((stored[i] = mem_new(dtype_bytes(type, n), 1, e)) == NULL) return -1;
        dtype_get(type)->encode(params + t.at, stored[i], n);
        if (gguf_put_tensor(w, t.name, type, norm ? 1 : 2, dims, stored[i], e) != 0) return -1;
    }
    return 0;
}

int export_gguf(const char *path, const export_options *o, const net_shape *s, const float *params, const bpe *b,
                err *e) {
    gguf_writer *w = gguf_writer_new(e);
    void       **stored = mem_new(net_tensor_count(s), sizeof *stored, e);
    int          ret = -1;
    if (w != NULL && stored != NULL && put_name(w, o->name, e) == 0 && put_shape(w, o, s, e) == 0 &&
        bpe_put(b, w, e) == 0 && put_tensors(w, o, s, params, stored, e) == 0)
        ret = gguf_writer_save(w, path, 3, 32, e);
    for (size_t i = 0; stored != NULL && i < net_tensor_count(s); i++) free(stored[i]);
    free(stored);
    gguf_writer_free(w);
    return ret;
}

int export_vocabulary(const char *path, const char *name, const bpe *b, err *e) {
    gguf_writer *w = gguf_writer_new(e);
    int          ret = -1;
    if (w != NULL && put_name(w, name, e) == 0 && bpe_put(b, w, e) == 0) ret = gguf_writer_save(w, path, 3, 32, e);
    gguf_writer_free(w);
    return ret;
}
