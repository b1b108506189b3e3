/* datastore.c - opens a datastore: maps its file and checks all that look-ups rely on.
 *
 * Refused, with the file's name: what is no datastore, another version, a file that is not as long as its header says,
 * one whose checksums are wrong, and numbers that point out of their arrays. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/file.h"
#include "engine/base/filekind.h"
#include "engine/base/mem.h"
#include "engine/policies/index/datastore_impl.h"

/* ---- the header ------------------------------------------------------------------------------------------- */

static int refuse_kind(const datastore *s, err *e) {
    static const char wanted[] = "a datastore (harness datastore build makes one)";
    file_kind         kind = file_kind_of(s->map, s->size);
    if (kind != FILE_OTHER) return file_kind_refuse(s->path, kind, wanted, e);
    return err_input(e, "%s: is not %s", s->path, wanted);
}

static int check_header(const datastore *s, datastore_header *h, err *e) {
    size_t magic = sizeof h->magic;
    if (memcmp(s->map, DATASTORE_MAGIC, s->size < magic ? s->size : magic) != 0) return refuse_kind(s, e);
    if (s->size < sizeof *h)
        return err_input(e, "%s: is cut: it has %zu bytes (its header takes %zu)", s->path, s->size, sizeof *h);
    memcpy(h, s->map, sizeof *h);
    if (h->version != DATASTORE_VERSION)
        return err_input(e, "%s: is a datastore of version %" PRIu32 " (%d is read; build it again)", s->path,
                         h->version, DATASTORE_VERSION);
    if (h->digest != digest64(h, offsetof(datastore_header, digest)))
        return err_input(e, "%s: its header is damaged (the checksum differs)", s->path);
    return 0;
}

static int bind_sections(datastore *s, const datastore_header *h, err *e) {
    size_t      at[SECTIONS], bytes[SECTIONS], size;
    const char *base = s->map;
    if (!datastore_layout(h, at, bytes, &size))
        return err_input(e, "%s: its header holds numbers that no datastore has", s->path);
    if (s->size != size)
        return err_input(e, "%s: has %zu bytes (its header says %zu): it was cut, or something was added", s->path,
                         s->size, size);
    for (int i = 0; i < SECTIONS; i++) {
        if (digest64(base + at[i], bytes[i]) != h->digests[i])
            return err_input(e, "%s: is damaged between bytes %zu and %zu (the checksum differs)", s->path, at[i],
                             at[i] + bytes[i]);
        for (size_t k = at[i] + bytes[i]; k < (i + 1 < SECTIONS ? at[i + 1] : size); k++)
            if (base[k] != 0) return err_input(e, "%s: byte %zu is damaged (it must be 0)", s->path, k);
    }
    s->text = base + at[SECTION_TEXT];
    s->places = (const void *)(base + at[SECTION_PLACES]);
    s->common = (const void *)(base + at[SECTION_COMMON]);
    s->differs = base + at[SECTION_DIFFERS];
    s->roots = (const void *)(base + at[SECTION_ROOTS]);
    s->slots = (const void *)(base + at[SECTION_SLOTS]);
    return 0;
}

/* ---- the sections ----------------------------------------------------------------------------------------- */

/* The largest of n numbers. A checksum says that they are as they were written, not that they were right. */
static uint32_t largest(const void *numbers, unsigned width, size_t n) {
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t x = store_token(numbers, width, i);
        most = x > most ? x : most;
    }
    return most;
}

static bool roots_are_sound(const datastore *s) {
    for (size_t i = 0; i <= s->vocab; i++)
        if (s->roots[i].from > s->roots[i].to || s->roots[i].to > s->n) return false;
    return s->roots[0].to == 0;
}

/* Some slot must be free: a look-up ends there. */
static bool slots_are_sound(const datastore *s) {
    size_t used = 0;
    for (size_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i].at > s->n) return false;
        used += s->slots[i].at != 0;
    }
    return used == s->used && used < s->n_slots;
}

static bool common_is_sound(const datastore *s) {
    uint8_t most = 0, after = 0;
    for (size_t i = 0; i < s->n; i++) most = s->common[i] > most ? s->common[i] : most;
    for (size_t i = 0; i < DATASTORE_PAD; i++) after |= s->common[s->n + i];
    return most <= DATASTORE_DEPTH && after == 0;
}

static int check_sections(const datastore *s, err *e) {
    const char *text = s->text, *wrong = NULL;
    size_t      tail = s->length * s->width;
    if (largest(text, s->width, s->length) > s->vocab || largest(s->differs, s->width, s->n) > s->vocab)
        wrong = "token";
    else if (largest(text + tail, s->width, DATASTORE_PAD) != 0 || store_token(text, s->width, s->length - 1) != 0)
        wrong = "border at its end";
    else if (largest(s->places, sizeof *s->places, s->n) >= s->length)
        wrong = "place";
    else if (!common_is_sound(s))
        wrong = "common length";
    else if (!roots_are_sound(s) || !slots_are_sound(s))
        wrong = "range of places";
    return wrong == NULL ? 0 : err_input(e, "%s: holds a %s that no datastore has", s->path, wrong);
}

int datastore_open(datastore *s, const char *path, err *e) {
    datastore_header h = {0};
    *s = (datastore){.path = mem_strdup(path, e)};
    if (s->path == NULL || (s->map = file_map(path, "a datastore", &s->size, e)) == NULL || check_header(s, &h, e) != 0)
        goto failed;
    s->n = (size_t)h.n;
    s->length = (size_t)h.length;
    s->vocab = (size_t)h.vocab;
    s->documents = (size_t)h.documents;
    s->width = h.width;
    s->joined = h.joined != 0;
    s->n_slots = (size_t)h.n_slots;
    s->used = (size_t)h.used;
    s->seed = h.seed;
    memcpy(s->vocabulary, h.vocabulary, sizeof h.vocabulary); /* and a NUL, which is there */
    if (bind_sections(s, &h, e) == 0 && check_sections(s, e) == 0) return 0;
failed:
    datastore_close(s);
    return -1;
}

void datastore_close(datastore *s) {
    if (s->map != NULL) munmap(s->map, s->size);
    free(s->path);
    *s = (datastore){0};
}
