/* The scenario editing, checked from outside: each instruction is applied to the text in the prompt, and the result
 * must be the output. Nothing here knows how records are made. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "datasets/scenario.h"

enum { LINES = 64, CHARS = 128, KINDS = 7, WORDINGS = 6, FORMS = 5 };

typedef struct {
    char   at[LINES][CHARS];
    size_t n;
} page;

/* {x} and {y} are words, {w} several words, {l} and {m} lines. */
static const char *const wordings[KINDS][WORDINGS] = {
    {"Rename {x} to {y}.", "Call {x} from now on {y}, everywhere.", "The name {x} is bad; use {y} instead.",
     "Replace the name {x} by {y}.", "What is called {x} should be called {y}.", "Use the name {y} in place of {x}."},
    {"Use {y} instead of {x}.", "The number {x} is wrong, it has to be {y}.", "Where it says {x} it must say {y}.",
     "Raise or lower {x} to {y}.", "Change {x} to {y}.", "Not {x} but {y} is the right number."},
    {"The test of {x} must be {y} .", "Compare {x} by {y} .", "Fix the test: for {x} use {y} .",
     "There is an error in the test of {x}; the sign should be {y} .", "Where we compare {x}, write {y} .",
     "For {x} the right comparison is {y} ."},
    {"The result should be {y}.", "Give back {y} at the end, not {x}.", "Fix the result: it is {y} and not {x}.",
     "At the end we want {y}.", "It must end with {y}, not with {x}.",
     "The wrong thing, {x}, comes back; it should be {y}."},
    {"After the line\n{l}\ninsert the line\n{m}", "Behind\n{l}\nthere should be\n{m}",
     "Put a line below\n{l}\nnamely\n{m}", "A line is missing after\n{l}\nIt is\n{m}",
     "Let this line\n{l}\nbe followed by\n{m}", "Find\n{l}\nand add below it\n{m}"},
    {"Delete what follows the line\n{l}", "Remove the line below\n{l}", "The line after this one is not needed:\n{l}",
     "Leave out what comes next to\n{l}", "Drop the line that stands behind\n{l}",
     "Without the line under this one, please:\n{l}"},
    {"Add the comment {w} below\n{l}", "Explain with the words {w} what stands here:\n{l}",
     "Write the comment {w} after\n{l}", "Under the following line put the comment {w} :\n{l}",
     "Comment with {w} behind this line:\n{l}", "The words {w} should stand as a comment below\n{l}"},
};
enum { RENAME, NUMBER, OPERATOR, RETURN, INSERT, DELETE, COMMENT };

/* What the first line calls each form of text, and how that form begins and ends a comment. */
static const struct {
    const char *called, *comment, *end;
} forms[FORMS] = {{"script", "# ", ""},
                  {"function", "// ", ""},
                  {"procedure", "-- ", ""},
                  {"file of settings", "# ", ""},
                  {"card", "/* ", " */"}};

typedef struct {
    char x[CHARS], y[CHARS], w[CHARS], l[CHARS], m[CHARS];
} slots;

static bool matches(const char *wording, const char *text, slots *out) {
    *out = (slots){0};
    while (*wording != '\0') {
        if (*wording != '{') {
            if (*wording++ != *text++) return false;
            continue;
        }
        char  *slot = wording[1] == 'x'   ? out->x
                      : wording[1] == 'y' ? out->y
                      : wording[1] == 'w' ? out->w
                      : wording[1] == 'l' ? out->l
                                          : out->m;
        bool   words = strchr("wlm", wording[1]) != NULL;
        size_t n = 0;
        wording += 3;
        if (words) {
            char literal[CHARS];
            snprintf(literal, sizeof literal, "%.*s", (int)strcspn(wording, "{"), wording);
            const char *end = *literal == '\0' ? text + strlen(text) : strstr(text, literal);
            if (end == NULL) return false;
            n = (size_t)(end - text);
        } else {
            while (text[n] != '\0' && (isalnum((unsigned char)text[n]) || strchr("_<>=!", text[n]) != NULL)) n++;
        }
        if (n == 0 || n >= CHARS) return false;
        memcpy(slot, text, n);
        text += n;
    }
    return *text == '\0';
}

static page page_of(const char *text) {
    page p = {0};
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        cr_assert(p.n < LINES && n < CHARS);
        memcpy(p.at[p.n++], text, n);
        text += n + (text[n] == '\n');
    }
    return p;
}

static bool of_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* Where the whole word occurs in a line from `from` on; NULL when nowhere. */
static char *find_word(char *line, char *from, const char *word) {
    for (char *at = from; (at = strstr(at, word)) != NULL; at++)
        if ((at == line || !of_word(at[-1])) && !of_word(at[strlen(word)])) return at;
    return NULL;
}

/* Replaces a word wherever it occurs; returns the number of times. */
static size_t replace(page *p, const char *word, const char *by) {
    size_t found = 0;
    for (size_t i = 0; i < p->n; i++) {
        char *line = p->at[i];
        for (char *at = line; (at = find_word(line, at, word)) != NULL; at += strlen(by)) {
            char rest[CHARS];
            snprintf(rest, sizeof rest, "%s", at + strlen(word));
            snprintf(at, CHARS - (size_t)(at - line), "%s%s", by, rest);
            found++;
        }
    }
    return found;
}

/* The one matching line. */
static size_t the_line(const page *p, const char *line) {
    size_t found = 0, at = 0;
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->at[i], line) == 0) found++, at = i;
    cr_assert_eq(found, 1, "%zu lines are meant by %s", found, line);
    return at;
}

/* The one line that compares a name with a number. */
static size_t the_test(page *p, const char *name) {
    size_t found = 0, at = 0;
    for (size_t i = 0; i < p->n; i++) {
        const char *word = find_word(p->at[i], p->at[i], name);
        if (word == NULL || word[strlen(name)] != ' ') continue;
        const char *sign = word + strlen(name) + 1;
        size_t      n = strspn(sign, "<>=!");
        if (n == 2 || (n == 1 && *sign != '=' && *sign != '!')) found++, at = i;
    }
    cr_assert_eq(found, 1, "%zu lines compare %s", found, name);
    return at;
}

static void write_line(page *p, size_t at, const char *line) {
    cr_assert_lt(strlen(line), CHARS);
    memcpy(p->at[at], line, strlen(line) + 1);
}

static void insert(page *p, size_t at, const char *line) {
    cr_assert(p->n < LINES);
    memmove(p->at + at + 1, p->at + at, (p->n - at) * sizeof *p->at);
    write_line(p, at, line);
    p->n++;
}

/* Applies a task to the page. */
static void follow(page *p, size_t form, int kind, const slots *s) {
    char   line[4 * CHARS];
    size_t at;
    switch (kind) {
    case RENAME:
        cr_assert_geq(replace(p, s->x, s->y), 1, "%s", s->x);
        break;
    case NUMBER:
        cr_assert_eq(replace(p, s->x, s->y), 1, "%s", s->x);
        break;
    case OPERATOR:
        at = the_test(p, s->x);
        char *name_at = find_word(p->at[at], p->at[at], s->x), *sign = name_at + strlen(s->x) + 1;
        char  number[CHARS];
        snprintf(number, sizeof number, "%s", sign + strspn(sign, "<>=!"));
        snprintf(line, sizeof line, "%.*s%s%s", (int)(sign - p->at[at]), p->at[at], s->y, number);
        write_line(p, at, line);
        break;
    case RETURN:
        for (at = p->n; at-- > 0;)
            if (strncmp(p->at[at], "  return ", 9) == 0 || strncmp(p->at[at], "  give ", 7) == 0) break;
        cr_assert_lt(at, p->n);
        char *name = strchr(p->at[at] + 2, ' ') + 1;
        bool  semicolon = strchr(name, ';') != NULL;
        if (s->x[0] != '\0') cr_assert_eq(strncmp(name, s->x, strlen(s->x)), 0, "%s", s->x);
        snprintf(name, CHARS - (size_t)(name - p->at[at]), "%s%s", s->y, semicolon ? ";" : "");
        break;
    case INSERT:
        insert(p, the_line(p, s->l) + 1, s->m);
        break;
    case DELETE:
        at = the_line(p, s->l) + 1;
        cr_assert_lt(at, p->n);
        memmove(p->at + at, p->at + at + 1, (p->n - at - 1) * sizeof *p->at);
        p->n--;
        break;
    default:
        at = the_line(p, s->l);
        snprintf(line, sizeof line, "%.*s%s%s%s", (int)strspn(s->l, " "), s->l, forms[form].comment, s->w,
                 forms[form].end);
        insert(p, at + 1, line);
        break;
    }
}

static size_t form_of(const char *prompt) {
    size_t found = FORMS, opening = strcspn(prompt, "\n");
    for (size_t f = 0; f < FORMS; f++) {
        const char *at = strstr(prompt, forms[f].called);
        if (at != NULL && at < prompt + opening) found = f;
    }
    cr_assert_lt(found, FORMS, "%s", prompt);
    return found;
}

/* The tasks of a prompt, one after another: the first at *at == NULL; false after the last. */
static bool next_task(const char *prompt, const char **at, char *task, size_t size) {
    const char *text = strstr(prompt, "\nText:\n");
    const char *start = *at == NULL ? strstr(prompt, "\nTask: ") + 7 : *at;
    cr_assert_not_null(text);
    if (start >= text) return false;
    const char *end = strstr(start, "\nAnd: ");
    if (end == NULL || end > text) end = text;
    snprintf(task, size, "%.*s", (int)(end - start), start);
    *at = end == text ? text : end + 6;
    return true;
}

/* The kind and the wording of a task: one and only one fits. */
static void recognize(const char *task, int *kind, int *wording, slots *s) {
    int found = 0;
    for (int k = 0; k < KINDS; k++) {
        for (int w = 0; w < WORDINGS; w++) {
            slots here;
            if (!matches(wordings[k][w], task, &here)) continue;
            found++;
            *kind = k;
            *wording = w;
            *s = here;
        }
    }
    cr_assert_eq(found, 1, "%d wordings fit: %s", found, task);
}

static void make(const char *params, split which, uint64_t i, example *x) {
    const scenario *s = registry_find(&scenario_registry, "editing");
    param_values    p;
    err             e = {0};
    cr_assert_eq(param_parse_list(s->name, s->params, s->n_params, params, &p, &e), 0, "%s", e.text);
    cr_assert_eq(scenario_make(s, &p, 11, which, i, x, &e), 0, "%s", e.text);
}

static void check_output(const example *x) {
    const char *at = NULL;
    char        task[4 * CHARS];
    size_t      form = form_of(x->prompt.at);
    page        p = page_of(x->references[0].at), out = page_of(x->output.at);
    while (next_task(x->prompt.at, &at, task, sizeof task)) {
        int   kind = 0, wording = 0;
        slots s;
        recognize(task, &kind, &wording, &s);
        follow(&p, form, kind, &s);
    }
    cr_assert_eq(p.n, out.n, "%s%s", x->prompt.at, x->output.at);
    for (size_t i = 0; i < p.n; i++) cr_assert_str_eq(p.at[i], out.at[i], "%s", x->prompt.at);
}

Test(scenario_editing, outputs_are_what_instructions_say) {
    static const char *const params[] = {"", "min_lines=2,max_lines=3,max_changes=1", "min_lines=16,max_lines=16",
                                         "min_changes=2"};
    example                  x = {0};
    for (size_t k = 0; k < sizeof params / sizeof *params; k++) {
        for (uint64_t i = 0; i < 500; i++) {
            make(params[k], i % 2 == 0 ? SPLIT_TRAIN : SPLIT_TEST, i, &x);
            check_output(&x);
            cr_assert_str_neq(x.output.at, x.references[0].at, "%s", x.prompt.at);
        }
    }
    example_free(&x);
}

/* A test record's first task is a wording of a change in a form of text that training never has together, though it
 * has each of them. */
Test(scenario_editing, tests_combine_what_training_has_apart) {
    bool    seen[2][KINDS][WORDINGS][FORMS] = {0};
    example x = {0};
    for (int which = 0; which < 2; which++) {
        for (uint64_t i = 0; i < 4000; i++) {
            const char *at = NULL;
            char        task[4 * CHARS];
            make("", (split)which, i, &x);
            while (next_task(x.prompt.at, &at, task, sizeof task)) {
                int   kind = 0, wording = 0;
                slots s;
                recognize(task, &kind, &wording, &s);
                seen[which][kind][wording][form_of(x.prompt.at)] = true;
                if (which == SPLIT_TEST) break;
            }
        }
    }
    for (int k = 0; k < KINDS; k++) {
        for (int w = 0; w < WORDINGS; w++) {
            bool trained = false;
            for (int f = 0; f < FORMS; f++) {
                trained = trained || seen[SPLIT_TRAIN][k][w][f];
                cr_expect_not(seen[SPLIT_TRAIN][k][w][f] && seen[SPLIT_TEST][k][w][f], "%s: %s", forms[f].called,
                              wordings[k][w]);
            }
            cr_expect(trained, "%s", wordings[k][w]);
        }
    }
    example_free(&x);
}

/* Most lines are in the reference unchanged, so that spans can be copied. */
Test(scenario_editing, outputs_repeat_most_lines) {
    example x = {0};
    size_t  same = 0, lines = 0;
    for (uint64_t i = 0; i < 500; i++) {
        make("", SPLIT_TEST, i, &x);
        page before = page_of(x.references[0].at), after = page_of(x.output.at);
        lines += after.n;
        for (size_t a = 0; a < after.n; a++) {
            bool found = false;
            for (size_t b = 0; b < before.n; b++) found = found || strcmp(after.at[a], before.at[b]) == 0;
            same += found;
        }
    }
    cr_expect_gt(same * 100, lines * 80, "%zu of %zu", same, lines);
    example_free(&x);
}
