/* fuzz_chat.c - a template and a conversation: the format is chosen, and turns are written in it.
 *
 * A byte of options, the name's number, the template up to a NUL, then lines: a byte for the role, and the text.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/chat.h"
#include "tests/fuzz/vocabulary.h"

/* The control tokens of chat_formats.def. */
static const char controls[] =
    "3<|im_start|>\n3<|im_end|>\n3<|im_sep|>\n3<|start_header_id|>\n3<|end_header_id|>\n3<|eot_id|>\n"
    "3<start_of_turn>\n3<end_of_turn>\n3<|user|>\n3<|assistant|>\n3<|end|>\n3<|system|>\n3[INST]\n3[/INST]\n"
    "3<|start_of_role|>\n3<|end_of_role|>\n3<|end_of_text|>\n3<|endoftext|>\n3[SYSTEM_PROMPT]\n3[/SYSTEM_PROMPT]\n";

enum { TURNS = 8 };

static size_t read_turns(fuzz_input in, chat_turn turns[TURNS]) {
    size_t n = 0;
    for (; in.n > 0 && n < TURNS; n++) {
        turns[n].role = (chat_role)fuzz_below(&in, CHAT_ROLES);
        fuzz_input text = fuzz_line(&in);
        turns[n].text = (const char *)text.at;
        turns[n].n = text.n;
    }
    return n;
}

/* Whether no turn spells what could be a control token. */
static bool is_plain(const chat_turn *turns, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memchr(turns[i].text, '<', turns[i].n) != NULL || memchr(turns[i].text, '[', turns[i].n) != NULL)
            return false;
    return true;
}

/* The ids of a prompt are those of its text, BOS aside. */
static void compare(const chat *c, const tokenizer *t, const tokens *ids, const char *text, size_t n) {
    tokens  of_text = {0};
    err     e = {0};
    int32_t bos = tokenizer_bos(t);
    FUZZ_EXPECT(tokenizer_encode(t, text, n, true, &of_text, &e) == 0);
    size_t a = ids->n > 0 && ids->ids[0] == bos, b = of_text.n > 0 && of_text.ids[0] == bos;
    FUZZ_EXPECT(ids->n - a == of_text.n - b);
    FUZZ_EXPECT(ids->n == a || memcmp(ids->ids + a, of_text.ids + b, (ids->n - a) * sizeof *ids->ids) == 0);
    tokens_free(&of_text);
    (void)c;
}

static void write_turns(const chat *c, const tokenizer *t, fuzz_input in) {
    chat_turn turns[TURNS];
    size_t    n = read_turns(in, turns), length;
    tokens    ids = {0};
    err       e = {0};
    if (c->format == NULL || n == 0) return;
    turns[n - 1].role = CHAT_USER;
    int ret = chat_prompt(c, t, turns, n, &ids, &e);
    if (ret != 0) fuzz_expect_error(&e);
    char *text = chat_text(c, t, turns, n, &length, &e);
    FUZZ_EXPECT((text != NULL) == (ret == 0));
    if (text != NULL && is_plain(turns, n)) compare(c, t, &ids, text, length);
    if (ret == 0 && chat_answer(c, t, turns, n, "yes", 3, &ids, &e) != 0) fuzz_expect_error(&e);
    free(text);
    tokens_free(&ids);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    fuzz_input  in = {bytes, n};
    const char *names[64];
    unsigned    flags = fuzz_byte(&in);
    size_t      n_names = chat_names(names, 64), name = fuzz_below(&in, n_names);
    vocabulary  v = {.bytes = true,
                     .adds_bos = (flags & 1) != 0,
                     .template = fuzz_until(&in, '\0'),
                     .tokens = {(const unsigned char *)controls, sizeof controls - 1}};
    err         e = {0};
    tokenizer  *t = tokenizer_open(vocabulary_file(&v), &e);
    chat        c;
    FUZZ_EXPECT(t != NULL);
    if (chat_choose(&c, names[(flags & 2) != 0 ? name : 0], t, &e) == 0) {
        write_turns(&c, t, in);
        chat_free(&c);
    } else {
        fuzz_expect_error(&e);
    }
    tokenizer_close(t);
    return 0;
}
