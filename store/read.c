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
#include "store/rows.h"
#include "store/settings.h"

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
        if ((ret = h5_check_storage(object, name, walk->e)) == 0)
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
    if (h5_check_link(file, name, e) != 0) return -1;
    hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
    if (group < 0) return h5_fails(e, name);
    e->kind = ERR_NONE;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, read_kept, &walk) < 0)
        ret = e->kind != ERR_NONE ? -1 : h5_fails(e, name);
    return h5_close(&group, ret, e);
}

/* ---- tables and tokens ---------------------------------------------------------------------------------- */

/* Opens the list tokens/offset, which has one value more than there are trials. */
static int open_offset(hid_t file, size_t most, const store_data *d, h5_rows *r, err *e) {
    if (numbers_open(file, "tokens/offset", FIELD_U64, most, r, e) != 0) return -1;
    if (r->n == d->n_trials + 1) return 0;
    return err_input(e, "tokens/offset: has %zu values for %zu trials (one more than trials)", r->n, d->n_trials);
}

static int read_offset(hid_t file, size_t most, store_data *d, err *e) {
    h5_rows r;
    int     ret = open_offset(file, most, d, &r, e);
    if (ret == 0) ret = mem_reserve(&d->offset, &d->cap_offset, r.n, e);
    if (ret == 0) ret = h5_rows_take(&r, d->offset, r.n, e);
    return h5_rows_close(&r, ret, e);
}

static int read_hashes(hid_t file, size_t most, store_data *d, bool whole, bool *hashed, err *e) {
    static const char *const name = "tokens/logits_hash";
    h5_rows                  r;
    htri_t                   there = H5Lexists(file, name, H5P_DEFAULT);
    if (there < 0) return h5_fails(e, name);
    *hashed = there > 0;
    if (there == 0) return 0;
    int ret = numbers_open(file, name, FIELD_U64, most, &r, e);
    if (ret == 0 && r.n != d->n_ids) ret = err_input(e, "%s: has %zu values for %zu ids", name, r.n, d->n_ids);
    if (ret == 0 && whole) {
        ret = mem_reserve(&d->logits_hash, &d->cap_hash, r.n > 0 ? r.n : 1, e);
        if (ret == 0) ret = h5_rows_take(&r, d->logits_hash, r.n, e);
    }
    return h5_rows_close(&r, ret, e);
}

/* How many there are of what stays in the file. */
static int count_rows(hid_t file, size_t most, store_data *d, err *e) {
    compound_rows r;
    h5_rows       ids;
    int           ret = compound_open(file, &store_tables[TABLE_TRIALS].form, most, &r, e);
    d->n_trials = r.rows.n;
    if (compound_close(&r, ret, e) != 0) return -1;
    ret = compound_open(file, &store_tables[TABLE_STEPS].form, most, &r, e);
    d->n_steps = r.rows.n;
    if (compound_close(&r, ret, e) != 0) return -1;
    ret = numbers_open(file, "tokens/ids", FIELD_I32, most, &ids, e);
    d->n_ids = ids.n;
    return h5_rows_close(&ids, ret, e);
}

static int read_rows(hid_t file, size_t most, store_data *d, err *e) {
    if (store_table_read(file, &store_tables[TABLE_TRIALS], most, d, e) != 0) return -1;
    if (store_table_read(file, &store_tables[TABLE_STEPS], most, d, e) != 0) return -1;
    if (numbers_read(file, "tokens/ids", FIELD_I32, most, (void **)&d->ids, &d->n_ids, e) != 0) return -1;
    d->cap_ids = d->n_ids;
    return read_offset(file, most, d, e);
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

/* Everything except trials, steps and outputs. */
static int read_frame(hid_t file, size_t most, store_data *d, err *e) {
    int ret = read_attributes(file, most, d, e);
    if (ret == 0) ret = read_texts(file, "configs", most, &d->configs, e);
    if (ret == 0) ret = read_texts(file, "costs", most, &d->costs, e);
    for (size_t i = 0; ret == 0 && i < TABLE_TRIALS; i++) ret = store_table_read(file, &store_tables[i], most, d, e);
    return ret == 0 ? check_settings(file, e) : -1;
}

/* *hashed: there are hashes of logits. */
static int read_all(hid_t file, size_t most, store_data *d, bool whole, bool *hashed, err *e) {
    int ret = read_frame(file, most, d, e);
    if (ret == 0) ret = whole ? read_rows(file, most, d, e) : count_rows(file, most, d, e);
    return ret == 0 ? read_hashes(file, most, d, whole, hashed, e) : -1;
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
    bool    hashed;

    *out = (store_data){0};
    int ret = h5_file_open(path, "is not a results file", &file, &why);
    if (ret == 0 && (read_all(file.id, most_of(&file), out, true, &hashed, &why) != 0 || store_check(out, &why) != 0))
        ret = err_prefix(&why, "%s", path);
    ret = h5_file_close(&file, ret, &why);
    if (ret == 0) return 0;
    store_free(out);
    if (e != NULL) *e = why;
    return -1;
}

/* ---- rows that stay in the file ------------------------------------------------------------------------- */

/* Every cell uses the file; no trial is known yet. */
static int make_places(struct store_file *f, store_data *d, err *e) {
    if ((d->places = mem_new(d->n_cells, sizeof *d->places, e)) == NULL) return -1;
    for (size_t c = 0; c < d->n_cells; c++) store_file_use(f, &d->places[c]);
    f->n_samples = d->n_samples;
    f->n_processes = d->n_processes;
    return 0;
}

/* Reads the trials once, checks them, and finds where each cell's begin. */
static int find_places(const struct store_file *f, store_data *d, err *e) {
    compound_rows trials = {0};
    h5_rows       offset = {0};
    trials_check  k = {0};
    uint64_t      from = 0, to;
    int           ret = compound_open(f->h5.id, &store_tables[TABLE_TRIALS].form, f->most, &trials, e);
    if (ret == 0) ret = open_offset(f->h5.id, f->most, d, &offset, e);
    if (ret == 0) ret = h5_rows_take(&offset, &from, 1, e);
    for (size_t i = 0; ret == 0 && i < d->n_trials; i++, from = to) {
        const trials_check before = k;
        trial_row          t;
        ret = compound_get(&trials, &t, e);
        if (ret == 0) ret = store_check_trial(d, &k, &t, e);
        if (ret == 0) ret = h5_rows_take(&offset, &to, 1, e);
        if (ret == 0) ret = store_check_offset(&t, i, from, to, e);
        if (ret != 0) break;
        store_place *p = &d->places[t.cell];
        p->steps += t.steps;
        p->ids += t.tokens;
        if (p->trials++ > 0) continue;
        p->trial = i;
        p->step = (size_t)before.steps;
        p->id = (size_t)before.tokens;
    }
    if (ret == 0) ret = store_check_end(d, &k, e);
    ret = h5_rows_close(&offset, ret, e);
    return compound_close(&trials, ret, e);
}

int store_open_tables(const char *path, store_data *out, err *e) {
    err                why = {0};
    struct store_file *f = mem_new(1, sizeof *f, e);
    *out = (store_data){0};
    if (f == NULL) return err_prefix(e, "%s", path);
    *f = (struct store_file){.uses = 1, .h5 = {.id = H5I_INVALID_HID, .disk = {.fd = -1}}};
    int ret = (f->path = mem_strdup(path, &why)) != NULL ? 0 : err_prefix(&why, "%s", path);
    if (ret == 0) ret = h5_file_open(f->path, "is not a results file", &f->h5, &why);
    f->most = ret == 0 ? most_of(&f->h5) : 0;
    if (ret == 0 &&
        (read_all(f->h5.id, f->most, out, false, &f->hashed, &why) != 0 || store_check_frame(out, &why) != 0 ||
         make_places(f, out, &why) != 0 || find_places(f, out, &why) != 0)) {
        err_prefix(&why, "%s", path);
        ret = h5_file_fails(&f->h5, &why);
    }
    store_file_leave(f); /* the cells use it now */
    if (ret == 0) return 0;
    store_free(out);
    if (e != NULL) *e = why;
    return -1;
}

/* From now on errors name the file. */
static int name_file(const store_data *d) {
    for (size_t c = 0; c < d->n_cells; c++) d->places[c].file->checked = true;
    return 0;
}

int store_open(const char *path, store_data *out, err *e) {
    if (store_open_tables(path, out, e) != 0) return -1;
    if (store_check(out, e) != 0) {
        err_prefix(e, "%s", path);
        if (out->n_cells > 0) h5_file_fails(&out->places->file->h5, e);
        store_free(out);
        return -1;
    }
    return name_file(out);
}

int store_open_trials(const char *path, store_data *out, err *e) {
    return store_open_tables(path, out, e) == 0 ? name_file(out) : -1;
}
