/* version.c - `harness version`. */
#include <stdio.h>

#include "experiments/commands/commands.h"
#include "experiments/sweep/provenance.h"

static const char usage[] = "usage: harness version\n"
                            "Prints the version, as harness --version does.\n"
                            "\n"
                            "  -h, --help  this text\n";

int cmd_version(int argc, char **argv, err *e) {
    bool done;
    if (command_help_only(argc, argv, usage, &done, e) != 0) return -1;
    if (!done) printf("harness %s\n", HARNESS_VERSION);
    return 0;
}
