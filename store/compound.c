#include "store/compound.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "store/h5.h"

/* ---- kinds -------------------------------------------------------------------------------------------- */

static bool is_text(field_kind k) {
    return k == FIELD_STR || k == FIELD_ID;
}

static size_t number_size(field_kind k) {
    switch (k) {
    case FIELD_U8:
        return 1;
    case FIELD_U16:
        return 2;
    case FIELD_U32:
    case FIELD_I32:
        return 4;
    default:
        return 8;
    }
}

/* Little-endian, which is also the host's order (digest.c refuses others). */
static hid_t number_type(field_kind k) {
    switch (k) {
    case FIELD_U8:
        return H5T_STD_U8LE;
    case FIELD_U16:
        return H5T_STD_U16LE;
    case FIELD_U32:
        return H5T_STD_U32LE;
    case FIELD_U64:
        return H5T_STD_U64LE;
    case FIELD_I32:
        return H5T_STD_I32LE;
    case FIELD_I64:
        return H5T_STD_I64LE;
    default:
        return H5T_IEEE_F64LE;
    }
}

static const char *kind_name(field_kind k) {
    static const char *const names[] = {"an unsigned 8-bit integer",
                                        "an unsigned 16-bit integer",
                                        "an unsigned 32-bit integer",
                                        "an unsigned 64-bit integer",
                                        "a signed 32-bit integer",
                                        "a signed 64-bit integer",
                                        "a 64-bit float",
                                        "a fixed-size text",
                                        "a fixed-size text of 16"};
    return names[k];
}

/* True when values of a file's type can be read as this kind without loss. */
static bool type_fits(hid_t type, field_kind k) {
    H5T_class_t class = H5Tget_class(type);
    size_t size = H5Tget_size(type);
    if (is_text(k))
        return class == H5T_STRING && H5Tis_variable_str(type) == 0 && size > 0 &&
               (k == FIELD_STR || size == COMPOUND_ID_SIZE);
    if (k == FIELD_F64) return class == H5T_FLOAT && size == 8;
    bool is_signed = k == FIELD_I32 || k == FIELD_I64;
    return class == H5T_INTEGER && size == number_size(k) &&
           H5Tget_sign(type) == (is_signed ? H5T_SGN_2 : H5T_SGN_NONE);
}

/* ---- records: rows as they are in the file ------------------------------------------------------------- */

static void record_init(compound_record *r) {
    *r = (compound_record){.type = H5I_INVALID_HID};
    for (size_t i = 0; i < COMPOUND_COLUMNS_MAX; i++) r->part[i] = H5I_INVALID_HID;
}

static int record_close(compound_record *r, int ret, err *e) {
    for (size_t i = 0; i < COMPOUND_COLUMNS_MAX; i++) ret = h5_close(&r->part[i], ret, e);
    return h5_close(&r->type, ret, e);
}

/* Joins the parts into the compound type. */
static int record_join(compound_record *r, const compound *t, err *e) {
    size_t at = 0;
    for (size_t i = 0; i < t->n_columns; i++) r->size += r->part_size[i];
    if ((r->type = H5Tcreate(H5T_COMPOUND, r->size)) < 0) return h5_fails(e, t->name);
    for (size_t i = 0; i < t->n_columns; i++) {
        if (H5Tinsert(r->type, t->columns[i].name, at, r->part[i]) < 0) return h5_fails(e, t->name);
        at += r->part_size[i];
    }
    return 0;
}

static const char *text_at(const void *row, const column *c) {
    const char *text;
    memcpy(&text, (const char *)row + c->offset, sizeof text);
    return text;
}

static void set_text(void *row, const column *c, char *text) {
    memcpy((char *)row + c->offset, &text, sizeof text);
}

/* The record that is wide enough for these rows. */
static int record_for_rows(compound_record *r, const compound *t, const char *rows, size_t n, err *e) {
    for (size_t i = 0; i < t->n_columns; i++) {
        const column *c = &t->columns[i];
        size_t        longest = 1;
        for (size_t j = 0; c->kind == FIELD_STR && j < n; j++) {
            size_t length = strlen(text_at(rows + j * t->row_size, c));
            if (length > longest) longest = length;
        }
        r->part_size[i] = c->kind == FIELD_ID    ? COMPOUND_ID_SIZE
                          : c->kind == FIELD_STR ? longest
                                                 : number_size(c->kind);
        r->part[i] = is_text(c->kind) ? h5_text_type(r->part_size[i]) : H5Tcopy(number_type(c->kind));
        if (r->part[i] < 0) return h5_fails(e, c->name);
    }
    return record_join(r, t, e);
}

/* The record that reads our columns of a file's table. Texts keep the file's size and character set. */
static int record_for_list(compound_record *r, const compound *t, hid_t list, err *e) {
    int   ret = 0;
    hid_t type = H5Dget_type(list);
    if (type < 0) return h5_fails(e, t->name);
    if (H5Tget_class(type) != H5T_COMPOUND) ret = err_input(e, "%s: is not a table", t->name);
    for (size_t i = 0; ret == 0 && i < t->n_columns; i++) {
        const column *c = &t->columns[i];
        int           at = H5Tget_member_index(type, c->name);
        if (at < 0) {
            ret = err_input(e, "%s: lacks the column %s", t->name, c->name);
            break;
        }
        hid_t member = H5Tget_member_type(type, (unsigned)at);
        if (member < 0) {
            ret = h5_fails(e, c->name);
        } else if (!type_fits(member, c->kind)) {
            ret = err_input(e, "%s: the column %s is not %s", t->name, c->name, kind_name(c->kind));
        } else {
            r->part_size[i] = H5Tget_size(member);
            r->part[i] = is_text(c->kind) ? h5_text_like(member) : H5Tcopy(number_type(c->kind));
            if (r->part[i] < 0) ret = h5_fails(e, c->name);
        }
        ret = h5_close(&member, ret, e);
    }
    if (ret == 0) ret = record_join(r, t, e);
    return h5_close(&type, ret, e);
}

/* Row to record; `to` is zeroed, which pads the texts. */
static void record_pack(const compound_record *r, const compound *t, const void *row, char *to) {
    for (size_t i = 0; i < t->n_columns; to += r->part_size[i++]) {
        const column *c = &t->columns[i];
        if (is_text(c->kind))
            memcpy(to, text_at(row, c), strnlen(text_at(row, c), r->part_size[i]));
        else
            memcpy(to, (const char *)row + c->offset, r->part_size[i]);
    }
}

/* Record to row. The row is zeroed first, so compound_row_free can free it after a failure. */
static int record_unpack(const compound_record *r, const compound *t, const char *from, void *row, err *e) {
    for (size_t i = 0; i < t->n_columns; from += r->part_size[i++]) {
        const column *c = &t->columns[i];
        if (is_text(c->kind)) {
            char *text = mem_strndup(from, strnlen(from, r->part_size[i]), e);
            if (text == NULL) return -1;
            set_text(row, c, text);
        } else {
            memcpy((char *)row + c->offset, from, r->part_size[i]);
        }
    }
    return 0;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

int compound_create(hid_t file, const compound *t, const void *rows, size_t n_rows, size_t n, compound_rows *c,
                    err *e) {
    *c = (compound_rows){.t = t};
    record_init(&c->record);
    if (record_for_rows(&c->record, t, rows, n_rows, e) != 0) return -1;
    return h5_rows_create(file, t->name, c->record.type, n, &c->rows, e);
}

int compound_put(compound_rows *c, const void *row, err *e) {
    char *to = h5_rows_next(&c->rows, e);
    if (to == NULL) return -1;
    record_pack(&c->record, c->t, row, to);
    return 0;
}

int compound_finish(compound_rows *c, err *e) {
    return h5_rows_finish(&c->rows, e);
}

int compound_open(hid_t file, const compound *t, size_t most, compound_rows *c, err *e) {
    size_t n;
    hid_t  list;
    *c = (compound_rows){.t = t};
    record_init(&c->record);
    if (h5_open_list(file, t->name, &list, &n, e) != 0) return -1;
    c->rows.list = list;
    if (record_for_list(&c->record, t, list, e) != 0 || h5_check_room(t->name, n, c->record.size, most, e) != 0)
        return -1;
    return h5_rows_read(list, t->name, c->record.type, n, &c->rows, e);
}

int compound_get(compound_rows *c, void *row, err *e) {
    const char *from = h5_rows_get(&c->rows, e);
    return from != NULL ? record_unpack(&c->record, c->t, from, row, e) : -1;
}

int compound_close(compound_rows *c, int ret, err *e) {
    ret = h5_rows_close(&c->rows, ret, e);
    if (c->t != NULL) ret = record_close(&c->record, ret, e);
    c->t = NULL;
    return ret;
}

int compound_write(hid_t file, const compound *t, const void *rows, size_t n, err *e) {
    compound_rows c;
    const char   *row = rows;
    int           ret = compound_create(file, t, rows, n, n, &c, e);
    for (size_t i = 0; ret == 0 && i < n; i++, row += t->row_size) ret = compound_put(&c, row, e);
    if (ret == 0) ret = compound_finish(&c, e);
    return compound_close(&c, ret, e);
}

int compound_read(hid_t file, const compound *t, size_t most, void **rows, size_t *n, err *e) {
    compound_rows c;
    int           ret = compound_open(file, t, most, &c, e);
    *rows = NULL;
    *n = 0;
    if (ret == 0 && (*rows = mem_new(c.rows.n, t->row_size, e)) == NULL) ret = -1;
    while (ret == 0 && *n < c.rows.n) ret = compound_get(&c, (char *)*rows + (*n)++ * t->row_size, e);
    return compound_close(&c, ret, e);
}

/* ---- lists of numbers ---------------------------------------------------------------------------------- */

int numbers_create(hid_t where, const char *name, field_kind k, size_t n, h5_rows *r, err *e) {
    return h5_rows_create(where, name, number_type(k), n, r, e);
}

int numbers_open(hid_t where, const char *name, field_kind k, size_t most, h5_rows *r, err *e) {
    int    ret = -1;
    size_t n;
    hid_t  list, type;
    *r = (h5_rows){.list = H5I_INVALID_HID};
    if (h5_open_list(where, name, &list, &n, e) != 0) return -1;
    r->list = list;
    if ((type = H5Dget_type(list)) < 0)
        h5_fails(e, name);
    else if (!type_fits(type, k))
        err_input(e, "%s: does not hold %s", name, kind_name(k));
    else if (h5_check_room(name, n, number_size(k), most, e) == 0)
        ret = h5_rows_read(list, name, number_type(k), n, r, e);
    return h5_close(&type, ret, e);
}

int numbers_read(hid_t where, const char *name, field_kind k, size_t most, void **at, size_t *n, err *e) {
    h5_rows r;
    int     ret = numbers_open(where, name, k, most, &r, e);
    *at = NULL;
    *n = r.n;
    if (ret == 0 && (*at = mem_new(r.n, r.size, e)) == NULL) ret = -1;
    if (ret == 0) ret = h5_rows_take(&r, *at, r.n, e);
    ret = h5_rows_close(&r, ret, e);
    if (ret != 0) {
        free(*at);
        *at = NULL;
        *n = 0;
    }
    return ret;
}

/* ---- rows as values ------------------------------------------------------------------------------------ */

int compound_row_copy(const compound *t, void *to, const void *from, err *e) {
    memcpy(to, from, t->row_size);
    for (size_t i = 0; i < t->n_columns; i++)
        if (is_text(t->columns[i].kind)) set_text(to, &t->columns[i], NULL);
    for (size_t i = 0; i < t->n_columns; i++) {
        const column *c = &t->columns[i];
        if (!is_text(c->kind)) continue;
        const char *text = text_at(from, c);
        char       *copy = mem_strdup(text != NULL ? text : "", e);
        if (copy == NULL) {
            compound_row_free(t, to);
            return -1;
        }
        set_text(to, c, copy);
    }
    return 0;
}

bool compound_row_equal(const compound *t, const void *a, const void *b) {
    for (size_t i = 0; i < t->n_columns; i++) {
        const column *c = &t->columns[i];
        bool          same = is_text(c->kind)
                                 ? strcmp(text_at(a, c), text_at(b, c)) == 0
                                 : memcmp((const char *)a + c->offset, (const char *)b + c->offset, number_size(c->kind)) == 0;
        if (!same) return false;
    }
    return true;
}

void compound_row_free(const compound *t, void *row) {
    for (size_t i = 0; i < t->n_columns; i++) {
        const column *c = &t->columns[i];
        if (!is_text(c->kind)) continue;
        char *text;
        memcpy(&text, (const char *)row + c->offset, sizeof text);
        free(text);
        set_text(row, c, NULL);
    }
}
