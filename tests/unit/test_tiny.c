/* The fixture itself: files of every kind open, and equal specs give equal files. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "engine/base/digest.h"
#include "tests/fixtures/tiny_model.h"

Test(tiny, files_open_and_repeat) {
    for (int type = 0; type < DTYPE_COUNT; type++) {
        tiny_spec s = tiny_default();
        s.type = (dtype)type;
        if (dtype_get(s.type)->block > 32) s.dim = s.ffn = dtype_get(s.type)->block;
        char path[TINY_PATH], hex[3][DIGEST_HEX];
        err  e = {0};
        cr_assert_eq(tiny_path(path, &e), 0, "%s", e.text);
        for (int i = 0; i < 3; i++) {
            s.seed = i == 2 ? 2 : 1;
            cr_assert_eq(tiny_write(path, &s, &e), 0, "%s", e.text);
            cr_assert_eq(digest_sha256_file(path, hex[i], &e), 0);
        }
        cr_assert_str_eq(hex[0], hex[1]);
        cr_assert_str_neq(hex[0], hex[2]);
        gguf *g = gguf_open(path, &e);
        cr_assert_not_null(g, "%s", e.text);
        cr_assert_eq(gguf_tensor_count(g), 3 + 9 * s.layers);
        cr_assert_eq(gguf_find_tensor(g, "token_embd.weight")->shape[1], tiny_vocab());
        gguf_close(g);
        unlink(path);
    }
}

Test(tiny, ordinary_text_encodes_into_merged_pieces) {
    tiny_spec s = tiny_default();
    err       e = {0};
    model    *m = tiny_open(&s, &e);
    cr_assert_not_null(m, "%s", e.text);
    const char text[] = "the cat was in the hat\n";
    tokens     ids = {0};
    cr_assert_eq(tokenizer_encode(m->tok, text, sizeof text - 1, false, &ids, &e), 0, "%s", e.text);
    cr_assert_lt(ids.n, 15);
    for (size_t i = 0; i < ids.n; i++) cr_assert(ids.ids[i] > 2, "unknown token at %zu", i);
    tokens_free(&ids);
    model_close(m);
}
