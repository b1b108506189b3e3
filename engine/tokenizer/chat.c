/* chat.c - choosing a chat format, and writing turns in it.
 *
 * A conversation becomes the parts of one text: what the format adds, in which control tokens count, and what was said,
 * in which they do not. Parts point into the format, the tokenizer and the turns; nothing is copied.
 */
#include "engine/tokenizer/chat.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/suggest.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/tokenizer_impl.h"

/* ---- the formats ---------------------------------------------------------------------------------- */

/* In a format's texts, for the tokenizer's own tokens. */
#define BOS "\1"
#define EOS "\2"

enum { MARKS = 8, CONTROLS = 4 };

struct chat_format {
    const char *name, *help;
    const char *marks[MARKS], *lacks[MARKS];
    const char *before[CHAT_ROLES], *after[CHAT_ROLES];
    const char *ask, *end;
    const char *control[CONTROLS];
    const char *default_system; /* said by the system where a conversation has no system turn; NULL: nothing */
    bool        spells_system;  /* the template may spell such a text */
    bool        skips_empty_system;
    bool        bos;        /* begins with BOS */
    bool        alternates; /* user and assistant take turns, the user first */
    bool        trims[CHAT_ROLES];
    enum { SYSTEM_TURN, SYSTEM_IN_FIRST_USER, SYSTEM_IN_LAST_USER, SYSTEM_LEFT_OUT } system;
    enum { THOUGHTS_KEPT, THOUGHTS_CUT, THOUGHTS_CUT_WITH_LINES } thoughts; /* of earlier answers: up to </think> */
};

#define CHAT_FORMAT(id, ...) static const chat_format format_##id = {__VA_ARGS__};
#include "engine/tokenizer/chat_formats.def"
#undef CHAT_FORMAT

static const void *const all[] = {
#define CHAT_FORMAT(id, ...) &format_##id,
#include "engine/tokenizer/chat_formats.def"
#undef CHAT_FORMAT
};
enum { N_FORMATS = sizeof all / sizeof *all };

#define AUTO "auto"
#define NONE "none"

const registry chat_registry = REGISTRY("chat format", all);

const char *chat_format_help(size_t i) {
    return ((const chat_format *)all[i])->help;
}

const char *chat_role_name(chat_role r) {
    static const char *const names[CHAT_ROLES] = {"system", "user", "assistant"};
    return names[r];
}

const char *chat_name(const chat *c) {
    return c->format != NULL ? c->format->name : NONE;
}

size_t chat_names(const char **names, size_t most) {
    size_t n = 0;
    for (size_t i = 0; i < N_FORMATS + 2 && n < most; i++)
        names[n++] = i == 0 ? AUTO : i == 1 ? NONE : registry_name(&chat_registry, i - 2);
    return n;
}

int chat_check_name(const char *where, const char *name, err *e) {
    const char *names[N_FORMATS + 2];
    size_t      n = chat_names(names, N_FORMATS + 2);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return 0;
    return err_unknown(e, where, "chat format", name, names, n);
}

/* ---- choosing --------------------------------------------------------------------------------------- */

static const char *find(gguf_str in, const char *text) {
    return memmem(in.at, in.n, text, strlen(text));
}

static bool fits(const chat_format *f, gguf_str template) {
    for (size_t i = 0; i < MARKS; i++) {
        if (f->marks[i] != NULL && find(template, f->marks[i]) == NULL) return false;
        if (f->lacks[i] != NULL && find(template, f->lacks[i]) != NULL) return false;
    }
    return true;
}

/* A copy of the template with "\\n" as the line end that it stands for: some files have one, some the other. */
static char *with_lines(gguf_str template, size_t *n, err *e) {
    char *out = mem_new(template.n + 1, 1, e);
    *n = 0;
    for (size_t i = 0; out != NULL && i < template.n; i++) {
        bool line = template.at[i] == '\\' && i + 1 < template.n && template.at[i + 1] == 'n';
        out[(*n)++] = line ? '\n' : template.at[i];
        i += line;
    }
    return out;
}

/* Finds a whole system turn inside one string of the template: what is said without a system turn of one's own. */
static int read_system(chat *c, gguf_str template, err *e) {
    const char *before = c->format->before[CHAT_SYSTEM], *at;
    gguf_str    rest = template;
    while ((at = find(rest, before)) != NULL) {
        char quotes = at > template.at ? at[-1] : '\0';
        at += strlen(before);
        rest = (gguf_str){at, rest.n - (size_t)(at - rest.at)};
        const char *end = find(rest, c->format->end);
        if ((quotes != '\'' && quotes != '"') || end == NULL || end == at) continue;
        if ((c->system = mem_new((size_t)(end - at), 1, e)) == NULL) return -1;
        for (c->n_system = 0; at < end && *at != quotes; at++) {
            if (*at == '\\' && at + 1 < end) at++;
            c->system[c->n_system++] = *at;
        }
        if (at == end) return 0;
        free(c->system); /* the string ends before the turn does */
        c->system = NULL;
    }
    return 0;
}

static int check_control(const chat_format *f, const tokenizer *t, err *e) {
    for (size_t i = 0; i < CONTROLS && f->control[i] != NULL; i++) {
        int32_t id = tokenizer_find(t, f->control[i], strlen(f->control[i]));
        if (id < 0 || (t->pieces[id].type != PIECE_CONTROL && t->pieces[id].type != PIECE_USER))
            return err_input(e, "chat format %s: the tokenizer has no token %s", f->name, f->control[i]);
    }
    if (strcmp(f->end, EOS) == 0 && (t->eos < 0 || t->pieces[t->eos].n_spelling == 0))
        return err_input(e, "chat format %s: the tokenizer has no EOS token to end an answer with", f->name);
    return 0;
}

static int refuse_template(err *e) {
    const char *names[N_FORMATS + 2];
    char        list[800];
    size_t      n = chat_names(names, N_FORMATS + 2);
    err_list(list, sizeof list, names + 1, n - 1);
    return err_input(e, "the model's chat template is in none of the known formats (choose one: %s)", list);
}

/* Fills *out from the model's template. */
static int recognise(chat *out, gguf_str template, err *e) {
    for (size_t i = 0; i < N_FORMATS && out->format == NULL; i++)
        if (fits(all[i], template)) out->format = all[i];
    if (out->format == NULL) return refuse_template(e);
    out->bos = find(template, "bos_token") != NULL;
    out->system_first =
        out->format->system == SYSTEM_IN_LAST_USER && find(template, "loop.first and system_message") != NULL;
    return out->format->spells_system ? read_system(out, template, e) : 0;
}

int chat_choose(chat *out, const char *name, const tokenizer *t, err *e) {
    gguf_str template = tokenizer_chat_template(t);
    int ret = 0;
    *out = (chat){0};
    if (chat_check_name(NULL, name, e) != 0) return -1;
    if (strcmp(name, AUTO) != 0) {
        out->format = registry_find(&chat_registry, name); /* NULL for "none" */
        out->bos = out->format != NULL && out->format->bos;
    } else if (template.n > 0) {
        char *lines = with_lines(template, &template.n, e);
        template.at = lines;
        ret = lines != NULL ? recognise(out, template, e) : -1;
        free(lines);
    }
    if (ret == 0 && out->format != NULL) ret = check_control(out->format, t, e);
    if (ret != 0) chat_free(out);
    return ret;
}

void chat_free(chat *c) {
    free(c->system);
    *c = (chat){0};
}

bool chat_equal(const chat *a, const chat *b) {
    return a->format == b->format && a->bos == b->bos && a->system_first == b->system_first &&
           (a->system != NULL) == (b->system != NULL) && a->n_system == b->n_system &&
           (a->system == NULL || memcmp(a->system, b->system, a->n_system) == 0);
}

/* ---- parts ------------------------------------------------------------------------------------------ */

typedef struct {
    const chat      *c;
    const tokenizer *t;
    text_part       *at;
    size_t           n, cap;
} parts;

static int put(parts *p, const char *text, size_t n, bool special, err *e) {
    if (n == 0) return 0;
    if (mem_reserve(&p->at, &p->cap, p->n + 1, e) != 0) return -1;
    p->at[p->n++] = (text_part){text, n, special};
    return 0;
}

static int put_token(parts *p, int32_t id, err *e) {
    if (id < 0) return 0;
    const piece *token = &p->t->pieces[id];
    return put(p, token->spelling, token->n_spelling, true, e);
}

/* What the format adds. */
static int put_format(parts *p, const char *text, err *e) {
    for (size_t n = 0; *text != '\0'; text += n > 0 ? n : 1) {
        n = strcspn(text, BOS EOS);
        int ret = n > 0 ? put(p, text, n, true, e) : put_token(p, *text == *BOS ? p->t->bos : p->t->eos, e);
        if (ret != 0) return -1;
    }
    return 0;
}

/* Python's str.isspace(), which Jinja's trim goes by. */
static bool is_space(unsigned long c) {
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Bytes of the white space character that ends s[0..n), or 0. */
static size_t space_before(const char *s, size_t n) {
    unsigned long code;
    for (size_t length = 1; length <= 3 && length <= n; length++)
        if (utf8_length(s + n - length, length, &code) == length) return is_space(code) ? length : 0;
    return 0;
}

static chat_turn trimmed(chat_turn x) {
    size_t        length;
    unsigned long code;
    while (x.n > 0 && (length = utf8_length(x.text, x.n, &code)) > 0 && is_space(code)) {
        x.text += length;
        x.n -= length;
    }
    while ((length = space_before(x.text, x.n)) > 0) x.n -= length;
    return x;
}

static chat_turn without_thoughts(chat_turn x, bool lines) {
    static const char mark[] = "</think>";
    const char       *at, *end = x.text + x.n, *last = NULL;
    for (const char *from = x.text; (at = memmem(from, (size_t)(end - from), mark, sizeof mark - 1)) != NULL;)
        last = from = at + sizeof mark - 1;
    if (last == NULL) return x;
    while (lines && last < end && *last == '\n') last++;
    return (chat_turn){x.role, last, (size_t)(end - last)};
}

/* What was said, as the format has it. */
static int put_said(parts *p, chat_turn x, err *e) {
    const chat_format *f = p->c->format;
    if (x.role == CHAT_ASSISTANT && f->thoughts != THOUGHTS_KEPT)
        x = without_thoughts(x, f->thoughts == THOUGHTS_CUT_WITH_LINES);
    if (f->trims[x.role]) x = trimmed(x);
    return put(p, x.text, x.n, false, e);
}

/* ---- turns ------------------------------------------------------------------------------------------ */

static int put_system(parts *p, const chat_turn *said, err *e) {
    const chat_format *f = p->c->format;
    if (f->system == SYSTEM_LEFT_OUT) return 0;
    if (said != NULL && said->n == 0 && f->skips_empty_system) said = NULL;
    if (said == NULL && p->c->system == NULL && f->default_system == NULL) return 0;
    if (put_format(p, f->before[CHAT_SYSTEM], e) != 0) return -1;
    int ret = said != NULL           ? put_said(p, *said, e)
              : p->c->system != NULL ? put(p, p->c->system, p->c->n_system, true, e)
                                     : put(p, f->default_system, strlen(f->default_system), true, e);
    return ret == 0 ? put_format(p, f->after[CHAT_SYSTEM], e) : -1;
}

/* Turns of one role in a row are one turn where the format alternates, with an empty line between them. */
static bool joins(const chat_format *f, const chat_turn *turns, size_t i, size_t n) {
    return f->alternates && i < n && turns[i].role == turns[i - 1].role;
}

static int put_turns(parts *p, const chat_turn *turns, size_t n, err *e) {
    const chat_format *f = p->c->format;
    const chat_turn   *system = n > 0 && turns[0].role == CHAT_SYSTEM ? &turns[0] : NULL;
    size_t             from = system != NULL ? 1 : 0, holder = n; /* the turn that the system's text begins */
    bool               own = f->system == SYSTEM_TURN || f->system == SYSTEM_LEFT_OUT;
    for (size_t i = from; i < n && !own; i++) {
        if (turns[i].role != CHAT_USER || (i > from && joins(f, turns, i, n))) continue;
        holder = i;
        if (f->system == SYSTEM_IN_FIRST_USER || p->c->system_first) break;
    }
    if (own && put_system(p, system, e) != 0) return -1;
    for (size_t i = from; i < n; i++) {
        const chat_turn *x = &turns[i];
        bool             goes_on = i > from && joins(f, turns, i, n);
        if (put_format(p, goes_on ? "\n\n" : f->before[x->role], e) != 0) return -1;
        if (i == holder && put_system(p, system, e) != 0) return -1;
        if (put_said(p, *x, e) != 0) return -1;
        if (!joins(f, turns, i + 1, n) && put_format(p, f->after[x->role], e) != 0) return -1;
    }
    return put_format(p, f->ask, e);
}

static int check_turns(const chat_format *f, const chat_turn *turns, size_t n, err *e) {
    size_t from = n > 0 && turns[0].role == CHAT_SYSTEM ? 1 : 0;
    for (size_t i = from; i < n; i++)
        if (turns[i].role == CHAT_SYSTEM)
            return err_input(e, "turn %zu is the system's (only the first may be)", i + 1);
    if (n == from || turns[n - 1].role != CHAT_USER)
        return err_input(e, "the last turn is not the user's, so no answer is requested");
    if (f->alternates && turns[from].role != CHAT_USER)
        return err_input(e, "turn %zu is the assistant's (in the chat format %s the user begins)", from + 1, f->name);
    return 0;
}

/* All parts of a prompt; free p->at. */
static int make_prompt(parts *p, const chat *c, const tokenizer *t, const chat_turn *turns, size_t n, err *e) {
    *p = (parts){.c = c, .t = t};
    if (check_turns(c->format, turns, n, e) != 0) return -1;
    if (c->bos && put_token(p, t->bos, e) != 0) return -1;
    return put_turns(p, turns, n, e);
}

int chat_prompt(const chat *c, const tokenizer *t, const chat_turn *turns, size_t n, tokens *out, err *e) {
    parts  p;
    tokens ids = {0};
    int    ret = make_prompt(&p, c, t, turns, n, e);
    if (ret == 0) ret = tokenizer_encode_parts(t, p.at, p.n, &ids, e);
    bool begins = ids.n > 0 && ids.ids[0] == t->bos;
    if (ret == 0 && t->adds_bos && t->bos >= 0 && !begins) ret = tokens_push(out, t->bos, e);
    if (ret == 0) ret = tokens_append(out, ids.ids, ids.n, e);
    tokens_free(&ids);
    free(p.at);
    return ret;
}

char *chat_text(const chat *c, const tokenizer *t, const chat_turn *turns, size_t n, size_t *len, err *e) {
    parts p;
    char *text = NULL;
    *len = 0;
    if (make_prompt(&p, c, t, turns, n, e) == 0) {
        for (size_t i = 0; i < p.n; i++) *len += p.at[i].n;
        if ((text = mem_new(*len + 1, 1, e)) != NULL) {
            char *at = text;
            for (size_t i = 0; i < p.n; i++) at = mempcpy(at, p.at[i].at, p.at[i].n);
        }
    }
    free(p.at);
    return text;
}

/* ---- answers ---------------------------------------------------------------------------------------- */

/* The parts of an answer and of the token that ends it, after a request. `before` may be longer than the request, as
 * "ASSISTANT: " is than "ASSISTANT:". */
static int put_answer(parts *p, const char *text, size_t n, err *e) {
    const chat_format *f = p->c->format;
    chat_turn          x = {CHAT_ASSISTANT, text, n};
    const char        *before = f->before[CHAT_ASSISTANT];
    size_t             asked = strlen(f->ask);
    if (f->trims[CHAT_ASSISTANT]) x = trimmed(x);
    if (strncmp(before, f->ask, asked) == 0 && put_format(p, before + asked, e) != 0) return -1;
    return put(p, x.text, x.n, false, e) == 0 ? put_format(p, f->end, e) : -1;
}

/* What follows the prompt's ids when both are encoded as one text. Where something merges across the border, which a
 * model that has read the prompt cannot write, the answer is encoded by itself. */
int chat_answer(const chat *c, const tokenizer *t, const chat_turn *turns, size_t n, const char *text, size_t n_text,
                tokens *out, err *e) {
    parts  p;
    tokens prompt = {0}, both = {0};
    int    ret = make_prompt(&p, c, t, turns, n, e);
    size_t asked = p.n;
    if (ret == 0) ret = tokenizer_encode_parts(t, p.at, asked, &prompt, e);
    if (ret == 0) ret = put_answer(&p, text, n_text, e);
    if (ret == 0) ret = tokenizer_encode_parts(t, p.at, p.n, &both, e);
    if (ret == 0 && both.n > prompt.n &&
        (prompt.n == 0 || memcmp(both.ids, prompt.ids, prompt.n * sizeof *both.ids) == 0))
        ret = tokens_append(out, both.ids + prompt.n, both.n - prompt.n, e);
    else if (ret == 0)
        ret = tokenizer_encode_parts(t, p.at + asked, p.n - asked, out, e);
    tokens_free(&prompt);
    tokens_free(&both);
    free(p.at);
    return ret;
}
