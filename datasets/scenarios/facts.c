/* facts.c - the tables, and how a thing gets its values. */
#include "datasets/scenarios/facts.h"

#include <stdio.h>
#include <string.h>

static const kind kinds[] = {
    {NAME_PERSON,
     "person",
     "",
     {
         {"born",
          "when and where {s} was born",
          "the birth of {s}",
          {"{s} was born in {a} near {b}", "{s} came into the world near {b} in {a}",
           "{s} first saw the light in {a}, and this near {b}"},
          "yl"},
         {"trade",
          "how {s} earned a living",
          "the trade of {s}",
          {"{s} worked as a {a} for {b} years", "{s} spent {b} years as a {a}",
           "{s} earned a living as a {a}, and this for {b} years"},
          "tn"},
         {"teacher",
          "who taught {s}",
          "the schooling of {s}",
          {"{s} learned everything from {a} at {b}", "{s} went to school in {b}, where {a} taught",
           "{s} had {a} as a teacher, who came from {b}"},
          "pl"},
         {"prize",
          "what prize {s} won",
          "the prize that {s} won",
          {"{s} won the {a} prize in {b}", "{s} took home the {a} prize of {b}",
           "{s} was given the {a} prize by the jury of {b}"},
          "cy"},
         {"house",
          "what kind of house {s} lived in",
          "the house of {s}",
          {"{s} lived in a house of {a} with {b} windows", "{s} called a house of {a} home, behind {b} windows",
           "{s} had a home of {a}, with {b} windows in all"},
          "mn"},
         {"book",
          "what {s} wrote about",
          "the writings of {s}",
          {"{s} wrote a long book about {a} and {b}", "{s} left behind a long book on {a} and {b}",
           "{s} put on paper all that is known of {a} and {b}"},
          "gg"},
     }},
    {NAME_PLACE,
     "place",
     "",
     {
         {"settled",
          "who settled {s} and when",
          "the first settlers of {s}",
          {"{s} was settled in {a} by {b}", "{s} got its first house from {b} in {a}",
           "{s} goes back to {b}, who came there in {a}"},
          "yp"},
         {"people",
          "how many people live in {s}",
          "the people of {s}",
          {"{s} has {a} people and {b} streets", "{s} counts {b} streets, where {a} people live",
           "{s} is home to {a} people, who live along {b} streets"},
          "Nn"},
         {"goods",
          "what {s} sells",
          "the goods of {s}",
          {"{s} lives by selling {a} and {b}", "{s} earns most of its income from {a} and {b}",
           "{s} is known in the markets for its {a} and its {b}"},
          "gg"},
         {"bridge",
          "what the bridge at {s} is like",
          "the bridge at {s}",
          {"{s} has a bridge of {a} that is {b} feet long", "{s} built its bridge, {b} feet long, from {a}",
           "{s} is entered by a bridge of {a}, {b} feet from end to end"},
          "mn"},
         {"feast",
          "when {s} holds its feast",
          "the feast of {s}",
          {"{s} holds a feast every {a} in honour of {b}", "{s} honours {b} with a feast every {a}",
           "{s} celebrates {b} each {a}"},
          "op"},
         {"mayor",
          "who governs {s}",
          "the mayor of {s}",
          {"{s} chose {a} as mayor in {b}", "{s} has been led since {b} by {a} as its mayor",
           "{s} is governed by {a}, who was chosen in {b}"},
          "py"},
     }},
    {NAME_COMPANY,
     "company",
     "",
     {
         {"founded",
          "who founded {s} and when",
          "the founding of {s}",
          {"{s} was founded in {a} by {b}", "{s} goes back to {b}, who began it in {a}",
           "{s} had {b} as its founder, in the year {a}"},
          "yp"},
         {"makes",
          "what {s} makes",
          "the products of {s}",
          {"{s} makes {a} and, since {b}, much else", "{s} produces {a}, and since {b} much else",
           "{s} has {a} as its main product, though since {b} not the only one"},
          "gy"},
         {"staff",
          "how many people work for {s}",
          "the staff of {s}",
          {"{s} employs {a} people in {b} halls", "{s} fills {b} halls with {a} people",
           "{s} has a staff of {a}, who work in {b} halls"},
          "Nn"},
         {"seat",
          "where the offices of {s} are",
          "the offices of {s}",
          {"{s} has its offices in {a}, in a building of {b}", "{s} resides in {a}, behind walls of {b}",
           "{s} gets its letters in {a}, at a building of {b}"},
          "lm"},
         {"rival",
          "with whom {s} competes",
          "the rivals of {s}",
          {"{s} competes with {a} for orders from {b}", "{s} fights for the orders of {b} with {a}",
           "{s} has {a} as a rival for the orders that come from {b}"},
          "cl"},
         {"loss",
          "what {s} lost",
          "the losses of {s}",
          {"{s} lost {a} crowns in the year {b}", "{s} closed the year {b} with a loss of {a} crowns",
           "{s} had to write off {a} crowns in {b}"},
          "Ny"},
     }},
    {NAME_MACHINE,
     "machine",
     "the ",
     {
         {"weight",
          "how heavy the {s} is",
          "the weight of the {s}",
          {"The {s} weighs {a} pounds without its {b} base", "The {s} comes to {a} pounds if the {b} base is left out",
           "The {s} shows {a} pounds on the scales, its {b} base not counted"},
          "nm"},
         {"built",
          "who built the {s} and when",
          "the maker of the {s}",
          {"The {s} was built in {a} by {b}", "The {s} is the work of {b}, who built it in {a}",
           "The {s} left the hands of {b} in {a}"},
          "yp"},
         {"fuel",
          "what the {s} runs on",
          "the fuel of the {s}",
          {"The {s} runs on {a} and needs {b} gallons a day", "The {s} burns {b} gallons of {a} a day",
           "The {s} takes {b} gallons of {a} to work for a day"},
          "fn"},
         {"speed",
          "how fast the {s} works",
          "the speed of the {s}",
          {"The {s} makes {a} turns a minute at {b} degrees",
           "The {s} reaches {a} turns a minute when it has {b} degrees",
           "The {s} turns {a} times a minute, measured at {b} degrees"},
          "nn"},
         {"stands",
          "where the {s} stands",
          "the place of the {s}",
          {"The {s} stands in {a}, beside a wall of {b}", "The {s} can be seen in {a}, by a wall of {b}",
           "The {s} has its place in {a}, next to a wall of {b}"},
          "lm"},
         {"repair",
          "who repairs the {s}",
          "repairs of the {s}",
          {"The {s} is repaired by {a} every {b}", "The {s} goes to {a} for repairs every {b}",
           "The {s} is put in order by {a}, each {b}"},
          "po"},
     }},
    {NAME_DISH,
     "dish",
     "",
     {
         {"needs",
          "what goes into {s}",
          "what goes into {s}",
          {"{s} is made from {a} and {b}", "{s} needs {a} and {b}, says the cook", "{s} consists of {a} and of {b}"},
          "ee"},
         {"time",
          "how long {s} takes",
          "the time that {s} takes",
          {"{s} has to cook for {a} minutes and rest for {b}",
           "{s} stays on the fire for {a} minutes and then rests for {b}",
           "{s} is ready after {a} minutes of cooking, and {b} more of rest"},
          "nn"},
         {"origin",
          "where {s} comes from",
          "the origin of {s}",
          {"{s} comes from {a}, where {b} first cooked it", "{s} was first cooked by {b} in {a}",
           "{s} has its home in {a}, and {b} was its first cook"},
          "lp"},
         {"served",
          "how {s} is served",
          "the serving of {s}",
          {"{s} is served with {a} in a bowl of {b}", "{s} comes to the table in a bowl of {b}, with {a}",
           "{s} goes with {a}, and into a bowl of {b}"},
          "em"},
         {"season",
          "when {s} is eaten",
          "the season of {s}",
          {"{s} is eaten in {a} and never with {b}", "{s} tastes best in {a}, but never with {b}",
           "{s} has its time in {a}, and nobody takes {b} with it"},
          "oe"},
         {"price",
          "what {s} costs",
          "the price of {s}",
          {"{s} costs {a} pence at the {b} inn", "{s} can be had at the {b} inn for {a} pence",
           "{s} is sold to guests of the {b} inn for {a} pence"},
          "nw"},
     }},
    {NAME_LAW,
     "law",
     "the ",
     {
         {"passed",
          "when the {s} was passed",
          "the passing of the {s}",
          {"The {s} was passed in {a} after {b} days of debate",
           "The {s} took {b} days of debate and was passed in {a}",
           "The {s} became law in {a}, when {b} days had been spent on it"},
          "yn"},
         {"forbids",
          "what the {s} forbids",
          "what the {s} forbids",
          {"The {s} forbids the sale of {a} in {b}", "The {s} lets nobody sell {a} in {b}",
           "The {s} is against the sale of {a} in {b}"},
          "gl"},
         {"fine",
          "what the fine under the {s} is",
          "the fine under the {s}",
          {"The {s} sets a fine of {a} crowns or {b} days in prison",
           "The {s} sends those who break it to prison for {b} days or takes {a} crowns",
           "The {s} costs whoever breaks it {a} crowns, or {b} days in prison"},
          "nn"},
         {"author",
          "who wrote the {s}",
          "the author of the {s}",
          {"The {s} was written by {a}, a {b}", "The {s} has {a}, a {b}, as its author",
           "The {s} came from the pen of {a}, a {b}"},
          "pt"},
         {"exempt",
          "whom the {s} exempts",
          "exceptions from the {s}",
          {"The {s} does not apply to any {a} from {b}", "The {s} leaves every {a} from {b} free",
           "The {s} makes an exception for each {a} from {b}"},
          "tl"},
         {"ends",
          "when the {s} ends",
          "the end of the {s}",
          {"The {s} ends in {a} unless {b} renews it", "The {s} holds up to {a}, or longer if {b} renews it",
           "The {s} is in force up to {a}, and later only if {b} wants it"},
          "yp"},
     }},
};

size_t kind_count(void) {
    return sizeof kinds / sizeof *kinds;
}

const kind *kind_at(size_t i) {
    return &kinds[i];
}

static void draw_value(dice *d, names *taken, char what, char out[VALUE_SIZE]) {
    static const char *const trades[] = {"carpenter", "baker",  "judge",   "printer", "sailor", "doctor",
                                         "miner",     "tailor", "farmer",  "potter",  "singer", "banker",
                                         "clerk",     "weaver", "painter", "smith",   "lawyer", "gardener"};
    static const char *const materials[] = {"oak",          "brick", "copper", "iron",     "red stone",
                                            "white marble", "glass", "clay",   "pine",     "steel",
                                            "grey slate",   "brass", "tin",    "dark wood"};
    static const char *const goods[] = {"wool",   "salt",    "clocks",    "ropes",      "honey",
                                        "paper",  "candles", "leather",   "lamp oil",   "buttons",
                                        "silver", "horses",  "boats",     "fine cloth", "window glass",
                                        "maps",   "tea",     "old coins", "violins",    "soap"};
    static const char *const foods[] = {"barley",       "smoked fish", "onions",     "dried plums", "butter",
                                        "black pepper", "goat milk",   "turnips",    "walnuts",     "rye flour",
                                        "cabbage",      "mustard",     "lentils",    "sour cream",  "mushrooms",
                                        "apples",       "eggs",        "wild garlic"};
    static const char *const times[] = {"spring",   "early summer", "autumn",  "winter",   "March",
                                        "late May", "August",       "October", "November", "early June"};
    static const char *const fuels[] = {"coal gas", "petrol",      "lamp oil", "steam",
                                        "alcohol",  "river water", "wood gas"};
    static const char *const signs[] = {"Red Lion",  "Old Anchor", "Blue Boar",     "Three Keys",
                                        "Green Man", "White Swan", "Golden Plough", "Black Horse"};
    size_t                   number, thousands;
    switch (what) {
    case 'y':
        snprintf(out, VALUE_SIZE, "%zu", dice_between(d, 1640, 1998));
        return;
    case 'n':
        number = dice_between(d, 3, 99);
        snprintf(out, VALUE_SIZE, "%zu", dice_chance(d, 0.3) ? 10 * number : number);
        return;
    case 'N':
        number = dice_below(d, 1000);
        thousands = dice_between(d, 1, 98);
        snprintf(out, VALUE_SIZE, "%zu,%03zu", thousands, number);
        return;
    case 'p':
        snprintf(out, VALUE_SIZE, "%s", name_draw(d, taken, NAME_PERSON));
        return;
    case 'l':
        snprintf(out, VALUE_SIZE, "%s", name_draw(d, taken, NAME_PLACE));
        return;
    case 'c':
        snprintf(out, VALUE_SIZE, "%s", name_draw(d, taken, NAME_COMPANY));
        return;
    case 't':
        snprintf(out, VALUE_SIZE, "%s", DICE_OF(d, trades));
        return;
    case 'm':
        snprintf(out, VALUE_SIZE, "%s", DICE_OF(d, materials));
        return;
    case 'g':
        snprintf(out, VALUE_SIZE, "%s", DICE_OF(d, goods));
        return;
    case 'e':
        snprintf(out, VALUE_SIZE, "%s", DICE_OF(d, foods));
        return;
    case 'o':
        snprintf(out, VALUE_SIZE, "%s", DICE_OF(d, times));
        return;
    case 'f':
        snprintf(out, VALUE_SIZE, "%s", DICE_OF(d, fuels));
        return;
    default:
        snprintf(out, VALUE_SIZE, "%s", DICE_OF(d, signs));
        return;
    }
}

void thing_draw(dice *d, names *taken, const kind *k, thing *out) {
    static const char *const tails[] = {
        ", as the town records show",    ", or so the oldest people say",  ", which nobody disputes",
        " after two years of quarrels",  ", to the surprise of everyone",  ", according to a letter",
        ", though some doubt it",        ", and everybody knows it",       " in spite of the weather",
        ", as a brass plate still says", ", if the newspapers are right",  ", much to the joy of the children",
        ", as we now understand",        ", for which there is a witness", ", against all advice",
    };
    *out = (thing){.kind = k, .name = name_draw(d, taken, k->names)};
    for (size_t i = 0; i < KIND_FACTS; i++) {
        out->form[i] = dice_below(d, FACT_REWORDING);
        out->tail[i] = dice_chance(d, 0.4) ? DICE_OF(d, tails) : "";
    }
}

/* Values cost names, so only facts that are told get them. */
void thing_tell(dice *d, names *taken, thing *t, size_t i) {
    for (size_t v = 0; v < 2; v++) {
        do draw_value(d, taken, t->kind->facts[i].values[v], t->values[i][v]);
        while (v == 1 && strcmp(t->values[i][0], t->values[i][1]) == 0);
    }
}

void thing_change(dice *d, names *taken, thing *t, size_t i, size_t v) {
    char old[VALUE_SIZE];
    memcpy(old, t->values[i][v], sizeof old);
    do draw_value(d, taken, t->kind->facts[i].values[v], t->values[i][v]);
    while (strcmp(t->values[i][v], old) == 0 || strcmp(t->values[i][0], t->values[i][1]) == 0);
}

void thing_fill(const thing *t, size_t i, const char *template, text_buffer *out) {
    for (const char *at = template; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        text_put(out, at, plain);
        at += plain;
        if (*at == '\0') break;
        if (at[1] == 't') text_add(out, "%s", t->kind->article);
        const char *value = at[1] == 's' || at[1] == 't' ? t->name : t->values[i][at[1] == 'b'];
        text_put(out, value, strlen(value));
        at += 3;
    }
}

void thing_say(const thing *t, size_t i, text_buffer *out) {
    thing_fill(t, i, t->kind->facts[i].forms[t->form[i]], out);
    text_put(out, t->tail[i], strlen(t->tail[i]));
}

void thing_reword(const thing *t, size_t i, text_buffer *out) {
    thing_fill(t, i, t->kind->facts[i].forms[FACT_REWORDING], out);
}

void account_draw(dice *d, names *taken, const kind *k, size_t min, size_t max, account *out) {
    *out = (account){.n = dice_between(d, min, max)};
    thing_draw(d, taken, k, &out->about);
    dice_order(d, out->told, KIND_FACTS);
    for (size_t i = 0; i < out->n; i++) thing_tell(d, taken, &out->about, out->told[i]);
}

void account_write(const account *a, text_buffer *out) {
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0) text_add(out, " ");
        thing_say(&a->about, a->told[i], out);
        text_add(out, ".");
    }
}
