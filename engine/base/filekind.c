#include "engine/base/filekind.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "engine/base/file.h"
#include "engine/base/utf8.h"

static const char convert[] = "convert_hf_to_gguf.py of llama.cpp makes a GGUF of such a model";
static const char to_lines[] = "pandas writes JSON Lines: to_json(FILE, orient=\"records\", lines=True)";

/* With an article, and what to do. */
static const struct {
    const char *name, *advice;
} kinds[] = {
    [FILE_OTHER] = {"a file of another kind", NULL},
    [FILE_EMPTY] = {"an empty file", NULL},
    [FILE_GGUF] = {"a GGUF file", "a model or a vocabulary: harness inspect says more"},
    [FILE_HDF5] = {"an HDF5 file", "results or a loss curve: harness inspect says more"},
    [FILE_DATASTORE] = {"a datastore", "for the policy rest: harness datastore show says more"},
    [FILE_OLD_GGML] = {"a model in ggml's format from before GGUF", "get it anew as GGUF"},
    [FILE_LFS_POINTER] = {"a pointer of Git LFS", "the file itself is not there: git lfs pull brings it"},
    [FILE_HTML] = {"a web page", "probably what a server said instead of giving the file: download it again"},
    [FILE_SAFETENSORS] = {"a safetensors file", convert},
    [FILE_TORCH] = {"a PyTorch file", convert},
    [FILE_LLAMAFILE] = {"a llamafile", "unzip takes the GGUF out of it"},
    [FILE_PICKLE] = {"a Python pickle", convert},
    [FILE_NUMPY] = {"a NumPy array", NULL},
    [FILE_GZIP] = {"a gzip file", "unpack it first: gunzip"},
    [FILE_ZSTD] = {"a Zstandard file", "unpack it first: unzstd"},
    [FILE_XZ] = {"an xz file", "unpack it first: unxz"},
    [FILE_BZIP2] = {"a bzip2 file", "unpack it first: bunzip2"},
    [FILE_LZ4] = {"an lz4 file", "unpack it first: unlz4"},
    [FILE_7Z] = {"a 7z archive", "unpack it first: 7z x"},
    [FILE_RAR] = {"a RAR archive", "unpack it first: unrar x"},
    [FILE_ZIP] = {"a zip archive", "unpack it first: unzip"},
    [FILE_TAR] = {"a tar archive", "unpack it first: tar xf"},
    [FILE_PARQUET] = {"a Parquet file", to_lines},
    [FILE_ARROW] = {"an Arrow file", to_lines},
    [FILE_SQLITE] = {"an SQLite database", NULL},
    [FILE_PDF] = {"a PDF document", NULL},
    [FILE_UTF16] = {"text in UTF-16", "make it UTF-8 first: iconv -f UTF-16 -t UTF-8"},
    [FILE_UTF32] = {"text in UTF-32", "make it UTF-8 first: iconv -f UTF-32 -t UTF-8"},
};

/* First bytes that tell a kind by themselves. */
#define MAGIC(kind, text)                                                                                              \
    { FILE_##kind, sizeof(text) - 1, text }
static const struct {
    file_kind   kind;
    size_t      n;
    const char *bytes;
} magics[] = {
    MAGIC(HDF5, "\x89HDF\r\n\x1a\n"),
    MAGIC(DATASTORE, "HARNSTOR"),
    MAGIC(OLD_GGML, "lmgg"),
    MAGIC(OLD_GGML, "fmgg"),
    MAGIC(OLD_GGML, "tjgg"),
    MAGIC(LFS_POINTER, "version https://git-lfs.github.com/spec/"),
    MAGIC(NUMPY, "\x93NUMPY"),
    MAGIC(GZIP, "\x1f\x8b"),
    MAGIC(ZSTD, "\x28\xb5\x2f\xfd"),
    MAGIC(XZ, "\xfd"
              "7zXZ\0"),
    MAGIC(BZIP2, "BZh"),
    MAGIC(LZ4, "\x04\x22\x4d\x18"),
    MAGIC(7Z, "7z\xbc\xaf\x27\x1c"),
    MAGIC(RAR, "Rar!\x1a\x07"),
    MAGIC(LLAMAFILE, "MZqFpD"),
    MAGIC(PARQUET, "PAR1"),
    MAGIC(ARROW, "ARROW1"),
    MAGIC(SQLITE, "SQLite format 3"),
    MAGIC(PDF, "%PDF-"),
    MAGIC(UTF32, "\xff\xfe\0\0"), /* before UTF-16, whose mark it begins with */
    MAGIC(UTF32, "\0\0\xfe\xff"),
    MAGIC(UTF16, "\xff\xfe"),
    MAGIC(UTF16, "\xfe\xff"),
};

static bool holds(const char *b, size_t n, const char *text) {
    return memmem(b, n, text, strlen(text)) != NULL;
}

static bool begins(const char *b, size_t n, const char *text) {
    size_t length = strlen(text);
    return n >= length && strncasecmp(b, text, length) == 0;
}

static bool is_html(const char *b, size_t n) {
    if (begins(b, n, "\xef\xbb\xbf")) b += 3, n -= 3;
    while (n > 0 && strchr(" \t\r\n", *b) != NULL && *b != '\0') b++, n--;
    return begins(b, n, "<!doctype html") || begins(b, n, "<html") || begins(b, n, "<head") ||
           (begins(b, n, "<?xml") && holds(b, n, "<html"));
}

/* The length of a header in JSON, then that header. */
static bool is_safetensors(const char *b, size_t n) {
    uint64_t length;
    if (n < 9) return false;
    memcpy(&length, b, sizeof length);
    return b[8] == '{' && length >= 2 && length < (1u << 28) && b[7] == '\0';
}

/* A pickle begins with its protocol, 2 to 5: then a frame, a mark or a value. */
static bool is_pickle(const char *b, size_t n) {
    return n >= 3 && b[0] == '\x80' && b[1] >= 2 && b[1] <= 5;
}

/* UTF-16 without a mark: of a text that is mostly ASCII, every second byte is 0. */
static bool is_utf16(const char *b, size_t n) {
    size_t zeros[2] = {0, 0};
    n -= n % 2;
    for (size_t i = 0; i < n; i++) zeros[i % 2] += b[i] == '\0';
    return n >= 4 && zeros[0] + zeros[1] >= n / 4 && (zeros[0] == 0 || zeros[1] == 0);
}

file_kind file_kind_of(const void *bytes, size_t n) {
    const char *b = bytes;
    if (n == 0) return FILE_EMPTY;
    if (n > FILE_HEAD) n = FILE_HEAD;
    if (memcmp(b, "GGUF", n < 4 ? n : 4) == 0) return FILE_GGUF; /* or one that was cut within its first bytes */
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (n >= magics[i].n && memcmp(b, magics[i].bytes, magics[i].n) == 0) return magics[i].kind;
    if (begins(b, n, "PK\x03\x04") || begins(b, n, "PK\x05\x06"))
        return holds(b, n, "data.pkl") ? FILE_TORCH : FILE_ZIP;
    if (n >= 262 && memcmp(b + 257, "ustar", 5) == 0) return FILE_TAR;
    if (is_html(b, n)) return FILE_HTML;
    if (is_safetensors(b, n)) return FILE_SAFETENSORS;
    if (is_pickle(b, n)) return FILE_PICKLE;
    return is_utf16(b, n) ? FILE_UTF16 : FILE_OTHER;
}

bool file_is_text(const void *bytes, size_t n) {
    const unsigned char *b = bytes;
    size_t               good = utf8_valid(bytes, n);
    if (good + 3 < n) return false;
    for (size_t i = 0; i < good; i++)
        if ((b[i] < ' ' && strchr("\t\n\r\f", b[i]) == NULL) || b[i] == '\0' || b[i] == 127) return false;
    return n > 0;
}

int file_kind_at(const char *path, file_kind *kind, err *e) {
    char        head[FILE_HEAD];
    size_t      n;
    struct stat s;
    *kind = FILE_OTHER;
    if (stat(path, &s) != 0) return err_unreadable(e, path);
    if (!S_ISREG(s.st_mode)) return 0;
    if (file_begin(path, head, sizeof head, &n, e) != 0) return -1;
    *kind = file_kind_of(head, n);
    return 0;
}

int file_kind_refuse(const char *path, file_kind kind, const char *wanted, err *e) {
    err_input(e, "%s: is %s, not %s", path, kinds[kind].name, wanted);
    return kinds[kind].advice != NULL ? err_advise(e, kinds[kind].advice) : -1;
}
