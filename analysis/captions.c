#include "analysis/captions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/records.h"
#include "engine/base/number.h"
#include "engine/base/quote.h"

/* Cuts what is after the first digits of digests within a text, as in chain.stages; those alone are short already. */
static void shorten_digests(char *s) {
    static const char digest[] = "sha256:", hex[] = "0123456789abcdef";
    enum { DIGITS = 64, SHOWN = 12 };
    for (char *at = s; (at = strstr(at, digest)) != NULL;) {
        at += sizeof digest - 1;
        size_t digits = strspn(at, hex);
        if (digits == DIGITS) memmove(at + SHOWN, at + DIGITS, strlen(at + DIGITS) + 1);
    }
}

void caption_settings(table *t, const char *sweep, char *settings) {
    shorten_digests(settings);
    table_caption(t, "%s%s%s", sweep, *sweep != '\0' && *settings != '\0' ? ": " : "", settings);
}

/* Whether an earlier cell has the same dataset with the same count. */
static bool told(const store_data *d, const record_count *n, size_t cell) {
    for (size_t c = 0; c < cell; c++)
        if (n[c].records == n[cell].records && n[c].distinct == n[cell].distinct &&
            strcmp(d->cells[c].dataset, d->cells[cell].dataset) == 0)
            return true;
    return false;
}

static bool same_skip(const skipped_row *a, const skipped_row *b) {
    return strcmp(a->dataset, b->dataset) == 0 && strcmp(a->dataset_sha256, b->dataset_sha256) == 0 &&
           strcmp(a->model, b->model) == 0;
}

int caption_records(table *t, const store_data *d, err *e) {
    record_count *n_of = records_count(d, e);
    if (n_of == NULL) return -1;
    for (size_t c = 0; c < d->n_cells; c++)
        if (n_of[c].distinct < n_of[c].records && !told(d, n_of, c))
            table_caption(t, "%s: %zu records, %zu distinct; duplicates count as one in intervals", d->cells[c].dataset,
                          n_of[c].records, n_of[c].distinct);
    free(n_of);
    for (size_t i = 0; i < d->n_skipped; i++) {
        const skipped_row *s = &d->skipped[i];
        size_t             before = 0, n = 0;
        while (!same_skip(&d->skipped[before], s)) before++;
        if (before < i) continue;
        for (size_t k = i; k < d->n_skipped; k++) n += same_skip(&d->skipped[k], s);
        table_caption(t, "%s for %s: %zu record%s left out, the first on line %u%s%s%s: %s", s->dataset, s->model, n,
                      plural(n), s->line, *s->id != '\0' ? " (" : "", s->id, *s->id != '\0' ? ")" : "", s->reason);
    }
    return 0;
}

void caption_groups(table *t, const char *pattern) {
    char shown[220];
    if (pattern != NULL)
        table_caption(t, "records are drawn in groups (--group %s)",
                      quote(shown, sizeof shown, pattern, strlen(pattern)));
}

void caption_unfinished(table *t, const store_data *d, const cell_counts *counts) {
    size_t there = 0, wanted = 0, cells = 0;
    for (size_t c = 0; c < d->n_cells; c++) {
        if (counts[c].trials == d->cells[c].trials) continue;
        cells++;
        there += counts[c].trials;
        wanted += d->cells[c].trials;
    }
    if (cells > 0) table_caption(t, "unfinished: %zu of %zu trials", there, wanted);
}

void caption_speedups(table *t, const store_data *d, const cell_counts *counts, const cell_spreads *spreads) {
    size_t trials = 0, timed = 0, unequal = 0, clocked = 0, withheld = 0, beyond = 0;
    for (size_t c = 0; c < d->n_cells; c++) {
        const cell_counts  *n = &counts[c];
        const cell_spreads *s = &spreads[c];
        bool                has_clock = d->cells[c].timed != 0;
        trials += n->trials;
        timed += n->timed;
        unequal += n->unequal;
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
