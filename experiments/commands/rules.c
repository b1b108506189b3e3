/* rules.c - `harness rules`: lists the acceptance rules as the code declares them. */
#include "engine/rules/rule.h"

#include <stdio.h>

#include "engine/target/target.h"
#include "experiments/commands/commands.h"
#include "experiments/terminal/wrap.h"

/* And the targets that give it. */
static void print_needs(const rule_ops *r) {
    size_t given = 0;
    for (size_t i = 0; i < target_registry.n; i++)
        given += (((const target_ops *)target_registry.at[i])->gives & r->needs) == r->needs;
    printf("  needs: %s (", r->needs & GIVES_LOGITS ? "logits" : "the target's choices");
    if (given == target_registry.n) printf("any target");
    for (size_t i = 0, n = 0; i < target_registry.n && given < target_registry.n; i++) {
        const target_ops *t = target_registry.at[i];
        if ((t->gives & r->needs) == r->needs) printf("%s%s", n++ == 0 ? "target " : " or ", t->name);
    }
    printf(")\n");
}

static void print_keeps(const rule_ops *r) {
    static const char *const keeps[] = {
        [SAME_TOKENS] = "plain decoding's tokens with the same seed, one for one",
        [SAME_DISTRIBUTION] = "plain decoding's distribution, not its tokens",
        [LOSSY] = "neither plain decoding's tokens nor its distribution",
    };
    char text[256];
    snprintf(text, sizeof text, "%s%s%s", keeps[r->keeps], r->more != NULL ? "; " : "", r->more != NULL ? r->more : "");
    printf("  keeps: ");
    wrap_print(stdout, text, 9, 9);
}

typedef struct {
    text_list names; /* none: all */
} options;

static const option_spec operands[] = {
    {"NAME", .type = &option_text, OPTION_AT(options, names), .list = true, .of = &rule_registry},
};

static void print_rule(const void *of) {
    const rule_ops *r = of;
    printf("%s\n  ", r->name);
    wrap_print(stdout, r->help, 2, 2);
    if (r->origin != NULL) {
        printf("  from: ");
        wrap_print(stdout, r->origin, 8, 8);
    }
    print_keeps(r);
    print_needs(r);
    command_print_params(stdout, r->params, r->n_params);
}

static int run(void *opts, err *e) {
    const options *o = opts;
    return command_print_named(&rule_registry, &o->names, print_rule, e);
}

const command command_rules = {
    .name = "rules",
    .help = "list acceptance rules with their parameters",
    .usage = "[NAME...]",
    .about =
        "Lists the acceptance rules, or those named, for [accept NAME] in a config and for --rule NAME. Each parameter "
        "is shown with its default and its allowed values.",
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
