/* datastore_impl.h - what the parts of the datastore share: its file, its hashes, how tokens are read.
 *
 * The file: a header, then its sections, each at a multiple of 64 bytes, and 0s between them:
 *
 *     header | text | places | common | differs | roots | slots
 */
#ifndef ENGINE_POLICIES_INDEX_DATASTORE_IMPL_H
#define ENGINE_POLICIES_INDEX_DATASTORE_IMPL_H

#include "engine/policies/index/datastore.h"
#include "engine/policies/index/tag_table.h"

#define DATASTORE_MAGIC "HARNSTOR"
enum {
    DATASTORE_VERSION = 1,
    DATASTORE_ALIGN = 64,
    DATASTORE_PAD = 192 /* 0s after the text and after common: more than is read beyond a place */
};

/* Places are counted in 32 bits, and a table's slot holds one more than a place. */
#define DATASTORE_MOST ((size_t)UINT32_MAX - 1)

enum { SECTION_TEXT, SECTION_PLACES, SECTION_COMMON, SECTION_DIFFERS, SECTION_ROOTS, SECTION_SLOTS, SECTIONS };

typedef struct {
    char     magic[8];
    uint32_t version, width;
    uint64_t n, length, vocab, documents, joined, n_slots, used, seed;
    char     vocabulary[DIGEST_HEX - 1];
    uint64_t digests[SECTIONS]; /* XXH3-64 of each section */
    char     zeros[56];
    uint64_t digest; /* of the header before this */
} datastore_header;

_Static_assert(sizeof(datastore_header) == 256, "a header of 256 bytes, without gaps");

struct datastore_slot {
    uint32_t at;  /* 1 + the rank of the n-gram's first place; 0 = free */
    uint32_t tag; /* 31 bits of its hash, and whether it has more than DATASTORE_SMALL places */
};

/* Where the sections begin, and the file's size; false when these numbers overflow or are not those of a store. */
bool datastore_layout(const datastore_header *h, size_t at[SECTIONS], size_t bytes[SECTIONS], size_t *size);

static inline uint32_t store_token(const void *text, unsigned width, size_t i) {
    return width == 2 ? ((const uint16_t *)text)[i] : ((const uint32_t *)text)[i];
}

static inline size_t store_home(uint64_t h, size_t n_slots) {
    return (size_t)((h >> 32) * n_slots >> 32);
}

static inline uint32_t store_tag(uint64_t h) {
    return (uint32_t)h & ~(uint32_t)1;
}

/* The corpus' places sorted, and what neighbours have in common. */
typedef struct {
    const void     *text;
    size_t          length, n, vocab;
    unsigned        width;
    uint32_t       *places;  /* [n] */
    uint8_t        *common;  /* [n] and DATASTORE_PAD 0s */
    void           *differs; /* [n] */
    datastore_root *roots;   /* [vocab + 1]; datastore_sort fills them with all places of a token */
} store_arrays;

int datastore_sort(store_arrays *a, int threads, err *e);

/* The table of what cannot be read off in one line; it makes the roots count as S1 says. */
int datastore_table(store_arrays *a, struct datastore_slot **slots, size_t *n_slots, size_t *used, uint64_t *seed,
                    err *e);

#endif
