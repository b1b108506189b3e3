/* policies.c - `harness policies`: what can draft, as the code declares it. */
#include <stdio.h>

#include "engine/policies/policy.h"
#include "experiments/commands/commands.h"

int cmd_policies(int argc, char **argv, err *e) {
    static const char usage[] = "usage: harness policies\n"
                                "Lists the drafting policies: what [policy NAME] in a config and --policy NAME take.\n"
                                "A parameter is shown with its default and what is allowed.\n"
                                "\n"
                                "  -h, --help  this text\n";
    bool              done;
    if (command_help_only(argc, argv, usage, &done, e) != 0) return -1;
    for (size_t i = 0; !done && i < policy_registry.n; i++) {
        const policy_ops *p = policy_registry.at[i];
        printf("%s%s\n  %s\n", i > 0 ? "\n" : "", p->name, p->help);
        if (p->origin != NULL) printf("  from: %s\n", p->origin);
        if (p->needs & NEEDS_TRUTH) printf("  needs: the output that plain decoding gives\n");
        command_print_params(p->params, p->n_params);
    }
    return 0;
}
