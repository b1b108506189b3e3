#include "analysis/report/texts.h"

#include <stdlib.h>

void trial_drafts_clear(trial_drafts *d) {
    free(d->missing);
    d->missing = NULL;
    d->n = 0;
}

void trial_drafts_free(trial_drafts *d) {
    free(d->ids);
    free(d->parents);
    free(d->missing);
    *d = (trial_drafts){0};
}
