#include "experiments/sweep/config_check.h"

#include <stdio.h>
#include <string.h>

int config_check_model(const ini_section *s, const model_config *m, err *e) {
    static const struct {
        const char *target, *key;
        bool        required; /* else it is refused */
        const char *why;
    } rules[] = {
        {"replay", "tokenizer", true, "replay needs a GGUF with a tokenizer, or \"bytes\""},
        {"replay", "path", false, "replay needs no weights: name the file as tokenizer"},
        {"replay", "context", false, "replay has no context limit"},
        {"transformer", "path", true, "transformer needs a GGUF with weights"},
        {"transformer", "tokenizer", false, "transformer takes the tokenizer in the GGUF of its path"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].target, m->target->name) != 0) continue;
        const ini_entry *entry = ini_find(s, rules[i].key);
        if (entry == NULL && rules[i].required)
            return err_input(e, "%s: [%s] has no \"%s\" (%s)", s->where, s->title, rules[i].key, rules[i].why);
        if (entry != NULL && !rules[i].required)
            return err_input(e, "%s: key \"%s\" does not go with target = %s (%s)", entry->parts[0].where, rules[i].key,
                             rules[i].target, rules[i].why);
    }
    return 0;
}

static bool is_replay(const model_config *m) {
    return strcmp(m->target->name, "replay") == 0;
}

/* Every model meets every dataset and every rule. */
static int check_pairs(const config *c, err *e) {
    for (size_t d = 0; d < c->n_datasets; d++) {
        const dataset_config *data = &c->datasets[d];
        for (size_t m = 0; m < c->n_models && !data->forced; m++)
            if (is_replay(&c->models[m]))
                return err_input(e,
                                 "%s:%zu: [dataset %s] is not forced, but [model %s] is a replay (replay can only "
                                 "follow a recorded output: set forced = yes)",
                                 c->path, data->line, data->label, c->models[m].label);
    }
    for (size_t r = 0; r < c->n_rules; r++) {
        const rule_config *by = &c->rules[r];
        if ((by->ops->needs & GIVES_LOGITS) == 0) continue;
        for (size_t m = 0; m < c->n_models; m++)
            if ((c->models[m].target->gives & GIVES_LOGITS) == 0)
                return err_input(e,
                                 "%s:%zu: [accept %s] needs logits, but [model %s] is a %s, which gives none (use a "
                                 "transformer, or [accept greedy])",
                                 c->path, by->line, by->ops->name, c->models[m].label, c->models[m].target->name);
        for (size_t d = 0; d < c->n_datasets; d++)
            if (c->datasets[d].forced)
                return err_input(e,
                                 "%s:%zu: [accept %s] needs logits to decide by, but [dataset %s] is forced to its "
                                 "recorded output (set forced = no, or use [accept greedy])",
                                 c->path, by->line, by->ops->name, c->datasets[d].label);
    }
    return 0;
}

/* "[KIND NAME]" or "[KIND NAME LABEL]" */
static void section_title(char *buf, size_t size, const char *kind, const char *name, const char *label) {
    snprintf(buf, size, "[%s %s%s%s]", kind, name, *label != '\0' ? " " : "", label);
}

static int refuse_twins(const char *path, const char *kind, const char *name, const char *label, size_t line,
                        const char *other_label, size_t other_line, err *e) {
    char here[200], there[200];
    section_title(here, sizeof here, kind, name, label);
    section_title(there, sizeof there, kind, name, other_label);
    return err_input(e, "%s:%zu: %s makes a cell that %s on line %zu makes already (each point of the grid once)", path,
                     line, here, there, other_line);
}

static int check_twins(const config *c, err *e) {
    for (size_t i = 0; i < c->n_policies; i++)
        for (size_t k = 0; k < i; k++) {
            const policy_config *a = &c->policies[k], *b = &c->policies[i];
            if (a->ops == b->ops && values_meet(a->values, b->values, a->ops->n_params))
                return refuse_twins(c->path, "policy", b->ops->name, b->label, b->line, a->label, a->line, e);
        }
    for (size_t i = 0; i < c->n_rules; i++)
        for (size_t k = 0; k < i; k++) {
            const rule_config *a = &c->rules[k], *b = &c->rules[i];
            if (a->ops == b->ops && values_meet(a->values, b->values, a->ops->n_params))
                return refuse_twins(c->path, "accept", b->ops->name, b->label, b->line, a->label, a->line, e);
        }
    return 0;
}

int config_check(const config *c, err *e) {
    return check_pairs(c, e) != 0 ? -1 : check_twins(c, e);
}
