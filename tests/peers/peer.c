/* peer.c - the only file that includes llama.cpp's headers. */
#include "tests/peers/peer.h"

#include <llama.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"

struct peer {
    struct llama_model   *model;
    struct llama_context *context;
    struct llama_batch    batch;
};

static void quiet(enum ggml_log_level level, const char *text, void *data) {
    (void)data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

peer *peer_open(const char *path, size_t context, int threads, bool f32_cache, err *e) {
    peer *p = mem_new(1, sizeof *p, e);
    if (p == NULL) return NULL;
    llama_log_set(quiet, NULL);
    ggml_backend_load_all_from_path(PEER_LIBRARIES); /* kernels, where they are libraries of their own */
    llama_backend_init();
    p->batch = llama_batch_init((int32_t)context, 0, 1);
    p->model = llama_model_load_from_file(path, llama_model_default_params());
    if (p->model == NULL) {
        err_input(e, "%s: llama.cpp cannot load it", path);
        goto fail;
    }
    struct llama_context_params c = llama_context_default_params();
    c.n_ctx = c.n_batch = c.n_ubatch = (uint32_t)context;
    c.n_threads = c.n_threads_batch = threads;
    if (f32_cache) c.type_k = c.type_v = GGML_TYPE_F32;
    p->context = llama_init_from_model(p->model, c);
    if (p->context != NULL) return p;
    err_run(e, "llama.cpp makes no context");
fail:
    peer_close(p);
    return NULL;
}

void peer_close(peer *p) {
    if (p == NULL) return;
    llama_batch_free(p->batch);
    if (p->context != NULL) llama_free(p->context);
    if (p->model != NULL) llama_model_free(p->model);
    free(p);
}

int32_t peer_tokenize(const peer *p, const char *text, size_t n, int32_t *ids, size_t room) {
    return llama_tokenize(llama_model_get_vocab(p->model), text, (int32_t)n, ids, (int32_t)room, false, false);
}

void peer_begin(peer *p, const int32_t *ids, size_t n, size_t rows) {
#ifdef PEER_KV_CACHE /* before July 2025 */
    llama_kv_cache_clear(p->context);
#else
    llama_memory_clear(llama_get_memory(p->context), true);
#endif
    p->batch.n_tokens = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        p->batch.token[i] = ids[i];
        p->batch.pos[i] = (int32_t)i;
        p->batch.n_seq_id[i] = 1;
        p->batch.seq_id[i][0] = 0;
        p->batch.logits[i] = i + rows >= n;
    }
}

const float *peer_pass(peer *p, err *e) {
    if (llama_decode(p->context, p->batch) == 0) return llama_get_logits(p->context); /* which waits for them */
    err_run(e, "llama.cpp's pass over %d tokens fails", (int)p->batch.n_tokens);
    return NULL;
}
