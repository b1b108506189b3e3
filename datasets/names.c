/* names.c - words from syllables, and names from words.
 *
 * A word is onset vowel (middle vowel)* coda. Which split a word belongs to is decided by its hash, so a word drawn
 * for the wrong split is drawn again: seven of eight serve training.
 */
#include "datasets/names.h"

#include <stdio.h>
#include <string.h>

static const char *const onsets[] = {"b",  "br", "c",  "cl", "d", "dr", "f",  "fl", "g",  "gr", "h",  "j",
                                     "k",  "kr", "l",  "m",  "n", "p",  "pr", "qu", "r",  "s",  "sh", "sk",
                                     "st", "t",  "th", "tr", "v", "w",  "y",  "z",  "tw", "sl", "bl", "sp"};
static const char *const vowels[] = {"a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ea", "ou", "ai"};
static const char *const middles[] = {"b",  "ck", "d", "l",  "ll", "m", "n", "nd", "nt", "p",  "r",  "rd", "rl",
                                      "rm", "rn", "s", "ss", "st", "t", "v", "x",  "z",  "lt", "mb", "sk", "ng"};
static const char *const codas[] = {"n", "r", "l", "s", "th", "ck", "m", "nd", "rt", "st", "x", "d", "ll", "ng", ""};

/* What syllables can spell that is a word already, or that nobody wants to read. */
static const char *const known[] = {
    "all",   "back",  "bad",   "ball",  "band",   "bang",   "bar",   "barn",  "be",    "bead",   "bean",   "bear",
    "bed",   "bell",  "best",  "bill",  "black",  "block",  "board", "bond",  "both",  "bra",    "brain",  "bread",
    "brick", "bring", "bum",   "call",  "can",    "car",    "clean", "clear", "clock", "cock",   "cold",   "con",
    "cord",  "corn",  "cost",  "count", "court",  "cum",    "dad",   "dead",  "deal",  "den",    "dick",   "dildo",
    "do",    "dong",  "drain", "drill", "duck",   "dung",   "ear",   "fair",  "fall",  "far",    "fast",   "fear",
    "fill",  "find",  "flock", "fond",  "for",    "form",   "fort",  "four",  "fox",   "fuck",   "fund",   "gas",
    "gin",   "go",    "goal",  "god",   "gold",   "good",   "got",   "grain", "grand", "ground", "gun",    "hail",
    "hair",  "hall",  "hand",  "hard",  "has",    "he",     "head",  "hear",  "hell",  "her",    "hill",   "his",
    "ho",    "hold",  "horn",  "host",  "hour",   "in",     "jack",  "jail",  "jam",   "kill",   "kind",   "king",
    "knock", "land",  "last",  "lead",  "lean",   "least",  "list",  "load",  "lock",  "long",   "lost",   "luck",
    "mail",  "main",  "man",   "me",    "mean",   "men",    "mill",  "mind",  "mix",   "most",   "mother", "nail",
    "nazi",  "near",  "neck",  "neger", "no",     "nor",    "on",    "or",    "pack",  "pain",   "pair",   "part",
    "past",  "path",  "pea",   "pen",   "pest",   "pill",   "pond",  "poor",  "port",  "post",   "pound",  "pour",
    "prick", "quick", "rain",  "ran",   "rapist", "read",   "real",  "rest",  "ring",  "road",   "rock",   "roll",
    "round", "rum",   "run",   "sad",   "sail",   "salt",   "sand",  "sea",   "sell",  "send",   "set",    "sex",
    "she",   "sick",  "sin",   "sing",  "six",    "slick",  "slum",  "snail", "so",    "son",    "song",   "sound",
    "south", "spell", "spend", "spick", "spread", "spring", "stand", "star",  "stick", "still",  "stock",  "suck",
    "sun",   "tail",  "tank",  "tart",  "tea",    "teal",   "tell",  "ten",   "test",  "than",   "that",   "the",
    "then",  "thick", "thin",  "thing", "this",   "tits",   "to",    "toad",  "tour",  "track",  "trail",  "train",
    "trick", "truck", "turn",  "twins", "van",    "vast",   "wall",  "war",   "was",   "we",     "weal",   "well",
    "west",  "will",  "wind",  "with",  "won",    "worn",   "wort",  "yea",   "year",  "you",    "young",  "your",
};

static bool is_known(const char *word) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], word) == 0) return true;
    return false;
}

/* An invented word of this split, new to the record, of `middle_parts` + 1 vowels. */
static const char *invent(dice *d, names *taken, size_t middle_parts) {
    char  *out = taken->words[taken->n_words];
    size_t start = taken->start > 0 ? taken->start : WORD_START;
    bool   fits;
    do {
        const char *vowel = DICE_OF(d, vowels), *onset = DICE_OF(d, onsets);
        int         n = snprintf(out, WORD_SIZE, "%s%s", onset, vowel);
        for (size_t i = 0; i < middle_parts; i++) {
            const char *next = DICE_OF(d, vowels), *middle = DICE_OF(d, middles);
            n += snprintf(out + n, WORD_SIZE - (size_t)n, "%s%s", middle, next);
        }
        snprintf(out + n, WORD_SIZE - (size_t)n, "%s", DICE_OF(d, codas));
        fits = dice_fits(d, out) && !is_known(out);
        for (size_t i = 0; i < taken->n_words; i++) fits = fits && strncmp(out, taken->words[i], start) != 0;
    } while (!fits);
    taken->n_words++;
    return out;
}

static void capitalize(char *word) {
    *word = (char)(*word - 'a' + 'A');
}

static void compose(dice *d, names *taken, name_kind kind, char *out) {
    static const char *const places[] = {"Port %s",  "%s Bay",   "%s Ford", "Upper %s", "%s Hill",
                                         "Mount %s", "%s Falls", "%s",      "Lake %s",  "%s Cross"};
    static const char *const companies[] = {"%s Works", "%s Brothers", "%s Mills",   "%s Press",
                                            "%s Line",  "%s Foundry",  "%s Trading", "%s Union"};
    static const char *const machines[] = {"%s press", "%s loom",  "%s pump", "%s lathe",
                                           "%s crane", "%s drill", "%s kiln", "%s engine"};
    static const char *const dishes[] = {"%s stew", "%s bread", "%s soup",  "%s pie",
                                         "%s cake", "%s broth", "%s salad", "%s dumplings"};
    static const char *const laws[] = {"%s Act", "%s Charter", "%s Order", "%s Rule", "%s Statute", "%s Decree"};
    static const char *const parts[] = {"count", "limit", "total", "rate", "index", "level", "size", "mode", "path"};

    const char *word = invent(d, taken, dice_below(d, 2));
    const char *form = "%s";
    switch (kind) {
    case NAME_PERSON:
        snprintf(out, NAME_SIZE, "%s %s", word, invent(d, taken, dice_below(d, 2)));
        capitalize(out);
        capitalize(strchr(out, ' ') + 1);
        return;
    case NAME_IDENT:
        if (dice_chance(d, 0.5))
            snprintf(out, NAME_SIZE, "%s", word);
        else
            snprintf(out, NAME_SIZE, "%s_%s", word, DICE_OF(d, parts));
        return;
    case NAME_PLACE:
        form = DICE_OF(d, places);
        break;
    case NAME_COMPANY:
        form = DICE_OF(d, companies);
        break;
    case NAME_MACHINE:
        form = DICE_OF(d, machines);
        break;
    case NAME_DISH:
        form = DICE_OF(d, dishes);
        break;
    case NAME_LAW:
    case NAME_KINDS:
        form = DICE_OF(d, laws);
        break;
    }
    const char *at = strstr(form, "%s");
    snprintf(out, NAME_SIZE, "%.*s%s%s", (int)(at - form), form, word, at + 2);
    capitalize(out + (at - form));
}

const char *name_draw(dice *d, names *taken, name_kind kind) {
    char *out = taken->at[taken->n++];
    compose(d, taken, kind, out);
    return out;
}
