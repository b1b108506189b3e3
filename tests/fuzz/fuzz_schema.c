/* fuzz_schema.c - results in well-formed HDF5 that is not what the schema says: objects gone, of other types, sizes and
 * ranks, in other places, or too large.
 *
 * A byte for the kind of results, a byte for the number of edits, then each: a byte for what is done, a byte for the
 * object, and what that needs; then what chooses the use of results that were read.
 * Flipped bits hardly get behind HDF5's own checksums; this does.
 */
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "experiments/training/train_state.h"
#include "store/tables.h"
#include "tests/fuzz/results.h"

enum { EDITS = 5, BASES = 3, MOST_RANK = 3 };

static const char *const objects[] = {"cells",
                                      "processes",
                                      "samples",
                                      "skipped",
                                      "trials",
                                      "steps",
                                      "tokens/ids",
                                      "tokens/offset",
                                      "tokens/logits_hash",
                                      "tokens",
                                      "configs",
                                      "costs",
                                      "configs/quick.ini",
                                      "costs/cost.ini",
                                      "configs/more",
                                      "curve",
                                      "validation"};
static const char *const attributes[] = {"schema_version", "sweep", "created", "settings", "roles", "name", "config"};

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- types and sizes ------------------------------------------------------------------------------------------ */

static hid_t string_type(fuzz_input *in) {
    hid_t  type = H5Tcopy(H5T_C_S1);
    size_t size = fuzz_byte(in);
    H5Tset_size(type, size == 255 ? H5T_VARIABLE : size + 1);
    H5Tset_strpad(type, (H5T_str_t)fuzz_below(in, 3));
    H5Tset_cset(type, fuzz_below(in, 2) ? H5T_CSET_UTF8 : H5T_CSET_ASCII);
    return type;
}

/* With a value: HDF5 1.10 crashes when one without is put into a compound. */
static hid_t enum_type(void) {
    int   zero = 0;
    hid_t type = H5Tenum_create(H5T_NATIVE_INT);
    H5Tenum_insert(type, "zero", &zero);
    return type;
}

static hid_t plain_type(fuzz_input *in) {
    const hid_t numbers[] = {H5T_STD_I8LE,   H5T_STD_U8LE,  H5T_STD_U16LE,   H5T_STD_I32LE,  H5T_STD_U32LE,
                             H5T_STD_I64LE,  H5T_STD_U64LE, H5T_STD_U64BE,   H5T_IEEE_F32LE, H5T_IEEE_F64LE,
                             H5T_IEEE_F64BE, H5T_STD_B32LE, H5T_STD_REF_OBJ, H5T_UNIX_D32LE};
    size_t      i = fuzz_below(in, COUNT(numbers) + 4);
    if (i < COUNT(numbers)) return H5Tcopy(numbers[i]);
    if (i == COUNT(numbers)) return H5Tcreate(H5T_OPAQUE, 1 + fuzz_byte(in));
    if (i == COUNT(numbers) + 1) return enum_type();
    if (i == COUNT(numbers) + 2) return H5Tvlen_create(H5T_STD_I32LE);
    return string_type(in);
}

/* The type of a table's rows, changed in one column; some of the other columns may be gone. */
static hid_t row_type(hid_t from, fuzz_input *in) {
    int    n = H5Tget_nmembers(from), changed = (int)fuzz_below(in, (size_t)n), how = (int)fuzz_below(in, 4);
    size_t at = 0;
    hid_t  type = H5Tcreate(H5T_COMPOUND, 1 << 16);
    for (int i = 0; i < n; i++) {
        char *name = H5Tget_member_name(from, (unsigned)i);
        hid_t member = H5Tget_member_type(from, (unsigned)i);
        if (i == changed && how > 0) {
            H5Tclose(member);
            member = plain_type(in);
        }
        if (i != changed || how != 0) {
            if (H5Tinsert(type, i == changed && how == 1 ? "other" : name, at, member) >= 0) at += H5Tget_size(member);
        }
        H5Tclose(member);
        H5free_memory(name);
    }
    H5Tset_size(type, at > 0 ? at : 1);
    return type;
}

static hid_t some_space(fuzz_input *in) {
    hsize_t dims[MOST_RANK], most[MOST_RANK];
    int     rank = (int)fuzz_below(in, MOST_RANK + 2);
    if (rank == 0) return H5Screate(H5S_SCALAR);
    if (rank == MOST_RANK + 1) return H5Screate(H5S_NULL);
    for (int i = 0; i < rank; i++) {
        unsigned shift = (unsigned)fuzz_below(in, 64);
        dims[i] = (shift < 16 ? 0 : (hsize_t)1 << (shift - 16)) + fuzz_byte(in);
        most[i] = H5S_UNLIMITED;
    }
    return H5Screate_simple(rank, dims, fuzz_below(in, 2) ? most : NULL);
}

/* ---- edits ---------------------------------------------------------------------------------------------------- */

static hid_t layout_of(hid_t space, fuzz_input *in) {
    hid_t   create = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[MOST_RANK] = {4, 4, 4};
    int     rank = H5Sget_simple_extent_ndims(space);
    size_t  how = fuzz_below(in, 5);
    if (how == 4) H5Pset_external(create, "/etc/passwd", 0, H5F_UNLIMITED);
    if (how == 4) return create;
    if (how > 0 && rank > 0) H5Pset_chunk(create, rank, chunk);
    if (how > 1 && rank > 0) H5Pset_deflate(create, 5);
    if (how > 2 && rank > 0) H5Pset_fletcher32(create);
    H5Pset_alloc_time(create, H5D_ALLOC_TIME_INCR);
    return create;
}

static void replace_dataset(hid_t file, const char *name, fuzz_input *in) {
    bool  rows = fuzz_below(in, 3) == 0;
    hid_t old = H5Dopen2(file, name, H5P_DEFAULT), old_type = old >= 0 ? H5Dget_type(old) : H5I_INVALID_HID;
    bool  table = old_type >= 0 && H5Tget_class(old_type) == H5T_COMPOUND;
    hid_t type = table && !rows ? row_type(old_type, in) : plain_type(in);
    hid_t space = old >= 0 && fuzz_below(in, 2) ? H5Dget_space(old) : some_space(in);
    if (old_type >= 0) H5Tclose(old_type);
    if (old >= 0) H5Dclose(old);
    H5Ldelete(file, name, H5P_DEFAULT);
    hid_t create = layout_of(space, in), set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    if (set >= 0) H5Dclose(set);
    H5Pclose(create);
    H5Sclose(space);
    H5Tclose(type);
}

static void replace_attribute(hid_t file, const char *name, fuzz_input *in) {
    static const unsigned char zeros[1 << 16];
    hid_t on = fuzz_below(in, 2) ? H5Oopen(file, "cells", H5P_DEFAULT) : H5Oopen(file, "/", H5P_DEFAULT);
    if (on < 0) return;
    H5Adelete(on, name);
    if (fuzz_below(in, 4) > 0) {
        hid_t type = plain_type(in), space = some_space(in), attribute = H5I_INVALID_HID;
        bool  fits = H5Sget_simple_extent_npoints(space) <= (hssize_t)(sizeof zeros / H5Tget_size(type));
        if (fits) attribute = H5Acreate2(on, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        if (attribute >= 0 && H5Tget_class(type) != H5T_VLEN && H5Tis_variable_str(type) <= 0)
            H5Awrite(attribute, type, zeros);
        if (attribute >= 0) H5Aclose(attribute);
        H5Sclose(space);
        H5Tclose(type);
    }
    H5Oclose(on);
}

static void replace_by_link(hid_t file, const char *name, fuzz_input *in) {
    size_t      how = fuzz_below(in, 5);
    const char *target = objects[fuzz_below(in, COUNT(objects))];
    H5Ldelete(file, name, H5P_DEFAULT);
    if (how == 0) H5Lcreate_soft(target, file, name, H5P_DEFAULT, H5P_DEFAULT);
    if (how == 1) H5Lcreate_external("/etc/passwd", "/x", file, name, H5P_DEFAULT, H5P_DEFAULT);
    if (how == 2) H5Lcreate_hard(file, target, file, name, H5P_DEFAULT, H5P_DEFAULT);
    if (how == 3) H5Gclose(H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void edit(hid_t file, fuzz_input *in) {
    size_t      how = fuzz_below(in, 6);
    const char *object = objects[fuzz_below(in, COUNT(objects))];
    if (how == 0) H5Ldelete(file, object, H5P_DEFAULT);
    if (how == 1) replace_by_link(file, object, in);
    if (how == 2) replace_attribute(file, attributes[fuzz_below(in, COUNT(attributes))], in);
    if (how > 2) replace_dataset(file, object, in);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static void write_base(const char *path, size_t kind) {
    train_config c = {.path = (char *)"t.ini", .text = (char *)"[train]\n", .name = (char *)"t", .digest = "aa"};
    curve_point  points[] = {{.step = 0, .source = -1, .loss = 1}};
    curve        v = {points, 1, 1};
    err          e = {0};
    if (kind == 2) {
        FUZZ_EXPECT(curve_write(path, &c, &v, &e) == 0);
        return;
    }
    store_data d = results_some(kind == 1);
    FUZZ_EXPECT(store_write(path, &d, false, &e) == 0);
    store_free(&d);
}

/* A fresh copy of the sound file of this kind, which is made once. */
static const char *copy_base(size_t kind) {
    static char  *base[BASES], path[64];
    static size_t size[BASES];
    err           e = {0};
    snprintf(path, sizeof path, "%s/x.h5", fuzz_folder());
    if (base[kind] == NULL) {
        write_base(path, kind);
        base[kind] = file_read(path, SIZE_MAX, &size[kind], &e);
    }
    FILE *f = fopen(path, "w");
    FUZZ_EXPECT(f != NULL && fwrite(base[kind], 1, size[kind], f) == size[kind] && fclose(f) == 0);
    return path;
}

static void read_results(const char *path, fuzz_input *choices) {
    store_data d;
    err        e = {0};
    int64_t    version;
    if (store_version(path, &version, &e) != 0) fuzz_expect_error(&e);
    if (results_read_both(path, &d, &e) != 0) {
        fuzz_expect_error(&e);
        return;
    }
    results_use(&d, choices);
    store_free(&d);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    fuzz_input  in = {bytes, n};
    size_t      kind = fuzz_below(&in, BASES);
    const char *path = copy_base(kind);
    curve_file  c;
    err         e = {0};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    FUZZ_EXPECT(file >= 0);
    for (size_t i = fuzz_below(&in, EDITS + 1); i > 0 && in.n > 1; i--) edit(file, &in);
    H5Fclose(file);
    read_results(path, &in);
    (void)curve_is_at(path);
    if (curve_read(path, &c, &e) == 0)
        curve_file_free(&c);
    else
        fuzz_expect_error(&e);
    return 0;
}
