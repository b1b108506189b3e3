/* join.c - joins one cell from the files of several processes, or of one that was stopped. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/store.h"

/* Everything except trials and processes. */
static int copy_frame(const store_data *from, store_data *to, err *e) {
    if ((to->sweep = mem_strdup(from->sweep != NULL ? from->sweep : "", e)) == NULL) return -1;
    if ((to->created = mem_strdup(from->created != NULL ? from->created : "", e)) == NULL) return -1;
    if (store_keep_texts(&to->configs, &from->configs, e) != 0) return -1;
    if (store_keep_texts(&to->costs, &from->costs, e) != 0) return -1;
    for (size_t i = 0; i < from->n_cells; i++)
        if (store_add_cell(to, &from->cells[i], e) != 0) return -1;
    for (size_t i = 0; i < from->n_samples; i++)
        if (store_add_sample(to, &from->samples[i], e) != 0) return -1;
    for (size_t i = 0; i < from->n_skipped; i++)
        if (store_add_skipped(to, &from->skipped[i], e) != 0) return -1;
    return 0;
}

/* Appends trial i, whose steps begin at `step`. */
static int copy_trial(const store_data *from, size_t i, size_t step, store_data *to, err *e) {
    trial_row       t = from->trials[i];
    const uint64_t *hash = from->logits_hash != NULL ? from->logits_hash + from->offset[i] : NULL;
    if (store_add_process(to, &from->processes[t.process], &t.process, e) != 0) return -1;
    return store_add_trial(to, &t, from->steps + step, t.steps, from->ids + from->offset[i], t.tokens, hash, e);
}

int store_join(store_data *to, const store_data *from, trial_choice *keep, void *ctx, err *e) {
    size_t step = 0;
    if (to->n_cells == 0 && copy_frame(from, to, e) != 0) return -1;
    for (size_t i = 0; i < from->n_trials; step += from->trials[i++].steps)
        if (keep(&from->trials[i], ctx) && copy_trial(from, i, step, to, e) != 0) return -1;
    return 0;
}

/* ---- what ran where ------------------------------------------------------------------------------------ */

/* True when the list "a, b, c" has this entry. */
static bool has_entry(const char *list, const char *entry) {
    size_t n = strlen(entry);
    for (const char *at = list; (at = strstr(at, entry)) != NULL; at++) {
        bool starts = at == list || (at - list >= 2 && memcmp(at - 2, ", ", 2) == 0);
        bool ends = at[n] == '\0' || strncmp(at + n, ", ", 2) == 0;
        if (starts && ends) return true;
        if (*at == '\0') return false;
    }
    return false;
}

static int add_entry(char **list, const char *entry, bool first, err *e) {
    if (!first && has_entry(*list, entry)) return 0;
    char *longer = first ? mem_strdup(entry, e) : mem_printf(e, "%s, %s", *list, entry);
    if (longer == NULL) return -1;
    free(*list);
    *list = longer;
    return 0;
}

/* The cell's own columns list the values of its processes. */
static int describe_cell(store_data *d, err *e) {
    cell_row *c = d->cells;
    for (size_t i = 0; i < d->n_processes; i++) {
        const process_row *p = &d->processes[i];
#define ORIGIN_FIELDS
#define FIELD(kind, name)                                                                                              \
    if (add_entry(&c->name, p->name, i == 0, e) != 0) return -1;
#include "store/fields.def"
#undef ORIGIN_FIELDS
    }
    return 0;
}

/* ---- picking ------------------------------------------------------------------------------------------- */

typedef struct {
    const trial_row *row;
    size_t           step; /* its first */
} place;

static int by_sample_and_repeat(const void *a, const void *b) {
    const trial_row *s = ((const place *)a)->row, *t = ((const place *)b)->row;
    if (s->sample != t->sample) return s->sample < t->sample ? -1 : 1;
    return (s->repeat > t->repeat) - (s->repeat < t->repeat);
}

int store_pick(const store_data *from, trial_choice *keep, void *ctx, store_data *out, err *e) {
    int    ret = -1;
    size_t n = 0, step = 0;
    place *kept = mem_new(from->n_trials, sizeof *kept, e);
    *out = (store_data){0};
    if (kept == NULL) return -1;
    for (size_t i = 0; i < from->n_trials; step += from->trials[i++].steps)
        if (keep(&from->trials[i], ctx)) kept[n++] = (place){&from->trials[i], step};
    if (n > 0) qsort(kept, n, sizeof *kept, by_sample_and_repeat);
    if (copy_frame(from, out, e) != 0) goto out;
    for (size_t i = 0; i < n; i++)
        if (copy_trial(from, (size_t)(kept[i].row - from->trials), kept[i].step, out, e) != 0) goto out;
    ret = describe_cell(out, e);
out:
    free(kept);
    if (ret != 0) store_free(out);
    return ret;
}
