/* explain.h - a recommendation in words and tables. */
#ifndef EXPERIMENTS_EXPLAIN_H
#define EXPERIMENTS_EXPLAIN_H

#include <stdio.h>

#include "experiments/recommend/choose.h"

/* What is recommended, how sure that is, what is not separated from it, where it loses, and from which acceptance on a
 * draft pays. */
int explain_choice(const plan *p, const store_data *d, const choice *c, FILE *out, err *e);

#endif
