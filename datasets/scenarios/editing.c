/* editing.c - a small program, settings or a card, and one or two changes to make; the output is the whole text after
 * them.
 *
 * Each instruction names what it changes so that only one line can be meant (program.h). Who writes the result token
 * by token must know of a change when it comes, so an instruction names what stands before it: the line above, the name
 * that is compared. A line to insert is given whole, with its indentation.
 */
#include <stdio.h>
#include <string.h>

#include "datasets/scenarios/program.h"

enum { P_MIN_LINES, P_MAX_LINES, P_MIN_CHANGES, P_MAX_CHANGES };

static const param_spec params[] = {
    [P_MIN_LINES] = PARAM_INTEGER("min_lines", 4, 2, 16, "fewest statements"),
    [P_MAX_LINES] = PARAM_INTEGER("max_lines", 8, 2, 16, "most statements"),
    [P_MIN_CHANGES] = PARAM_INTEGER("min_changes", 1, 1, 2, "fewest changes requested at once"),
    [P_MAX_CHANGES] = PARAM_INTEGER("max_changes", 2, 1, 2, "most changes requested at once"),
};

typedef enum {
    CHANGE_RENAME,
    CHANGE_NUMBER,
    CHANGE_OPERATOR,
    CHANGE_RETURN,
    CHANGE_INSERT,
    CHANGE_DELETE,
    CHANGE_COMMENT,
    CHANGES
} change;

enum { WORDINGS = 6 };

/* {x} is what there is and {y} what takes its place: names, numbers, signs, words; {l} and {m} are whole lines, written
 * after a line end. */
static const struct {
    const char *name, *wordings[WORDINGS];
} changes[CHANGES] = {
    {"rename",
     {"Rename {x} to {y}.", "Call {x} from now on {y}, everywhere.", "The name {x} is bad; use {y} instead.",
      "Replace the name {x} by {y}.", "What is called {x} should be called {y}.", "Use the name {y} in place of {x}."}},
    {"number",
     {"Use {y} instead of {x}.", "The number {x} is wrong, it has to be {y}.", "Where it says {x} it must say {y}.",
      "Raise or lower {x} to {y}.", "Change {x} to {y}.", "Not {x} but {y} is the right number."}},
    {"operator",
     {"The test of {x} must be {y} .", "Compare {x} by {y} .", "Fix the test: for {x} use {y} .",
      "There is an error in the test of {x}; the sign should be {y} .", "Where we compare {x}, write {y} .",
      "For {x} the right comparison is {y} ."}},
    {"return",
     {"The result should be {y}.", "Give back {y} at the end, not {x}.", "Fix the result: it is {y} and not {x}.",
      "At the end we want {y}.", "It must end with {y}, not with {x}.",
      "The wrong thing, {x}, comes back; it should be {y}."}},
    {"insert",
     {"After the line\n{l}insert the line\n{m}", "Behind\n{l}there should be\n{m}", "Put a line below\n{l}namely\n{m}",
      "A line is missing after\n{l}It is\n{m}", "Let this line\n{l}be followed by\n{m}",
      "Find\n{l}and add below it\n{m}"}},
    {"delete",
     {"Delete what follows the line\n{l}", "Remove the line below\n{l}", "The line after this one is not needed:\n{l}",
      "Leave out what comes next to\n{l}", "Drop the line that stands behind\n{l}",
      "Without the line under this one, please:\n{l}"}},
    {"comment",
     {"Add the comment {y} below\n{l}", "Explain with the words {y} what stands here:\n{l}",
      "Write the comment {y} after\n{l}", "Under the following line put the comment {y} :\n{l}",
      "Comment with {y} behind this line:\n{l}", "The words {y} should stand as a comment below\n{l}"}},
};

static const char *const comments[] = {
    "do not change this", "this is only an estimate", "from the old version",
    "checked by hand",    "see chapter two",          "the next line matters",
    "temporary",          "agreed with the team",     "to be tested",
    "measured last year",
};

static void put_wording(const program *p, const char *wording, const char *x, const char *y, const line *l,
                        const line *m, text_buffer *out) {
    for (const char *at = wording; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        text_put(out, at, plain);
        at += plain;
        if (*at == '\0') break;
        if (at[1] == 'l' || at[1] == 'm')
            line_write(p->in, at[1] == 'l' ? l : m, out);
        else
            text_add(out, "%s", at[1] == 'x' ? x : y);
        at += 3;
    }
    if (out->n > 0 && out->at[out->n - 1] != '\n') text_add(out, "\n");
}

/* A line of one of two types that begins at a random place; -1 when there is none. */
static long find_line(dice *d, const program *p, line_type one, line_type other) {
    size_t start = dice_below(d, p->n);
    for (size_t i = 0; i < p->n; i++) {
        size_t at = (start + i) % p->n;
        if (p->lines[at].type == one || p->lines[at].type == other) return (long)at;
    }
    return -1;
}

/* Whether line `at` and what follows it are still as in the text that is shown, and no other line is like it. */
static bool is_untouched(const program *before, const program *p, size_t at) {
    size_t found = 0, was = 0;
    for (size_t i = 0; i < before->n; i++)
        if (line_is_same(&before->lines[i], &p->lines[at])) found++, was = i;
    if (found != 1 || (at + 1 == p->n) != (was + 1 == before->n)) return false;
    return at + 1 == p->n || line_is_same(&before->lines[was + 1], &p->lines[at + 1]);
}

/* Lines that compare the name with a number. */
static size_t count_tests(const program *p, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += (p->lines[i].type == LINE_IF || p->lines[i].type == LINE_WHILE) && p->lines[i].a == name;
    return n;
}

static bool has_name(const program *p, const char *name) {
    for (size_t i = 0; i < p->n; i++)
        if (p->lines[i].a == name || p->lines[i].b == name || p->lines[i].c == name) return true;
    return false;
}

/* Makes a change and writes its instruction; false, with nothing done, when this program has no place for it. What an
 * instruction names is in the text `before` any change. */
static bool make_change(dice *d, names *taken, change what, const char *wording, const program *before, program *p,
                        text_buffer *instruction) {
    static const char *const signs[] = {"<", ">", "<=", ">=", "==", "!="};
    char                     x[24], y[24];
    long                     at;
    line                     l, m = {0};
    const char              *name;
    switch (what) {
    case CHANGE_RENAME:
        at = (long)dice_below(d, p->n);
        if ((name = p->lines[at].a) == NULL || !has_name(before, name)) return false;
        const char *to = name_draw(d, taken, NAME_IDENT);
        put_wording(p, wording, name, to, NULL, NULL, instruction);
        program_rename(p, name, to);
        return true;
    case CHANGE_NUMBER:
        if ((at = find_line(d, p, LINE_SET, LINE_IF)) < 0) return false;
        if (p->lines[at].number >= 1000) return false; /* a new one */
        snprintf(x, sizeof x, "%zu", p->lines[at].number);
        p->lines[at].number = dice_between(d, 1000, 9999);
        snprintf(y, sizeof y, "%zu", p->lines[at].number);
        put_wording(p, wording, x, y, NULL, NULL, instruction);
        return true;
    case CHANGE_OPERATOR:
        if ((at = find_line(d, p, LINE_WHILE, LINE_IF)) < 0) return false;
        name = p->lines[at].a;
        if (count_tests(p, name) != 1 || !has_name(before, name)) return false;
        const char *old = p->lines[at].op;
        while (p->lines[at].op == old || strcmp(p->lines[at].op, old) == 0) p->lines[at].op = DICE_OF(d, signs);
        put_wording(p, wording, name, p->lines[at].op, NULL, NULL, instruction);
        return true;
    case CHANGE_RETURN:
        if ((at = find_line(d, p, LINE_RETURN, LINE_RETURN)) < 0) return false;
        long from = find_line(d, p, LINE_SET, LINE_COMBINE);
        if (from < 0 || p->lines[from].a == p->lines[at].a) return false;
        name = p->lines[at].a;
        if (!has_name(before, name) || !has_name(before, p->lines[from].a)) return false;
        p->lines[at].a = p->lines[from].a;
        put_wording(p, wording, name, p->lines[at].a, NULL, NULL, instruction);
        return true;
    case CHANGE_INSERT:
        if ((at = find_line(d, p, LINE_SET, LINE_COMBINE)) < 0 || p->n >= PROGRAM_LINES) return false;
        if (!is_untouched(before, p, (size_t)at)) return false;
        l = p->lines[at];
        m = (line){.type = LINE_SET, .depth = l.depth, .a = name_draw(d, taken, NAME_IDENT)};
        m.number = dice_between(d, 1000, 9999);
        put_wording(p, wording, NULL, NULL, &l, &m, instruction);
        program_insert(p, (size_t)at + 1, m);
        return true;
    case CHANGE_DELETE:
        at = find_line(d, p, p->in->has_code ? LINE_PRINT : LINE_SET, p->in->has_code ? LINE_PRINT : LINE_WORDS);
        if (at < 1) return false; /* nothing stands above the first line */
        l = p->lines[at - 1];
        if (l.type == LINE_IF || l.type == LINE_WHILE) return false; /* an empty block */
        if (!is_untouched(before, p, (size_t)at - 1)) return false;
        put_wording(p, wording, NULL, NULL, &l, NULL, instruction);
        program_delete(p, (size_t)at);
        return true;
    case CHANGE_COMMENT:
    case CHANGES:
        if ((at = find_line(d, p, LINE_SET, LINE_COMBINE)) < 0 || p->n >= PROGRAM_LINES) return false;
        if (!is_untouched(before, p, (size_t)at)) return false;
        l = p->lines[at];
        m = (line){.type = LINE_COMMENT, .depth = l.depth, .words = DICE_OF(d, comments)};
        for (size_t i = 0; i < p->n; i++) /* twice the same, and a copy may go on after either */
            if (p->lines[i].type == LINE_COMMENT && p->lines[i].words == m.words) return false;
        put_wording(p, wording, NULL, m.words, &l, NULL, instruction);
        program_insert(p, (size_t)at + 1, m);
        return true;
    }
    return false;
}

/* Of the combinations with a language training has none that is held out; a test record's first change is one. */
static bool may_ask(const dice *d, const program *p, size_t what, size_t wording, bool first) {
    char combination[96];
    snprintf(combination, sizeof combination, "editing/%s/%s/%zu", p->in->name, changes[what].name, wording);
    return d->split == SPLIT_TEST && !first ? true : dice_fits(d, combination);
}

/* One record; false when the program has no place for what the dice wanted. */
static bool try_make(dice *d, const param_values *p, example *out) {
    static const char *const openings[] = {"Here is a %s to change.\n", "Please change this %s.\n",
                                           "Look at the following %s.\n", "This is our %s.\n", "I wrote a %s.\n"};
    names                    taken = {.start = 2}; /* a copy knows by its first letters which name comes */
    program                  it;
    size_t                   min = (size_t)p->at[P_MIN_LINES].integer, max = (size_t)p->at[P_MAX_LINES].integer;
    size_t want = dice_between(d, (size_t)p->at[P_MIN_CHANGES].integer, (size_t)p->at[P_MAX_CHANGES].integer);

    program_draw(d, &taken, dice_between(d, min, max), &it);
    program before = it;
    text_add(&out->prompt, DICE_OF(d, openings), it.in->called);
    for (size_t i = 0; i < want; i++) {
        size_t what = dice_below(d, CHANGES), wording = dice_below(d, WORDINGS);
        text_add(&out->prompt, i == 0 ? "Task: " : "And: ");
        if (!may_ask(d, &it, what, wording, i == 0) ||
            !make_change(d, &taken, (change)what, changes[what].wordings[wording], &before, &it, &out->prompt))
            return false;
    }
    program_write(&before, &out->references[0]);
    out->n_references = 1;
    text_add(&out->prompt, "Text:\n");
    program_write(&before, &out->prompt);
    text_add(&out->prompt, "Result:");
    program_write(&it, &out->output);
    /* A second change may undo the first. One of them is empty where memory is out, which the caller finds. */
    return out->output.n == 0 || out->references[0].n == 0 || strcmp(out->output.at, out->references[0].at) != 0;
}

static void make(dice *d, const param_values *p, example *out) {
    while (!try_make(d, p, out)) {
        text_clear(&out->prompt);
        text_clear(&out->references[0]);
        text_clear(&out->output);
    }
}

const scenario scenario_editing = {
    .name = "editing",
    .help = "a small program, settings or a card, and one or two changes; the output is the whole text after them",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .make = make,
};
