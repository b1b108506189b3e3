/* cache.c - an answer from earlier and a similar question: about another thing of the kind, with some values changed.
 *
 * The new question comes first and says what differs; all else of the answer stays as it is. Its wording decides how
 * the answer begins and ends, and whether the sentences are kept or said in other words by the rule of facts.h.
 */
#include <stdio.h>
#include <string.h>

#include "datasets/scenarios/facts.h"

enum { P_VERBATIM, P_MIN_SENTENCES, P_MAX_SENTENCES, P_MAX_CHANGES };

static const param_spec params[] = {
    [P_VERBATIM] = PARAM_REAL("verbatim", 0.8, 0, 1, "share of answers that keep the earlier one's sentences"),
    [P_MIN_SENTENCES] = PARAM_INTEGER("min_sentences", 2, 1, KIND_FACTS, "fewest sentences of an answer"),
    [P_MAX_SENTENCES] = PARAM_INTEGER("max_sentences", 6, 1, KIND_FACTS, "most sentences of an answer"),
    [P_MAX_CHANGES] = PARAM_INTEGER("max_changes", 2, 0, 3, "most values that differ"),
};

/* {t}: the thing asked about, with its article. */
static const struct {
    const char *name;
    bool        verbatim;
    const char *question, *begin, *end;
} manners[] = {
    {"tell", true, "Tell me about {t}.", "Here is what I know. ", ""},
    {"known", true, "What is known of {t}?", "The following is known. ", " Nothing else is known."},
    {"guide", true, "I need a few lines on {t} for a guide.", "For the guide: ", ""},
    {"school", true, "My child has to write about {t} at school.", "Your child could write: ", " Good luck at school."},
    {"visit", true, "We are going to hear about {t} tomorrow; what should we know?",
     "Before tomorrow you should know this. ", " Have a good day."},
    {"again", true, "Once more, about {t}.", "Once more, then. ", ""},
    {"simple", false, "Say it simply, and not in the same words: what about {t}?", "Simply said: ", ""},
    {"fresh", false, "I want a fresh text about {t}.", "A fresh text. ", " That is all."},
};

/* The value {x} of the earlier answer is {y} in the new one. */
static const struct {
    const char *name, *form;
} differences[] = {
    {"but", " But it is {y} and not {x}."},
    {"instead", " Say {y} instead of {x}."},
    {"where", " Where it was {x}, it is {y} now."},
    {"read", " For {x} read {y}."},
    {"replace", " Replace {x} by {y}."},
    {"changed", " Here {x} has changed to {y}."},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void put_answer(const account *a, size_t manner, bool reword, text_buffer *out) {
    text_add(out, "%s", manners[manner].begin);
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0) text_add(out, " ");
        if (reword)
            thing_reword(&a->about, a->told[i], out);
        else
            thing_say(&a->about, a->told[i], out);
        text_add(out, ".");
    }
    text_add(out, "%s", manners[manner].end);
}

/* Whether a value stands once among all that is told, so that "not 40 but 50" has one meaning. */
static bool is_single(const account *a, const char *value) {
    size_t found = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t v = 0; v < 2; v++) found += strcmp(a->about.values[a->told[i]][v], value) == 0;
    return found == 1;
}

/* Changes a value and says so; false when the dice chose one that cannot be told from another. */
static bool put_difference(dice *d, names *taken, account *a, size_t form, text_buffer *out) {
    char   old[VALUE_SIZE];
    size_t told = a->told[dice_below(d, a->n)], v = dice_below(d, 2);
    if (!is_single(a, a->about.values[told][v])) return false;
    memcpy(old, a->about.values[told][v], sizeof old);
    do thing_change(d, taken, &a->about, told, v);
    while (!is_single(a, a->about.values[told][v]));
    for (const char *at = differences[form].form; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        text_put(out, at, plain);
        if (at[plain] == '\0') break;
        text_add(out, "%s", at[plain + 1] == 'x' ? old : a->about.values[told][v]);
        at += plain + 3;
    }
    return true;
}

static bool fits(const dice *d, const char *noun, size_t manner, size_t difference) {
    char combination[96];
    snprintf(combination, sizeof combination, "cache/%s/%s/%s", noun, manners[manner].name,
             differences[difference].name);
    return dice_fits(d, combination);
}

static void make(dice *d, const param_values *p, example *out) {
    names       taken = {0};
    account     a;
    const kind *k;
    size_t      manner, difference;
    bool        verbatim = dice_chance(d, p->at[P_VERBATIM].real);
    do {
        k = kind_at(dice_below(d, kind_count()));
        manner = dice_below(d, COUNT(manners));
        difference = dice_below(d, COUNT(differences));
    } while (manners[manner].verbatim != verbatim || !fits(d, k->noun, manner, difference));

    account_draw(d, &taken, k, (size_t)p->at[P_MIN_SENTENCES].integer, (size_t)p->at[P_MAX_SENTENCES].integer, &a);
    size_t before;
    do before = dice_below(d, COUNT(manners));
    while (!manners[before].verbatim);
    text_buffer earlier = {0};
    thing_fill(&a.about, 0, manners[before].question, &earlier);
    put_answer(&a, before, false, &out->references[0]);
    out->n_references = 1;

    a.about.name = name_draw(d, &taken, k->names);
    text_add(&out->prompt, "Question: ");
    thing_fill(&a.about, 0, manners[manner].question, &out->prompt);
    /* Without a difference the held-out combination would not show, so a test record has one where it may. */
    size_t most = (size_t)p->at[P_MAX_CHANGES].integer,
           changes = dice_between(d, d->split == SPLIT_TEST && most > 0, most);
    for (size_t i = 0, tries = 0; i < changes && tries < 20; tries++)
        i += put_difference(d, &taken, &a, difference, &out->prompt);
    text_add(&out->prompt, "\nEarlier question: %s\nEarlier answer: %s\nAnswer:", earlier.at != NULL ? earlier.at : "",
             out->references[0].at != NULL ? out->references[0].at : "");
    text_free(&earlier);
    put_answer(&a, manner, !verbatim, &out->output);
}

const scenario scenario_cache = {
    .name = "cache",
    .help = "an earlier answer, and the same question about another thing, with what differs",
    .params = params,
    .n_params = COUNT(params),
    .make = make,
};
