#include "experiments/commands/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/number.h"
#include "engine/base/suggest.h"

static const command commands[] = {
#define COMMAND(id, name, help) {name, help, cmd_##id},
#include "experiments/commands/commands.def"
#undef COMMAND
};
enum { COMMANDS = sizeof commands / sizeof *commands };

size_t command_total(void) {
    return COMMANDS;
}

const command *command_at(size_t i) {
    return &commands[i];
}

const command *command_named(const char *name, err *e) {
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
        names[i] = commands[i].name;
    }
    err_unknown(e, "command line", "command", name, names, COMMANDS);
    return NULL;
}

void command_suggest_option(const char *wrong, const struct option *longs, char *buf, size_t size) {
    enum { MOST = 64 };
    const char *names[MOST], *fits[MOST];
    char        name[64];
    size_t      n = 0, n_fits = 0, at = 0, length = strcspn(wrong + 2, "=");
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), wrong + 2);
    for (; n < MOST && longs[n].name != NULL; n++) {
        names[n] = longs[n].name;
        if (strncmp(names[n], name, length) == 0) fits[n_fits++] = names[n];
    }
    buf[0] = '\0';
    if (*name == '\0') return;
    if (n_fits == 0 && (fits[0] = suggest(name, names, n)) != NULL) n_fits = 1;
    for (size_t i = 0; i < n_fits && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s'--%s'", i == 0 ? "; did you mean " : " or ", fits[i]);
    if (n_fits > 0 && at < size) snprintf(buf + at, size - at, "?");
}

int command_option(int argc, char **argv, const char *shorts, const struct option *longs, err *e) {
    opterr = 0;
    int c = getopt_long(argc, argv, shorts, longs, NULL);
    if (c != '?' && c != ':') return c;

    /* optopt is 0 after an unknown long option; otherwise a known option's value or an unknown character, and
     * then, inside a cluster, argv[optind - 1] may still be the argument before it. */
    char        character[] = {'-', (char)optopt, '\0'}, meant[128] = "";
    const char *shown = argv[optind - 1], *why = "unknown option";
    if (c == ':') {
        why = "no value after option";
    } else if (optopt > 127 || (optopt != 0 && strchr(shorts, optopt) != NULL)) {
        why = "no value is allowed in option";
    } else if (optopt != 0) {
        shown = character;
    } else {
        command_suggest_option(shown, longs, meant, sizeof meant);
    }
    err_input(e, "%s '%.200s'%s (see harness %s -h)", why, shown, meant, argv[0]);
    return '?';
}

int command_count(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out, err *e) {
    if (count_parse(text, min, max, out)) return 0;
    return err_input(e, "%s \"%.100s\" is not allowed (an integer from %" PRIu64 " to %" PRIu64 ")", name, text, min,
                     max);
}

int command_operands(int argc, char **argv, int min, int max, const char *what, err *e) {
    int n = argc - optind;
    if (n < min) return err_input(e, "%s needs %s (see harness %s -h)", argv[0], what, argv[0]);
    if (n > max) return err_input(e, "unexpected argument '%.200s' (see harness %s -h)", argv[optind + max], argv[0]);
    return 0;
}

int command_help_only(int argc, char **argv, const char *usage, bool *done, err *e) {
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int                        c;
    *done = false;
    while ((c = command_option(argc, argv, ":h", longs, e)) != -1) {
        if (c == '?') return -1;
        *done = true;
    }
    if (*done) fputs(usage, stdout);
    return *done ? 0 : command_operands(argc, argv, 0, 0, "no argument", e);
}

void command_print_params(const param_spec *params, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const param_spec *p = &params[i];
        char              allowed[512];
        size_t            choices = 0;
        switch (p->type) {
        case PARAM_IS_INTEGER:
        case PARAM_IS_REAL:
            printf("  %s = %.15g (%s, %.15g to %.15g)\n", p->name, p->preset,
                   p->type == PARAM_IS_INTEGER ? "integer" : "number", p->min, p->max);
            break;
        case PARAM_IS_CHOICE:
            while (p->choices[choices] != NULL) choices++;
            err_list(allowed, sizeof allowed, p->choices, choices);
            printf("  %s = %s (%s)\n", p->name, p->choices[(size_t)p->preset], allowed);
            break;
        case PARAM_IS_FILE:
            printf("  %s = FILE (must be given)\n", p->name);
            break;
        }
        printf("      %s\n", p->help);
    }
}
