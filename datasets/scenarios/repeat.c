/* repeat.c - invented names, and the same names once more: copying and nothing else.
 *
 * A name follows from nothing but its place in the reference, so what a net gets right here is copied (except the
 * known endings of some: _count, _limit). A net that trains on these records before all others finds the copying that
 * they need, and a curve of its accuracy on them shows when.
 */
#include "datasets/names.h"
#include "datasets/scenario.h"

enum { P_MIN_NAMES, P_MAX_NAMES };

static const param_spec params[] = {
    [P_MIN_NAMES] = PARAM_INTEGER("min_names", 4, 1, NAMES_TAKEN, "fewest names, of one or two words"),
    [P_MAX_NAMES] = PARAM_INTEGER("max_names", 24, 1, NAMES_TAKEN, "most names"),
};

static void make(dice *d, const param_values *p, example *out) {
    static const char *const requests[] = {"Once more: ", "Repeat: ", "Say it again: ", "Copy this: "};
    static const name_kind   kinds[] = {NAME_PERSON, NAME_IDENT};
    names                    taken = {0};
    size_t n = dice_between(d, (size_t)p->at[P_MIN_NAMES].integer, (size_t)p->at[P_MAX_NAMES].integer);
    text_add(&out->prompt, "%s", DICE_OF(d, requests));
    for (size_t i = 0; i < n; i++)
        text_add(&out->references[0], "%s%s", i > 0 ? " " : "", name_draw(d, &taken, kinds[i % 2]));
    out->n_references = 1;
    const char *text = out->references[0].at != NULL ? out->references[0].at : "";
    text_add(&out->prompt, "%s\nAnswer:", text);
    text_add(&out->output, "%s", text);
}

const scenario scenario_repeat = {
    .name = "repeat",
    .help = "invented names, which the output repeats one by one",
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .make = make,
};
