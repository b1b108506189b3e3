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
          {"{s} was born in {a} near {b}", "The year {a} saw the birth of {s} near {b}",
           "It was in {a}, near {b}, that {s} came into the world"},
          "yl"},
         {"trade",
          "how {s} earned a living",
          "the trade of {s}",
          {"{s} worked as a {a} for {b} years", "For a living {s} was a {a}, and this for {b} years",
           "The trade of {s} was that of a {a}, kept up for {b} years"},
          "tn"},
         {"teacher",
          "who taught {s}",
          "the schooling of {s}",
          {"{s} learned everything from {a} at {b}", "The one who taught {s} was {a} of {b}",
           "At school {s} had {a} as a teacher, who came from {b}"},
          "pl"},
         {"prize",
          "what prize {s} won",
          "the prize that {s} won",
          {"{s} won the {a} prize in {b}", "The {a} prize of {b} went to {s}", "A jury gave {s} the {a} prize in {b}"},
          "cy"},
         {"house",
          "what kind of house {s} lived in",
          "the house of {s}",
          {"{s} lived in a house of {a} with {b} windows", "The house of {s} was built of {a} and had {b} windows",
           "Home for {s} was a place of {a}, with {b} windows in all"},
          "mn"},
         {"book",
          "what {s} wrote about",
          "the writings of {s}",
          {"{s} wrote a long book about {a} and {b}", "A long book by {s} is about {a} and {b}",
           "The subject of the book that {s} left behind is {a} and {b}"},
          "gg"},
     }},
    {NAME_PLACE,
     "place",
     "",
     {
         {"settled",
          "who settled {s} and when",
          "the first settlers of {s}",
          {"{s} was settled in {a} by {b}", "The first house in {s} was raised in {a} by {b}",
           "People came to {s} in {a}, led by {b}"},
          "yp"},
         {"people",
          "how many people live in {s}",
          "the people of {s}",
          {"{s} has {a} people and {b} streets", "About {a} people live in {s}, along {b} streets",
           "There are {a} people in {s}, and {b} streets"},
          "Nn"},
         {"goods",
          "what {s} sells",
          "the trade of {s}",
          {"{s} lives by selling {a} and {b}", "Most of the income of {s} comes from {a} and {b}",
           "The markets know {s} for its {a} and its {b}"},
          "gg"},
         {"bridge",
          "what the bridge at {s} is like",
          "the bridge at {s}",
          {"{s} has a bridge of {a} that is {b} feet long", "The bridge at {s}, all of {a}, is {b} feet long",
           "Whoever enters {s} crosses a bridge of {a}, {b} feet from end to end"},
          "mn"},
         {"feast",
          "when {s} holds its feast",
          "the feast of {s}",
          {"{s} holds a feast every {a} in honour of {b}", "Every {a} there is a feast in {s} in honour of {b}",
           "The feast of {s} falls in {a} and honours {b}"},
          "op"},
         {"mayor",
          "who governs {s}",
          "the mayor of {s}",
          {"{s} chose {a} as mayor in {b}", "The mayor of {s} is {a}, chosen in {b}",
           "Since {b} the affairs of {s} have been led by {a}"},
          "py"},
     }},
    {NAME_COMPANY,
     "company",
     "",
     {
         {"founded",
          "who founded {s} and when",
          "the founding of {s}",
          {"{s} was founded in {a} by {b}", "It was {b} who began {s} in {a}",
           "The founder of {s}, in the year {a}, was {b}"},
          "yp"},
         {"makes",
          "what {s} makes",
          "the products of {s}",
          {"{s} makes {a} and, since {b}, much else", "What {s} produces is {a}, and since {b} much else",
           "The main product of {s} is {a}, though since {b} it is not the only one"},
          "gy"},
         {"staff",
          "how many people work for {s}",
          "the staff of {s}",
          {"{s} employs {a} people in {b} halls", "There are {a} people at work for {s}, in {b} halls",
           "The staff of {s} are {a} people, who fill {b} halls"},
          "Nn"},
         {"seat",
          "where the offices of {s} are",
          "the offices of {s}",
          {"{s} has its offices in {a}, in a building of {b}", "The offices of {s} are in {a}, behind walls of {b}",
           "Letters to {s} go to {a}, to a building of {b}"},
          "lm"},
         {"rival",
          "with whom {s} competes",
          "the rivals of {s}",
          {"{s} competes with {a} for orders from {b}", "The rival of {s} in the fight for orders from {b} is {a}",
           "Both {s} and {a} want the orders that come from {b}"},
          "cl"},
         {"loss",
          "what {s} lost",
          "the losses of {s}",
          {"{s} lost {a} crowns in the year {b}", "The year {b} cost {s} {a} crowns",
           "In {b} the books of {s} showed a loss of {a} crowns"},
          "Ny"},
     }},
    {NAME_MACHINE,
     "machine",
     "the ",
     {
         {"weight",
          "how heavy the {s} is",
          "the weight of the {s}",
          {"The {s} weighs {a} pounds without its {b} base", "Without its {b} base the {s} comes to {a} pounds",
           "On the scales the {s} shows {a} pounds, its {b} base not counted"},
          "nm"},
         {"built",
          "who built the {s} and when",
          "the maker of the {s}",
          {"The {s} was built in {a} by {b}", "The one who built the {s}, in {a}, was {b}",
           "In {a} the {s} left the hands of {b}"},
          "yp"},
         {"fuel",
          "what the {s} runs on",
          "the fuel of the {s}",
          {"The {s} runs on {a} and needs {b} gallons a day", "With {b} gallons of {a} the {s} runs for a day",
           "To work for a day the {s} takes {b} gallons of {a}"},
          "fn"},
         {"speed",
          "how fast the {s} works",
          "the speed of the {s}",
          {"The {s} makes {a} turns a minute at {b} degrees", "At {b} degrees the {s} reaches {a} turns a minute",
           "The speed of the {s} is {a} turns a minute, measured at {b} degrees"},
          "nn"},
         {"stands",
          "where the {s} stands",
          "the place of the {s}",
          {"The {s} stands in {a}, beside a wall of {b}", "Visitors find the {s} in {a}, by a wall of {b}",
           "Its present home, for the {s}, is {a}, next to a wall of {b}"},
          "lm"},
         {"repair",
          "who repairs the {s}",
          "repairs of the {s}",
          {"The {s} is repaired by {a} every {b}", "Every {b} it is {a} who repairs the {s}",
           "Repairs of the {s} are the task of {a}, each {b}"},
          "po"},
     }},
    {NAME_DISH,
     "dish",
     "",
     {
         {"needs",
          "what goes into {s}",
          "what goes into {s}",
          {"{s} is made from {a} and {b}", "The cook needs {a} and {b} for {s}", "Into {s} go {a} and {b}"},
          "ee"},
         {"time",
          "how long {s} takes",
          "the time that {s} takes",
          {"{s} has to cook for {a} minutes and rest for {b}", "After {a} minutes on the fire {s} must rest for {b}",
           "Cooking {s} takes {a} minutes, and then it rests for {b}"},
          "nn"},
         {"origin",
          "where {s} comes from",
          "the origin of {s}",
          {"{s} comes from {a}, where {b} first cooked it", "The home of {s} is {a}, and its first cook was {b}",
           "It was in {a} that {b} cooked {s} for the first time"},
          "lp"},
         {"served",
          "how {s} is served",
          "the serving of {s}",
          {"{s} is served with {a} in a bowl of {b}", "A bowl of {b}, with {a}, is how {s} comes to the table",
           "At the table {s} appears in a bowl of {b}, with {a}"},
          "em"},
         {"season",
          "when {s} is eaten",
          "the season of {s}",
          {"{s} is eaten in {a} and never with {b}", "People eat {s} in {a}, and never with {b}",
           "The time for {s} is {a}, but never with {b}"},
          "oe"},
         {"price",
          "what {s} costs",
          "the price of {s}",
          {"{s} costs {a} pence at the {b} inn", "At the {b} inn the price of {s} is {a} pence",
           "Guests of the {b} inn pay {a} pence for {s}"},
          "nw"},
     }},
    {NAME_LAW,
     "law",
     "the ",
     {
         {"passed",
          "when the {s} was passed",
          "the passing of the {s}",
          {"The {s} was passed in {a} after {b} days of debate", "After {b} days of debate the {s} was passed in {a}",
           "In {a}, when {b} days had been spent on it, the {s} became law"},
          "yn"},
         {"forbids",
          "what the {s} forbids",
          "what the {s} forbids",
          {"The {s} forbids the sale of {a} in {b}", "Under the {s} nobody may sell {a} in {b}",
           "To sell {a} in {b} is against the {s}"},
          "gl"},
         {"fine",
          "what the fine under the {s} is",
          "the fine under the {s}",
          {"The {s} sets a fine of {a} crowns or {b} days in prison",
           "Whoever breaks the {s} pays {a} crowns or goes to prison for {b} days",
           "The price of breaking the {s} is {a} crowns, or {b} days in prison"},
          "nn"},
         {"author",
          "who wrote the {s}",
          "the author of the {s}",
          {"The {s} was written by {a}, a {b}", "The author of the {s} is {a}, a {b}",
           "It was {a}, a {b}, who put the {s} on paper"},
          "pt"},
         {"exempt",
          "whom the {s} exempts",
          "exceptions from the {s}",
          {"The {s} does not apply to any {a} from {b}", "Any {a} from {b} is free of the {s}",
           "Exempt from the {s} is every {a} from {b}"},
          "tl"},
         {"ends",
          "when the {s} ends",
          "the end of the {s}",
          {"The {s} ends in {a} unless {b} renews it", "Unless {b} renews it, the {s} ends in {a}",
           "The {s} is in force up to {a}, and longer only if {b} renews it"},
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
