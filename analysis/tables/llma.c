/* llma.c - LLMA's ablation over n and k (arXiv 2304.04487), as two means that its numbers may be
 * read as: of all tokens, which is what a service gains in steps, and of the samples, which is larger where short
 * outputs are copied best. */
#include "analysis/tables/nk_grid.h"

static const nk_matrix matrices[] = {
    {"steps", "steps", 0, nk_steps},
    {"tokens per step of all tokens (tokens / steps)", "tokens_per_step", 4, nk_pooled},
    {"mean over the samples of their own tokens per step", "tokens_per_step_of_samples", 4, nk_of_samples},
};

static int print(const table_source *x, err *e) {
    return nk_grid_print(x, &(nk_table){"llma", matrices, sizeof matrices / sizeof *matrices}, e);
}

const table_kind table_llma = {
    .name = "llma",
    .help = "LLMA's ablation: policy llma by n and k, of all tokens and as mean over samples",
    .print = print,
};
