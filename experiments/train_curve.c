/* train_curve.c - the loss curve as HDF5. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/base/mem.h"
#include "experiments/store/compound.h"
#include "experiments/store/h5.h"
#include "experiments/store/h5_file.h"
#include "experiments/train_state.h"

typedef struct {
    uint32_t step;
    uint64_t tokens, targets;
    double   loss, accuracy, norm, rate;
    char    *source;
} row;

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

int curve_check_place(const char *path, err *e) {
    struct stat st;
    h5_file     file;
    err         why = {0};
    if (stat(path, &st) != 0) return errno == ENOENT ? 0 : err_unreadable(e, path);
    if (st.st_size == 0) return 0;
    int ret = h5_file_open(path, "is there and is no loss curve", &file, &why);
    if (ret == 0) {
        htri_t is = H5Aexists(file.id, "training");
        if (is < 0)
            h5_fails(&why, path);
        else if (is == 0)
            err_input(&why, "%s: is there and is no loss curve", path);
        ret = is > 0 ? 0 : -1;
    }
    ret = h5_file_close(&file, ret, &why);
    if (ret == 0) return 0;
    if (why.kind == ERR_INPUT) err_advise(&why, "give the training another name");
    if (e != NULL) *e = why;
    return -1;
}
