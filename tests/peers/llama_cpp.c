/* llama_cpp.c - the peers' programs on llama.cpp: its headers and libraries of September 2025 or later. */
#include <dlfcn.h>
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "tests/peers/peer.h"

struct peer {
    struct llama_model       *model;
    const struct llama_vocab *vocab;
    struct llama_context     *context;
    struct ggml_threadpool   *threads;
    struct llama_batch        batch;
    int32_t                   length; /* tokens in the cache */
    ggml_backend_reg_t        cpu;
};

static void quiet(enum ggml_log_level level, const char *text, void *data) {
    (void)data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

/* Kernels may be a library of their own, the best of several for this CPU; its functions are then found by name. */
static void *cpu_function(const peer *p, const char *name) {
    return ggml_backend_reg_get_proc_address(p->cpu, name);
}

/* Threads that stay, as llama.cpp's programs have them; they wait actively for some milliseconds, not for a third of a
 * second, which would take the processor from the engine whose turn is next. */
static int open_threads(peer *p, int n, err *e) {
    struct ggml_threadpool *(*new_threads)(struct ggml_threadpool_params *);
    *(void **)&new_threads = cpu_function(p, "ggml_threadpool_new");
    struct ggml_threadpool_params o = ggml_threadpool_params_default(n);
    o.poll = 1;
    if (new_threads == NULL || (p->threads = new_threads(&o)) == NULL) return err_run(e, "llama.cpp makes no threads");
    llama_attach_threadpool(p->context, p->threads, NULL);
    return 0;
}

static void close_threads(peer *p) {
    void (*free_threads)(struct ggml_threadpool *);
    *(void **)&free_threads = p->threads != NULL ? cpu_function(p, "ggml_threadpool_free") : NULL;
    if (free_threads != NULL) free_threads(p->threads);
}

static int open_context(peer *p, const peer_options *o, err *e) {
    struct llama_context_params c = llama_context_default_params();
    c.n_ctx = (uint32_t)o->context;
    c.n_batch = c.n_ubatch = (uint32_t)o->pass;
    c.n_threads = c.n_threads_batch = o->threads;
    if (o->exact) {
        c.type_k = c.type_v = GGML_TYPE_F32;
        c.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    }
    if ((p->context = llama_init_from_model(p->model, c)) == NULL)
        return err_run(e, "llama.cpp makes no context of %zu tokens", o->context);
    return open_threads(p, o->threads, e);
}

peer *peer_open(const char *path, const peer_options *o, err *e) {
    peer *p = mem_new(1, sizeof *p, e);
    if (p == NULL) return NULL;
    llama_log_set(quiet, NULL);
    ggml_backend_load_all_from_path(PEER_LIBRARIES);
    llama_backend_init();
    p->batch = llama_batch_init((int32_t)o->pass, 0, 1);
    if ((p->cpu = ggml_backend_reg_by_name("CPU")) == NULL) {
        err_run(e, "llama.cpp finds no kernels in " PEER_LIBRARIES);
        goto fail;
    }
    struct llama_model_params m = llama_model_default_params();
    m.n_gpu_layers = 0;
    m.vocab_only = o->vocab_only;
    if ((p->model = llama_model_load_from_file(path, m)) == NULL) {
        err_input(e, "%s: llama.cpp cannot load it", path);
        goto fail;
    }
    p->vocab = llama_model_get_vocab(p->model);
    if (o->vocab_only || open_context(p, o, e) == 0) return p;
fail:
    peer_close(p);
    return NULL;
}

void peer_close(peer *p) {
    if (p == NULL) return;
    llama_batch_free(p->batch);
    if (p->context != NULL) llama_free(p->context);
    close_threads(p);
    if (p->model != NULL) llama_model_free(p->model);
    free(p);
}

/* The library that the kernels are in. */
const char *peer_kernels(const peer *p) {
    Dl_info     where;
    void       *one = cpu_function(p, "ggml_backend_get_features");
    const char *name = one != NULL && dladdr(one, &where) != 0 ? strrchr(where.dli_fname, '/') : NULL;
    return name != NULL ? name + 1 : "kernels of unknown origin";
}

size_t peer_vocab(const peer *p) {
    return (size_t)llama_vocab_n_tokens(p->vocab);
}

int peer_tokenize(const peer *p, const char *text, size_t n, bool bos, tokens *out, err *e) {
    if (bos && llama_vocab_get_add_bos(p->vocab) && tokens_push(out, llama_vocab_bos(p->vocab), e) != 0) return -1;
    if (tokens_reserve(out, out->n + n + 8, e) != 0) return -1;
    int32_t room = (int32_t)(out->cap - out->n);
    int32_t got = llama_tokenize(p->vocab, text, (int32_t)n, out->ids + out->n, room, false, false);
    if (got < 0) return err_run(e, "llama.cpp needs %d ids for %zu bytes", (int)-got, n);
    out->n += (size_t)got;
    return 0;
}

void peer_clear(peer *p) {
    llama_memory_clear(llama_get_memory(p->context), true);
    p->length = 0;
}

void peer_rewind(peer *p, size_t length) {
    llama_memory_seq_rm(llama_get_memory(p->context), 0, (llama_pos)length, -1);
    p->length = (int32_t)length;
}

bool peer_ends(const peer *p, int32_t id) {
    return llama_vocab_is_eog(p->vocab, id);
}

const float *peer_pass(peer *p, const int32_t *ids, size_t n, size_t rows, err *e) {
    p->batch.n_tokens = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        p->batch.token[i] = ids[i];
        p->batch.pos[i] = p->length + (int32_t)i;
        p->batch.n_seq_id[i] = 1;
        p->batch.seq_id[i][0] = 0;
        p->batch.logits[i] = i + rows >= n;
    }
    if (llama_decode(p->context, p->batch) != 0) {
        err_run(e, "llama.cpp's pass over %zu tokens fails", n);
        return NULL;
    }
    p->length += (int32_t)n;
    return llama_get_logits(p->context); /* which waits for them */
}
