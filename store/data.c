/* data.c - results in memory: growing tables that own their texts. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/compound.h"

static void rows_free(const compound *t, void *rows, size_t n) {
    for (size_t i = 0; i < n; i++) compound_row_free(t, (char *)rows + i * t->row_size);
    free(rows);
}

static void texts_free(kept_texts *texts) {
    for (size_t i = 0; i < texts->n; i++) {
        free(texts->at[i].name);
        free(texts->at[i].text);
    }
    free(texts->at);
}

void store_free(store_data *d) {
    free(d->sweep);
    free(d->created);
    texts_free(&d->configs);
    texts_free(&d->costs);
    rows_free(&compound_cells, d->cells, d->n_cells);
    rows_free(&compound_processes, d->processes, d->n_processes);
    rows_free(&compound_samples, d->samples, d->n_samples);
    rows_free(&compound_skipped, d->skipped, d->n_skipped);
    free(d->trials);
    free(d->steps);
    free(d->ids);
    free(d->offset);
    free(d->logits_hash);
    *d = (store_data){0};
}

static const kept_text *find_text(const kept_texts *texts, const char *name) {
    for (size_t i = 0; i < texts->n; i++)
        if (strcmp(texts->at[i].name, name) == 0) return &texts->at[i];
    return NULL;
}

int store_keep_text(kept_texts *texts, const char *name, const char *text, size_t *kept, err *e) {
    const kept_text *taken;

    /* HDF5 reads these as paths. */
    if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0)
        return err_input(e, "a text cannot be stored under the name \"%s\" (the base name of a file)", name);
    char *free_name = mem_strdup(name, e);
    for (size_t i = 2; free_name != NULL && (taken = find_text(texts, free_name)) != NULL; i++) {
        bool same = strcmp(taken->text, text) == 0;
        free(free_name);
        if (same && kept != NULL) *kept = (size_t)(taken - texts->at);
        if (same) return 0;
        free_name = mem_printf(e, "%s (%zu)", name, i);
    }
    if (free_name == NULL) return -1;
    char *copy = mem_strdup(text, e);
    if (copy == NULL || mem_reserve(&texts->at, &texts->cap, texts->n + 1, e) != 0) {
        free(free_name);
        free(copy);
        return -1;
    }
    if (kept != NULL) *kept = texts->n;
    texts->at[texts->n++] = (kept_text){free_name, copy};
    return 0;
}

/* A table's rows are counted in 32 bits, and one number is left for "no row". */
static int check_count(size_t n, const compound *t, err *e) {
    return n < UINT32_MAX ? 0 : err_run(e, "%s: more than 2^32 - 1 rows", t->name);
}

int store_add_cell(store_data *d, const cell_row *row, err *e) {
    if (check_count(d->n_cells, &compound_cells, e) != 0) return -1;
    if (mem_reserve(&d->cells, &d->cap_cells, d->n_cells + 1, e) != 0) return -1;
    if (compound_row_copy(&compound_cells, &d->cells[d->n_cells], row, e) != 0) return -1;
    d->cells[d->n_cells].cell = (uint32_t)d->n_cells;
    d->n_cells++;
    return 0;
}

int store_add_sample(store_data *d, const sample_row *row, err *e) {
    if (check_count(d->n_samples, &compound_samples, e) != 0) return -1;
    if (mem_reserve(&d->samples, &d->cap_samples, d->n_samples + 1, e) != 0) return -1;
    if (compound_row_copy(&compound_samples, &d->samples[d->n_samples], row, e) != 0) return -1;
    d->samples[d->n_samples].sample = (uint32_t)d->n_samples;
    d->n_samples++;
    return 0;
}

int store_add_process(store_data *d, const process_row *row, uint32_t *at, err *e) {
    size_t i = 0;
    while (i < d->n_processes && strcmp(d->processes[i].id, row->id) != 0) i++;
    if (at != NULL) *at = (uint32_t)i;
    if (i < d->n_processes) return 0;
    if (check_count(i, &compound_processes, e) != 0) return -1;
    if (mem_reserve(&d->processes, &d->cap_processes, i + 1, e) != 0) return -1;
    if (compound_row_copy(&compound_processes, &d->processes[i], row, e) != 0) return -1;
    d->processes[i].process = (uint32_t)i;
    d->n_processes++;
    return 0;
}

int store_add_skipped(store_data *d, const skipped_row *row, err *e) {
    if (check_count(d->n_skipped, &compound_skipped, e) != 0) return -1;
    if (mem_reserve(&d->skipped, &d->cap_skipped, d->n_skipped + 1, e) != 0) return -1;
    if (compound_row_copy(&compound_skipped, &d->skipped[d->n_skipped], row, e) != 0) return -1;
    d->skipped[d->n_skipped].skipped = (uint32_t)d->n_skipped;
    d->n_skipped++;
    return 0;
}

int store_add_trial(store_data *d, const trial_row *row, const step_row *steps, size_t n_steps, const int32_t *ids,
                    size_t n_ids, const uint64_t *hash, err *e) {
    uint32_t trial = (uint32_t)d->n_trials;

    if (check_count(d->n_trials, &compound_trials, e) != 0) return -1;
    if (n_ids > 0 && d->n_ids > 0 && (hash != NULL) != (d->logits_hash != NULL))
        return err_run(e, "trial %u: some trials have logits and some have none", trial);
    if (mem_reserve(&d->trials, &d->cap_trials, d->n_trials + 1, e) != 0 ||
        mem_reserve(&d->steps, &d->cap_steps, d->n_steps + n_steps, e) != 0 ||
        mem_reserve(&d->ids, &d->cap_ids, d->n_ids + n_ids, e) != 0 ||
        mem_reserve(&d->offset, &d->cap_offset, d->n_trials + 2, e) != 0 ||
        (n_ids > 0 && hash != NULL && mem_reserve(&d->logits_hash, &d->cap_hash, d->n_ids + n_ids, e) != 0))
        return -1;

    d->trials[d->n_trials++] = *row;
    d->trials[trial].trial = trial;
    for (size_t i = 0; i < n_steps; i++) {
        step_row *s = &d->steps[d->n_steps++];
        *s = steps[i];
        s->trial = trial;
        s->step = (uint32_t)i;
    }
    if (n_ids > 0) memcpy(d->ids + d->n_ids, ids, n_ids * sizeof *ids);
    if (n_ids > 0 && hash != NULL) memcpy(d->logits_hash + d->n_ids, hash, n_ids * sizeof *hash);
    d->n_ids += n_ids;
    d->offset[0] = 0;
    d->offset[trial + 1] = d->n_ids;
    return 0;
}
