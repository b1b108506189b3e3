/* fuzz_datastore.c - a datastore of any bytes, with right checksums unless the first byte is odd; then look-ups.
 *
 * Numbers that are in range but wrong may make a look-up's answer wrong, even a border (-1), and nothing else: a policy
 * that drafts one is stopped.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/digest.h"
#include "engine/policies/index/datastore_impl.h"
#include "tests/fuzz/fuzz.h"

static void stamp(char *file, size_t n) {
    datastore_header h;
    size_t           at[SECTIONS], bytes[SECTIONS], size;
    if (n < sizeof h) return;
    memcpy(&h, file, sizeof h);
    if (datastore_layout(&h, at, bytes, &size) && size <= n)
        for (int i = 0; i < SECTIONS; i++) h.digests[i] = digest64(file + at[i], bytes[i]);
    h.digest = digest64(&h, offsetof(datastore_header, digest));
    memcpy(file, &h, sizeof h);
}

static void look_up(const datastore *s, const int32_t *ids, size_t n) {
    static datastore_node nodes[DATASTORE_NODES];
    size_t                rank, length = datastore_longest(s, ids, n, 1, n, &rank);
    FUZZ_EXPECT(length <= n);
    if (length == 0) return;
    uint32_t first = 0;
    FUZZ_EXPECT(rank < s->n);
    size_t places = datastore_places(s, rank, length);
    FUZZ_EXPECT(places <= s->n);
    (void)datastore_followed(s, rank, length, ids[0], &first);
    for (int chain = 0; chain < 2; chain++) {
        const datastore_want want = {.places = chain ? 0 : 5, .ahead = 8, .most = 40, .chain = chain != 0};
        size_t               found = datastore_top(s, rank, length, &want, nodes);
        FUZZ_EXPECT(found <= want.most);
        for (size_t i = 0; i < found; i++) {
            FUZZ_EXPECT(nodes[i].parent < (int32_t)i && nodes[i].parent >= -1);
            FUZZ_EXPECT(nodes[i].id >= -1 && nodes[i].id < (int64_t)s->vocab);
        }
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    if (n < 1) return 0;
    char *file = malloc(n);
    memcpy(file, bytes + 1, n - 1);
    if ((bytes[0] & 1) == 0) stamp(file, n - 1);
    datastore s;
    err       e = {0};
    int       ret = datastore_open(&s, fuzz_file(0, file, n - 1), &e);
    free(file);
    if (ret != 0) {
        fuzz_expect_error(&e);
        return 0;
    }
    int32_t ids[8];
    for (size_t at = 0; at < s.length && at < 64; at++) {
        size_t k = 0;
        while (k < 8 && at + k < s.length && (ids[k] = datastore_token(&s, at + k)) >= 0) k++;
        if (k > 0) look_up(&s, ids, k);
    }
    datastore_close(&s);
    return 0;
}
