/* Kinds of files by their first bytes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/filekind.h"
#include "engine/gguf/gguf.h"
#include "tests/fixtures/scratch.h"

TestSuite(filekind, .init = scratch_enter, .fini = scratch_leave);

#define BYTES(text) text, sizeof(text) - 1
static const struct {
    const char *bytes;
    size_t      n;
    file_kind   kind;
    const char *name;
} cases[] = {
    {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), FILE_LFS_POINTER,
     "a pointer of Git LFS"},
    {BYTES("<!DOCTYPE html><html>"), FILE_HTML, "a web page"},
    {BYTES("\n  <HTML lang=en>"), FILE_HTML, "a web page"},
    {BYTES("\x40\0\0\0\0\0\0\0{\"__metadata__\":"), FILE_SAFETENSORS, "a safetensors file"},
    {BYTES("PK\x03\x04\0\0\0\0archive/data.pkl"), FILE_TORCH, "a PyTorch file"},
    {BYTES("PK\x03\x04\0\0\0\0mimetype"), FILE_ZIP, "a zip archive"},
    {BYTES("\x80\x02}q\0"), FILE_PICKLE, "a Python pickle"},
    {BYTES("HARNSTOR\1\0\0\0"), FILE_DATASTORE, "a datastore"},
    {BYTES("tjgg\x03\0\0\0"), FILE_OLD_GGML, "a model in ggml's format from before GGUF"},
    {BYTES("\x1f\x8b\x08\x08"), FILE_GZIP, "a gzip file"},
    {BYTES("\x28\xb5\x2f\xfd"), FILE_ZSTD, "a Zstandard file"},
    {BYTES("\xfd"
           "7zXZ\0\0"),
     FILE_XZ, "an xz file"},
    {BYTES("BZh91AY&SY"), FILE_BZIP2, "a bzip2 file"},
    {BYTES("\x89HDF\r\n\x1a\n"), FILE_HDF5, "an HDF5 file"},
    {BYTES("\x93NUMPY\x01"), FILE_NUMPY, "a NumPy array"},
    {BYTES("SQLite format 3\0"), FILE_SQLITE, "an SQLite database"},
    {BYTES("Rar!\x1a\x07\0"), FILE_RAR, "a RAR archive"},
    {BYTES("MZqFpD='\n"), FILE_LLAMAFILE, "a llamafile"},
    {BYTES("\xff\xfe\0\0{\0\0\0"), FILE_UTF32, "text in UTF-32"},
    {BYTES("\xfe\xff\0{"), FILE_UTF16, "text in UTF-16"},
};

static const struct {
    const char *bytes;
    size_t      n;
} others[] = {
    {BYTES("{\"id\": \"a\", \"prompt\": \"<html>\"}")},
    {BYTES("plain text")},
    {BYTES("{\"a\": \"\0\0\0\"}")},
    {BYTES("\x40\0\0\0\0\0\0\0[")},
    {BYTES("P")},
    {BYTES("\x1f")},
};

Test(filekind, is_told_by_the_first_bytes) {
    file_kind kind;
    err       e = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(file_kind_of(cases[i].bytes, cases[i].n), cases[i].kind, "%s", cases[i].name);
        scratch_write_bytes("f", cases[i].bytes, cases[i].n);
        cr_assert_eq(file_kind_at("f", &kind, &e), 0, "%s", e.text);
        cr_assert_eq(kind, cases[i].kind);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_assert_eq(file_kind_of(others[i].bytes, others[i].n), FILE_OTHER, "%zu", i);
    cr_assert_eq(file_kind_of("", 0), FILE_EMPTY);
    cr_assert_eq(file_kind_of("GGUF", 4), FILE_GGUF);
    cr_assert_eq(file_kind_of("GG", 2), FILE_GGUF);
    cr_assert(file_kind_at(".", &kind, &e) == 0 && kind == FILE_OTHER);
    cr_assert_eq(file_kind_at("missing", &kind, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
}

Test(filekind, text_is_told_from_bytes) {
    cr_assert(file_is_text(BYTES("Entry not found")));
    cr_assert(file_is_text(BYTES("{\"error\":\n\t\"gesch\xc3\xbctzt\"}\r\n")));
    cr_assert(file_is_text(BYTES("cut within a character: \xc3")));
    cr_assert_not(file_is_text("", 0));
    cr_assert_not(file_is_text(BYTES("a\0b")));
    cr_assert_not(file_is_text(BYTES("a\x1b[31m")));
    cr_assert_not(file_is_text(BYTES("\xff\xfe and more text")));
}

/* No prefix of any kind is read out of bounds. */
Test(filekind, may_be_cut_anywhere) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n = 0; n < cases[i].n; n++) {
            char *cut = malloc(n > 0 ? n : 1); /* of this size, for the sanitizers */
            cr_assert_not_null(cut);
            memcpy(cut, cases[i].bytes, n);
            cr_assert_leq((int)file_kind_of(cut, n), (int)FILE_UTF32);
            free(cut);
        }
}

Test(filekind, models_of_other_kinds_are_named) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[128];
        err  e = {0};
        scratch_write_bytes("m.gguf", cases[i].bytes, cases[i].n);
        snprintf(expected, sizeof expected, "m.gguf: is %s, not GGUF", cases[i].name);
        cr_assert_null(gguf_open("m.gguf", &e));
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_eq(strncmp(e.text, expected, strlen(expected)), 0, "%s", e.text);
    }
}
