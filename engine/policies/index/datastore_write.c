/* datastore_write.c - a corpus, and the file that is made of it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/atomic.h"
#include "engine/base/mem.h"
#include "engine/policies/index/datastore_impl.h"

/* ---- the corpus ------------------------------------------------------------------------------------------- */

void datastore_corpus_begin(datastore_corpus *c, size_t vocab, bool joined) {
    *c = (datastore_corpus){.vocab = vocab, .joined = joined, .width = vocab < UINT16_MAX ? 2 : 4};
}

void datastore_corpus_free(datastore_corpus *c) {
    free(c->text);
    *c = (datastore_corpus){0};
}

static void put_token(datastore_corpus *c, uint32_t token) {
    if (c->width == 2)
        ((uint16_t *)c->text)[c->length++] = (uint16_t)token;
    else
        ((uint32_t *)c->text)[c->length++] = token;
}

/* Room for n tokens, a border and the padding. */
static int reserve(datastore_corpus *c, size_t n, err *e) {
    size_t most = DATASTORE_MOST - DATASTORE_PAD - 1;
    if (c->length > most || n > most - c->length)
        return err_run(e, "a datastore holds at most %zu tokens", DATASTORE_MOST);
    return mem_grow(&c->text, &c->cap, c->length + n + 1 + DATASTORE_PAD, c->width, e);
}

int datastore_corpus_add(datastore_corpus *c, const int32_t *ids, size_t n, err *e) {
    if (n == 0) return 0;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= c->vocab)
            return err_input(e, "token %zu is %" PRId32 " (0 to %zu)", i, ids[i], c->vocab - 1);
    if (reserve(c, n, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) put_token(c, (uint32_t)ids[i] + 1);
    if (!c->joined) put_token(c, 0);
    c->places += n;
    c->documents++;
    return 0;
}

/* The last border and what is read after it. */
static int finish(datastore_corpus *c, err *e) {
    if (reserve(c, 0, e) != 0) return -1;
    if (c->joined) put_token(c, 0);
    memset((char *)c->text + c->length * c->width, 0, DATASTORE_PAD * c->width);
    return 0;
}

/* ---- the file --------------------------------------------------------------------------------------------- */

bool datastore_layout(const datastore_header *h, size_t at[SECTIONS], size_t bytes[SECTIONS], size_t *size) {
    if ((h->width != 2 && h->width != 4) || h->n == 0 || h->length > DATASTORE_MOST || h->n >= h->length ||
        h->vocab == 0 || h->vocab > INT32_MAX || h->n_slots == 0 || h->n_slots > UINT32_MAX || h->joined > 1)
        return false;
    bytes[SECTION_TEXT] = (size_t)(h->length + DATASTORE_PAD) * h->width;
    bytes[SECTION_PLACES] = (size_t)h->n * sizeof(uint32_t);
    bytes[SECTION_COMMON] = (size_t)h->n + DATASTORE_PAD;
    bytes[SECTION_DIFFERS] = (size_t)h->n * h->width;
    bytes[SECTION_ROOTS] = (size_t)(h->vocab + 1) * sizeof(datastore_root);
    bytes[SECTION_SLOTS] = (size_t)h->n_slots * sizeof(struct datastore_slot);
    *size = sizeof *h;
    for (int i = 0; i < SECTIONS; i++) {
        at[i] = *size;
        *size += (bytes[i] + DATASTORE_ALIGN - 1) & ~(size_t)(DATASTORE_ALIGN - 1);
    }
    return true;
}

static int put_section(atomic_file *f, const void *section, size_t bytes, err *e) {
    static const char zeros[DATASTORE_ALIGN];
    if (atomic_put(f, section, bytes, e) != 0) return -1;
    return atomic_put(f, zeros, -bytes & (DATASTORE_ALIGN - 1), e);
}

static int write_file(datastore_header *h, const void *const sections[SECTIONS], const char *path, err *e) {
    size_t      at[SECTIONS], bytes[SECTIONS], size;
    atomic_file f;
    if (!datastore_layout(h, at, bytes, &size)) return err_run(e, "%s: a datastore cannot be of this size", path);
    for (int i = 0; i < SECTIONS; i++) h->digests[i] = digest64(sections[i], bytes[i]);
    h->digest = digest64(h, offsetof(datastore_header, digest));
    int ret = atomic_open(&f, path, e);
    if (ret == 0) ret = atomic_put(&f, h, sizeof *h, e);
    for (int i = 0; ret == 0 && i < SECTIONS; i++) ret = put_section(&f, sections[i], bytes[i], e);
    if (ret == 0) ret = atomic_commit(&f, false, e);
    atomic_close(&f);
    return ret;
}

int datastore_write(datastore_corpus *c, const char *path, const char *vocabulary, int threads, err *e) {
    if (c->places == 0) return err_input(e, "%s: a datastore needs at least one token", path);
    if (finish(c, e) != 0) return -1;
    store_arrays a = {.text = c->text, .length = c->length, .n = c->places, .vocab = c->vocab, .width = c->width};
    struct datastore_slot *slots = NULL;
    datastore_header       h = {
              .version = DATASTORE_VERSION,
              .width = c->width,
              .n = c->places,
              .length = c->length,
              .vocab = c->vocab,
              .documents = c->documents,
              .joined = c->joined,
    };
    memcpy(h.magic, DATASTORE_MAGIC, sizeof h.magic);
    memcpy(h.vocabulary, vocabulary, sizeof h.vocabulary);
    size_t n_slots, used;
    int    ret = -1;
    if ((a.places = mem_new(a.n, sizeof *a.places, e)) != NULL &&
        (a.common = mem_new(a.n + DATASTORE_PAD, 1, e)) != NULL && (a.differs = mem_new(a.n, a.width, e)) != NULL &&
        (a.roots = mem_new(a.vocab + 1, sizeof *a.roots, e)) != NULL && datastore_sort(&a, threads, e) == 0 &&
        datastore_table(&a, &slots, &n_slots, &used, &h.seed, e) == 0) {
        h.n_slots = n_slots;
        h.used = used;
        const void *sections[SECTIONS] = {a.text, a.places, a.common, a.differs, a.roots, slots};
        ret = write_file(&h, sections, path, e);
    }
    free(a.places);
    free(a.common);
    free(a.differs);
    free(a.roots);
    free(slots);
    return ret;
}
