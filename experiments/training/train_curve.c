/* train_curve.c - the loss curve as HDF5. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/base/mem.h"
#include "experiments/training/train_state.h"
#include "store/compound.h"
#include "store/h5.h"
#include "store/h5_file.h"

typedef curve_row row;

static const column step_columns[] = {
    {"step", FIELD_U32, offsetof(row, step)},         {"tokens", FIELD_U64, offsetof(row, tokens)},
    {"targets", FIELD_U64, offsetof(row, targets)},   {"loss", FIELD_F64, offsetof(row, loss)},
    {"accuracy", FIELD_F64, offsetof(row, accuracy)}, {"grad_norm", FIELD_F64, offsetof(row, norm)},
    {"lr", FIELD_F64, offsetof(row, rate)},
};
static const column validation_columns[] = {
    {"step", FIELD_U32, offsetof(row, step)},         {"source", FIELD_STR, offsetof(row, source)},
    {"targets", FIELD_U64, offsetof(row, targets)},   {"loss", FIELD_F64, offsetof(row, loss)},
    {"accuracy", FIELD_F64, offsetof(row, accuracy)},
};
static const compound steps_table = {"curve", step_columns, sizeof step_columns / sizeof *step_columns, sizeof(row)};
static const compound validation_table = {"validation", validation_columns,
                                          sizeof validation_columns / sizeof *validation_columns, sizeof(row)};

typedef struct {
    const train_config *c;
    const curve        *v;
} content;

static int write_table(hid_t file, const compound *t, const content *x, bool validation, err *e) {
    row   *rows = mem_new(x->v->n, sizeof *rows, e);
    size_t n = 0;
    if (rows == NULL) return -1;
    for (size_t i = 0; i < x->v->n; i++) {
        const curve_point *p = &x->v->points[i];
        if ((p->source >= 0) != validation) continue;
        rows[n++] = (row){(uint32_t)p->step, p->tokens, p->targets, p->loss,
                          p->accuracy,       p->norm,   p->rate,    validation ? x->c->sources[p->source].name : ""};
    }
    int ret = compound_write(file, t, rows, n, e);
    free(rows);
    return ret;
}

static int fill(hid_t file, const void *data, err *e) {
    const content *x = data;
    if (h5_write_text_attribute(file, "training", x->c->name, e) != 0 ||
        h5_write_text_attribute(file, "config", x->c->text, e) != 0 ||
        h5_write_text_attribute(file, "config_digest", x->c->digest, e) != 0)
        return -1;
    return write_table(file, &steps_table, x, false, e) != 0 ? -1 : write_table(file, &validation_table, x, true, e);
}

int curve_write(const char *path, const train_config *c, const curve *v, err *e) {
    content x = {c, v};
    return h5_file_write(path, false, fill, &x, e);
}

/* `cannot` says what is wrong with a file that is not a loss curve. */
static int open_curve(const char *path, const char *cannot, h5_file *file, err *e) {
    if (h5_file_open(path, cannot, file, e) != 0) return -1;
    htri_t is = H5Aexists(file->id, "training");
    if (is < 0) return h5_fails(e, path);
    return is > 0 ? 0 : err_input(e, "%s: %s", path, cannot);
}

bool curve_is_at(const char *path) {
    h5_file file;
    err     why = {0};
    int     ret = open_curve(path, "is no loss curve", &file, &why);
    return h5_file_close(&file, ret, &why) == 0;
}

int curve_check_place(const char *path, err *e) {
    struct stat st;
    h5_file     file;
    err         why = {0};
    if (stat(path, &st) != 0) return errno == ENOENT ? 0 : err_unreadable(e, path);
    if (st.st_size == 0) return 0;
    int ret = h5_file_close(&file, open_curve(path, "exists and is not a loss curve", &file, &why), &why);
    if (ret == 0) return 0;
    if (why.kind == ERR_INPUT) err_advise(&why, "give the training another name");
    if (e != NULL) *e = why;
    return -1;
}

/* ---- reading ---- */

static int read_text_as(hid_t attribute, hid_t type, const char *name, size_t most, char **out, err *e) {
    size_t size = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0 || size == 0)
        return err_input(e, "the attribute %s is not a text of fixed size", name);
    if (h5_check_room(name, 1, size, most, e) != 0 || (*out = mem_new(size + 1, 1, e)) == NULL) return -1;
    hid_t like = h5_text_like(type);
    int   ret = like < 0 || H5Aread(attribute, like, *out) < 0 ? h5_fails(e, name) : 0;
    return h5_close(&like, ret, e);
}

static int read_text(hid_t file, const char *name, size_t most, char **out, err *e) {
    hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
    int   ret = type >= 0 ? read_text_as(attribute, type, name, most, out, e) : h5_fails(e, name);
    ret = h5_close(&type, ret, e);
    return h5_close(&attribute, ret, e);
}

static int read_all(hid_t file, size_t most, curve_file *out, err *e) {
    void *rows;
    if (read_text(file, "training", most, &out->name, e) != 0 || read_text(file, "config", most, &out->config, e) != 0)
        return -1;
    int ret = compound_read(file, &steps_table, most, &rows, &out->n_steps, e);
    out->steps = rows;
    if (ret != 0) return -1;
    ret = compound_read(file, &validation_table, most, &rows, &out->n_validations, e);
    out->validations = rows;
    return ret;
}

int curve_read(const char *path, curve_file *out, err *e) {
    enum { DEFLATE_RATIO = 1032 }; /* the most bytes that one byte can give (zlib's technical details) */
    h5_file file;
    *out = (curve_file){0};
    int ret = open_curve(path, "is no loss curve", &file, e);
    if (ret == 0 && read_all(file.id, file.size * DEFLATE_RATIO, out, e) != 0) ret = err_prefix(e, "%s", path);
    ret = h5_file_close(&file, ret, e);
    if (ret != 0) curve_file_free(out);
    return ret;
}

void curve_file_free(curve_file *f) {
    for (size_t i = 0; i < f->n_steps; i++) compound_row_free(&steps_table, &f->steps[i]);
    for (size_t i = 0; i < f->n_validations; i++) compound_row_free(&validation_table, &f->validations[i]);
    free(f->steps);
    free(f->validations);
    free(f->name);
    free(f->config);
    *f = (curve_file){0};
}
