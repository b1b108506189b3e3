#include "datasets/turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/suggest.h"

enum { WHAT = 96 }; /* bytes of a value's name in errors: "messages[3].content[1].text" */

static const char *const arrays[] = {"messages", "conversations"};

enum { OF_TOOL = CHAT_ROLES, OF_TOOL_CALL }; /* beside chat_role */

static const struct {
    const char *name;
    int         role; /* chat_role, OF_TOOL or OF_TOOL_CALL */
} roles[] = {
    {"user", CHAT_USER},      {"assistant", CHAT_ASSISTANT},   {"system", CHAT_SYSTEM}, {"human", CHAT_USER},
    {"gpt", CHAT_ASSISTANT},  {"developer", CHAT_SYSTEM},      {"tool", OF_TOOL},       {"function", OF_TOOL},
    {"observation", OF_TOOL}, {"function_call", OF_TOOL_CALL},
};
enum { N_ROLES = sizeof roles / sizeof *roles };

const char *const dataset_tools_names[TOOLS_CHOICES + 1] = {"error", "skip", "text", NULL};

dataset_tools dataset_tools_named(const char *name) {
    for (size_t i = 0; i < TOOLS_CHOICES; i++)
        if (strcmp(name, dataset_tools_names[i]) == 0) return (dataset_tools)i;
    return TOOLS_REFUSED;
}

void turns_free(turn *turns, size_t n) {
    for (size_t i = 0; i < n; i++) free(turns[i].text);
    free(turns);
}

bool turns_there(const json_t *object) {
    return jsonl_get(object, arrays[0]) != NULL || jsonl_get(object, arrays[1]) != NULL;
}

const char *turns_key(const json_t *object) {
    return jsonl_get(object, arrays[0]) == NULL && jsonl_get(object, arrays[1]) != NULL ? arrays[1] : arrays[0];
}

bool turn_blank(const turn *t) {
    return text_blank(t->text, t->n_text);
}

int record_turns(record *r, const turn *turns, size_t n, err *e) {
    if ((r->turns = mem_new(n, sizeof *r->turns, e)) == NULL) return -1;
    for (; r->n_turns < n; r->n_turns++) {
        const turn *t = &turns[r->n_turns];
        char       *text = mem_strndup(t->text, t->n_text, e);
        if (text == NULL) return -1;
        r->turns[r->n_turns] = (turn){t->role, text, t->n_text};
    }
    return 0;
}

/* ---- transcripts ---- */

void transcript_turn(text_buffer *t, chat_role role, const char *text, size_t n) {
    static const char *const speakers[CHAT_ROLES] = {"SYSTEM", "USER", "ASSISTANT"};
    text_add(t, "%s: ", speakers[role]);
    text_put(t, text, n);
    text_add(t, "\n");
}

void transcript_ask(text_buffer *t) {
    text_add(t, "ASSISTANT:");
}

/* ---- one turn ---- */

static int read_role(const jsonl *at, const json_t *v, const char *what, int *role, err *e) {
    const char *names[N_ROLES];
    err         why;
    if (jsonl_string(at, v, what, e) != 0) return -1;
    if (strlen(json_string_value(v)) != json_string_length(v))
        return jsonl_bad(at, e, "%s holds \\u0000 (only texts may)", what);
    for (size_t i = 0; i < N_ROLES; i++) {
        names[i] = roles[i].name;
        *role = roles[i].role;
        if (strcmp(json_string_value(v), names[i]) == 0) return 0;
    }
    err_unknown(&why, what, "role", json_string_value(v), names, N_ROLES);
    return jsonl_bad(at, e, "%s", why.text);
}

static int read_part(const jsonl *at, const json_t *part, const char *what, text_buffer *out, err *e) {
    const char *type = json_string_value(json_object_get(part, "type")), *text = "text";
    char        name[WHAT + 32];
    if (!json_is_object(part)) return jsonl_bad(at, e, "%s is not an object (with \"type\" and \"text\" in it)", what);
    if (type == NULL) return jsonl_bad(at, e, "%s.type is missing", what);
    if (strcmp(type, text) != 0) return jsonl_bad(at, e, "%s.type is \"%.40s\" (only \"text\" is read)", what, type);
    snprintf(name, sizeof name, "%s.%s", what, text);
    const json_t *v = jsonl_get(part, text);
    if (v == NULL) return jsonl_bad(at, e, "%s is missing", name);
    if (jsonl_string(at, v, name, e) != 0) return -1;
    text_put(out, json_string_value(v), json_string_length(v));
    return 0;
}

/* Appends a content: a string, or an array of parts. */
static int read_content(const jsonl *at, const json_t *v, const char *what, text_buffer *out, err *e) {
    char name[WHAT + 24];
    if (!json_is_array(v)) {
        if (jsonl_string(at, v, what, e) != 0) return -1;
        text_put(out, json_string_value(v), json_string_length(v));
        return 0;
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(name, sizeof name, "%s[%zu]", what, i);
        if (read_part(at, json_array_get(v, i), name, out, e) != 0) return -1;
    }
    return 0;
}

static int refuse_tools(const jsonl *at, const char *what, const char *is, err *e) {
    return jsonl_bad(at, e, "%s %s (tools = skip leaves such turns out, tools = text keeps them as text)", what, is);
}

/* Appends an assistant's calls as JSON, a line of its own after what was said. */
static int put_calls(const jsonl *at, const json_t *calls, const char *what, text_buffer *out, err *e) {
    if (jsonl_odd(at, calls, what, e) != 0) return -1;
    char *text = json_dumps(calls, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text == NULL) return err_run(e, "out of memory for a turn");
    text_add(out, "%s%s", out->n > 0 ? "\n" : "", text);
    free(text);
    return 0;
}

/* Appends the turn, unless it is a tool's and left out, or says nothing beside calls that are. */
static int read_turn(const dataset_builder *b, const char *array, size_t i, const json_t *o, turn_list *out, err *e) {
    const jsonl  *at = b->file;
    dataset_tools tools = b->options->tools;
    text_buffer   text = {0};
    char          what[WHAT];
    int           role = 0;
    snprintf(what, sizeof what, "%s[%zu]", array, i);
    if (!json_is_object(o)) return jsonl_bad(at, e, "%s is not an object (with \"role\" in it)", what);
    bool          from = array == arrays[1] && (jsonl_get(o, "from") != NULL || jsonl_get(o, "value") != NULL);
    const char   *role_key = from ? "from" : "role", *text_key = from ? "value" : "content";
    const json_t *speaker = jsonl_get(o, role_key), *content = jsonl_get(o, text_key);
    const json_t *calls = jsonl_get(o, "tool_calls");
    bool          has_calls = calls != NULL && !(json_is_array(calls) && json_array_size(calls) == 0);
    if (speaker == NULL) return jsonl_bad(at, e, "%s.%s is missing", what, role_key);
    snprintf(what, sizeof what, "%s[%zu].%s", array, i, role_key);
    if (read_role(at, speaker, what, &role, e) != 0) return -1;
    if (role >= CHAT_ROLES && tools == TOOLS_REFUSED) {
        char is[WHAT];
        snprintf(is, sizeof is, "is \"%s\"", json_string_value(speaker));
        return refuse_tools(at, what, is, e);
    }
    snprintf(what, sizeof what, "%s[%zu].tool_calls", array, i);
    if (has_calls && tools == TOOLS_REFUSED) return refuse_tools(at, what, "is given", e);
    if (tools == TOOLS_SKIPPED && role >= CHAT_ROLES) return 0;
    bool may_lack = has_calls || (role >= CHAT_ROLES && json_is_null(json_object_get(o, text_key)));
    if (content == NULL && !may_lack) return jsonl_bad(at, e, "%s[%zu].%s is missing", array, i, text_key);
    if (role >= CHAT_ROLES) role = role == OF_TOOL ? CHAT_USER : CHAT_ASSISTANT;
    if (role == CHAT_SYSTEM && i > 0)
        return jsonl_bad(at, e, "%s[%zu].%s is \"%s\" (only the first turn may be)", array, i, role_key,
                         json_string_value(speaker));
    if (mem_reserve(&out->at, &out->cap, out->n + 1, e) != 0) return -1;

    char says[WHAT];
    snprintf(says, sizeof says, "%s[%zu].%s", array, i, text_key);
    text_put(&text, "", 0); /* an empty turn has a text too */
    int ret = content != NULL ? read_content(at, content, says, &text, e) : 0;
    if (ret == 0 && has_calls && tools == TOOLS_AS_TEXT) ret = put_calls(at, calls, what, &text, e);
    if (ret == 0) ret = text_check(&text, e);
    bool left_out = ret == 0 && has_calls && tools == TOOLS_SKIPPED && text_blank(text.at, text.n);
    if (ret != 0 || left_out) {
        text_free(&text);
        return ret;
    }
    out->at[out->n++] = (turn){(chat_role)role, text.at, text.n};
    return 0;
}

/* ---- all of them ---- */

int turns_read(const dataset_builder *b, const json_t *object, turn_list *out, err *e) {
    const char   *array = turns_key(object);
    const json_t *all = jsonl_get(object, array);
    if (all == NULL) return jsonl_missing(b->file, object, arrays[0], " (or \"conversations\")", e);
    if (array == arrays[0] && jsonl_get(object, arrays[1]) != NULL)
        return jsonl_bad(b->file, e, "both \"messages\" and \"conversations\" are given (one or the other)");
    if (jsonl_array(b->file, all, array, e) != 0) return -1;
    for (size_t i = 0; i < json_array_size(all); i++)
        if (read_turn(b, array, i, json_array_get(all, i), out, e) != 0) return -1;
    return 0;
}
