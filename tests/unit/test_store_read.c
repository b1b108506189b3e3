/* Files that are not results, truncated files, changed bytes, and files of another structure. */
#include <criterion/criterion.h>
#include <hdf5.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/h5_file.h"
#include "store/settings.h"
#include "tests/fixtures/leaks.h"
#include "tests/fixtures/scratch.h"
#include "tests/unit/store_files.h"

#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number

TestSuite(store_read, .init = scratch_enter, .fini = scratch_leave);

/* Both ways of reading, which give the same errors. */
static int read_both(const char *path, store_data *out, err *e) {
    store_data opened;
    err        why = {0};
    *e = (err){0};
    int whole = store_read(path, out, e), open = store_open(path, &opened, &why);
    cr_assert_eq(whole, open, "%s: %s / %s", path, e->text, why.text);
    cr_assert_eq(e->kind, why.kind);
    cr_assert_str_eq(e->text, why.text);
    if (whole == 0) {
        cr_assert(opened.n_trials == out->n_trials && opened.n_steps == out->n_steps && opened.n_ids == out->n_ids);
        cr_assert(opened.trials == NULL && opened.steps == NULL && opened.ids == NULL && opened.offset == NULL &&
                  opened.logits_hash == NULL);
    }
    store_free(&opened);
    return whole;
}

static void assert_refused(const char *path, const char *why) {
    store_data d;
    err        e = {0};
    cr_assert_eq(read_both(path, &d, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(strncmp(e.text, path, strlen(path)), 0, "%s", e.text);
    cr_assert_not_null(strstr(e.text, why), "%s", e.text);
    cr_assert_null(d.cells);
}

Test(store_read, what_is_no_results_file_is_refused) {
    scratch_write_bytes("text", "hello\n", 6);
    scratch_write_bytes("empty", "", 0);
    cr_assert_eq(mkfifo("fifo", 0666), 0);
    assert_refused("missing", "No such file");
    assert_refused(".", "is not a file");
    assert_refused("fifo", "is a pipe (");
    assert_refused("text", "not a results file");
    assert_refused("empty", "not a results file");
}

Test(store_read, truncated_files_are_refused) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 3);
    err        e = {0};
    size_t     n;
    __lsan_disable(); /* HDF5 1.10 leaks what it had read of an object whose checksum is wrong */
    cr_assert_eq(store_write("whole.h5", &d, false, &e), 0);
    char *bytes = file_bytes("whole.h5", &n);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 50) {
        scratch_write_bytes("cut.h5", bytes, cut);
        assert_refused("cut.h5", cut < 8    ? "is not a results file"
                                 : cut < 48 ? "cannot be read as HDF5"
                                            : "truncated file");
    }
    __lsan_enable();
    free(bytes);
    store_free(&d);
}

/* A program that died leaves such a mark, and the data may be sound. */
Test(store_read, a_mark_of_a_writer_is_called_so) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 3);
    err        e = {0};
    size_t     n;
    int64_t    version;
    cr_assert_eq(store_write("marked.h5", &d, false, &e), 0);
    char *bytes = file_bytes("marked.h5", &n);
    for (int i = 0; i < 2; i++) {
        bytes[11] = i == 0 ? 1 : 5; /* the latter: it lets others read meanwhile */
        scratch_write_bytes("marked.h5", bytes, n);
        assert_refused("marked.h5", "marked as open for writing");
        assert_refused("marked.h5", "h5clear -s");
        cr_assert_eq(store_version("marked.h5", &version, &e), -1);
        cr_assert_not_null(strstr(e.text, "marked as open for writing"), "%s", e.text);
    }
    free(bytes);
    store_free(&d);
}

/* Every byte of the file is covered by a checksum or has no meaning. */
Test(store_read, changed_bytes_are_refused_or_change_nothing) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 3), back;
    size_t     n;
    unsigned   seed = 1, refused = 0;
    err        e = {0};
    __lsan_disable(); /* HDF5 1.10 leaks what it had read of an object whose checksum is wrong */
    cr_assert_eq(store_write("whole.h5", &d, false, &e), 0);
    char *bytes = file_bytes("whole.h5", &n);
    for (size_t at = 0; at < n; at += 1 + (unsigned)rand_r(&seed) % 7) {
        char old = bytes[at];
        bytes[at] = (char)(bytes[at] ^ (1 << rand_r(&seed) % 8));
        scratch_write_bytes("bad.h5", bytes, n);
        bytes[at] = old;
        if (store_read("bad.h5", &back, &e) != 0)
            refused++;
        else
            cr_assert(same_results(&d, &back), "byte %zu", at);
        store_free(&back);
    }
    cr_assert_gt(refused, 500);
    __lsan_enable();
    free(bytes);
    store_free(&d);
}

/* ---- complete files with other content -------------------------------------------------------------- */

/* Changes a good file through HDF5 itself and reads it again. */
static int read_changed(void (*change)(hid_t file), store_data *back, err *e) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 2);
    cr_assert_eq(store_write("changed.h5", &d, false, e), 0, "%s", e->text);
    store_free(&d);
    hid_t file = H5Fopen("changed.h5", H5F_ACC_RDWR, H5P_DEFAULT);
    cr_assert_geq(file, 0);
    change(file);
    cr_assert_geq(H5Fclose(file), 0);
    return read_both("changed.h5", back, e);
}

static void put_number(hid_t file, const char *name, int value) {
    hid_t space = H5Screate(H5S_SCALAR);
    H5Adelete(file, name);
    hid_t attribute = H5Acreate2(file, name, H5T_STD_I16BE, space, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert_geq(H5Awrite(attribute, H5T_NATIVE_INT, &value), 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

static void resize(hid_t file, const char *name, hsize_t n) {
    hid_t list = H5Dopen2(file, name, H5P_DEFAULT);
    cr_assert_geq(H5Dset_extent(list, &n), 0);
    H5Dclose(list);
}

/* Replaces a table by one with the same columns except `skip`, or with `as` for its type. */
static void retype(hid_t file, const char *name, const char *skip, hid_t as) {
    hid_t old = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(old), space = H5Dget_space(old);
    hid_t new = H5Tcreate(H5T_COMPOUND, H5Tget_size(type));
    for (unsigned i = 0; i < (unsigned)H5Tget_nmembers(type); i++) {
        char *column = H5Tget_member_name(type, i);
        hid_t part = H5Tget_member_type(type, i);
        if (strcmp(column, skip) != 0)
            H5Tinsert(new, column, H5Tget_member_offset(type, i), part);
        else if (as >= 0)
            H5Tinsert(new, column, H5Tget_member_offset(type, i), as);
        H5Tclose(part);
        H5free_memory(column);
    }
    hid_t how = H5Dget_create_plist(old);
    H5Dclose(old);
    cr_assert_geq(H5Ldelete(file, name, H5P_DEFAULT), 0);
    old = H5Dcreate2(file, name, new, space, H5P_DEFAULT, how, H5P_DEFAULT);
    cr_assert_geq(old, 0);
    H5Dclose(old);
    H5Pclose(how);
    H5Sclose(space);
    H5Tclose(new);
    H5Tclose(type);
}

static void no_version(hid_t f) {
    H5Adelete(f, "schema_version");
}
static void old_version(hid_t f) {
    put_number(f, "schema_version", 4);
}
static void number_for_text(hid_t f) {
    put_number(f, "sweep", 1);
}
static void no_steps(hid_t f) {
    H5Ldelete(f, "steps", H5P_DEFAULT);
}
static void no_configs(hid_t f) {
    H5Ldelete(f, "configs", H5P_DEFAULT);
}
static void no_ids(hid_t f) {
    H5Ldelete(f, "tokens/ids", H5P_DEFAULT);
}
static void endless_steps(hid_t f) {
    resize(f, "steps", (hsize_t)1 << 50);
}
static void endless_ids(hid_t f) {
    resize(f, "tokens/ids", (hsize_t)1 << 62);
}
static void more_ids(hid_t f) {
    resize(f, "tokens/ids", 10000);
}
static void fewer_offsets(hid_t f) {
    resize(f, "tokens/offset", 4);
}
static void fewer_hashes(hid_t f) {
    resize(f, "tokens/logits_hash", 1);
}
static void fewer_trials(hid_t f) {
    resize(f, "trials", 3);
}
static void no_column(hid_t f) {
    retype(f, "steps", "source", H5I_INVALID_HID);
}
static void narrow_column(hid_t f) {
    retype(f, "steps", "draft_ns", H5T_STD_U32LE);
}
static void signed_column(hid_t f) {
    retype(f, "trials", "tokens", H5T_STD_I32LE);
}
static void float_column(hid_t f) {
    retype(f, "trials", "speedup", H5T_STD_I64LE);
}
static void number_column(hid_t f) {
    retype(f, "cells", "id", H5T_STD_U64LE);
}

static void endless_text(hid_t f) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    retype(f, "samples", "id", type);
    H5Tclose(type);
}

static void group_for_table(hid_t f) {
    no_steps(f);
    H5Gclose(H5Gcreate2(f, "steps", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void list_for_table(hid_t f) {
    no_steps(f);
    H5Lcreate_hard(f, "tokens/ids", f, "steps", H5P_DEFAULT, H5P_DEFAULT);
}

static void table_for_list(hid_t f) {
    no_ids(f);
    H5Lcreate_hard(f, "steps", f, "tokens/ids", H5P_DEFAULT, H5P_DEFAULT);
}

static void no_settings(hid_t f) {
    H5Adelete_by_name(f, "cells", "settings", H5P_DEFAULT);
}

static void fewer_roles(hid_t f) {
    const char *one[] = {"setup"};
    hid_t       cells = H5Dopen2(f, "cells", H5P_DEFAULT);
    H5Adelete(cells, "roles");
    h5_write_texts_attribute(cells, "roles", one, 1, NULL);
    H5Dclose(cells);
}

static void other_settings(hid_t f) {
    const char *names[SETTINGS];
    hid_t       cells = H5Dopen2(f, "cells", H5P_DEFAULT);
    for (size_t i = 0; i < SETTINGS; i++) names[i] = settings[SETTINGS - 1 - i].name;
    H5Adelete(cells, "settings");
    h5_write_texts_attribute(cells, "settings", names, SETTINGS, NULL);
    H5Dclose(cells);
}

static void loop(hid_t f) {
    no_steps(f);
    H5Lcreate_soft("/steps", f, "steps", H5P_DEFAULT, H5P_DEFAULT);
}

/* The object is there, but under another name. */
static void soft_link(hid_t f) {
    H5Lmove(f, "steps", f, "moved", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/moved", f, "steps", H5P_DEFAULT, H5P_DEFAULT);
}

static void external_link(hid_t f) {
    H5Ldelete(f, "tokens", H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/tokens", f, "tokens", H5P_DEFAULT, H5P_DEFAULT);
}

static void external_group(hid_t f) {
    no_configs(f);
    H5Lcreate_external("other.h5", "/configs", f, "configs", H5P_DEFAULT, H5P_DEFAULT);
}

/* As many ids as the file has, but out of a file of any kind. */
static void external_storage(hid_t f) {
    hid_t old = H5Dopen2(f, "tokens/ids", H5P_DEFAULT), space = H5Dget_space(old), how = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t n = (hsize_t)H5Sget_simple_extent_npoints(space);
    hid_t   fixed = H5Screate_simple(1, &n, NULL);
    H5Pset_external(how, "/dev/zero", 0, H5F_UNLIMITED);
    no_ids(f);
    H5Dclose(old);
    H5Dclose(H5Dcreate2(f, "tokens/ids", H5T_STD_I32LE, fixed, H5P_DEFAULT, how, H5P_DEFAULT));
    H5Pclose(how);
    H5Sclose(fixed);
    H5Sclose(space);
}

Test(store_read, other_structure_is_refused) {
    const struct {
        void (*change)(hid_t);
        const char *why;
    } cases[] = {
        {no_version, "lacks the attribute schema_version"},
        {old_version,
         "schema version is 4 (this program reads " TEXT_OF(STORE_SCHEMA_VERSION) ": run the sweep again)"},
        {number_for_text, "the attribute sweep is not one text"},
        {no_steps, "steps"},
        {no_configs, "configs"},
        {no_ids, "tokens/ids"},
        {endless_steps, "steps: claims 1125899906842624 elements"},
        {endless_ids, "tokens/ids: claims 4611686018427387904 elements"},
        {more_ids, "tokens/logits_hash: has"},
        {fewer_offsets, "tokens/offset: has 4 values for 4 trials"},
        {fewer_hashes, "tokens/logits_hash: has 1 values"},
        {fewer_trials, "tokens/offset: has 5 values for 3 trials"},
        {no_column, "steps: lacks the column source"},
        {narrow_column, "steps: the column draft_ns is not an unsigned 64-bit integer"},
        {signed_column, "trials: the column tokens is not an unsigned 32-bit integer"},
        {float_column, "trials: the column speedup is not a 64-bit float"},
        {number_column, "cells: the column id is not a fixed-size text of 16"},
        {endless_text, "samples: the column id is not a fixed-size text"},
        {group_for_table, "steps"},
        {list_for_table, "steps: is not a table"},
        {table_for_list, "tokens/ids: does not hold a signed 32-bit integer"},
        {loop, "steps"},
        {soft_link, "steps: is a link to another place"},
        {external_link, "tokens: is a link to another place"},
        {external_group, "configs: is a link to another place"},
        {external_storage, "tokens/ids: has its elements in another place"},
        {no_settings, "lacks the attribute settings"},
        {fewer_roles, "the attribute roles is not a list of"},
        {other_settings, "the attribute settings of /cells does not name the settings of this version"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store_data back;
        err        e = {0};
        cr_assert_eq(read_changed(cases[i].change, &back, &e), -1, "case %zu was read", i);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, "changed.h5: ", 12), 0, "%s", e.text);
        cr_assert_not_null(strstr(e.text, cases[i].why), "case %zu: %s", i, e.text);
        cr_assert_null(back.trials);
    }
}

static void add_unknown(hid_t f) {
    put_number(f, "other", 1);
    H5Gclose(H5Gcreate2(f, "other", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Gclose(H5Gcreate2(f, "configs/other", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Lcreate_hard(f, "tokens/ids", f, "configs/ids", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", f, "configs/soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(f, "tokens/ids", f, "tokens/other", H5P_DEFAULT, H5P_DEFAULT);
}

Test(store_read, unknown_parts_are_ignored) {
    store_data d = some_results("0123456789abcdef", "llma", 1, 20, 2), back;
    err        e = {0};
    cr_assert_eq(read_changed(add_unknown, &back, &e), 0, "%s", e.text);
    cr_assert(same_results(&d, &back));
    store_free(&back);
    store_free(&d);
}

/* Columns in another order, an extra one, another byte order: another program may write our columns like that. */
Test(store_read, columns_are_found_by_name) {
    typedef struct {
        int32_t  more;
        uint32_t references, reference_tokens, prompt_tokens;
        char     scenario[4], id[8], dataset[3], conversation[1];
        uint32_t sample;
        uint64_t content, documents;
    } row;
    const row   rows[] = {{1, 2, 3, 4, "rag ", "b", "d", "x", 0, 8, 3}, {1, 5, 6, 7, "", "12345678", "d", "", 1, 9, 4}};
    store_data  d = some_results("0123456789abcdef", "llma", 1, 20, 2), back;
    err         e = {0};
    hsize_t     n = 2;
    const char *names[] = {"more", "references", "reference_tokens", "prompt_tokens", "sample"};
    size_t      at[] = {offsetof(row, more), offsetof(row, references), offsetof(row, reference_tokens),
                        offsetof(row, prompt_tokens), offsetof(row, sample)};
    const char *texts[] = {"scenario", "id", "dataset", "conversation"};
    size_t      text_at[] = {offsetof(row, scenario), offsetof(row, id), offsetof(row, dataset),
                             offsetof(row, conversation)};
    size_t      size[] = {4, 8, 3, 1};

    hid_t memory = H5Tcreate(H5T_COMPOUND, sizeof(row)), type = H5Tcreate(H5T_COMPOUND, sizeof(row));
    for (size_t i = 0; i < 5; i++) {
        H5Tinsert(memory, names[i], at[i], i == 0 ? H5T_NATIVE_INT32 : H5T_NATIVE_UINT32);
        H5Tinsert(type, names[i], at[i], i == 0 ? H5T_STD_I32BE : H5T_STD_U32BE);
    }
    H5Tinsert(memory, "content", offsetof(row, content), H5T_NATIVE_UINT64);
    H5Tinsert(type, "content", offsetof(row, content), H5T_STD_U64BE);
    H5Tinsert(memory, "documents", offsetof(row, documents), H5T_NATIVE_UINT64);
    H5Tinsert(type, "documents", offsetof(row, documents), H5T_STD_U64BE);
    for (size_t i = 0; i < 4; i++) {
        hid_t text = H5Tcopy(H5T_C_S1); /* ASCII, NUL-terminated */
        H5Tset_size(text, size[i]);
        H5Tset_strpad(text, H5T_STR_NULLPAD);
        H5Tinsert(memory, texts[i], text_at[i], text);
        H5Tinsert(type, texts[i], text_at[i], text);
        H5Tclose(text);
    }
    cr_assert_eq(store_write("other.h5", &d, false, &e), 0);
    hid_t file = H5Fopen("other.h5", H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(1, &n, NULL);
    H5Ldelete(file, "samples", H5P_DEFAULT);
    hid_t list = H5Dcreate2(file, "samples", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert_geq(H5Dwrite(list, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
    H5Dclose(list);
    H5Sclose(space);
    H5Tclose(memory);
    H5Tclose(type);
    cr_assert_geq(H5Fclose(file), 0);

    cr_assert_eq(store_read("other.h5", &back, &e), 0, "%s", e.text);
    cr_assert_eq(back.n_samples, 2);
    cr_assert_str_eq(back.samples[0].scenario, "rag ");
    cr_assert_str_eq(back.samples[1].id, "12345678");
    cr_assert_eq(back.samples[1].references, 5);
    cr_assert_eq(back.samples[1].prompt_tokens, 7);
    cr_assert_eq(back.samples[1].content, 9);
    cr_assert_eq(back.samples[1].documents, 4);
    cr_assert_str_eq(back.samples[0].conversation, "x");
    store_free(&back);
    store_free(&d);
}
