/* chat.h - conversations in the form that a model was trained on: its chat format.
 *
 * A GGUF holds its model's format as a Jinja program, tokenizer.chat_template. Those in use write turns in few ways,
 * which chat_formats.def lists; a template is recognised by what it contains, and one that no row describes is an
 * error. The ids equal those of the text that Jinja renders from the template, with two differences. Control tokens
 * come from the format alone: a turn that spells one remains text. And the date in a format is always 26 July 2024, as
 * in Llama's own template: a prompt must not depend on the day of the run.
 */
#ifndef ENGINE_CHAT_H
#define ENGINE_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/registry.h"
#include "engine/base/tokens.h"
#include "engine/tokenizer/tokenizer.h"

typedef enum { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT, CHAT_ROLES } chat_role;

const char *chat_role_name(chat_role r);

/* What one side said. The system speaks in the first turn or not at all. */
typedef struct {
    chat_role   role;
    const char *text; /* UTF-8, not owned */
    size_t      n;    /* bytes */
} chat_turn;

typedef struct chat_format chat_format;

/* The formats; the names "auto" and "none" are not among them. */
extern const registry chat_registry;
const char           *chat_format_help(size_t i);

/* A format as one model uses it. Zeroed: none. */
typedef struct {
    const chat_format *format; /* NULL: conversations are not rendered */
    char              *system; /* what the template says where a conversation has no system turn; NULL: as the format */
    size_t             n_system;
    bool               bos; /* it begins with BOS */
    bool system_first;      /* the template puts it into the first user's turn, where the format has the last */
} chat;

/* "none", or the format's name. */
const char *chat_name(const chat *c);

/* ERR_INPUT that lists the names when `name` is not "auto", "none" or a format's. `where` may be NULL. */
int chat_check_name(const char *where, const char *name, err *e);

/* Fills *names, of room for `most`, with what chat_check_name allows; returns how many. */
size_t chat_names(const char **names, size_t most);

/* Chooses by name. "auto": the format of the model's template, none without a template. ERR_INPUT for a template that
 * is not recognised, and for a format whose control tokens the tokenizer lacks. Free with chat_free. */
int  chat_choose(chat *out, const char *name, const tokenizer *t, err *e);
void chat_free(chat *c);
bool chat_equal(const chat *a, const chat *b); /* whether they render alike */

/* Appends the ids of the n turns and of the request for an answer; the last turn is the user's. BOS comes first where
 * the tokenizer adds it or the format begins with it, once. ERR_INPUT where the format does not allow these turns. */
int chat_prompt(const chat *c, const tokenizer *t, const chat_turn *turns, size_t n, tokens *out, err *e);

/* Appends the ids of an answer to such a prompt, with the token that ends it. */
int chat_answer(const chat *c, const tokenizer *t, const chat_turn *turns, size_t n, const char *text, size_t n_text,
                tokens *out, err *e);

/* The prompt as text: what Jinja renders. New NUL-terminated memory; *len without it. */
char *chat_text(const chat *c, const tokenizer *t, const chat_turn *turns, size_t n, size_t *len, err *e);

#endif
