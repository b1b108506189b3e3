/* inspect_records.c - repeated records in a dataset, and keys that are not read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/distinct.h"
#include "engine/base/mem.h"
#include "experiments/inspect/inspect.h"

int inspect_distinct(const dataset *d, err *e) {
    enum { SHOWN = 5 };
    size_t *first = mem_new(d->n, sizeof *first, e), repeats = 0;
    if (first == NULL || dataset_distinct(d, first, e) != 0) {
        free(first);
        return -1;
    }
    for (size_t i = 0; i < d->n; i++) repeats += first[i] != i;
    if (repeats > 0) {
        printf("distinct %zu (%zu %s the prompt, references and output of an earlier record: ", d->n - repeats, repeats,
               repeats == 1 ? "repeats" : "repeat");
        for (size_t i = 0, shown = 0; i < d->n && shown < SHOWN; i++) {
            if (first[i] == i) continue;
            const char *id = d->records[i].id, *earlier = d->records[first[i]].id;
            if (shown++ > 0) fputs(", ", stdout);
            inspect_cut(id, strlen(id), 40);
            fputs(" = ", stdout);
            inspect_cut(earlier, strlen(earlier), 40);
        }
        puts(repeats > SHOWN ? ", ...)" : ")");
    }
    free(first);
    return 0;
}

void inspect_unread(const dataset *d) {
    enum { SHOWN = 20 };
    if (d->n_unread == 0) return;
    puts("\nrecords  key that is not read");
    for (size_t i = 0; i < d->n_unread && i < SHOWN; i++) {
        const unread_key *k = &d->unread[i];
        printf("%7zu  ", k->records);
        inspect_cut(k->key, strlen(k->key), 60);
        if (k->lacking > 0)
            printf(" (did you mean %s? %zu of them ha%s none)", k->meant, k->lacking, k->lacking == 1 ? "s" : "ve");
        putchar('\n');
    }
    if (d->n_unread > SHOWN) puts("    ...  and more");
}
