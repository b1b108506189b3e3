/* policies.c - `harness policies`: lists the drafting policies as the code declares them. */
#include "engine/policies/policy.h"

#include <stdio.h>

#include "experiments/commands/commands.h"
#include "experiments/terminal/wrap.h"

static int run(void *options, err *e) {
    (void)options, (void)e;
    for (size_t i = 0; i < policy_registry.n; i++) {
        const policy_ops *p = policy_registry.at[i];
        printf("%s%s\n  ", i > 0 ? "\n" : "", p->name);
        wrap_print(stdout, p->help, 2, 2);
        if (p->origin != NULL) {
            printf("  from: ");
            wrap_print(stdout, p->origin, 8, 8);
        }
        if (p->needs & NEEDS_TRUTH) printf("  needs: the output that plain decoding gives\n");
        command_print_params(p->params, p->n_params);
    }
    return 0;
}

const command command_policies = {
    .name = "policies",
    .help = "list drafting policies with their parameters",
    .about =
        "Lists the drafting policies, for [policy NAME] in a config and for --policy NAME. Each parameter is shown "
        "with its default and its allowed values.",
    .run = run,
};
