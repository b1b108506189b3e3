/* facts.h - invented things and what can be said of them.
 *
 * A fact of a kind of thing has one question and several sentences that say the same. The last of them no text tells:
 * it is what the others are in other words, so that a paraphrase follows from the sentence it is made from.
 */
#ifndef DATASETS_SCENARIOS_FACTS_H
#define DATASETS_SCENARIOS_FACTS_H

#include "datasets/names.h"
#include "datasets/scenario.h"

enum { FACT_FORMS = 3, FACT_REWORDING = FACT_FORMS - 1, KIND_FACTS = 6, VALUE_SIZE = 64 };

typedef struct {
    const char *name;              /* "founded": part of a combination's name */
    const char *ask;               /* "when {s} was founded" */
    const char *topic;             /* "the founding of {s}" */
    const char *forms[FACT_FORMS]; /* "{s} was founded in {a} by {b}": no full stop */
    const char *values;            /* what {a} and {b} are: y year, n number, p person, l place, m material, ... */
} fact;

typedef struct {
    name_kind   names;
    const char *noun, *article; /* "company"; "the " or "" */
    fact        facts[KIND_FACTS];
} kind;

size_t      kind_count(void);
const kind *kind_at(size_t i);

/* One thing, and of the facts that were told of it the values and the form in which each is said. */
typedef struct {
    const kind *kind;
    const char *name;
    char        values[KIND_FACTS][2][VALUE_SIZE];
    size_t      form[KIND_FACTS];
    const char *tail[KIND_FACTS]; /* "" or a clause that ends the sentence: ", as the records show" */
} thing;

void thing_draw(dice *d, names *taken, const kind *k, thing *out);
void thing_tell(dice *d, names *taken, thing *t, size_t i); /* gives fact i its values */

/* Another value for {a} (v = 0) or {b} (v = 1) of fact i. */
void thing_change(dice *d, names *taken, thing *t, size_t i, size_t v);

/* Writes a template of fact i: {s} the thing's name, {t} the same with its article, {a} and {b} the fact's values. */
void thing_fill(const thing *t, size_t i, const char *template, text_buffer *out);

/* The sentence of fact i as the thing's own text has it, with its tail, without a full stop. */
void thing_say(const thing *t, size_t i, text_buffer *out);
/* The same in other words, without the tail. */
void thing_reword(const thing *t, size_t i, text_buffer *out);

/* What is told of one thing: some of its facts, in an order. */
typedef struct {
    thing  about;
    size_t told[KIND_FACTS], n;
} account;

/* min to max facts, 1 <= min <= max <= KIND_FACTS. */
void account_draw(dice *d, names *taken, const kind *k, size_t min, size_t max, account *out);
void account_write(const account *a, text_buffer *out); /* sentences with full stops, one blank apart */

#endif
