/* GGUF files: what is written is read back, in both versions and at every alignment. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "tests/fixtures/tiny_model.h"

/* One value of every type, and an array of each. */
static const struct {
    gguf_type   type;
    const void *data;
    size_t      bytes; /* of two items */
} samples[] = {
    {GGUF_U8, (const uint8_t[]){200, 1}, 2},           {GGUF_I8, (const int8_t[]){-5, 1}, 2},
    {GGUF_U16, (const uint16_t[]){60000, 1}, 4},       {GGUF_I16, (const int16_t[]){-300, 1}, 4},
    {GGUF_U32, (const uint32_t[]){4000000000u, 1}, 8}, {GGUF_I32, (const int32_t[]){-70000, 1}, 8},
    {GGUF_F32, (const float[]){0.1f, -2}, 8},          {GGUF_BOOL, (const uint8_t[]){1, 0}, 2},
    {GGUF_U64, (const uint64_t[]){UINT64_MAX, 1}, 16}, {GGUF_I64, (const int64_t[]){INT64_MIN, 1}, 16},
    {GGUF_F64, (const double[]){0.1, -2}, 16},
};
enum { N_SAMPLES = sizeof samples / sizeof *samples };

static float weights[4 * 256];

static void put_everything(gguf_writer *w) {
    err  e = {0};
    char key[32];
    for (size_t i = 0; i < N_SAMPLES; i++) {
        snprintf(key, sizeof key, "one.%s", gguf_type_name(samples[i].type));
        cr_assert_eq(
            gguf_put_raw(w, key, samples[i].type, samples[i].type, 1, samples[i].data, samples[i].bytes / 2, &e), 0);
        snprintf(key, sizeof key, "two.%s", gguf_type_name(samples[i].type));
        cr_assert_eq(gguf_put_raw(w, key, GGUF_ARRAY, samples[i].type, 2, samples[i].data, samples[i].bytes, &e), 0);
        snprintf(key, sizeof key, "none.%s", gguf_type_name(samples[i].type));
        cr_assert_eq(gguf_put_raw(w, key, GGUF_ARRAY, samples[i].type, 0, NULL, 0, &e), 0);
    }
    const gguf_str strings[] = {{"a", 1}, {"", 0}, {"b\0c", 3}};
    cr_assert_eq(gguf_put_string(w, "text", "", &e), 0);
    cr_assert_eq(gguf_put_strings(w, "texts", strings, 3, &e), 0);
    cr_assert_eq(gguf_put_strings(w, "no.texts", NULL, 0, &e), 0);
    /* [[7, 8], []]: each inner array is its item type, its length, its items. */
    char     nested[64];
    size_t   n = 0;
    uint32_t item = GGUF_U8;
    for (uint64_t length = 2;; length = 0) {
        memcpy(nested + n, &item, sizeof item);
        memcpy(nested + n + 4, &length, sizeof length);
        memcpy(nested + n + 12, "\7\10", length);
        n += 12 + length;
        if (length == 0) break;
    }
    cr_assert_eq(gguf_put_raw(w, "nested", GGUF_ARRAY, GGUF_ARRAY, 2, nested, n, &e), 0, "%s", e.text);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) weights[i] = (float)i / 7 - 12;
}

static void check_everything(const gguf *g) {
    err  e = {0};
    char key[32];
    for (size_t i = 0; i < N_SAMPLES; i++) {
        snprintf(key, sizeof key, "one.%s", gguf_type_name(samples[i].type));
        const gguf_value *v = gguf_find(g, key);
        cr_assert_not_null(v);
        cr_assert(v->type == samples[i].type && v->count == 1 && v->bytes == samples[i].bytes / 2);
        cr_assert_arr_eq(v->data, samples[i].data, v->bytes);
        snprintf(key, sizeof key, "two.%s", gguf_type_name(samples[i].type));
        v = gguf_find(g, key);
        cr_assert(v->type == GGUF_ARRAY && v->item == samples[i].type && v->count == 2);
        cr_assert_eq(v->bytes, samples[i].bytes);
        cr_assert_arr_eq(v->data, samples[i].data, v->bytes);
        snprintf(key, sizeof key, "none.%s", gguf_type_name(samples[i].type));
        cr_assert_eq(gguf_find(g, key)->count, 0);
    }
    gguf_str text, *texts;
    size_t   n;
    cr_assert_eq(gguf_string(g, "text", &text, &e), 0);
    cr_assert_eq(text.n, 0);
    cr_assert_eq(gguf_strings(g, "texts", &texts, &n, &e), 0);
    cr_assert_eq(n, 3);
    cr_assert(texts[0].n == 1 && texts[1].n == 0 && texts[2].n == 3 && memcmp(texts[2].at, "b\0c", 3) == 0);
    free(texts);
    cr_assert_eq(gguf_strings(g, "no.texts", &texts, &n, &e), 0);
    cr_assert_eq(n, 0);
    free(texts);
    const gguf_value *nested = gguf_find(g, "nested");
    cr_assert(nested->item == GGUF_ARRAY && nested->count == 2 && nested->bytes == 26);
}

Test(gguf, round_trip_of_every_type_version_and_alignment) {
    for (uint32_t version = 2; version <= 3; version++) {
        for (uint32_t alignment = 8; alignment <= 64; alignment *= 2) {
            err            e = {0};
            char           path[TINY_PATH];
            unsigned char  stored[DTYPE_COUNT][sizeof weights];
            const uint64_t shape[] = {256, 2, 1, 2};
            gguf_writer   *w = gguf_writer_new(&e);
            put_everything(w);
            for (int t = 0; t < DTYPE_COUNT; t++) {
                dtype_get((dtype)t)->encode(weights, stored[t], 1024);
                cr_assert_eq(gguf_put_tensor(w, dtype_get((dtype)t)->name, (dtype)t, 4, shape, stored[t], &e), 0);
            }
            const uint64_t three[] = {3}; /* odd sizes: the next tensor needs padding */
            cr_assert_eq(gguf_put_tensor(w, "three", DTYPE_F16, 1, three, weights, &e), 0);
            cr_assert_eq(gguf_put_tensor(w, "last", DTYPE_F32, 1, three, weights, &e), 0);
            cr_assert_eq(tiny_path(path, &e), 0);
            cr_assert_eq(gguf_writer_save(w, path, version, alignment, &e), 0, "%s", e.text);
            gguf_writer_free(w);

            gguf *g = gguf_open(path, &e);
            cr_assert_not_null(g, "%s", e.text);
            unlink(path);
            cr_assert_eq(gguf_version(g), version);
            cr_assert_eq(gguf_alignment(g), alignment);
            check_everything(g);
            cr_assert_eq(gguf_tensor_count(g), DTYPE_COUNT + 2);
            for (int t = 0; t < DTYPE_COUNT; t++) {
                const gguf_tensor *tensor = gguf_find_tensor(g, dtype_get((dtype)t)->name);
                cr_assert_not_null(tensor);
                cr_assert_eq(tensor->type, t);
                cr_assert_eq(tensor->n_dims, 4);
                cr_assert_arr_eq(tensor->shape, shape, sizeof shape);
                cr_assert_eq(tensor->bytes, dtype_bytes((dtype)t, 1024));
                cr_assert_eq(tensor->offset % alignment, 0);
                cr_assert_eq((uintptr_t)tensor->data % alignment, 0);
                cr_assert_arr_eq(tensor->data, stored[t], tensor->bytes);
            }
            cr_assert_eq(gguf_find_tensor(g, "last")->shape[3], 1);
            cr_assert_arr_eq(gguf_find_tensor(g, "last")->data, weights, 12);
            gguf_close(g);
        }
    }
}

static gguf *reopen(gguf_writer *w) {
    char path[TINY_PATH];
    err  e = {0};
    cr_assert_eq(tiny_path(path, &e), 0);
    cr_assert_eq(gguf_writer_save(w, path, 3, 32, &e), 0, "%s", e.text);
    gguf_writer_free(w);
    gguf *g = gguf_open(path, &e);
    unlink(path);
    cr_assert_not_null(g, "%s", e.text);
    return g;
}

Test(gguf, typed_access_takes_what_fits_and_names_the_rest) {
    err          e = {0};
    gguf_writer *w = gguf_writer_new(&e);
    put_everything(w);
    const uint64_t small = 7;
    cr_assert_eq(gguf_put_raw(w, "small", GGUF_U64, GGUF_U64, 1, &small, 8, &e), 0);
    const int8_t five = 5;
    cr_assert_eq(gguf_put_raw(w, "five", GGUF_I8, GGUF_I8, 1, &five, 1, &e), 0);
    gguf    *g = reopen(w);
    uint32_t u = 0;
    float    f = 0;
    bool     b = false;
    cr_assert(gguf_u32(g, "one.u8", &u, &e) == 0 && u == 200);
    cr_assert(gguf_u32(g, "one.u16", &u, &e) == 0 && u == 60000);
    cr_assert(gguf_u32(g, "one.u32", &u, &e) == 0 && u == 4000000000u);
    cr_assert(gguf_u32(g, "small", &u, &e) == 0 && u == 7);
    cr_assert(gguf_u32(g, "five", &u, &e) == 0 && u == 5);
    cr_assert(gguf_u32_or(g, "absent", 9, &u, &e) == 0 && u == 9);
    cr_assert(gguf_f32_or(g, "one.f32", 9, &f, &e) == 0 && f == 0.1f);
    cr_assert(gguf_f32_or(g, "absent", 9, &f, &e) == 0 && f == 9);
    cr_assert(gguf_bool_or(g, "one.bool", false, &b, &e) == 0 && b);
    cr_assert(gguf_bool_or(g, "absent", true, &b, &e) == 0 && b);

    static const struct {
        const char *key, *says;
    } bad[] = {
        {"one.i8", "\"one.i8\" is -5 (0 to 4294967295)"},
        {"one.i16", "is -300"},
        {"one.i32", "is -70000"},
        {"one.i64", "is -9223372036854775808"},
        {"one.u64", "is 18446744073709551615"},
        {"one.f32", "\"one.f32\" has type f32 (an integer)"},
        {"two.u32", "has type array of u32 (an integer)"},
        {"absent", "\"absent\" is missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(gguf_u32(g, bad[i].key, &u, &e), -1);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert(strstr(e.text, bad[i].says) != NULL, "%s", e.text);
        cr_assert(strncmp(e.text, gguf_path(g), strlen(gguf_path(g))) == 0, "%s", e.text);
    }
    gguf_str text;
    cr_assert_eq(gguf_f32_or(g, "one.u32", 0, &f, &e), -1);
    cr_assert_eq(gguf_bool_or(g, "one.u8", 0, &b, &e), -1);
    cr_assert_eq(gguf_string(g, "texts", &text, &e), -1);
    cr_assert_eq(gguf_string(g, "absent", &text, &e), -1);

    float    *floats;
    int32_t  *ints;
    gguf_str *strings;
    size_t    n;
    cr_assert_eq(gguf_array_f32(g, "two.f32", &floats, &n, &e), 0);
    cr_assert(n == 2 && floats[0] == 0.1f && floats[1] == -2);
    free(floats);
    cr_assert_eq(gguf_array_i32(g, "two.i32", &ints, &n, &e), 0);
    cr_assert(n == 2 && ints[0] == -70000 && ints[1] == 1);
    free(ints);
    cr_assert_eq(gguf_array_i32(g, "two.u32", &ints, &n, &e), -1);
    cr_assert(strstr(e.text, "has type array of u32 (array of i32)") != NULL, "%s", e.text);
    cr_assert_eq(gguf_array_f32(g, "one.f32", &floats, &n, &e), -1);
    cr_assert_eq(gguf_array_f32(g, "absent", &floats, &n, &e), -1);
    cr_assert_eq(gguf_strings(g, "two.u8", &strings, &n, &e), -1);
    gguf_close(g);
}

Test(gguf, names_are_found_whole) {
    err            e = {0};
    gguf_writer   *w = gguf_writer_new(&e);
    const uint64_t shape[] = {1};
    char           name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "t%d", i * 37 % 100);
        cr_assert_eq(gguf_put_tensor(w, name, DTYPE_F32, 1, shape, weights, &e), 0);
        cr_assert_eq(gguf_put_u32(w, name, (uint32_t)(i * 37 % 100), &e), 0);
    }
    gguf *g = reopen(w);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t v;
        snprintf(name, sizeof name, "t%u", i);
        cr_assert(gguf_u32(g, name, &v, &e) == 0 && v == i);
        const gguf_tensor *t = gguf_find_tensor(g, name);
        cr_assert(t != NULL && t->name.n == strlen(name) && memcmp(t->name.at, name, t->name.n) == 0);
    }
    cr_assert_null(gguf_find(g, "t"));
    cr_assert_null(gguf_find(g, "t100"));
    cr_assert_null(gguf_find(g, ""));
    cr_assert_null(gguf_find_tensor(g, "t1 "));
    gguf_close(g);
}

/* ---- the writer ---------------------------------------------------------------------------------------- */

static bool exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

Test(gguf, writer_refuses_what_a_reader_would) {
    err            e = {0};
    gguf_writer   *w = gguf_writer_new(&e);
    const uint64_t odd[] = {33}, zero[] = {0}, huge[] = {UINT64_MAX / 2, 3}, one[] = {1}, bytes[] = {1ULL << 62};
    cr_assert_eq(gguf_put_tensor(w, "t", DTYPE_Q8_0, 1, odd, weights, &e), -1);
    cr_assert(strstr(e.text, "multiple of 32") != NULL, "%s", e.text);
    cr_assert_eq(gguf_put_tensor(w, "t", DTYPE_F32, 1, zero, weights, &e), -1);
    cr_assert_eq(gguf_put_tensor(w, "t", DTYPE_F32, 2, huge, weights, &e), -1);
    cr_assert_eq(gguf_put_tensor(w, "t", DTYPE_F32, 1, bytes, weights, &e), -1);
    cr_assert(strstr(e.text, "too large") != NULL, "%s", e.text);
    cr_assert_eq(gguf_put_u32(w, "general.alignment", 8, &e), -1);
    cr_assert_eq(gguf_put_tensor(w, "t", DTYPE_F32, 0, one, weights, &e), -1);
    cr_assert_eq(gguf_put_tensor(w, "t", DTYPE_F32, 5, one, weights, &e), -1);
    cr_assert_eq(gguf_writer_save(w, "/tmp/never", 1, 32, &e), -1);
    cr_assert_eq(gguf_writer_save(w, "/tmp/never", 3, 0, &e), -1);
    cr_assert_eq(gguf_writer_save(w, "/tmp/never", 3, 24, &e), -1);
    cr_assert_eq(gguf_put_u32(w, "key", 1, &e), 0);
    cr_assert_eq(gguf_put_u32(w, "key", 2, &e), 0);

    char folder[] = "/tmp/gguf-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/out.gguf", folder);
    cr_assert_eq(gguf_writer_save(w, path, 3, 32, &e), -1);
    cr_assert(strstr(e.text, "key \"key\" is given twice") != NULL, "%s", e.text);
    cr_assert(!exists(path));
    cr_assert_eq(rmdir(folder), 0, "something was left behind");
    cr_assert_eq(gguf_writer_save(w, path, 3, 32, &e), -1); /* the folder is gone */
    cr_assert_eq(e.kind, ERR_RUN);
    gguf_writer_free(w);
}

Test(gguf, survives_every_failing_allocation) {
    char   path[TINY_PATH];
    err    e = {0};
    size_t n = 0;
    cr_assert_eq(tiny_path(path, &e), 0);
    for (int result = -1; result != 0;) {
        tiny_spec s = tiny_default();
        s.layers = 1;
        mem_fail_at(++n);
        e = (err){0};
        result = tiny_write(path, &s, &e);
        mem_fail_at(0);
        if (result != 0) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", n, e.text);
        cr_assert_lt(n, 1000);
    }
    n = 0;
    for (gguf *g = NULL; g == NULL;) {
        mem_fail_at(++n);
        e = (err){0};
        g = gguf_open(path, &e);
        mem_fail_at(0);
        if (g == NULL) cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", n, e.text);
        cr_assert_lt(n, 20);
        gguf_close(g);
    }
    unlink(path);
}
