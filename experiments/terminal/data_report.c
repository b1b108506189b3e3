#include "experiments/terminal/data_report.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/number.h"
#include "engine/base/quote.h"

void data_report_skipped(void *ctx, const err *why) {
    (void)ctx;
    fprintf(stderr, "harness: skipped: %s\n", why->text);
}

void data_report_left_out(const dataset *d) {
    if (d->dropped == 0) return;
    const skipped_record *first = &d->skipped.at[d->first_dropped];
    fprintf(stderr, "harness: %s: %zu record%s left out, the first one on line %zu: %s\n", d->path, d->dropped,
            plural(d->dropped), first->line, first->reason);
}

void data_report_omitted(const samples *s, const char *path) {
    if (s->omitted == 0) return;
    fprintf(stderr, "harness: %s: %zu byte%s left out, the first one on line %zu: no token spells %s\n", path,
            s->omitted, plural(s->omitted), s->omitted_line, s->omitted == 1 ? "it" : "them");
}

void data_report_keys(const dataset *d) {
    for (size_t i = 0; i < d->n_unread; i++) {
        const unread_key *k = &d->unread[i];
        char              key[100];
        if (k->lacking == 0) continue;
        fprintf(stderr, "harness: %s:%zu: key %s is not read; did you mean \"%s\"? (%zu of %zu records)\n", d->path,
                k->line, quote(key, sizeof key, k->key, strlen(k->key)), k->meant, k->lacking, d->n);
    }
}
