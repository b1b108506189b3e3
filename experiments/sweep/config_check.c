#include "experiments/sweep/config_check.h"

#include <stdio.h>
#include <string.h>

#include "experiments/sweep/values.h"

int config_check_model(const ini_section *s, const model_config *m, err *e) {
    static const struct {
        const char *key;
        bool        of_weights; /* only for targets that need weights; else only for the others */
        bool        required;   /* by the targets it is for */
        const char *missing, *refused;
    } keys[] = {
        {"path", true, true, "needs a GGUF with weights", "needs no weights: name the file as tokenizer"},
        {"context", true, false, NULL, "has no context limit"},
        {"tokenizer", false, true, "needs a GGUF with a tokenizer, or \"bytes\"",
         "takes the tokenizer in the GGUF of its path"},
    };
    const char *name = m->target->name;
    bool        weights = (m->target->needs & NEEDS_WEIGHTS) != 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const ini_entry *entry = ini_find(s, keys[i].key);
        bool             fits = keys[i].of_weights == weights;
        if (entry == NULL && fits && keys[i].required)
            return err_input(e, "%s: [%s] has no \"%s\" (%s %s)", s->where, s->title, keys[i].key, name,
                             keys[i].missing);
        if (entry != NULL && !fits)
            return err_input(e, "%s: key \"%s\" does not go with target = %s (%s %s)", entry->parts[0].where,
                             keys[i].key, name, name, keys[i].refused);
    }
    return 0;
}

/* Every model meets every dataset and every rule. */
static int check_pairs(const config *c, err *e) {
    for (size_t d = 0; d < c->n_datasets; d++) {
        const dataset_config *data = &c->datasets[d];
        for (size_t m = 0; m < c->n_models && !data->forced; m++)
            if ((c->models[m].target->needs & NEEDS_RECORDING) != 0)
                return err_input(e,
                                 "%s:%zu: [dataset %s] is not forced, but [model %s] has target = %s (which can only "
                                 "follow a recorded output: set forced = yes)",
                                 c->path, data->line, data->label, c->models[m].label, c->models[m].target->name);
    }
    for (size_t r = 0; r < c->n_rules; r++) {
        const rule_config *by = &c->rules[r];
        if ((by->ops->needs & GIVES_LOGITS) == 0) continue;
        for (size_t m = 0; m < c->n_models; m++)
            if ((c->models[m].target->gives & GIVES_LOGITS) == 0)
                return err_input(e,
                                 "%s:%zu: [accept %s] needs logits, but [model %s] has target = %s, which gives none "
                                 "(a rule that needs none is [accept greedy])",
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

/* What a policy needs with any of its values. */
static unsigned needs_of(const policy_config *by) {
    param_values v = {0};
    unsigned     needs = 0;
    for (size_t i = 0; i < by->ops->n_params; i++) v.at[i] = by->values[i].at[0];
    needs |= policy_needs(by->ops, &v);
    for (size_t i = 0; i < by->ops->n_params; i++) {
        for (size_t k = 1; k < by->values[i].n; k++) {
            v.at[i] = by->values[i].at[k];
            needs |= policy_needs(by->ops, &v);
        }
        v.at[i] = by->values[i].at[0];
    }
    return needs;
}

/* Every model meets every policy. */
static int check_policies(const config *c, err *e) {
    for (size_t i = 0; i < c->n_policies; i++)
        for (size_t m = 0; m < c->n_models; m++) {
            const policy_config *by = &c->policies[i];
            const model_config  *to = &c->models[m];
            if ((needs_of(by) & READS_LOGITS) == 0 || (to->target->gives & GIVES_LOGITS) != 0) continue;
            return err_input(e,
                             "%s:%zu: [policy %s] drafts from logits, but [model %s] has target = %s, which gives none "
                             "(use target = transformer, or leave the policy out)",
                             c->path, by->line, by->ops->name, to->label, to->target->name);
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
    return err_input(e, "%s:%zu: %s makes a cell that %s on line %zu already makes (each point of the grid once)", path,
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
    return check_pairs(c, e) != 0 || check_policies(c, e) != 0 ? -1 : check_twins(c, e);
}
