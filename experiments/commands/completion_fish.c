/* completion_fish.c - completion for fish: a line for each option. */
#include "experiments/commands/commands.h"
#include "experiments/commands/completion.h"

static void print_help(const char *help, FILE *out) {
    char brief[256];
    completion_brief(help, brief, sizeof brief);
    fputs(" -d '", out);
    for (const char *c = brief; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\') putc('\\', out);
        putc(*c, out);
    }
    fputs("'\n", out);
}

/* The candidates, as an argument of -a. */
static void print_values(const completion *c, FILE *out) {
    fputs(" -a '", out);
    for (size_t i = 0; i < c->n; i++) fprintf(out, "%s%s", i > 0 ? " " : "", c->names[i]);
    if (c->files && c->ending[0] != '\0')
        fprintf(out, "%s(__fish_complete_suffix .%s)", c->n > 0 ? " " : "", c->ending);
    else if (c->files)
        fputs("(__fish_complete_path (commandline -ct))", out);
    if (c->folders) fputs("(__fish_complete_directories (commandline -ct))", out);
    fputs("'", out);
}

static void print_option(const command *c, const option_spec *s, FILE *out) {
    completion values;
    fprintf(out, "complete -c harness -n '__harness_on %s'", c->name);
    if (s->letter != 0) fprintf(out, " -s %c", s->letter);
    fprintf(out, " -l %s", s->name);
    completion_of(s, &values);
    if (!s->type->is_flag) fputs(s->implied != NULL ? " -f" : " -x", out);
    if (values.n > 0 || values.files || values.folders) print_values(&values, out);
    print_help(s->help, out);
}

static void print_command(const command *c, FILE *out) {
    fprintf(out, "\ncomplete -c harness -n __harness_begins -a %s", c->name);
    print_help(c->help, out);
    for (size_t i = 0; i < c->n_options; i++) print_option(c, &c->options[i], out);
    print_option(c, &option_help, out);
    for (size_t i = 0; i < c->n_operands; i++) {
        completion values;
        completion_of(&c->operands[i], &values);
        if (values.n == 0 && !values.files && !values.folders) continue;
        fprintf(out, "complete -c harness -n '__harness_on %s' -k", c->name);
        print_values(&values, out);
        putc('\n', out);
    }
}

static const char conditions[] = "function __harness_begins\n"
                                 "    test (count (commandline -opc)) = 1\n"
                                 "end\n"
                                 "function __harness_on\n"
                                 "    set -l words (commandline -opc)\n"
                                 "    test (count $words) -gt 1; and test $words[2] = $argv[1]\n"
                                 "end\n\n"
                                 "complete -c harness -f\n"
                                 "complete -c harness -n __harness_begins -s h -l help -d 'list the commands'\n"
                                 "complete -c harness -n __harness_begins -l version -d 'print the version'\n";

static void print(FILE *out) {
    fputs("# Completion of harness for fish; made by harness help --completion fish from the program's tables.\n", out);
    fputs(conditions, out);
    for (size_t i = 0; i < command_registry.n; i++) print_command(command_registry.at[i], out);
}

const completion_shell completion_fish = {"fish", print};
