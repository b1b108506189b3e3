/* data.c - results in memory: growing tables that own their texts. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/rows.h"

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
    for (size_t c = 0; d->places != NULL && c < d->n_cells; c++) store_file_leave(d->places[c].file);
    free(d->places);
    for (size_t i = 0; i < d->n_process_maps; i++) free(d->process_maps[i]);
    free(d->process_maps);
    for (size_t i = 0; i < TABLES; i++) store_table_free(&store_tables[i], d);
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

int store_keep_texts(kept_texts *texts, const kept_texts *more, err *e) {
    for (size_t i = 0; i < more->n; i++)
        if (store_keep_text(texts, more->at[i].name, more->at[i].text, NULL, e) != 0) return -1;
    return 0;
}

int store_add_cell(store_data *d, const cell_row *row, err *e) {
    return store_table_add(&store_tables[TABLE_CELLS], d, row, e);
}

int store_add_sample(store_data *d, const sample_row *row, err *e) {
    return store_table_add(&store_tables[TABLE_SAMPLES], d, row, e);
}

int store_add_skipped(store_data *d, const skipped_row *row, err *e) {
    return store_table_add(&store_tables[TABLE_SKIPPED], d, row, e);
}

int store_add_process(store_data *d, const process_row *row, uint32_t *at, err *e) {
    size_t i = 0;
    while (i < d->n_processes && strcmp(d->processes[i].id, row->id) != 0) i++;
    if (at != NULL) *at = (uint32_t)i;
    return i < d->n_processes ? 0 : store_table_add(&store_tables[TABLE_PROCESSES], d, row, e);
}

int store_add_trial(store_data *d, const trial_row *row, const step_row *steps, size_t n_steps, const int32_t *ids,
                    size_t n_ids, const uint64_t *hash, err *e) {
    uint32_t trial = (uint32_t)d->n_trials;

    if (store_table_check(&store_tables[TABLE_TRIALS], d->n_trials, e) != 0) return -1;
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

void store_drop_trials(store_data *d) {
    d->n_trials = d->n_steps = d->n_ids = 0;
}
