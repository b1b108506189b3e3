/* trainer.h - steps of training: a batch of sequences in, better parameters out.
 *
 * A batch is dealt over `lanes`, each with scratch and a gradient of its own, which are added in order. Threads take
 * lanes. So the bits depend on lanes and never on threads.
 */
#ifndef ENGINE_TRAIN_TRAINER_H
#define ENGINE_TRAIN_TRAINER_H

#include "engine/base/tokens.h"
#include "engine/train/net.h"
#include "engine/train/optimizer.h"

/* A prompt and the output to learn: ids in the vocabulary, at least 2. */
typedef struct {
    tokens ids;
    size_t n_prompt; /* 1 to ids.n */
} lesson;

typedef struct {
    net_shape shape;
    optimizer optimizer;
    size_t    lanes, context; /* a lesson has at most context + 1 ids */
    size_t    micro_tokens;   /* a lane runs so many tokens at once, or one lesson */
    double    prompt_weight;  /* of the prompt's tokens in the loss; the output's weigh 1 */
    int       threads;
} trainer_options;

typedef struct {
    float               *params, *m, *v; /* [net_params] what a checkpoint keeps, with the number of steps */
    float               *scratch;        /* of the optimizer */
    size_t               step;
    struct trainer_lane *lanes;
    trainer_options      o;
} trainer;

typedef struct {
    net_score score;
    double    norm, rate; /* of the gradient; of learning */
    size_t    tokens;     /* of all lessons */
} trainer_report;

/* Fresh parameters from the seed. BLAS keeps to one thread from now on. */
int  trainer_open(const trainer_options *o, uint64_t seed, trainer *t, err *e);
void trainer_close(trainer *t);

/* Takes one step over these lessons. ERR_RUN when the loss or the gradient is no longer finite: nothing has
 * changed then. */
int trainer_step(trainer *t, const lesson *lessons, size_t n, trainer_report *out, err *e);

/* Scores the outputs of lessons without learning from them. */
int trainer_score(trainer *t, const lesson *lessons, size_t n, trainer_report *out, err *e);

#endif
