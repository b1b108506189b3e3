/* write.c - results to disk.
 *
 * HDF5 builds the file in memory and our own code writes it out. HDF5's way to disk can report a full disk as
 * late as when the program ends; write(2) and fsync(2) report it here, and a file that is half written never
 * has a name that anyone looks for.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/atomic.h"
#include "engine/base/mem.h"
#include "experiments/store/compound.h"
#include "experiments/store/h5.h"

enum {
    GROWTH = 1 << 20,        /* the image grows by steps of this many bytes */
    COMPACT_MAX = 60 * 1000, /* texts up to here lie in the object's header, which has a checksum */
};

/* ---- a file in memory ----------------------------------------------------------------------------------- */

/* The memory that HDF5 grows and, when it closes the file, leaves to us. (H5Fget_file_image is not used: in
 * 1.10 it clears a flag of the superblock and leaves its checksum wrong.) */
typedef struct {
    char  *bytes;
    size_t size;
} image;

static void *image_malloc(size_t size, H5FD_file_image_op_t op, void *udata) {
    (void)op, (void)udata;
    return malloc(size);
}

static void *image_memcpy(void *to, const void *from, size_t size, H5FD_file_image_op_t op, void *udata) {
    (void)op, (void)udata;
    return memcpy(to, from, size);
}

static void *image_realloc(void *bytes, size_t size, H5FD_file_image_op_t op, void *udata) {
    image *m = udata;
    (void)op;
    char *more = realloc(bytes, size);
    if (more == NULL) return NULL;
    size_t before = bytes != NULL ? m->size : 0;
    if (size > before) memset(more + before, 0, size - before); /* the same data give the same bytes */
    *m = (image){more, size};
    return more;
}

static herr_t image_free(void *bytes, H5FD_file_image_op_t op, void *udata) {
    (void)udata;
    if (op != H5FD_FILE_IMAGE_OP_FILE_CLOSE) free(bytes);
    return 0;
}

static void *image_same(void *udata) {
    return udata;
}

static herr_t image_leave(void *udata) {
    (void)udata;
    return 0;
}

/* Format 1.10: every piece of metadata carries a checksum. The file needs a name, and HDF5 looks whether there is
 * such a file on disk: there is none below what is not a folder. */
static int image_create(image *m, hid_t *file, err *e) {
    static const char           name[] = "/dev/null/results.h5";
    int                         ret = 0;
    hid_t                       access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    H5FD_file_image_callbacks_t callbacks = {
        image_malloc, image_memcpy, image_realloc, image_free, image_same, image_leave, m};

    *file = H5I_INVALID_HID;
    if (access < 0 || create < 0 || H5Pset_fapl_core(access, GROWTH, false) < 0 ||
        H5Pset_file_image_callbacks(access, &callbacks) < 0 ||
        H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) < 0 ||
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 || H5Pset_obj_track_times(create, false) < 0 ||
        (*file = H5Fcreate(name, H5F_ACC_TRUNC, create, access)) < 0)
        ret = h5_fails(e, "cannot make a file in memory");
    ret = h5_close(&create, ret, e);
    return h5_close(&access, ret, e);
}

/* Cuts a closed file to its length, which a superblock of version 2 or 3 holds at byte 28 (HDF5 File Format
 * Specification, II.A); HDF5 grows the memory in larger steps. */
static int image_cut(image *m, err *e) {
    uint64_t end;
    if (m->bytes == NULL || m->size < 28 + sizeof end) return err_run(e, "HDF5 made no file");
    memcpy(&end, m->bytes + 28, sizeof end);
    if (end > m->size) return err_run(e, "HDF5 made a file that is not whole");
    m->size = (size_t)end;
    return 0;
}

/* ---- what is in it -------------------------------------------------------------------------------------- */

static int write_attribute(hid_t file, const char *name, hid_t type, const void *value, err *e) {
    int   ret = 0;
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5I_INVALID_HID;

    if (space < 0 || (attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) < 0 ||
        H5Awrite(attribute, type, value) < 0)
        ret = h5_fails(e, name);
    ret = h5_close(&attribute, ret, e);
    return h5_close(&space, ret, e);
}

static int write_text_attribute(hid_t file, const char *name, const char *text, err *e) {
    size_t length = strlen(text);
    hid_t  type = h5_text_type(length > 0 ? length : 1);
    if (type < 0) return h5_fails(e, name);
    return h5_close(&type, write_attribute(file, name, type, text, e), e);
}

static int write_provenance(hid_t file, const provenance *p, err *e) {
    const struct {
        const char *name, *text;
    } texts[] = {
        {"sweep", p->sweep},
        {"harness_version", p->harness_version},
        {"git_commit", p->git_commit},
        {"created", p->created},
        {"cpu", p->cpu},
        {"isa", p->isa},
        {"compiler", p->compiler},
        {"flags", p->flags},
    };
    const int32_t version = STORE_SCHEMA_VERSION;

    if (write_attribute(file, "schema_version", H5T_STD_I32LE, &version, e) != 0) return -1;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (write_text_attribute(file, texts[i].name, texts[i].text != NULL ? texts[i].text : "", e) != 0) return -1;
    return write_attribute(file, "threads", H5T_STD_U32LE, &p->threads, e);
}

static int write_config(hid_t group, const config_text *c, err *e) {
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

static int write_configs(hid_t file, const store_data *d, err *e) {
    hid_t group;
    int   ret = create_group(file, "configs", &group, e);
    for (size_t i = 0; ret == 0 && i < d->n_configs; i++) ret = write_config(group, &d->configs[i], e);
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

static int write_all(hid_t file, const store_data *d, err *e) {
    if (write_provenance(file, &d->from, e) != 0 || write_configs(file, d, e) != 0) return -1;
    if (compound_write(file, &compound_cells, d->cells, d->n_cells, e) != 0) return -1;
    if (compound_write(file, &compound_samples, d->samples, d->n_samples, e) != 0) return -1;
    if (compound_write(file, &compound_trials, d->trials, d->n_trials, e) != 0) return -1;
    if (compound_write(file, &compound_steps, d->steps, d->n_steps, e) != 0) return -1;
    return write_tokens(file, d, e);
}

int store_write(const char *path, const store_data *d, bool exclusive, err *e) {
    hid_t file = H5I_INVALID_HID;
    image made = {0};
    err   why = {0};

    int ret = store_check(d, &why);
    if (ret == 0) ret = h5_quiet(&why);
    if (ret == 0) ret = image_create(&made, &file, &why);
    if (ret == 0) ret = write_all(file, d, &why);
    ret = h5_close(&file, ret, &why);
    if (ret == 0) ret = image_cut(&made, &why);
    if (ret != 0)
        err_run(e, "%s: cannot write: %s", path, why.text);
    else
        ret = atomic_write(path, made.bytes, made.size, exclusive, e);
    free(made.bytes);
    return ret;
}
