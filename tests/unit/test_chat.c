/* Chat formats without a file: the choice by name, and what a format refuses. Renderings are compared with Jinja's in
 * tests/integration/test_chat.py. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokenizer/chat.h"

static chat_turn says(chat_role role, const char *text) {
    return (chat_turn){role, text, strlen(text)};
}

Test(chat, names_are_checked) {
    const char *names[64];
    err         e = {0};
    size_t      n = chat_names(names, 64);
    cr_assert_eq(n, chat_registry.n + 2);
    for (size_t i = 0; i < n; i++) cr_assert_eq(chat_check_name(NULL, names[i], &e), 0, "%s", names[i]);
    cr_assert_eq(chat_check_name("c.ini:3", "gema", &e), -1);
    cr_assert_not_null(strstr(e.text, "c.ini:3: unknown chat format \"gema\"; did you mean \"gemma\"?"), "%s", e.text);
}

Test(chat, without_a_template_there_is_none) {
    err        e = {0};
    chat       c;
    tokenizer *t = tokenizer_bytes(&e);
    cr_assert_eq(chat_choose(&c, "auto", t, &e), 0);
    cr_assert_str_eq(chat_name(&c), "none");
    cr_assert_eq(chat_choose(&c, "none", t, &e), 0);
    cr_assert_null(c.format);
    cr_assert_eq(chat_choose(&c, "chatml", t, &e), -1);
    cr_assert_str_eq(e.text, "chat format chatml: the tokenizer has no token <|im_start|>");
    cr_assert_eq(chat_choose(&c, "vicuna", t, &e), -1); /* its EOS has no spelling */
    tokenizer_close(t);
}

Test(chat, turns_that_a_format_does_not_allow) {
    static const struct {
        chat_role   roles[3];
        size_t      n;
        const char *why;
    } cases[] = {
        {{CHAT_USER, CHAT_ASSISTANT}, 2, "the last turn is not the user's"},
        {{CHAT_SYSTEM}, 1, "the last turn is not the user's"},
        {{CHAT_USER, CHAT_SYSTEM, CHAT_USER}, 3, "turn 2 is the system's (only the first may be)"},
        {{CHAT_SYSTEM, CHAT_ASSISTANT, CHAT_USER}, 3, "turn 2 is the assistant's (in the chat format gemma the user"},
    };
    err        e = {0};
    tokenizer *t = tokenizer_bytes(&e);
    chat       c = {.format = registry_find(&chat_registry, "gemma")};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        chat_turn turns[3];
        tokens    out = {0};
        for (size_t k = 0; k < cases[i].n; k++) turns[k] = says(cases[i].roles[k], "x");
        cr_assert_eq(chat_prompt(&c, t, turns, cases[i].n, &out, &e), -1);
        cr_assert_eq(strncmp(e.text, cases[i].why, strlen(cases[i].why)), 0, "%s", e.text);
        cr_assert_eq(out.n, 0);
    }
    tokenizer_close(t);
}

Test(chat, turns_of_one_side_are_joined_where_sides_alternate) {
    err        e = {0};
    size_t     n;
    tokenizer *t = tokenizer_bytes(&e);
    chat       c = {.format = registry_find(&chat_registry, "gemma")};
    chat_turn  turns[] = {says(CHAT_SYSTEM, "s "), says(CHAT_USER, " a "), says(CHAT_USER, "b\xc2\xa0")};
    char      *text = chat_text(&c, t, turns, 3, &n, &e);
    cr_assert_str_eq(text, "<start_of_turn>user\ns \n\na\n\nb<end_of_turn>\n<start_of_turn>model\n");
    cr_assert_eq(n, strlen(text));
    free(text);
    tokenizer_close(t);
}

Test(chat, thoughts_of_earlier_answers_are_cut) {
    err        e = {0};
    size_t     n;
    tokenizer *t = tokenizer_bytes(&e);
    chat       c = {.format = registry_find(&chat_registry, "qwen3")};
    chat_turn  turns[] = {says(CHAT_USER, "a"), says(CHAT_ASSISTANT, "<think>\nhm</think>\n\nb"), says(CHAT_USER, "c")};
    char      *text = chat_text(&c, t, turns, 3, &n, &e);
    cr_assert_not_null(strstr(text, "<|im_start|>assistant\nb<|im_end|>\n"), "%s", text);
    free(text);
    tokenizer_close(t);
}
