/* compare.h - `harness compare`: which cell is best and which are not told apart from it, or what two runs of the same
 * cells differ in. Both are paired by record (arms.h).
 *
 *  C1  Compared are cells that agree in all settings but the policy and the config: the same records, the same model
 * with the same weights, the same rule. Each such set has a best cell of its own. C2  Two files are two runs when they
 * hold the same cells, plain decoding's left out; otherwise all files are read as one. C3  Times by a clock are not
 * paired across processors. Speed-ups are: each is of times on one machine. C4  Cells that are unfinished, or were not
 * all measured, are left out, and a line says so.
 */
#ifndef ANALYSIS_COMPARE_H
#define ANALYSIS_COMPARE_H

#include "analysis/metrics.h"
#include "analysis/tables/table_kind.h"
#include "analysis/view.h"

typedef struct {
    const char *const  *files; /* [n_files] their names */
    size_t              n_files;
    const metric       *metric;  /* NULL: speed-up of totals, or what there is */
    const char         *base;    /* a policy with parameters (cell_keys_selects); NULL: the best cell */
    const char         *pattern; /* of ids that are drawn together (records.h), or NULL */
    double              least;   /* of a cell's performance / its base's or first run's; 0: any will do */
    const table_format *format;
} compare_options;

/* Cells whose performance was too low. */
typedef struct {
    size_t tested, below; /* with an interval; below the least */
    char   first[300];    /* one of them, with its performance */
} compare_verdict;

/* Prints the comparison. ERR_INPUT for what cannot be compared. */
int compare_print(const view *v, const compare_options *o, FILE *out, compare_verdict *verdict, err *e);

/* ERR_RUN when the performance of a cell is below o->least beyond doubt: the whole interval of its ratio lies there,
 * and the two are told apart (compared_apart). Performance is the metric, or 1 / it where less is better. ERR_INPUT
 * when no ratio has an interval, since nothing could ever be beyond doubt. */
int compare_judge(const compare_options *o, const compare_verdict *verdict, err *e);

#endif
