/* quantize.c - `harness quantize`: the same model with its matrices in other types. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/parallel.h"
#include "engine/engine.h"
#include "engine/model/mix.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/writing.h"

static const char usage[] =
    "usage: harness quantize -t TYPE IN.gguf OUT.gguf\n"
    "Writes a model with its matrices as TYPE; norms and metadata stay as they are. Scales are fitted by least "
    "squares.\n"
    "\n"
    "  -t, --type TYPE     f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k; q4_k_m and q5_k_m are\n"
    "                      mixtures as llama.cpp makes them, with q6_k where it matters most\n"
    "      --threads N     default: 2; the file does not depend on it\n"
    "  -q, --quiet         no progress\n"
    "  -h, --help          this text\n"
    "\n"
    "Rows that are no whole blocks of TYPE become q8_0 or f16. Quantizing what is quantized already loses twice.\n";

typedef struct {
    const type_mix *mix;
    int             threads;
    bool            quiet, help;
} options;

/* A matrix on its way: its stored rows, and what the new type loses of them. */
typedef struct {
    const gguf_tensor *from;
    dtype              to;
    int                threads;
    size_t             height;
    writing           *done;
    double             error, power; /* sums of squares */
} conversion;

static int parse_options(int argc, char **argv, options *o, err *e) {
    enum { THREADS = 256 };
    static const struct option longs[] = {
        {"type", required_argument, NULL, 't'},
        {"threads", required_argument, NULL, THREADS},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint64_t threads = 2;
    *o = (options){0};
    for (int c; (c = command_option(argc, argv, ":t:qh", longs, e)) != -1;) {
        switch (c) {
        case 't':
            if ((o->mix = type_mix_named("--type", optarg, e)) == NULL) return -1;
            break;
        case THREADS:
            if (command_count("--threads", optarg, 1, PARALLEL_THREADS, &threads, e) != 0) return -1;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'h':
            o->help = true;
            return 0;
        default:
            return -1;
        }
    }
    o->threads = (int)threads;
    if (o->mix == NULL) {
        err_input(e, "quantize needs -t TYPE (see harness quantize -h)");
        return -1;
    }
    return command_operands(argc, argv, 2, 2, "IN.gguf and OUT.gguf", e);
}

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
        if (!isfinite(c->power)) /* sums of squares of floats are */
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
        const gguf_value *v = gguf_value_at(g, i);
        char              key[256];
        if (gguf_str_is(v->key, "general.file_type") || gguf_str_is(v->key, "general.quantization_version") ||
            gguf_str_is(v->key, "general.alignment"))
            continue;
        if (!gguf_str_copy(v->key, key, sizeof key))
            return err_input(e, "%s: key %zu of %zu bytes is not allowed (at most %zu, without a NUL)", gguf_path(g), i,
                             v->key.n, sizeof key - 1);
        if (gguf_put_raw(w, key, v->type, v->item, v->count, v->data, v->bytes, e) != 0) return -1;
    }
    if (gguf_put_u32(w, "general.file_type", mix->file_type, e) != 0) return -1;
    return blocks ? gguf_put_u32(w, "general.quantization_version", 2, e) : 0; /* ggml's GGML_QNT_VERSION */
}

static int put_tensors(const gguf *g, const options *o, uint32_t layers, gguf_writer *w, conversion *all, writing *done,
                       err *e) {
    bool tied = gguf_find_tensor(g, "output.weight") == NULL;
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        char               name[128], type[DTYPE_NAME_SIZE];
        if (!gguf_str_copy(t->name, name, sizeof name))
            return err_input(e, "%s: the name of tensor %zu, %zu bytes, is not allowed (at most %zu, without a NUL)",
                             gguf_path(g), i, t->name.n, sizeof name - 1);
        if (t->type < 0)
            return err_input(e, "%s: tensor \"%s\" of type %s cannot be converted", gguf_path(g), name,
                             dtype_gguf_name(t->gguf_type, type));
        int ret;
        if (t->shape[1] * t->shape[2] * t->shape[3] == 1) { /* a norm, even as a matrix of one row */
            ret = gguf_put_tensor(w, name, (dtype)t->type, t->n_dims, t->shape, t->data, e);
        } else {
            all[i] = (conversion){.from = t,
                                  .to = type_mix_of(o->mix, name, (size_t)t->shape[0], layers, tied),
                                  .threads = o->threads,
                                  .height = (size_t)(t->shape[1] * t->shape[2] * t->shape[3]),
                                  .done = done};
            writing_add(done, all[i].to, all[i].height, (size_t)t->shape[0]);
            ret = gguf_put_rows(w, name, all[i].to, t->n_dims, t->shape, convert_rows, &all[i], e);
        }
        if (ret != 0) return -1;
    }
    return 0;
}

/* Mixtures depend on it. */
static int count_layers(const gguf *g, uint32_t *layers, err *e) {
    char                key[ARCHITECTURE_KEY];
    const architecture *a = architecture_of(g, e);
    return a != NULL ? gguf_u32_or(g, architecture_key(a, "block_count", key), 0, layers, e) : -1;
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

static int quantize(const char *in, const char *out, const options *o, err *e) {
    if (file_check_output(out, in, e) != 0) return -1;
    gguf        *g = gguf_open(in, e);
    gguf_writer *w = gguf_writer_new(e);
    conversion  *all = NULL;
    writing      done = {0};
    uint32_t     layers = 0;
    int          ret = g != NULL && w != NULL ? 0 : -1;
    if (ret == 0) ret = count_layers(g, &layers, e);
    if (ret == 0 && gguf_tensor_count(g) == 0) ret = err_input(e, "%s: the file holds no tensors", in);
    if (ret == 0) ret = (all = mem_new(gguf_tensor_count(g), sizeof *all, e)) != NULL ? 0 : -1;
    if (ret == 0) ret = copy_values(g, o->mix, w, e);
    if (ret == 0) ret = put_tensors(g, o, layers, w, all, &done, e);
    if (ret == 0) ret = writing_save(&done, w, out, o->quiet, e);
    if (ret == 0) print_report(all, gguf_tensor_count(g));
    free(all);
    gguf_writer_free(w);
    gguf_close(g);
    return ret;
}

int cmd_quantize(int argc, char **argv, err *e) {
    options o;
    if (parse_options(argc, argv, &o, e) != 0) return -1;
    if (o.help) {
        fputs(usage, stdout);
        return 0;
    }
    if (kernels_get(e) == NULL) return -1; /* what changes their bits changes encoded weights */
    return quantize(argv[optind], argv[optind + 1], &o, e);
}
