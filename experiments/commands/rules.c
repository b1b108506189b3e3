/* rules.c - `harness rules`: how drafts are accepted, as the code declares it. */
#include "engine/rules/rule.h"

#include <stdio.h>

#include "experiments/commands/commands.h"
#include "experiments/terminal/wrap.h"

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
        printf("  needs: %s\n",
               r->needs & GIVES_LOGITS ? "logits (target transformer)" : "the target's choices (any target)");
        command_print_params(r->params, r->n_params);
    }
    return 0;
}

const command command_rules = {
    .name = "rules",
    .help = "list acceptance rules with their parameters",
    .about =
        "Lists the acceptance rules: what [accept NAME] in a config and --rule NAME take. A parameter is shown with "
        "its default, type and range.",
    .run = run,
};
