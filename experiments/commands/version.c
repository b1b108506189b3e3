/* version.c - `harness version`. */
#include <stdio.h>

#include "experiments/commands/commands.h"
#include "experiments/sweep/provenance.h"

static int run(void *options, err *e) {
    (void)options, (void)e;
    printf("harness %s\n", HARNESS_VERSION);
    return 0;
}

const command command_version = {
    .name = "version",
    .help = "print the version",
    .about = "Prints the version, as harness --version does.",
    .run = run,
};
