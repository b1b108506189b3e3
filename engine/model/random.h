/* random.h - a model of random weights, written by the description of its architecture: speed depends on nothing else,
 * and what is computed can be tested with it. */
#ifndef ENGINE_MODEL_RANDOM_H
#define ENGINE_MODEL_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/gguf/gguf_write.h"
#include "engine/model/architecture.h"
#include "engine/model/mix.h"

/* Follows the matrices of a model: each is `added` once, then its rows are `made` while the file is written. */
typedef struct {
    void (*added)(void *ctx, dtype type, size_t rows, size_t cols);
    void (*made)(void *ctx, dtype type, size_t rows, size_t cols, bool last);
    void *ctx;
} random_watch;

/* Equal specs give equal files, whatever the threads. */
typedef struct {
    const architecture *arch;
    model_shape         shape;
    const type_mix     *mix;     /* types of the matrices */
    dtype               vectors; /* of norms, biases and factors: F32, F16 or BF16 */
    bool                whole;   /* write whole tensors in place of their parts, wherever some file may have them */
    bool                biases;  /* write those that files may have */
    bool                factors; /* and those of rotary frequencies */
    bool                tied;    /* no output matrix where files may do without */
    uint64_t            seed;
    int                 threads;
    random_watch        watch; /* functions may be NULL */
} random_spec;

typedef struct random_model random_model;

/* Adds the keys and tensors of a model, but no tokenizer, to a writer. What the writer reads when it saves lives until
 * random_model_free. NULL without memory. */
random_model *random_model_put(const random_spec *s, gguf_writer *w, err *e);
void          random_model_free(random_model *m); /* NULL is fine */

#endif
