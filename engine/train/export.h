/* export.h - a trained net as a GGUF file of the Llama architecture, for this engine and any other reader. */
#ifndef ENGINE_TRAIN_EXPORT_H
#define ENGINE_TRAIN_EXPORT_H

#include "engine/kernels/dtype.h"
#include "engine/train/bpe.h"
#include "engine/train/net.h"

typedef struct {
    const char *name;    /* general.name */
    size_t      context; /* tokens it was trained for */
    dtype       type;    /* of matrices, whose rows must be whole blocks; norms stay F32 */
} export_options;

/* Writes the file whole or not at all. The output matrix is the embedding, so there is no output.weight. */
int export_gguf(const char *path, const export_options *o, const net_shape *s, const float *params, const bpe *b,
                err *e);

/* Writes a file with only the tokenizer. */
int export_vocabulary(const char *path, const char *name, const bpe *b, err *e);

#endif
