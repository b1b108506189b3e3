/* write.c - writes results to disk. */
#include <stdlib.h>
#include <string.h>

#include "store/h5.h"
#include "store/h5_file.h"
#include "store/settings.h"
#include "store/tables.h"

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

static int write_tokens(hid_t file, const store_data *d, err *e) {
    const uint64_t none = 0;
    hid_t          group;
    int            ret = create_group(file, "tokens", &group, e);
    if (ret == 0) ret = numbers_write_i32(group, "ids", d->ids, d->n_ids, e);
    if (ret == 0) ret = numbers_write_u64(group, "offset", d->n_trials > 0 ? d->offset : &none, d->n_trials + 1, e);
    if (ret == 0 && d->logits_hash != NULL) ret = numbers_write_u64(group, "logits_hash", d->logits_hash, d->n_ids, e);
    return h5_close(&group, ret, e);
}

static int write_all(hid_t file, const void *data, err *e) {
    const store_data *d = data;
    if (write_attributes(file, d, e) != 0) return -1;
    if (write_texts(file, "configs", &d->configs, e) != 0 || write_texts(file, "costs", &d->costs, e) != 0) return -1;
    for (size_t i = 0; i < TABLES; i++)
        if (store_table_write(file, &store_tables[i], d, e) != 0) return -1;
    if (write_settings(file, e) != 0) return -1;
    return write_tokens(file, d, e);
}

int store_write(const char *path, const store_data *d, bool exclusive, err *e) {
    err why = {0};
    if (store_check(d, &why) != 0) return err_run(e, "%s: cannot write: %s", path, why.text);
    return h5_file_write(path, exclusive, write_all, d, e);
}
