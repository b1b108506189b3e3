#include "analysis/captions.h"

#include <stdlib.h>
#include <string.h>

int caption_records(table *t, const store_data *d, err *e) {
    size_t *first = summary_originals(d, e);
    if (first == NULL) return -1;
    for (size_t i = 0; i < d->n_samples; i++) {
        const char *dataset = d->samples[i].dataset;
        size_t      before = 0, records = 0, distinct = 0;
        while (strcmp(d->samples[before].dataset, dataset) != 0) before++;
        if (before < i) continue;
        for (size_t k = i; k < d->n_samples; k++) {
            if (strcmp(d->samples[k].dataset, dataset) != 0) continue;
            records++;
            distinct += first[k] == k;
        }
        if (distinct < records)
            table_caption(t, "%s: %zu records, %zu distinct; duplicates count as one in intervals", dataset, records,
                          distinct);
    }
    free(first);
    for (size_t i = 0; i < d->n_skipped; i++) {
        const skipped_row *s = &d->skipped[i];
        size_t             before = 0, n = 0;
        while (strcmp(d->skipped[before].dataset, s->dataset) != 0 || strcmp(d->skipped[before].model, s->model) != 0)
            before++;
        if (before < i) continue;
        for (size_t k = i; k < d->n_skipped; k++)
            n += strcmp(d->skipped[k].dataset, s->dataset) == 0 && strcmp(d->skipped[k].model, s->model) == 0;
        table_caption(t, "%s for %s: %zu record%s left out, the first on line %u%s%s%s: %s", s->dataset, s->model, n,
                      n == 1 ? "" : "s", s->line, *s->id != '\0' ? " (" : "", s->id, *s->id != '\0' ? ")" : "",
                      s->reason);
    }
    return 0;
}

void caption_unfinished(table *t, const store_data *d, const cell_summary *rows) {
    size_t there = 0, wanted = 0, cells = 0;
    for (size_t c = 0; c < d->n_cells; c++) {
        if (rows[c].trials == d->cells[c].trials) continue;
        cells++;
        there += rows[c].trials;
        wanted += d->cells[c].trials;
    }
    if (cells > 0) table_caption(t, "unfinished: %zu of %zu trials", there, wanted);
}

void caption_speedups(table *t, const store_data *d, const cell_summary *rows) {
    size_t trials = 0, timed = 0, unequal = 0, clocked = 0, withheld = 0, beyond = 0;
    for (size_t c = 0; c < d->n_cells; c++) {
        const cell_summary *s = &rows[c];
        bool                has_clock = strcmp(s->cell->target, "replay") != 0;
        trials += s->trials;
        timed += s->timed;
        unequal += s->unequal;
        clocked += has_clock;
        withheld += has_clock && s->speedup.n < s->speedup.of;
        beyond += d->costs.n > 0 && s->modeled.n < s->modeled.of;
    }
    if (clocked == 0 && d->costs.n == 0) return;
    if (withheld > 0)
        table_caption(t,
                      "no speed-up for %zu of %zu cells: not all of their trials had plain decoding timed in the same "
                      "process, or beside them (paired = yes)",
                      withheld, clocked);
    if (beyond > 0)
        table_caption(t,
                      "no modeled speed-up for %zu of %zu cells: some of their passes are longer than the last one of "
                      "the cost file",
                      beyond, d->n_cells);
    if (timed < trials)
        table_caption(t, "%zu of %zu trials have no speed-up: they, or plain decoding, end with the prompt's pass",
                      trials - timed, trials);
    if (unequal > 0)
        table_caption(t,
                      "the outputs of %zu of %zu trials differ from plain decoding's: their speed-up is of time per "
                      "token",
                      unequal, timed);
}
