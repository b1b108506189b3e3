/* multi_turn.c - a conversation: a text, and one or two requests to edit it. The output is the text after the last.
 *
 * Every request names what it is about: a fact by its topic, a value or a name as it is in the text. Sentences keep
 * their order unless the request changes it.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "datasets/scenarios/facts.h"

enum { P_MIN_SENTENCES, P_MAX_SENTENCES, P_MAX_TURNS };

static const param_spec params[] = {
    [P_MIN_SENTENCES] = PARAM_INTEGER("min_sentences", 3, 2, KIND_FACTS, "fewest sentences of the text"),
    [P_MAX_SENTENCES] = PARAM_INTEGER("max_sentences", 6, 2, KIND_FACTS, "most sentences of the text"),
    [P_MAX_TURNS] = PARAM_INTEGER("max_turns", 2, 1, 3, "most edit requests"),
};

typedef enum {
    EDIT_NAME,
    EDIT_VALUE,
    EDIT_DROP,
    EDIT_SHORT,
    EDIT_ONLY,
    EDIT_LIST,
    EDIT_END,
    EDIT_BEGIN,
    EDIT_MOVE,
    EDITS
} edit;

enum { WORDINGS = 4 };

/* {x} is what there is, {y} what takes its place. */
static const struct {
    const char *name, *wordings[WORDINGS];
} edits[EDITS] = {
    {"name",
     {"Make it about {y} instead of {x}.", "The same about {y} and not {x}, please.", "Write {y} where you wrote {x}.",
      "It is not {x}, it is {y}."}},
    {"value",
     {"Not {x} but {y} is right.", "Correct {x} to {y}.", "I made a mistake: it is {y}, not {x}.", "Put {y} for {x}."}},
    {"drop",
     {"Leave out {x}.", "Without the part on {x}, please.", "Drop what you say on {x}.",
      "Nobody cares about {x}; take it out."}},
    {"short",
     {"Too long: only the first {y}.", "Shorter, please; keep the first {y}.", "I have room for the first {y} alone.",
      "Cut it after the first {y}."}},
    {"only",
     {"I want only the part on {x}.", "Just the part on {x}, please.", "Keep nothing but {x}.",
      "Say only what is about {x}."}},
    {"list",
     {"Make a list of it.", "As a list, please.", "Put each sentence into a line of a list.",
      "A list would be better."}},
    {"end",
     {"End with the words {y}", "Add at the end: {y}", "It should close with {y}", "The last sentence should be {y}"}},
    {"begin",
     {"Begin with the words {y}", "Put in front: {y}", "It should open with {y}", "The first sentence should be {y}"}},
    {"move",
     {"Put the last sentence first.", "The last sentence should come first.",
      "Begin with what is now the last sentence.", "Move the end to the front."}},
};

static const char *const requests[] = {
    "Write a few lines on {t}.",   "Please write a notice about {t}.", "I need a short text about {t}.",
    "Tell the readers about {t}.", "A note on {t}, please.",           "Draft a text about {t}.",
};

/* Whole sentences that may stand first or last. */
static const char *const phrases[] = {
    "Thank you for reading.",    "Please keep this page.",       "All this was checked.",
    "Ask at the desk for more.", "Print this in large letters.", "This text is free to use.",
    "Questions are welcome.",    "The board has agreed to it.",  "Please pass this on.",
    "Here is what we found.",    "This is for our visitors.",    "Read this with care.",
};

/* The text as it stands. */
typedef struct {
    account     a;
    const char *begin, *end; /* NULL when there is none */
    bool        list;
} draft;

static void write_draft(const draft *x, text_buffer *out) {
    const char *between = "";
    if (x->begin != NULL) {
        text_add(out, x->list ? "- %s" : "%s", x->begin);
        between = x->list ? "\n" : " ";
    }
    for (size_t i = 0; i < x->a.n; i++) {
        text_add(out, x->list ? "%s- " : "%s", between);
        thing_say(&x->a.about, x->a.told[i], out);
        text_add(out, ".");
        between = x->list ? "\n" : " ";
    }
    if (x->end != NULL) text_add(out, x->list ? "%s- %s" : "%s%s", between, x->end);
}

static void put_request(const char *wording, const char *x, const char *y, text_buffer *out) {
    for (const char *at = wording; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        text_put(out, at, plain);
        if (at[plain] == '\0') break;
        text_add(out, "%s", at[plain + 1] == 'x' ? x : y);
        at += plain + 3;
    }
}

/* Whether a value is in the text exactly once, as whole words: 50 is in 50,541 too, and brass in a brass plate. */
static bool is_single(const draft *x, const char *value) {
    text_buffer text = {0};
    size_t      found = 0, n = strlen(value);
    write_draft(x, &text);
    for (const char *at = text.at; at != NULL && (at = strstr(at, value)) != NULL; at++)
        found += (at == text.at || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[n]);
    bool single = found == 1 || text.failed;
    text_free(&text);
    return single;
}

static void remove_fact(account *a, size_t at) {
    a->n--;
    memmove(a->told + at, a->told + at + 1, (a->n - at) * sizeof *a->told);
}

/* Makes an edit and writes the request for it; false, with nothing done, when it has no meaning for this text. */
static bool make_edit(dice *d, names *taken, edit what, const char *wording, draft *x, text_buffer *out) {
    static const char *const numbers[] = {"sentence", "two sentences", "three sentences"};
    account                 *a = &x->a;
    size_t                   i = dice_below(d, a->n), told = a->told[i], v = dice_below(d, 2);
    char                     old[VALUE_SIZE];
    text_buffer              topic = {0};
    bool                     done = true;
    thing_fill(&a->about, told, a->about.kind->facts[told].topic, &topic);
    switch (what) {
    case EDIT_NAME:
        snprintf(old, sizeof old, "%s", a->about.name);
        a->about.name = name_draw(d, taken, a->about.kind->names);
        put_request(wording, old, a->about.name, out);
        break;
    case EDIT_VALUE:
        if (!(done = is_single(x, a->about.values[told][v]))) break;
        memcpy(old, a->about.values[told][v], sizeof old);
        do thing_change(d, taken, &a->about, told, v);
        while (strcmp(old, a->about.values[told][v]) == 0 || !is_single(x, a->about.values[told][v]));
        put_request(wording, old, a->about.values[told][v], out);
        break;
    case EDIT_DROP:
        if (!(done = a->n > 1)) break;
        put_request(wording, topic.at != NULL ? topic.at : "", "", out);
        remove_fact(a, i);
        break;
    case EDIT_ONLY:
        if (!(done = a->n > 1)) break;
        put_request(wording, topic.at != NULL ? topic.at : "", "", out);
        a->told[0] = told;
        a->n = 1;
        x->begin = x->end = NULL;
        break;
    case EDIT_SHORT:
        v = dice_between(d, 1, 3);
        if (!(done = a->n > v && x->begin == NULL && x->end == NULL)) break;
        put_request(wording, "", numbers[v - 1], out);
        a->n = v;
        break;
    case EDIT_LIST:
        if (!(done = !x->list && a->n > 1)) break;
        put_request(wording, "", "", out);
        x->list = true;
        break;
    case EDIT_END:
        if (!(done = x->end == NULL)) break;
        do x->end = DICE_OF(d, phrases);
        while (x->end == x->begin);
        put_request(wording, "", x->end, out);
        break;
    case EDIT_BEGIN:
        if (!(done = x->begin == NULL)) break;
        do x->begin = DICE_OF(d, phrases);
        while (x->begin == x->end);
        put_request(wording, "", x->begin, out);
        break;
    case EDIT_MOVE:
    case EDITS:
        if (!(done = a->n > 1 && x->begin == NULL && x->end == NULL)) break;
        put_request(wording, "", "", out);
        told = a->told[a->n - 1];
        memmove(a->told + 1, a->told, (a->n - 1) * sizeof *a->told);
        a->told[0] = told;
        break;
    }
    text_free(&topic);
    return done;
}

/* Of the combinations with a kind of thing, training has none that is held out; a test record's last edit request is
 * one. */
static bool may_edit(const dice *d, const kind *k, size_t what, size_t wording, bool last) {
    char combination[96];
    snprintf(combination, sizeof combination, "multi_turn/%s/%s/%zu", k->noun, edits[what].name, wording);
    return d->split == SPLIT_TEST && !last ? true : dice_fits(d, combination);
}

/* Makes an edit that this split allows for the text as it is; false, with nothing done, when the dice found none. */
static bool request_edit(dice *d, names *taken, draft *x, bool last, text_buffer *out) {
    for (int tries = 0; tries < 1000; tries++) {
        size_t what = dice_below(d, EDITS), wording = dice_below(d, WORDINGS);
        if (may_edit(d, x->a.about.kind, what, wording, last) &&
            make_edit(d, taken, (edit)what, edits[what].wordings[wording], x, out))
            return true;
    }
    return false;
}

/* Writes a conversation into an empty example; false when nothing was left to edit in its last turn. */
static bool converse(dice *d, const param_values *p, example *out) {
    names  taken = {0};
    draft  x = {0};
    size_t turns = dice_between(d, 1, (size_t)p->at[P_MAX_TURNS].integer);
    account_draw(d, &taken, kind_at(dice_below(d, kind_count())), (size_t)p->at[P_MIN_SENTENCES].integer,
                 (size_t)p->at[P_MAX_SENTENCES].integer, &x.a);
    text_add(&out->prompt, "USER: ");
    thing_fill(&x.a.about, 0, DICE_OF(d, requests), &out->prompt);
    for (size_t turn = 0; turn < turns; turn++) {
        text_buffer *reference = &out->references[out->n_references++];
        write_draft(&x, reference);
        text_add(&out->prompt, "\nASSISTANT: %s\nUSER: ", reference->at != NULL ? reference->at : "");
        if (!request_edit(d, &taken, &x, turn + 1 == turns, &out->prompt)) return false;
    }
    text_add(&out->prompt, "\nASSISTANT:");
    write_draft(&x, &out->output);
    return true;
}

/* A text that earlier edits cut down may allow none of those that are held out for its kind. A test record would have
 * no last request then, so another conversation is begun. */
static void make(dice *d, const param_values *p, example *out) {
    while (!converse(d, p, out)) {
        text_clear(&out->prompt);
        while (out->n_references > 0) text_clear(&out->references[--out->n_references]);
    }
}

const scenario scenario_multi_turn = {
    .name = "multi_turn",
    .help = "a conversation about a text: the output is the text, edited as the last turn requests",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .make = make,
};
