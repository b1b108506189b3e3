/* quantize.c - `harness quantize`: the same model with its matrices in other types. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/parallel.h"
#include "engine/engine.h"
#include "engine/model/mix.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/writing.h"

typedef struct {
    const type_mix *mix;
    const char     *in, *out;
    uint64_t        threads;
    bool            quiet;
} options;

static const option_spec specs[] = {
    {"type", 't', "TYPE", &option_mix, OPTION_AT(options, mix), .required = true,
     .help =
         "f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs or mxfp4; q3_k_m, "
         "q4_k_m and q5_k_m are mixtures as llama.cpp makes them, with better types where they matter most"},
    {"threads", 0, "N", &option_count, OPTION_AT(options, threads), .preset = "2", OPTION_RANGE(1, PARALLEL_THREADS),
     .help = "threads; the file does not depend on them"},
    {"quiet", 'q', NULL, &option_flag, OPTION_AT(options, quiet), .help = "no progress"},
};
static const option_spec operands[] = {
    {"IN.gguf", .type = &option_path, OPTION_AT(options, in), .required = true},
    {"OUT.gguf", .type = &option_path, OPTION_AT(options, out), .required = true},
};

/* A matrix being converted: its stored rows, and the error of the new type. */
typedef struct {
    const gguf_tensor *from;
    dtype              to;
    int                threads;
    size_t             height;
    writing           *done;
    double             error, power; /* sums of squares */
} conversion;

static int convert_rows(void *ctx, size_t row, size_t n, void *out, err *e) {
    conversion *c = ctx;
    size_t      cols = (size_t)c->from->shape[0], bytes = dtype_bytes((dtype)c->from->type, cols);
    float      *was = mem_new(n, cols * sizeof *was, e), *is = mem_new(n, cols * sizeof *is, e);
    int         ret = was != NULL && is != NULL ? 0 : -1;
    if (ret == 0) {
        dtype_get((dtype)c->from->type)->decode((const char *)c->from->data + row * bytes, was, n * cols);
        mix_encode_rows(c->to, was, n, cols, c->threads, out);
        dtype_get(c->to)->decode(out, is, n * cols);
        for (size_t i = 0; i < n * cols; i++) {
            c->error += ((double)is[i] - (double)was[i]) * ((double)is[i] - (double)was[i]);
            c->power += (double)was[i] * (double)was[i];
        }
        writing_rows(c->done, c->to, n, cols, row + n == c->height);
        if (!isfinite(c->power)) /* finite floats have a finite sum of squares */
            ret = err_input(e, "tensor \"%.*s\" holds weights that are not finite, before row %zu",
                            (int)c->from->name.n, c->from->name.at, row + n);
    }
    free(was);
    free(is);
    return ret;
}

static int copy_values(const gguf *g, const type_mix *mix, gguf_writer *w, err *e) {
    bool blocks = dtype_get(mix->most)->block > 1;
    for (size_t i = 0; i < gguf_value_count(g); i++) {
        const gguf_value        *v = gguf_value_at(g, i);
        char                     key[256];
        static const char *const own[] = {"general.file_type", "general.quantization_version",
                                          "general.alignment", "split.no",
                                          "split.count",       "split.tensors.count"};
        bool                     is_own = false;
        for (size_t k = 0; k < sizeof own / sizeof *own; k++) is_own |= gguf_str_is(v->key, own[k]);
        if (is_own) continue;
        if (!gguf_str_copy(v->key, key, sizeof key))
            return err_input(e, "%s: key %zu of %zu bytes is not allowed (at most %zu, without a NUL)", gguf_path(g), i,
                             v->key.n, sizeof key - 1);
        if (gguf_put_raw(w, key, v->type, v->item, v->count, v->data, v->bytes, e) != 0) return -1;
    }
    if (gguf_put_u32(w, "general.file_type", mix->file_type, e) != 0) return -1;
    return blocks ? gguf_put_u32(w, "general.quantization_version", 2, e) : 0; /* ggml's GGML_QNT_VERSION */
}

static int put_tensors(const gguf *g, const options *o, const mix_model *m, gguf_writer *w, conversion *all,
                       writing *done, err *e) {
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        char               name[128], type[DTYPE_NAME_SIZE];
        if (!gguf_str_copy(t->name, name, sizeof name))
            return err_input(e, "%s: the name of tensor %zu, %zu bytes, is not allowed (at most %zu, without a NUL)",
                             gguf_path(g), i, t->name.n, sizeof name - 1);
        if (t->type < 0)
            return err_input(e, "%s: tensor \"%s\" of type %s cannot be converted", gguf_path(g), name,
                             dtype_gguf_name(t->gguf_type, type));
        int  ret;
        bool router = strstr(name, ".ffn_gate_inp.") != NULL; /* small, and a slight error chooses other experts */
        if (router || t->shape[1] * t->shape[2] * t->shape[3] == 1) { /* a norm, even as a matrix of one row */
            ret = gguf_put_tensor(w, name, (dtype)t->type, t->n_dims, t->shape, t->data, e);
        } else {
            all[i] = (conversion){.from = t,
                                  .to = type_mix_of(o->mix, m, name, (size_t)t->shape[0]),
                                  .threads = (int)o->threads,
                                  .height = (size_t)(t->shape[1] * t->shape[2] * t->shape[3]),
                                  .done = done};
            writing_add(done, all[i].to, all[i].height, (size_t)t->shape[0]);
            ret = gguf_put_rows(w, name, all[i].to, t->n_dims, t->shape, convert_rows, &all[i], e);
        }
        if (ret != 0) return -1;
    }
    return 0;
}

/* Keys that are missing count as 0: what uses the model says so. */
static int read_mix_model(const gguf *g, mix_model *m, err *e) {
    static const char *const names[] = {"block_count", "attention.head_count", "attention.head_count_kv",
                                        "expert_count"};
    size_t *const            numbers[] = {&m->n_layers, &m->n_heads, &m->n_kv_heads, &m->n_experts};
    if ((m->arch = architecture_of(g, e)) == NULL) return -1;
    m->tied = gguf_find_tensor(g, "output.weight") == NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char     key[ARCHITECTURE_KEY];
        uint32_t v;
        if (gguf_find(g, architecture_key(m->arch, names[i], key)) == NULL) continue;
        if (gguf_u32_same(g, key, m->n_layers, &v, e) != 0) return -1;
        *numbers[i] = v;
    }
    if (m->n_kv_heads == 0) m->n_kv_heads = m->n_heads;
    return 0;
}

static void print_report(const conversion *all, size_t n) {
    printf("type    matrices      weights        bytes   error\n");
    for (int type = 0; type < DTYPE_COUNT; type++) {
        size_t matrices = 0, weights = 0;
        double error = 0, power = 0;
        for (size_t i = 0; i < n; i++) {
            const conversion *c = &all[i];
            if (c->from == NULL || (int)c->to != type) continue;
            matrices++;
            weights += (size_t)(c->from->shape[0] * c->from->shape[1] * c->from->shape[2] * c->from->shape[3]);
            error += c->error;
            power += c->power;
        }
        if (matrices > 0)
            printf("%-6s  %8zu  %11zu  %11zu  %5.2f%%\n", dtype_get((dtype)type)->name, matrices, weights,
                   dtype_bytes((dtype)type, weights), power > 0 ? 100 * sqrt(error / power) : 0);
    }
}

static int quantize(const options *o, err *e) {
    gguf        *g = gguf_open(o->in, e);
    gguf_writer *w = gguf_writer_new(e);
    conversion  *all = NULL;
    writing      done = {0};
    mix_model    m = {0};
    int          ret = g != NULL && w != NULL ? 0 : -1;
    if (ret == 0) ret = gguf_check_output(g, o->out, e);
    if (ret == 0) ret = read_mix_model(g, &m, e);
    if (ret == 0 && gguf_tensor_count(g) == 0) ret = err_input(e, "%s: the file holds no tensors", o->in);
    if (ret == 0) ret = (all = mem_new(gguf_tensor_count(g), sizeof *all, e)) != NULL ? 0 : -1;
    if (ret == 0) ret = copy_values(g, o->mix, w, e);
    if (ret == 0) ret = put_tensors(g, o, &m, w, all, &done, e);
    if (ret == 0) ret = writing_save(&done, w, o->out, o->quiet, e);
    if (ret == 0) print_report(all, gguf_tensor_count(g));
    free(all);
    gguf_writer_free(w);
    gguf_close(g);
    return ret;
}

static int run(void *opts, err *e) {
    if (kernels_get(e) == NULL) return -1; /* what changes their bits changes encoded weights */
    return quantize(opts, e);
}

const command command_quantize = {
    .name = "quantize",
    .help = "write a model with other types of weights",
    .about =
        "Writes a model with its matrices as TYPE; norms and metadata stay as they are. Scales are fitted by least "
        "squares.",
    .notes =
        "Rows that are not whole blocks of 256 become the type that llama.cpp falls back to: q5_0 from q4_k, q5_1 from "
        "q5_k, q8_0 from q6_k, q4_0 from q2_k and q3_k, iq4_nl from iq4_xs; those that are not whole blocks of 32 "
        "become f16. The routers of experts stay as they are. Quantizing a quantized model again adds to its error.",
    OPTIONS(specs),
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
