/* retrieval.c - a question and the passages that a search brought; the answer quotes or rewords what they say.
 *
 * How the question is put decides how the answer is (struct manner): whole sentences word for word, or the same in
 * other words by the rule of facts.h. What is asked first is answered first. Most passages are about things of one
 * kind, so that wrong ones share phrases with right ones.
 */
#include <stdio.h>
#include <string.h>

#include "datasets/scenarios/facts.h"

enum { PASSAGES = EXAMPLE_REFERENCES, ASKS = 6 };

enum { P_VERBATIM, P_MIN_PASSAGES, P_MAX_PASSAGES, P_MIN_SENTENCES, P_MAX_SENTENCES, P_MIN_ASKS, P_MAX_ASKS };

static const param_spec params[] = {
    [P_VERBATIM] = PARAM_REAL("verbatim", 0.65, 0, 1, "share of questions that want the passages' own words"),
    [P_MIN_PASSAGES] = PARAM_INTEGER("min_passages", 5, 1, PASSAGES, "fewest passages"),
    [P_MAX_PASSAGES] = PARAM_INTEGER("max_passages", 10, 1, PASSAGES, "most passages"),
    [P_MIN_SENTENCES] = PARAM_INTEGER("min_sentences", 1, 1, KIND_FACTS, "fewest facts told in a passage"),
    [P_MAX_SENTENCES] = PARAM_INTEGER("max_sentences", 2, 1, KIND_FACTS, "most facts told in a passage"),
    [P_MIN_ASKS] = PARAM_INTEGER("min_asks", 1, 1, ASKS, "fewest requested facts, as far as so many are told"),
    [P_MAX_ASKS] = PARAM_INTEGER("max_asks", 3, 1, ASKS, "most requested facts"),
};

/* A way of asking and the way of answering that goes with it. {asks} is the list of what is asked. A sentence stands
 * between `first` or `next` and `after`; it has no full stop of its own. */
typedef struct {
    const char *name;
    bool        verbatim, topics; /* topics: "the founding of X", not "when X was founded" */
    const char *questions[3];
    const char *first, *next, *after, *close;
} manner;

static const manner manners[] = {
    {"quote",
     true,
     false,
     {"Quote the passages: {asks}?", "In which words do they say {asks}?",
      "Give the exact sentence that tells {asks}."},
     "The passages have it thus: ",
     " And also: ",
     ".",
     ""},
    {"sources",
     true,
     false,
     {"Tell me {asks}, with sources.", "I must know {asks}; name your sources.", "Say {asks} and where you read it."},
     "According to the sources: ",
     " And according to them: ",
     ", says the source.",
     " That is all the sources give."},
    {"letter",
     true,
     true,
     {"I am writing a letter about {asks}. What can I copy?", "For my letter I need a line on {asks}.",
      "Which lines about {asks} could go into a letter?"},
     "You could write: ",
     " You could go on: ",
     ".",
     " With kind regards."},
    {"record",
     true,
     true,
     {"Put on record {asks}.", "For the record: {asks}.", "Enter {asks} into the record."},
     "For the record: ",
     " Further: ",
     ".",
     " End of the record."},
    {"list",
     true,
     true,
     {"List what is said on {asks}.", "Make a list: {asks}.", "A list, please, on {asks}."},
     "Here is the list.\n- ",
     "\n- ",
     "",
     ""},
    {"witness",
     true,
     false,
     {"Can anyone confirm {asks}?", "Who can confirm {asks}?", "Is there proof of {asks}?"},
     "Yes, there is proof. ",
     " And this is confirmed as well. ",
     ", says a witness.",
     ""},
    {"own",
     false,
     false,
     {"In your own words, {asks}?", "Explain in other words {asks}.", "Do not quote, but say {asks}."},
     "Put in other words: ",
     " Then also: ",
     ".",
     ""},
    {"simple",
     false,
     false,
     {"Explain to a child {asks}.", "Say simply {asks}.", "A simple answer, please: {asks}?"},
     "It is simple. ",
     " And then this. ",
     ".",
     " Now you know."},
    {"report",
     false,
     true,
     {"Write a report on {asks}.", "A short report on {asks}, please.", "Report on {asks}."},
     "Report, part by part. ",
     " Next part. ",
     ".",
     " End of report."},
    {"guide",
     false,
     true,
     {"What would a guide tell visitors of {asks}?", "Speak like a guide about {asks}.",
      "As a guide, tell us of {asks}."},
     "Dear visitors: ",
     " And now, dear visitors: ",
     ".",
     " This way, please."},
};

/* One requested thing. */
typedef struct {
    size_t passage, fact;
} ask;

typedef struct {
    account passages[PASSAGES];
    size_t  n;
} shelf;

static void draw_shelf(dice *d, const param_values *p, names *taken, shelf *s) {
    size_t      min = (size_t)p->at[P_MIN_PASSAGES].integer, max = (size_t)p->at[P_MAX_PASSAGES].integer;
    size_t      shortest = (size_t)p->at[P_MIN_SENTENCES].integer, longest = (size_t)p->at[P_MAX_SENTENCES].integer;
    const kind *usual = kind_at(dice_below(d, kind_count()));
    s->n = dice_between(d, min, max);
    for (size_t i = 0; i < s->n; i++)
        account_draw(d, taken, dice_chance(d, 0.6) ? usual : kind_at(dice_below(d, kind_count())), shortest, longest,
                     &s->passages[i]);
}

static void write_passage(dice *d, const shelf *s, size_t i, text_buffer *out) {
    static const char *const endings[] = {
        "More is not known.",          "There the story ends.",
        "The rest is of no interest.", "Some pages are missing here.",
        "A picture shows all this.",   "Nobody has written more about it.",
        "So much for that.",           "Such things happen.",
        "This has not changed since.",
    };
    account_write(&s->passages[i], out);
    if (dice_chance(d, 0.2)) text_add(out, " %s", DICE_OF(d, endings));
}

/* Facts told in the passages, each at most once. */
static size_t draw_asks(dice *d, const shelf *s, size_t least, size_t most, ask asks[ASKS]) {
    size_t want = dice_between(d, least, most), n = 0;
    for (size_t tries = 0; n < want && tries < 20; tries++) {
        size_t passage = dice_below(d, s->n);
        ask    a = {passage, s->passages[passage].told[dice_below(d, s->passages[passage].n)]};
        bool   again = false;
        for (size_t i = 0; i < n; i++) again = again || (asks[i].passage == a.passage && asks[i].fact == a.fact);
        if (!again) asks[n++] = a;
    }
    return n;
}

/* A manner in which this may be asked: of the combinations with what is asked training has none that is held out, a
 * test record at least one. NULL when the dice found none. */
static const manner *draw_manner(dice *d, double verbatim, const shelf *s, const ask *asks, size_t n) {
    bool exact = dice_chance(d, verbatim);
    for (int tries = 0; tries < 40; tries++) {
        const manner *m = &DICE_OF(d, manners);
        size_t        held_out = 0;
        for (size_t i = 0; i < n; i++) {
            char        combination[96];
            const kind *k = s->passages[asks[i].passage].about.kind;
            snprintf(combination, sizeof combination, "retrieval/%s/%s/%s", m->name, k->noun,
                     k->facts[asks[i].fact].name);
            held_out += scenario_held_out(combination);
        }
        if (m->verbatim == exact && (d->split == SPLIT_TEST) == (held_out > 0)) return m;
    }
    return NULL;
}

/* Writes `template` up to {what}, and returns what follows it. */
static const char *put_until(text_buffer *out, const char *template, const char *what) {
    const char *at = strstr(template, what);
    size_t      n = at != NULL ? (size_t)(at - template) : strlen(template);
    text_put(out, template, n);
    return at != NULL ? at + strlen(what) : template + n;
}

static void write_question(const shelf *s, const manner *m, const char *wording, const ask *asks, size_t n,
                           text_buffer *out) {
    const char *rest = put_until(out, wording, "{asks}");
    for (size_t i = 0; i < n; i++) {
        const thing *t = &s->passages[asks[i].passage].about;
        const fact  *f = &t->kind->facts[asks[i].fact];
        if (i > 0) text_add(out, i + 1 == n ? " and " : ", ");
        thing_fill(t, asks[i].fact, m->topics ? f->topic : f->ask, out);
    }
    text_add(out, "%s", rest);
}

static void write_answer(const shelf *s, const manner *m, const ask *asks, size_t n, text_buffer *out) {
    for (size_t i = 0; i < n; i++) {
        const thing *t = &s->passages[asks[i].passage].about;
        text_add(out, "%s", i == 0 ? m->first : m->next);
        if (m->verbatim)
            thing_say(t, asks[i].fact, out);
        else
            thing_reword(t, asks[i].fact, out);
        text_add(out, "%s", m->after);
    }
    text_add(out, "%s", m->close);
}

static void make(dice *d, const param_values *p, example *out) {
    names         taken;
    shelf         s;
    ask           asks[ASKS];
    const manner *m = NULL;
    size_t        n = 0;

    /* A few passages may hold nothing that this split lets anyone ask: then other passages are drawn. */
    for (int tries = 0; m == NULL; tries++) {
        if (tries % 10 == 0) {
            taken = (names){0};
            draw_shelf(d, p, &taken, &s);
        }
        n = draw_asks(d, &s, (size_t)p->at[P_MIN_ASKS].integer, (size_t)p->at[P_MAX_ASKS].integer, asks);
        m = draw_manner(d, p->at[P_VERBATIM].real, &s, asks, n);
    }
    text_add(&out->prompt, "Question: ");
    write_question(&s, m, DICE_OF(d, m->questions), asks, n, &out->prompt);
    text_add(&out->prompt, "\n");
    out->n_references = s.n;
    for (size_t i = 0; i < s.n; i++) {
        write_passage(d, &s, i, &out->references[i]);
        text_add(&out->prompt, "[%zu] %s\n", i + 1, out->references[i].at != NULL ? out->references[i].at : "");
    }
    text_add(&out->prompt, "Answer:");
    write_answer(&s, m, asks, n, &out->output);
}

const scenario scenario_retrieval = {
    .name = "retrieval",
    .help = "a question with passages; the answer quotes or rewords some of them",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .make = make,
};
