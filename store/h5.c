#include "store/h5.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    CHUNK_BYTES =
        256 * 1024, /* at most, of a chunk; HDF5's cache of a list that is read holds one: each is read once */
    DEFLATE_LEVEL = 4,
    WHY = 256,
    PATH = 64
};

/* HDF5 can run out of memory, go on, and fail much later for another reason, so this is never reset. */
static bool lacked_memory;

void h5_note_memory(void) {
    lacked_memory = lacked_memory || errno == ENOMEM;
}

int h5_quiet(err *e) {
    h5_note_memory();
    (void)H5dont_atexit(); /* it fails on a second call */
    errno = 0;
    return H5Eset_auto2(H5E_DEFAULT, NULL, NULL) >= 0 ? 0 : err_run(e, "HDF5 does not start");
}

typedef struct {
    char text[WHY];
    bool memory;
} reason;

/* Walking upward begins with the innermost entry, which has the reason. The values in it (addresses in the file and in
 * memory) mean nothing to a user. */
static herr_t keep_reason(unsigned i, const H5E_error2_t *entry, void *data) {
    reason *why = data;
    if (i > 0 || entry->desc == NULL) return 0;
    snprintf(why->text, sizeof why->text, "%s", entry->desc);
    char *value = strchr(why->text, '=');
    while (value != NULL && value > why->text && strchr(":,(", *value) == NULL) value--;
    if (value != NULL) *value = '\0';
    return 0;
}

/* HDF5 has many error codes for lack of memory, and uses some of them for other errors, too. Here it reads and writes
 * only memory, so errno is reliable: only malloc sets it after h5_quiet. */
static reason last_reason(void) {
    h5_note_memory();
    reason why = {.memory = lacked_memory};
    if (H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_reason, &why) < 0 || *why.text == '\0')
        snprintf(why.text, sizeof why.text, "HDF5 fails");
    return why;
}

int h5_refuses(err *e, const char *what, const char *because) {
    if (last_reason().memory) return err_run(e, "%s: out of memory", what);
    return err_input(e, "%s: %s", what, because);
}

int h5_fails(err *e, const char *what) {
    return h5_refuses(e, what, last_reason().text);
}

int h5_close(hid_t *id, int ret, err *e) {
    hid_t closing = *id;
    *id = H5I_INVALID_HID;
    if (closing < 0 || H5Idec_ref(closing) >= 0 || ret != 0) return ret;
    return err_run(e, "cannot close: %s", last_reason().memory ? "out of memory" : last_reason().text);
}

hid_t h5_text_type(size_t size) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, size) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
                      H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        h5_close(&type, -1, NULL);
    }
    return type;
}

hid_t h5_text_like(hid_t type) {
    hid_t like = H5Tcopy(type);
    if (like >= 0 && H5Tset_strpad(like, H5T_STR_NULLPAD) < 0) h5_close(&like, -1, NULL);
    return like;
}

size_t h5_chunk(size_t n, size_t size) {
    size_t most = CHUNK_BYTES / size;
    if (n > most) n = most;
    return n > 0 ? n : 1;
}

int h5_create_list(hid_t where, const char *name, hid_t type, size_t n, hid_t *list, err *e) {
    int     ret = 0;
    hid_t   space = H5I_INVALID_HID, how = H5I_INVALID_HID;
    hsize_t dims = n, most = H5S_UNLIMITED, chunk = h5_chunk(n, H5Tget_size(type));

    *list = H5I_INVALID_HID;
    if ((space = H5Screate_simple(1, &dims, &most)) < 0 || (how = H5Pcreate(H5P_DATASET_CREATE)) < 0 ||
        H5Pset_obj_track_times(how, false) < 0 || H5Pset_chunk(how, 1, &chunk) < 0 || H5Pset_shuffle(how) < 0 ||
        H5Pset_deflate(how, DEFLATE_LEVEL) < 0 ||
        (*list = H5Dcreate2(where, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT)) < 0)
        ret = h5_fails(e, name);
    ret = h5_close(&how, ret, e);
    ret = h5_close(&space, ret, e);
    return ret == 0 ? 0 : h5_close(list, ret, e);
}

/* What is not there is for those to say who open it. */
int h5_check_link(hid_t where, const char *name, err *e) {
    char path[PATH];
    for (size_t n = 0; n < sizeof path; n++) {
        H5L_info_t link;
        path[n] = '\0';
        bool whole = name[n] == '\0', part = n > 0 && name[n] == '/';
        if ((whole || part) && H5Lget_info(where, path, &link, H5P_DEFAULT) >= 0 && link.type != H5L_TYPE_HARD)
            return err_input(e, "%s: is a link to another place (what counts must be in the file itself)", path);
        if (whole) return 0;
        path[n] = name[n];
    }
    return err_run(e, "%s: is too long a name", name);
}

int h5_check_storage(hid_t dataset, const char *name, err *e) {
    hid_t how = H5Dget_create_plist(dataset);
    int   ret = 0;
    if (how < 0)
        ret = h5_fails(e, name);
    else if (H5Pget_layout(how) == H5D_VIRTUAL || H5Pget_external_count(how) != 0)
        ret = err_input(e, "%s: has its elements in another place (they must be in the file itself)", name);
    return h5_close(&how, ret, e);
}

int h5_open_list(hid_t where, const char *name, hid_t *list, size_t *n, err *e) {
    int     ret = 0;
    hid_t   space = H5I_INVALID_HID, access = H5I_INVALID_HID;
    hsize_t dims = 0;

    *list = H5I_INVALID_HID;
    if (h5_check_link(where, name, e) != 0) return -1;
    if ((access = H5Pcreate(H5P_DATASET_ACCESS)) < 0 ||
        H5Pset_chunk_cache(access, H5D_CHUNK_CACHE_NSLOTS_DEFAULT, CHUNK_BYTES, H5D_CHUNK_CACHE_W0_DEFAULT) < 0 ||
        (*list = H5Dopen2(where, name, access)) < 0 || (space = H5Dget_space(*list)) < 0)
        ret = h5_fails(e, name);
    else if (H5Sget_simple_extent_ndims(space) != 1 || H5Sget_simple_extent_dims(space, &dims, NULL) != 1)
        ret = h5_refuses(e, name, "does not have one dimension");
    else
        ret = h5_check_storage(*list, name, e);
    *n = (size_t)dims;
    ret = h5_close(&access, ret, e);
    ret = h5_close(&space, ret, e);
    return ret == 0 ? 0 : h5_close(list, ret, e);
}

static int transfer(hid_t list, hid_t type, size_t first, size_t n, const void *from, void *to, err *e) {
    int     ret = 0;
    hid_t   here = H5I_INVALID_HID, there = H5I_INVALID_HID;
    hsize_t start = first, count = n;

    if ((there = H5Dget_space(list)) < 0 ||
        H5Sselect_hyperslab(there, H5S_SELECT_SET, &start, NULL, &count, NULL) < 0 ||
        (here = H5Screate_simple(1, &count, NULL)) < 0)
        ret = h5_fails(e, "cannot select elements");
    else if (from != NULL && H5Dwrite(list, type, here, there, H5P_DEFAULT, from) < 0)
        ret = h5_fails(e, "cannot write elements");
    else if (to != NULL && H5Dread(list, type, here, there, H5P_DEFAULT, to) < 0)
        ret = h5_fails(e, "cannot read elements");
    ret = h5_close(&here, ret, e);
    return h5_close(&there, ret, e);
}

int h5_write_part(hid_t list, hid_t type, size_t first, size_t n, const void *from, err *e) {
    return transfer(list, type, first, n, from, NULL, e);
}

int h5_read_part(hid_t list, hid_t type, size_t first, size_t n, void *to, err *e) {
    return transfer(list, type, first, n, NULL, to, e);
}

int h5_check_room(const char *name, size_t n, size_t size, size_t most, err *e) {
    if (n <= most / size) return 0;
    return err_input(e, "%s: claims %zu elements of %zu bytes, more than the file can hold", name, n, size);
}
