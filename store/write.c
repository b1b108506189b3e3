/* write.c - writes results to disk. */
#include <stdlib.h>
#include <string.h>

#include "store/h5.h"
#include "store/rows.h"
#include "store/settings.h"

enum { COMPACT_MAX = 60 * 1000 }; /* texts up to this size are in the object's header, which has a checksum */

static int write_attributes(hid_t file, const store_data *d, err *e) {
    const int32_t version = STORE_SCHEMA_VERSION;
    if (h5_write_attribute(file, "schema_version", H5T_STD_I32LE, &version, e) != 0) return -1;
    if (h5_write_text_attribute(file, "sweep", d->sweep != NULL ? d->sweep : "", e) != 0) return -1;
    return h5_write_text_attribute(file, "created", d->created != NULL ? d->created : "", e);
}

/* Records which columns of /cells are settings, so readers need no list of their own. */
static int write_settings(hid_t file, err *e) {
    const char *names[SETTINGS], *roles[SETTINGS];
    settings_texts(names, roles);
    hid_t cells = H5Dopen2(file, "cells", H5P_DEFAULT);
    if (cells < 0) return h5_fails(e, "cells");
    int ret = h5_write_texts_attribute(cells, "settings", names, SETTINGS, e);
    if (ret == 0) ret = h5_write_texts_attribute(cells, "roles", roles, SETTINGS, e);
    return h5_close(&cells, ret, e);
}

static int write_text(hid_t group, const kept_text *c, err *e) {
    int    ret = 0;
    size_t length = strlen(c->text);
    hid_t  type = h5_text_type(length > 0 ? length : 1), space = H5Screate(H5S_SCALAR);
    hid_t  how = H5Pcreate(H5P_DATASET_CREATE), text = H5I_INVALID_HID;

    if (type < 0 || space < 0 || how < 0 || H5Pset_obj_track_times(how, false) < 0 ||
        H5Pset_layout(how, length <= COMPACT_MAX ? H5D_COMPACT : H5D_CONTIGUOUS) < 0 ||
        (text = H5Dcreate2(group, c->name, type, space, H5P_DEFAULT, how, H5P_DEFAULT)) < 0 ||
        H5Dwrite(text, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, c->text) < 0)
        ret = h5_fails(e, c->name);
    ret = h5_close(&text, ret, e);
    ret = h5_close(&how, ret, e);
    ret = h5_close(&space, ret, e);
    return h5_close(&type, ret, e);
}

static int create_group(hid_t file, const char *name, hid_t *group, err *e) {
    int   ret = 0;
    hid_t how = H5Pcreate(H5P_GROUP_CREATE);

    *group = H5I_INVALID_HID;
    if (how < 0 || H5Pset_obj_track_times(how, false) < 0 ||
        (*group = H5Gcreate2(file, name, H5P_DEFAULT, how, H5P_DEFAULT)) < 0)
        ret = h5_fails(e, name);
    return h5_close(&how, ret, e);
}

static int write_texts(hid_t file, const char *name, const kept_texts *texts, err *e) {
    hid_t group;
    int   ret = create_group(file, name, &group, e);
    for (size_t i = 0; ret == 0 && i < texts->n; i++) ret = write_text(group, &texts->at[i], e);
    return h5_close(&group, ret, e);
}

/* ---- trial by trial ------------------------------------------------------------------------------------- */

static int create_tokens(store_writer *w, err *e) {
    const uint64_t zero = 0;
    if (create_group(w->file, "tokens", &w->tokens, e) != 0 ||
        numbers_create(w->tokens, "ids", FIELD_I32, w->want.ids, &w->ids, e) != 0 ||
        numbers_create(w->tokens, "offset", FIELD_U64, w->want.trials + 1, &w->offset, e) != 0 ||
        h5_rows_put(&w->offset, &zero, 1, e) != 0)
        return -1;
    return w->want.hashed ? numbers_create(w->tokens, "logits_hash", FIELD_U64, w->want.ids, &w->hash, e) : 0;
}

int store_writer_open(store_writer *w, hid_t file, const store_data *d, store_counts want, err *e) {
    static const int   tables[] = {TABLE_CELLS, TABLE_SAMPLES, TABLE_SKIPPED};
    const store_table *t = store_tables;
    *w = (store_writer){.file = file, .tokens = H5I_INVALID_HID, .want = want};
    if (write_attributes(file, d, e) != 0) return -1;
    if (write_texts(file, "configs", &d->configs, e) != 0 || write_texts(file, "costs", &d->costs, e) != 0) return -1;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (store_table_write(file, &t[tables[i]], d, e) != 0) return -1;
    if (write_settings(file, e) != 0) return -1;
    if (compound_create(file, &t[TABLE_TRIALS].form, NULL, 0, want.trials, &w->trials, e) != 0) return -1;
    if (compound_create(file, &t[TABLE_STEPS].form, NULL, 0, want.steps, &w->steps, e) != 0) return -1;
    return create_tokens(w, e);
}

int store_writer_add(store_writer *w, const store_trial *t, err *e) {
    trial_row row = *t->trial;
    row.trial = (uint32_t)w->n.trials++;
    if (compound_put(&w->trials, &row, e) != 0) return -1;
    for (uint32_t i = 0; i < row.steps; i++) {
        step_row s = t->steps[i];
        s.trial = row.trial;
        if (compound_put(&w->steps, &s, e) != 0) return -1;
    }
    w->n.ids += row.tokens;
    const uint64_t end = w->n.ids;
    if (h5_rows_put(&w->ids, t->ids, row.tokens, e) != 0 || h5_rows_put(&w->offset, &end, 1, e) != 0) return -1;
    return w->want.hashed ? h5_rows_put(&w->hash, t->hash, row.tokens, e) : 0;
}

int store_writer_finish(store_writer *w, const store_data *d, err *e) {
    if (compound_finish(&w->trials, e) != 0 || compound_finish(&w->steps, e) != 0 || h5_rows_finish(&w->ids, e) != 0 ||
        h5_rows_finish(&w->offset, e) != 0 || (w->want.hashed && h5_rows_finish(&w->hash, e) != 0))
        return -1;
    return store_table_write(w->file, &store_tables[TABLE_PROCESSES], d, e);
}

int store_writer_close(store_writer *w, int ret, err *e) {
    ret = compound_close(&w->trials, ret, e);
    ret = compound_close(&w->steps, ret, e);
    ret = h5_rows_close(&w->ids, ret, e);
    ret = h5_rows_close(&w->offset, ret, e);
    ret = h5_rows_close(&w->hash, ret, e);
    return h5_close(&w->tokens, ret, e);
}

/* ---- whole ---------------------------------------------------------------------------------------------- */

static int write_visited(const store_trial *t, void *ctx, err *e) {
    return store_writer_add(ctx, t, e);
}

static int write_all(hid_t file, const void *data, err *e) {
    const store_data *d = data;
    store_writer      w;
    store_counts      want = {d->n_trials, d->n_steps, d->n_ids, d->logits_hash != NULL};
    int               ret = store_writer_open(&w, file, d, want, e);
    if (ret == 0) ret = store_visit(d, VISIT_ALL, write_visited, &w, e);
    if (ret == 0) ret = store_writer_finish(&w, d, e);
    return store_writer_close(&w, ret, e);
}

int store_write(const char *path, const store_data *d, bool exclusive, err *e) {
    err why = {0};
    if (store_check(d, &why) != 0) return err_run(e, "%s: cannot write: %s", path, why.text);
    return h5_file_write(path, exclusive, write_all, d, e);
}
