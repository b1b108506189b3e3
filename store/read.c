/* read.c - reads results from disk; nothing in the file is trusted before it is checked.
 *
 * The file states its own sizes. A size is refused if it is more than the file can inflate to: deflate makes at most
 * 1032 bytes out of one (zlib's technical details).
 *
 * In our files (format 1.10), checksums protect HDF5 itself from damaged data. In files that another program rewrote in
 * an older format they are missing, and HDF5 1.10 can crash on those.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/h5.h"
#include "store/h5_file.h"
#include "store/settings.h"
#include "store/tables.h"

enum { DEFLATE_RATIO = 1032 };

static size_t most_of(const h5_file *file) {
    return file->size > SIZE_MAX / DEFLATE_RATIO ? SIZE_MAX : file->size * DEFLATE_RATIO;
}

/* ---- root attributes ----------------------------------------------------------------------------------- */

/* Of n values. */
static int open_attribute(hid_t file, const char *name, H5T_class_t class, size_t n, hid_t *attribute, hid_t *type,
                          err *e) {
    hid_t space = H5I_INVALID_HID;
    int   ret = 0;

    *type = H5I_INVALID_HID;
    *attribute = H5I_INVALID_HID;
    htri_t there = H5Aexists(file, name);
    if (there == 0)
        ret = err_input(e, "is not a results file: lacks the attribute %s", name);
    else if (there < 0 || (*attribute = H5Aopen(file, name, H5P_DEFAULT)) < 0 ||
             (*type = H5Aget_type(*attribute)) < 0 || (space = H5Aget_space(*attribute)) < 0)
        ret = h5_fails(e, name);
    else if (H5Tget_class(*type) != class || H5Sget_simple_extent_npoints(space) != (hssize_t)n)
        ret = n == 1 ? err_input(e, "the attribute %s is not one %s", name, class == H5T_STRING ? "text" : "integer")
                     : err_input(e, "the attribute %s is not a list of %zu texts", name, n);
    return h5_close(&space, ret, e);
}

static int read_integer(hid_t file, const char *name, int64_t *out, err *e) {
    hid_t attribute, type;
    int   ret = open_attribute(file, name, H5T_INTEGER, 1, &attribute, &type, e);
    if (ret == 0 && H5Aread(attribute, H5T_NATIVE_INT64, out) < 0) ret = h5_fails(e, name);
    ret = h5_close(&type, ret, e);
    return h5_close(&attribute, ret, e);
}

/* A new text from a fixed-size one, which `read` takes from an attribute or a dataset. */
static int read_text(hid_t from, hid_t type, const char *name, size_t most, herr_t (*read)(hid_t, hid_t, void *),
                     char **out, err *e) {
    int    ret = 0;
    size_t size = H5Tget_size(type);
    hid_t  like = H5I_INVALID_HID;

    *out = NULL;
    if (H5Tis_variable_str(type) != 0 || size == 0) return err_input(e, "%s: is not a text of fixed size", name);
    if (h5_check_room(name, 1, size, most, e) != 0 || (*out = mem_new(size + 1, 1, e)) == NULL) return -1;
    if ((like = h5_text_like(type)) < 0 || read(from, like, *out) < 0) ret = h5_fails(e, name);
    return h5_close(&like, ret, e); /* on failure the owner of *out frees it */
}

static herr_t read_whole(hid_t dataset, hid_t type, void *to) {
    return H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, to);
}

static int read_text_attribute(hid_t file, const char *name, size_t most, char **out, err *e) {
    hid_t attribute, type;
    int   ret = open_attribute(file, name, H5T_STRING, 1, &attribute, &type, e);
    if (ret == 0) ret = read_text(attribute, type, name, most, H5Aread, out, e);
    ret = h5_close(&type, ret, e);
    return h5_close(&attribute, ret, e);
}

static int read_attributes(hid_t file, size_t most, store_data *d, err *e) {
    int64_t version = 0;
    if (read_integer(file, "schema_version", &version, e) != 0) return -1;
    if (version != STORE_SCHEMA_VERSION)
        return err_input(e, "schema version is %lld (this program reads %d: run the sweep again)", (long long)version,
                         STORE_SCHEMA_VERSION);
    if (read_text_attribute(file, "sweep", most, &d->sweep, e) != 0) return -1;
    return read_text_attribute(file, "created", most, &d->created, e);
}

/* ---- kept texts ------------------------------------------------------------------------------------------- */

typedef struct {
    kept_texts *texts;
    size_t      most;
    err        *e;
} text_walk;

/* Reads one link of /configs or /costs. Anything except a text is not ours. */
static herr_t read_kept(hid_t group, const char *name, const H5L_info_t *link, void *walk_) {
    text_walk *walk = walk_;
    int        ret = 0;
    char      *text = NULL;
    hid_t      object = H5I_INVALID_HID, type = H5I_INVALID_HID, space = H5I_INVALID_HID;

    if (link->type != H5L_TYPE_HARD) return 0;
    if ((object = H5Oopen(group, name, H5P_DEFAULT)) < 0) return h5_fails(walk->e, name);
    if (H5Iget_type(object) != H5I_DATASET) return h5_close(&object, 0, walk->e);
    if ((type = H5Dget_type(object)) < 0 || (space = H5Dget_space(object)) < 0)
        ret = h5_fails(walk->e, name);
    else if (H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1) {
        ret = read_text(object, type, name, walk->most, read_whole, &text, walk->e);
        if (ret == 0) ret = store_keep_text(walk->texts, name, text, NULL, walk->e);
        free(text);
    }
    ret = h5_close(&space, ret, walk->e);
    ret = h5_close(&type, ret, walk->e);
    return h5_close(&object, ret, walk->e);
}

static int read_texts(hid_t file, const char *name, size_t most, kept_texts *texts, err *e) {
    text_walk walk = {texts, most, e};
    int       ret = 0;
    hid_t     group = H5Gopen2(file, name, H5P_DEFAULT);
    if (group < 0) return h5_fails(e, name);
    e->kind = ERR_NONE;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, read_kept, &walk) < 0)
        ret = e->kind != ERR_NONE ? -1 : h5_fails(e, name);
    return h5_close(&group, ret, e);
}

/* ---- tables and tokens ---------------------------------------------------------------------------------- */

static int read_tokens(hid_t file, size_t most, store_data *d, err *e) {
    size_t n_offset, n_hash;
    htri_t hashed;

    if (numbers_read_i32(file, "tokens/ids", most, &d->ids, &d->n_ids, e) != 0) return -1;
    d->cap_ids = d->n_ids;
    if (numbers_read_u64(file, "tokens/offset", most, &d->offset, &n_offset, e) != 0) return -1;
    d->cap_offset = n_offset;
    if (n_offset != d->n_trials + 1)
        return err_input(e, "tokens/offset: has %zu values for %zu trials (one more than trials)", n_offset,
                         d->n_trials);
    if ((hashed = H5Lexists(file, "tokens/logits_hash", H5P_DEFAULT)) < 0) return h5_fails(e, "tokens/logits_hash");
    if (hashed == 0) return 0;
    if (numbers_read_u64(file, "tokens/logits_hash", most, &d->logits_hash, &n_hash, e) != 0) return -1;
    d->cap_hash = n_hash;
    if (n_hash != d->n_ids) return err_input(e, "tokens/logits_hash: has %zu values for %zu ids", n_hash, d->n_ids);
    return 0;
}

/* The file's list of settings must be ours: whoever reads it without this program relies on it. */
static int check_texts_attribute(hid_t where, const char *name, const char *const *texts, size_t n, err *e) {
    hid_t attribute, type;
    int   ret = open_attribute(where, name, H5T_STRING, n, &attribute, &type, e);
    if (ret == 0) {
        size_t size = H5Tget_size(type);
        char  *all = mem_new(n, size, e);
        if (all == NULL)
            ret = -1;
        else if (H5Tis_variable_str(type) != 0 || H5Aread(attribute, type, all) < 0)
            ret = h5_refuses(e, name, "is not a list of texts of fixed size");
        for (size_t i = 0; ret == 0 && i < n; i++)
            if (strlen(texts[i]) > size || strncmp(all + i * size, texts[i], size) != 0)
                ret = err_input(e, "the attribute %s of /cells does not name the settings of this version", name);
        free(all);
    }
    ret = h5_close(&type, ret, e);
    return h5_close(&attribute, ret, e);
}

static int check_settings(hid_t file, err *e) {
    const char *names[SETTINGS], *roles[SETTINGS];
    settings_texts(names, roles);
    hid_t cells = H5Dopen2(file, "cells", H5P_DEFAULT);
    if (cells < 0) return h5_fails(e, "cells");
    int ret = check_texts_attribute(cells, "settings", names, SETTINGS, e);
    if (ret == 0) ret = check_texts_attribute(cells, "roles", roles, SETTINGS, e);
    return h5_close(&cells, ret, e);
}

static int read_all(hid_t file, size_t most, store_data *d, err *e) {
    int ret = read_attributes(file, most, d, e);
    if (ret == 0) ret = read_texts(file, "configs", most, &d->configs, e);
    if (ret == 0) ret = read_texts(file, "costs", most, &d->costs, e);
    for (size_t i = 0; ret == 0 && i < TABLES; i++) ret = store_table_read(file, &store_tables[i], most, d, e);
    if (ret == 0) ret = check_settings(file, e);
    if (ret == 0) ret = read_tokens(file, most, d, e);
    return ret == 0 ? store_check(d, e) : -1;
}

static int read_version(hid_t file, int64_t *version, err *e) {
    if (read_integer(file, "schema_version", version, e) != 0) return -1;
    htri_t cells = H5Lexists(file, "cells", H5P_DEFAULT);
    if (cells < 0) return h5_fails(e, "cells");
    htri_t trials = H5Lexists(file, "trials", H5P_DEFAULT);
    if (trials < 0) return h5_fails(e, "trials");
    return cells > 0 && trials > 0 ? 0 : err_input(e, "is not a results file: lacks /cells or /trials");
}

int store_version(const char *path, int64_t *version, err *e) {
    h5_file file;
    err     why = {0};
    int     ret = h5_file_open(path, "is not a results file", &file, &why);
    if (ret == 0 && read_version(file.id, version, &why) != 0) ret = err_prefix(&why, "%s", path);
    ret = h5_file_close(&file, ret, &why);
    if (ret != 0 && e != NULL) *e = why;
    return ret;
}

int store_read(const char *path, store_data *out, err *e) {
    h5_file file;
    err     why = {0};

    *out = (store_data){0};
    int ret = h5_file_open(path, "is not a results file", &file, &why);
    if (ret == 0 && read_all(file.id, most_of(&file), out, &why) != 0) ret = err_prefix(&why, "%s", path);
    ret = h5_file_close(&file, ret, &why);
    if (ret == 0) return 0;
    store_free(out);
    if (e != NULL) *e = why;
    return -1;
}
