/* grid.c - steps and tokens per step by n and k, of every policy that has both. */
#include "analysis/tables/nk_grid.h"

static const nk_matrix matrices[] = {
    {"steps", "steps", 0, nk_steps},
    {"tokens per step", "tokens_per_step", 2, nk_pooled},
};

static int print(const table_source *x, err *e) {
    return nk_grid_print(x, &(nk_table){NULL, matrices, sizeof matrices / sizeof *matrices}, e);
}

const table_kind table_grid = {
    .name = "grid",
    .help = "steps and tokens per step by trigger length n and copy length k",
    .print = print,
};
