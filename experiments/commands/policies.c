/* policies.c - `harness policies`: lists the drafting policies as the code declares them. */
#include "engine/policies/policy.h"

#include <stdio.h>

#include "experiments/commands/commands.h"
#include "experiments/terminal/wrap.h"

typedef struct {
    text_list names; /* none: all */
} options;

static const option_spec operands[] = {
    {"NAME", .type = &option_text, OPTION_AT(options, names), .list = true, .of = &policy_registry},
};

static void print_policy(const void *of) {
    const policy_ops *p = of;
    printf("%s\n  ", p->name);
    wrap_print(stdout, p->help, 2, 2);
    if (p->origin != NULL) {
        printf("  from: ");
        wrap_print(stdout, p->origin, 8, 8);
    }
    if (p->needs & NEEDS_TRUTH) printf("  needs: the output that plain decoding gives\n");
    if (p->needs & READS_LOGITS) printf("  needs: logits of the passes\n");
    if (p->needs & READS_TIMES) printf("  uses: times of passes, where there is a cost file\n");
    if (p->stages != NULL) printf("  needs: what its stages need\n");
    command_print_params(stdout, p->params, p->n_params);
}

static int run(void *opts, err *e) {
    const options *o = opts;
    return command_print_named(&policy_registry, &o->names, print_policy, e);
}

const command command_policies = {
    .name = "policies",
    .help = "list drafting policies with their parameters",
    .usage = "[NAME...]",
    .about = "Lists the drafting policies, or those named, for [policy NAME] in a config and for --policy NAME. Each "
             "parameter is shown with its default and its allowed values.",
    OPERANDS(operands),
    .size = sizeof(options),
    .run = run,
};
