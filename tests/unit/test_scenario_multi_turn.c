/* The scenario multi_turn, checked from outside: each text of a conversation, the output included, must be the one
 * before it with the request applied. Only the table of facts is shared with the generator, to recognise topics.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "datasets/scenario.h"
#include "datasets/scenarios/facts.h"

enum { SENTENCES = 12, CHARS = 256, TURNS = 8, EDITS = 9, WORDINGS = 4 };
enum { NAME, VALUE, DROP, ONLY, SHORT, END, BEGIN, LIST, MOVE };

typedef struct {
    char   at[SENTENCES][CHARS];
    size_t n;
    bool   list;
} letter;

/* {x} is the old value, {y} the new one. */
static const char *const wordings[EDITS][WORDINGS] = {
    {"Make it about {y} instead of {x}.", "The same about {y} and not {x}, please.", "Write {y} where you wrote {x}.",
     "It is not {x}, it is {y}."},
    {"Not {x} but {y} is right.", "Correct {x} to {y}.", "I made a mistake: it is {y}, not {x}.", "Put {y} for {x}."},
    {"Leave out {x}.", "Without the part on {x}, please.", "Drop what you say on {x}.",
     "Nobody cares about {x}; take it out."},
    {"I want only the part on {x}.", "Just the part on {x}, please.", "Keep nothing but {x}.",
     "Say only what is about {x}."},
    {"Too long: only the first {y}.", "Shorter, please; keep the first {y}.", "I have room for the first {y} alone.",
     "Cut it after the first {y}."},
    {"End with the words {y}", "Add at the end: {y}", "It should close with {y}", "The last sentence should be {y}"},
    {"Begin with the words {y}", "Put in front: {y}", "It should open with {y}", "The first sentence should be {y}"},
    {"Make a list of it.", "As a list, please.", "Put each sentence into a line of a list.", "A list would be better."},
    {"Put the last sentence first.", "The last sentence should come first.",
     "Begin with what is now the last sentence.", "Move the end to the front."},
};

/* Whether a text is the template with something in place of each {...}; x and y, when given, take what stands for {x}
 * and {y}, and {s} must be `name`. */
static bool matches(const char *template, const char *text, const char *name, char *x, char *y) {
    size_t plain = strcspn(template, "{");
    if (strncmp(template, text, plain) != 0) return false;
    template += plain;
    text += plain;
    if (*template == '\0') return *text == '\0';
    if (template[1] == 's')
        return strncmp(text, name, strlen(name)) == 0 && matches(template + 3, text + strlen(name), name, x, y);
    for (size_t n = 1; n <= strlen(text); n++) { /* the shortest that fits */
        if (!matches(template + 3, text + n, name, x, y)) continue;
        char *slot = template[1] == 'x' ? x : template[1] == 'y' ? y : NULL;
        if (slot != NULL) snprintf(slot, CHARS, "%.*s", (int)n, text);
        return true;
    }
    return false;
}

static letter letter_of(const char *text) {
    letter l = {.list = strncmp(text, "- ", 2) == 0};
    while (*text != '\0') {
        text += l.list ? 2 : *text == ' ';
        size_t n = strcspn(text, ".") + 1;
        cr_assert(l.n < SENTENCES && n < CHARS && text[n - 1] == '.', "%s", text);
        memcpy(l.at[l.n++], text, n);
        text += n + (l.list && text[n] == '\n');
    }
    return l;
}

/* Replaces whole words wherever they occur; returns the number of times. */
static size_t replace(letter *l, const char *words, const char *by) {
    size_t found = 0;
    for (size_t i = 0; i < l->n; i++) {
        char *s = l->at[i];
        for (char *at = s; (at = strstr(at, words)) != NULL;) {
            char tail[CHARS];
            if ((at > s && isalnum((unsigned char)at[-1])) || isalnum((unsigned char)at[strlen(words)])) {
                at++;
                continue;
            }
            snprintf(tail, sizeof tail, "%s", at + strlen(words));
            cr_assert_lt((size_t)(at - s) + strlen(by) + strlen(tail), CHARS);
            memcpy(at, by, strlen(by));
            memcpy(at + strlen(by), tail, strlen(tail) + 1);
            at += strlen(by);
            found++;
        }
    }
    return found;
}

static void remove_sentence(letter *l, size_t at) {
    memmove(l->at + at, l->at + at + 1, (l->n - at - 1) * sizeof *l->at);
    l->n--;
}

static void insert_sentence(letter *l, size_t at, const char *sentence) {
    char copy[CHARS];
    snprintf(copy, sizeof copy, "%s", sentence);
    cr_assert_lt(l->n, SENTENCES);
    memmove(l->at + at + 1, l->at + at, (l->n - at) * sizeof *l->at);
    memcpy(l->at[at], copy, sizeof copy);
    l->n++;
}

static bool says(const char *sentence, const fact *f, const char *name) {
    for (size_t i = 0; i < FACT_FORMS; i++) {
        char form[CHARS];
        snprintf(form, sizeof form, "%s.", f->forms[i]);
        if (matches(form, sentence, name, NULL, NULL)) return true;
        snprintf(form, sizeof form, "%s{t}.", f->forms[i]); /* a tail after it */
        if (matches(form, sentence, name, NULL, NULL)) return true;
    }
    return false;
}

/* The one sentence that a topic such as "the founding of Tarn Works" means. */
static size_t the_sentence(const letter *l, const char *topic) {
    size_t found = 0, at = 0;
    for (size_t k = 0; k < kind_count(); k++) {
        for (size_t f = 0; f < KIND_FACTS; f++) {
            const fact *it = &kind_at(k)->facts[f];
            char        name[CHARS], asked[CHARS];
            snprintf(asked, sizeof asked, "%.*s{x}%s", (int)(strstr(it->topic, "{s}") - it->topic), it->topic,
                     strstr(it->topic, "{s}") + 3);
            if (!matches(asked, topic, "", name, NULL)) continue;
            for (size_t i = 0; i < l->n; i++)
                if (says(l->at[i], it, name)) found++, at = i;
        }
    }
    cr_assert_eq(found, 1, "%zu sentences are about %s", found, topic);
    return at;
}

/* Which request it is; {y} of an addition is a whole sentence, and no wording fits two requests in these texts. */
static int recognize(const char *request, int *wording, char *x, char *y) {
    for (int k = EDITS; k-- > 0;) { /* the plainest last: "Put {y} for {x}." fits much */
        for (int w = 0; w < WORDINGS; w++) {
            if (!matches(wordings[k][w], request, "", x, y)) continue;
            *wording = w;
            return k;
        }
    }
    cr_assert_fail("no wording fits: %s", request);
    return 0;
}

static void apply(letter *l, const char *request) {
    static const char *const numbers[] = {"sentence", "two sentences", "three sentences"};
    char                     x[CHARS] = "", y[CHARS] = "", last[CHARS];
    int                      wording, what = recognize(request, &wording, x, y);
    size_t                   at;
    switch (what) {
    case NAME:
        cr_assert_geq(replace(l, x, y), 1, "%s", request);
        break;
    case VALUE:
        cr_assert_eq(replace(l, x, y), 1, "%s", request);
        cr_assert_str_neq(x, y);
        break;
    case DROP:
        remove_sentence(l, the_sentence(l, x));
        break;
    case ONLY:
        at = the_sentence(l, x);
        memmove(l->at, l->at + at, sizeof *l->at);
        l->n = 1;
        break;
    case SHORT:
        for (at = 0; at < 3 && strcmp(numbers[at], y) != 0;) at++;
        cr_assert(at < 3 && l->n > at + 1, "%s", request);
        l->n = at + 1;
        break;
    case END:
        insert_sentence(l, l->n, y);
        break;
    case BEGIN:
        insert_sentence(l, 0, y);
        break;
    case LIST:
        cr_assert_not(l->list);
        l->list = true;
        break;
    default:
        memcpy(last, l->at[l->n - 1], sizeof last);
        l->n--;
        insert_sentence(l, 0, last);
        break;
    }
}

static void make(const char *params, split which, uint64_t i, example *x) {
    const scenario *s = registry_find(&scenario_registry, "multi_turn");
    param_values    p;
    err             e = {0};
    cr_assert_eq(param_parse_list(s->name, s->params, s->n_params, params, &p, &e), 0, "%s", e.text);
    cr_assert_eq(scenario_make(s, &p, 13, which, i, x, &e), 0, "%s", e.text);
}

/* The requests of a prompt: those of its lines that follow a text. */
static size_t requests_of(const char *prompt, char requests[TURNS][CHARS]) {
    size_t n = 0;
    for (const char *at = prompt; (at = strstr(at, "\nUSER: ")) != NULL;) {
        at += 7;
        cr_assert_lt(n, TURNS);
        snprintf(requests[n++], CHARS, "%.*s", (int)strcspn(at, "\n"), at);
    }
    return n;
}

Test(scenario_multi_turn, texts_are_what_requests_say) {
    static const char *const params[] = {"", "min_sentences=2,max_sentences=3,max_turns=1", "min_sentences=6"};
    example                  x = {0};
    for (size_t k = 0; k < sizeof params / sizeof *params; k++) {
        for (uint64_t i = 0; i < 500; i++) {
            char requests[TURNS][CHARS];
            make(params[k], i % 2 == 0 ? SPLIT_TRAIN : SPLIT_TEST, i, &x);
            cr_assert_eq(requests_of(x.prompt.at, requests), x.n_references);
            for (size_t r = 0; r < x.n_references; r++) {
                letter before = letter_of(x.references[r].at);
                letter after = letter_of(r + 1 < x.n_references ? x.references[r + 1].at : x.output.at);
                apply(&before, requests[r]);
                cr_assert_eq(before.n, after.n, "%s%s", x.prompt.at, x.output.at);
                cr_assert_eq(before.list, after.list);
                for (size_t s = 0; s < after.n; s++) cr_assert_str_eq(before.at[s], after.at[s], "%s", x.prompt.at);
            }
        }
    }
    example_free(&x);
}

/* All sentences except those that the last request adds or changes are in the turn before. */
Test(scenario_multi_turn, outputs_repeat_most_sentences) {
    example x = {0};
    size_t  same = 0, sentences = 0;
    for (uint64_t i = 0; i < 500; i++) {
        make("", SPLIT_TRAIN, i, &x);
        letter out = letter_of(x.output.at);
        for (size_t s = 0; s < out.n; s++) {
            sentences++;
            same += strstr(x.references[x.n_references - 1].at, out.at[s]) != NULL;
        }
    }
    cr_expect_gt(same * 100, sentences * 70, "%zu of %zu", same, sentences);
    example_free(&x);
}

/* The kind of thing a text is about: the one that has a fact for its first sentence. */
static size_t kind_of(const char *text) {
    letter l = letter_of(text);
    size_t found = kind_count();
    for (size_t k = 0; k < kind_count(); k++) {
        for (size_t i = 0; i < KIND_FACTS * FACT_FORMS; i++) {
            char form[CHARS], *at;
            snprintf(form, sizeof form, "%s{t}", kind_at(k)->facts[i / FACT_FORMS].forms[i % FACT_FORMS]);
            while ((at = strstr(form, "{s}")) != NULL) at[1] = 'n'; /* any name */
            if (!matches(form, l.at[0], "", NULL, NULL)) continue;
            cr_assert(found == kind_count() || found == k, "%s", text);
            found = k;
        }
    }
    cr_assert_lt(found, kind_count(), "%s", text);
    return found;
}

/* A test record's last edit request is put in words that training never has for this kind of thing, but has for others.
 */
Test(scenario_multi_turn, tests_combine_what_training_has_apart) {
    enum { KINDS = 16 };
    bool    seen[2][EDITS][WORDINGS][KINDS] = {0};
    example x = {0};
    cr_assert_leq(kind_count(), KINDS);
    for (int which = 0; which < 2; which++) {
        for (uint64_t i = 0; i < 6000; i++) {
            char requests[TURNS][CHARS], a[CHARS], b[CHARS];
            make("", (split)which, i, &x);
            size_t n = requests_of(x.prompt.at, requests), about = kind_of(x.references[0].at);
            for (size_t turn = which == SPLIT_TEST ? n - 1 : 0; turn < n; turn++) {
                int wording, request = recognize(requests[turn], &wording, a, b);
                seen[which][request][wording][about] = true;
            }
        }
    }
    for (int k = 0; k < EDITS; k++) {
        for (int w = 0; w < WORDINGS; w++) {
            bool trained = false;
            for (size_t i = 0; i < kind_count(); i++) {
                trained = trained || seen[SPLIT_TRAIN][k][w][i];
                cr_expect_not(seen[SPLIT_TRAIN][k][w][i] && seen[SPLIT_TEST][k][w][i], "%s: %s", kind_at(i)->noun,
                              wordings[k][w]);
            }
            cr_expect(trained, "%s", wordings[k][w]);
        }
    }
    example_free(&x);
}
