/* GGUF files that were truncated, damaged or made to attack: each is refused, and none may crash or be partly accepted.
 * The sanitizer build turns a read out of bounds into a failure. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fixtures/tiny_model.h"

/* ---- a file made by hand, byte by byte ------------------------------------------------------------------ */

typedef struct {
    char   at[2048];
    size_t n;
} image;

static void raw(image *m, const void *p, size_t n) {
    cr_assert_leq(m->n + n, sizeof m->at);
    memcpy(m->at + m->n, p, n);
    m->n += n;
}

static void u32(image *m, uint32_t v) {
    raw(m, &v, sizeof v);
}

static void u64(image *m, uint64_t v) {
    raw(m, &v, sizeof v);
}

static void text(image *m, const char *s) {
    u64(m, strlen(s));
    raw(m, s, strlen(s));
}

static void header(image *m, uint64_t n_tensors, uint64_t n_values) {
    raw(m, "GGUF", 4);
    u32(m, 3);
    u64(m, n_tensors);
    u64(m, n_values);
}

static void key(image *m, const char *name, gguf_type type) {
    text(m, name);
    u32(m, type);
}

static void tensor(image *m, const char *name, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset) {
    text(m, name);
    u32(m, 2);
    u64(m, cols);
    u64(m, rows);
    u32(m, type);
    u64(m, offset);
}

/* Zeros up to the alignment, and n bytes of data. */
static void data(image *m, size_t n) {
    static const char zeros[512];
    raw(m, zeros, -m->n & 31);
    raw(m, zeros, n);
}

static void write_file(const char *path, const void *p, size_t n) {
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(p, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

static void refused(const image *m, const char *says) {
    char path[TINY_PATH];
    err  e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    write_file(path, m->at, m->n);
    gguf *g = gguf_open(path, &e);
    unlink(path);
    cr_assert_null(g, "taken, though: %s", says);
    cr_assert_eq(e.kind, ERR_INPUT, "%s", e.text);
    cr_assert(strncmp(e.text, path, strlen(path)) == 0, "no file named: %s", e.text);
    cr_assert(strstr(e.text, says) != NULL, "\"%s\" does not say \"%s\"", e.text, says);
}

static void taken(const image *m) {
    char path[TINY_PATH];
    err  e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    write_file(path, m->at, m->n);
    gguf *g = gguf_open(path, &e);
    unlink(path);
    cr_assert_not_null(g, "%s", e.text);
    gguf_close(g);
}

/* Each attack below is this file with one thing wrong. */
Test(gguf_hostile, the_pattern_itself_is_sound) {
    image m = {0};
    header(&m, 2, 1);
    key(&m, "general.name", GGUF_STRING);
    text(&m, "x");
    tensor(&m, "a", 8, 2, 0, 0);
    tensor(&m, "b", 8, 2, 0, 64);
    data(&m, 128);
    taken(&m);
}

Test(gguf_hostile, headers) {
    image m = {0};
    refused(&m, "the file is empty");
    raw(&m, "GGU", 3);
    refused(&m, "3 are left");
    m.n = 0;
    raw(&m, "GGUf\3\0\0\0", 8);
    refused(&m, "not a GGUF file");
    for (uint32_t version = 0; version < 5; version++) {
        m.n = 0;
        raw(&m, "GGUF", 4);
        u32(&m, version);
        u64(&m, 0);
        u64(&m, 0);
        if (version == 2 || version == 3)
            taken(&m);
        else
            refused(&m, "(2 or 3");
    }
    m.n = 0;
    raw(&m, "GGUF\0\0\0\3", 8);
    refused(&m, "big-endian");
}

Test(gguf_hostile, counts_that_the_file_cannot_hold) {
    const uint64_t counts[] = {10, 1u << 31, (uint64_t)1 << 62, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        image m = {0};
        header(&m, counts[i], 0);
        data(&m, 64);
        refused(&m, "no more than");
        m.n = 0;
        header(&m, 0, counts[i]);
        data(&m, 64);
        refused(&m, "no more than");
    }
}

Test(gguf_hostile, lengths) {
    const uint64_t lengths[] = {1000, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        image m = {0};
        header(&m, 0, 1); /* a key */
        u64(&m, lengths[i]);
        data(&m, 64);
        refused(&m, "are left in the file");

        m.n = 0;
        header(&m, 0, 1); /* a string */
        key(&m, "k", GGUF_STRING);
        u64(&m, lengths[i]);
        data(&m, 64);
        refused(&m, "key \"k\": a string takes");

        for (int item = GGUF_U8; item <= GGUF_F64; item++) { /* an array of anything */
            m.n = 0;
            header(&m, 0, 1);
            key(&m, "k", GGUF_ARRAY);
            u32(&m, (uint32_t)item);
            u64(&m, lengths[i]);
            data(&m, 64);
            refused(&m, "are left in the file");
        }

        m.n = 0;
        header(&m, 1, 0); /* a tensor's name */
        u64(&m, lengths[i]);
        data(&m, 64);
        refused(&m, "are left in the file");
    }
    image m = {0};
    header(&m, 0, 1);
    key(&m, "", GGUF_U8);
    data(&m, 64);
    refused(&m, "key has 0 bytes (1 to 65535)");
    m.n = 0;
    header(&m, 1, 0);
    tensor(&m, "a name that is one byte longer than the sixty-four which GGUF has", 8, 1, 0, 0);
    data(&m, 64);
    refused(&m, "tensor has 65 bytes (1 to 64)");
}

Test(gguf_hostile, values) {
    image m = {0};
    header(&m, 0, 1);
    key(&m, "k", (gguf_type)13);
    data(&m, 64);
    refused(&m, "key \"k\": type 13 is unknown");

    m.n = 0;
    header(&m, 0, 1);
    key(&m, "k", GGUF_BOOL);
    raw(&m, "\2", 1);
    data(&m, 0);
    refused(&m, "a bool is 2 (0 or 1)");

    m.n = 0;
    header(&m, 0, 1);
    key(&m, "k", GGUF_ARRAY);
    u32(&m, GGUF_BOOL);
    u64(&m, 3);
    raw(&m, "\0\1\xff", 3);
    data(&m, 0);
    refused(&m, "a bool is 255");

    m.n = 0;
    header(&m, 0, 1);
    key(&m, "k", GGUF_ARRAY);
    u32(&m, 99);
    u64(&m, 0);
    data(&m, 0);
    refused(&m, "type 99 is unknown");

    for (int depth = 1; depth <= 100; depth++) { /* [[[...[]...]]] */
        m.n = 0;
        header(&m, 0, 1);
        key(&m, "k", GGUF_ARRAY);
        for (int i = 1; i < depth; i++) {
            u32(&m, GGUF_ARRAY);
            u64(&m, 1);
        }
        u32(&m, GGUF_U8);
        u64(&m, 0);
        if (depth <= 4)
            taken(&m);
        else
            refused(&m, "nested too deeply");
    }
}

Test(gguf_hostile, names_given_twice) {
    image m = {0};
    header(&m, 0, 3);
    for (int i = 0; i < 3; i++) {
        key(&m, i == 1 ? "other" : "same\x1b[2J", GGUF_U8);
        raw(&m, "\0", 1);
    }
    refused(&m, "key \"same\\x1b[2J\" is given twice");
    m.n = 0;
    header(&m, 2, 0);
    tensor(&m, "a", 8, 1, 0, 0);
    tensor(&m, "a", 8, 1, 0, 32);
    data(&m, 64);
    refused(&m, "tensor \"a\" is given twice");
}

Test(gguf_hostile, alignments) {
    const uint32_t bad[] = {0, 1, 3, 4, 24, 33, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        image m = {0};
        header(&m, 0, 1);
        key(&m, "general.alignment", GGUF_U32);
        u32(&m, bad[i]);
        refused(&m, "(a power of two, at least 8)");
    }
    image m = {0};
    header(&m, 0, 1);
    key(&m, "general.alignment", GGUF_STRING);
    text(&m, "32");
    refused(&m, "has type string");
    m.n = 0;
    header(&m, 1, 1);
    key(&m, "general.alignment", GGUF_U32);
    u32(&m, 0x80000000);
    tensor(&m, "a", 8, 1, 0, 0);
    data(&m, 64);
    refused(&m, "the file ends before it");
}

Test(gguf_hostile, shapes) {
    static const struct {
        uint64_t    cols, rows;
        uint32_t    type;
        const char *says;
    } bad[] = {
        {0, 2, 0, "dimension 0 is 0"},
        {2, 0, 0, "dimension 1 is 0"},
        {(uint64_t)1 << 32, (uint64_t)1 << 32, 0, "more elements than"},
        {(uint64_t)1 << 31, (uint64_t)1 << 32, 0, "more elements than"},
        {UINT64_MAX, 2, 0, "more elements than"},
        {UINT64_MAX, 1, 0, "more elements than"},
        {(uint64_t)1 << 62, 1, 0, "take more than 2^64 bytes"},
        {(uint64_t)1 << 62, 1, 8, "takes"},
        {33, 1, 8, "a row of 33 elements of type Q8_0 (a multiple of 32)"},
        {16, 2, 8, "a row of 16 elements"},
        {100, 100, 0,
         "tensor \"a\" takes 40000 bytes at offset 0 (the data has 64 bytes; the file has 160 of at least 40096 bytes: "
         "was its download or copy interrupted?)"},
        {17, 1, 0, "takes 68 bytes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        image m = {0};
        header(&m, 1, 0);
        tensor(&m, "a", bad[i].cols, bad[i].rows, bad[i].type, 0);
        data(&m, 64);
        refused(&m, bad[i].says);
    }
    for (uint32_t dims = 0; dims < 10; dims++) {
        image m = {0};
        header(&m, 1, 0);
        text(&m, "a");
        u32(&m, dims == 9 ? UINT32_MAX : dims);
        for (uint32_t i = 0; i < dims; i++) u64(&m, 1);
        u32(&m, 0);
        u64(&m, 0);
        data(&m, 64);
        if (dims >= 1 && dims <= 4)
            taken(&m);
        else
            refused(&m, "dimensions (1 to 4)");
    }
}

Test(gguf_hostile, offsets) {
    static const struct {
        uint64_t    a, b;
        const char *says;
    } bad[] = {
        {1, 64, "its offset 1 is not aligned (a multiple of 32)"},
        {0, 16, "its offset 16 is not aligned"},
        {0, 32, "tensors \"a\" and \"b\" overlap"},
        {32, 0, "tensors \"b\" and \"a\" overlap"},
        {0, 0, "overlap"},
        {0, 96, "tensor \"b\" takes 64 bytes at offset 96 (the data has 128 bytes; "},
        {0, 1u << 20, "tensor \"b\" takes 64 bytes at offset 1048576 (the data has 128 bytes; "},
        {0, UINT64_MAX - 31, "is outside the file"},
        {(uint64_t)1 << 63, 0, "is outside the file"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        image m = {0};
        header(&m, 2, 0);
        tensor(&m, "a", 8, 2, 0, bad[i].a);
        tensor(&m, "b", 8, 2, 0, bad[i].b);
        data(&m, 128);
        refused(&m, bad[i].says);
    }
    /* Of a tensor of unsupported type only the start is known; that must not be in another's data, either. */
    image m = {0};
    header(&m, 2, 0);
    tensor(&m, "a", 8, 2, 0, 0);
    tensor(&m, "b", 256, 1, 16, 32);
    data(&m, 128);
    refused(&m, "overlap");
    m.n = 0;
    header(&m, 1, 0);
    tensor(&m, "b", 256, 1, 77, 128);
    data(&m, 128);
    refused(&m, "takes 1 bytes at offset 128");
}

/* ---- real files, cut and damaged ------------------------------------------------------------------------ */

/* A small file with everything in it: every kind of value, two tensors, padding between and after. */
static size_t small_file(const char *path, char *bytes, size_t size) {
    err            e = {0};
    gguf_writer   *w = gguf_writer_new(&e);
    const float    floats[40] = {1, 2, 3};
    const gguf_str strings[] = {{"ab", 2}, {"", 0}, {"c", 1}};
    const uint64_t six[] = {3, 2}, block[] = {32};
    char           q8[34] = {0};
    cr_assert_eq(gguf_put_string(w, "name", "small", &e), 0);
    cr_assert_eq(gguf_put_strings(w, "strings", strings, 3, &e), 0);
    cr_assert_eq(gguf_put_f32s(w, "floats", floats, 3, &e), 0);
    cr_assert_eq(gguf_put_bool(w, "bool", true, &e), 0);
    cr_assert_eq(gguf_put_u32(w, "u32", 5, &e), 0);
    cr_assert_eq(gguf_put_raw(w, "nested", GGUF_ARRAY, GGUF_ARRAY, 1, "\0\0\0\0\2\0\0\0\0\0\0\0ab", 14, &e), 0);
    cr_assert_eq(gguf_put_tensor(w, "six", DTYPE_F32, 2, six, floats, &e), 0);
    cr_assert_eq(gguf_put_tensor(w, "q8", DTYPE_Q8_0, 1, block, q8, &e), 0);
    cr_assert_eq(gguf_writer_save(w, path, 3, 64, &e), 0, "%s", e.text);
    gguf_writer_free(w);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    size_t n = fread(bytes, 1, size, f);
    fclose(f);
    cr_assert(n > 0 && n < size);
    return n;
}

/* Reads everything from an open file that a caller may read without checks. */
static size_t touch_everything(const gguf *g) {
    size_t sum = 0;
    for (size_t i = 0; i < gguf_value_count(g); i++) {
        const gguf_value *v = gguf_value_at(g, i);
        for (size_t j = 0; j < v->bytes; j++) sum += ((const unsigned char *)v->data)[j];
        char   key_text[64];
        size_t n;
        void  *items;
        err    e;
        snprintf(key_text, sizeof key_text, "%.*s", (int)(v->key.n < 60 ? v->key.n : 60), v->key.at);
        if (gguf_strings(g, key_text, (gguf_str **)&items, &n, &e) == 0) {
            for (size_t j = 0; j < n; j++)
                for (size_t k = 0; k < ((gguf_str *)items)[j].n; k++)
                    sum += (unsigned char)((gguf_str *)items)[j].at[k];
            free(items);
        }
        if (gguf_array_f32(g, key_text, (float **)&items, &n, &e) == 0) free(items);
    }
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const gguf_tensor *t = gguf_tensor_at(g, i);
        for (size_t j = 0; j < t->bytes; j++) sum += ((const unsigned char *)t->data)[j];
    }
    return sum;
}

Test(gguf_hostile, cut_at_every_byte) {
    char path[TINY_PATH], bytes[4096];
    err  e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    size_t n = small_file(path, bytes, sizeof bytes), padding = 64 - 34;
    for (size_t cut = 0; cut <= n; cut++) {
        write_file(path, bytes, cut);
        gguf *g = gguf_open(path, &e);
        if (cut < n - padding) {
            cr_assert_null(g, "%zu of %zu bytes were taken", cut, n);
            cr_assert_eq(e.kind, ERR_INPUT);
        } else { /* only padding is missing */
            cr_assert_not_null(g, "%s", e.text);
            cr_assert_eq(gguf_find_tensor(g, "q8")->bytes, 34);
            touch_everything(g);
        }
        gguf_close(g);
    }
    unlink(path);
}

Test(gguf_hostile, every_byte_damaged) {
    char   path[TINY_PATH], bytes[4096];
    err    e = {0};
    size_t opened = 0, sum = 0;
    cr_assert_eq(tiny_path(path, &e), 0);
    size_t              n = small_file(path, bytes, sizeof bytes);
    const unsigned char flips[] = {0x01, 0x80, 0xFF, 0x10, 0x04};
    FILE               *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    setbuf(f, NULL);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
            putc((unsigned char)bytes[i] ^ flips[k], f);
            gguf *g = gguf_open(path, &e);
            if (g != NULL) {
                opened++;
                sum += touch_everything(g);
            } else {
                cr_assert_eq(e.kind, ERR_INPUT, "byte %zu: %s", i, e.text);
            }
            gguf_close(g);
        }
        cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
        putc(bytes[i], f);
    }
    fclose(f);
    unlink(path);
    cr_assert(opened > n && sum > 0); /* padding, names and data may be anything */
}

/* The same through the tokenizer and the binding of weights. Damage within a part of the file that is large and
 * regular (pieces, scores, weights) is sampled. */
Test(gguf_hostile, a_damaged_model) {
    tiny_spec s = tiny_default();
    s.layers = 1;
    s.dim = 32;
    s.ffn = 32;
    s.heads = 2;
    s.kv_heads = 1;
    char path[TINY_PATH];
    err  e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    setbuf(f, NULL);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    size_t n = (size_t)ftell(f), refusals = 0;
    for (size_t i = 0; i < n; i += i < 600 ? 1 : i < 20000 ? 13 : 997) {
        int byte;
        cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
        byte = getc(f);
        for (int flip = 0x80; flip > 0; flip >>= 3) {
            cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
            putc(byte ^ flip, f);
            model *m = model_open(path, &e);
            refusals += m == NULL;
            if (m == NULL) cr_assert_neq(e.kind, ERR_NONE);
            model_close(m);
        }
        cr_assert_eq(fseek(f, (long)i, SEEK_SET), 0);
        putc(byte, f);
    }
    fclose(f);
    model *m = model_open(path, &e);
    cr_assert_not_null(m, "%s", e.text);
    model_close(m);
    cr_assert_gt(refusals, 500);
    unlink(path);
}

Test(gguf_hostile, things_that_are_no_files) {
    err e = {0};
    cr_assert_null(gguf_open("/nonexistent/model.gguf", &e));
    cr_assert(strstr(e.text, "/nonexistent/model.gguf: cannot open: No such file") != NULL, "%s", e.text);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_null(gguf_open("/tmp", &e));
    cr_assert(strstr(e.text, "/tmp: is a folder (a GGUF file)") != NULL, "%s", e.text);
    cr_assert_null(gguf_open("/dev/null", &e));
    cr_assert(strstr(e.text, "/dev/null: is a device (a GGUF file)") != NULL, "%s", e.text);
    cr_assert_null(gguf_open("", &e));
}
