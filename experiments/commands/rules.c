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

static int run(void *options, err *e) {
    static const char *const keeps[] = {
        [SAME_TOKENS] = "plain decoding's tokens with the same seed, one for one",
        [SAME_DISTRIBUTION] = "plain decoding's distribution, not its tokens",
        [LOSSY] = "neither plain decoding's tokens nor its distribution",
    };
    (void)options, (void)e;
    for (size_t i = 0; i < rule_registry.n; i++) {
        const rule_ops *r = rule_registry.at[i];
        printf("%s%s\n  ", i > 0 ? "\n" : "", r->name);
        wrap_print(stdout, r->help, 2, 2);
        if (r->origin != NULL) {
            printf("  from: ");
            wrap_print(stdout, r->origin, 8, 8);
        }
        printf("  keeps: %s\n", keeps[r->keeps]);
        print_needs(r);
        command_print_params(r->params, r->n_params);
    }
    return 0;
}

const command command_rules = {
    .name = "rules",
    .help = "list acceptance rules with their parameters",
    .about =
        "Lists the acceptance rules, for [accept NAME] in a config and for --rule NAME. Each parameter is shown with "
        "its default and its allowed values.",
    .run = run,
};
