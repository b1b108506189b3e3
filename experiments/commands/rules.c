/* rules.c - `harness rules`: how drafts are accepted, as the code declares it. */
#include <stdio.h>

#include "engine/rules/rule.h"
#include "experiments/commands/commands.h"

int cmd_rules(int argc, char **argv, err *e) {
    static const char        usage[] = "usage: harness rules\n"
                                       "Lists the acceptance rules: what [accept NAME] in a config and --rule NAME take.\n"
                                       "A parameter is shown with its default, type and range.\n"
                                       "\n"
                                       "  -h, --help  this text\n";
    static const char *const keeps[] = {
        [SAME_TOKENS] = "plain decoding's tokens with the same seed, one for one",
        [SAME_DISTRIBUTION] = "plain decoding's distribution, not its tokens",
        [LOSSY] = "neither plain decoding's tokens nor its distribution",
    };
    bool done;
    if (command_help_only(argc, argv, usage, &done, e) != 0) return -1;
    for (size_t i = 0; !done && i < rule_registry.n; i++) {
        const rule_ops *r = rule_registry.at[i];
        printf("%s%s\n  %s\n", i > 0 ? "\n" : "", r->name, r->help);
        if (r->origin != NULL) printf("  from: %s\n", r->origin);
        printf("  keeps: %s\n", keeps[r->keeps]);
        printf("  needs: %s\n",
               r->needs & GIVES_LOGITS ? "logits (target transformer)" : "the target's choices (any target)");
        command_print_params(r->params, r->n_params);
    }
    return 0;
}
