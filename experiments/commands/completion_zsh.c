/* completion_zsh.c - completion for zsh: a function with _arguments for each command. */
#include "experiments/commands/commands.h"
#include "experiments/commands/completion.h"

/* The action after "MESSAGE:". */
static void print_values(const completion *c, FILE *out) {
    char files[64] = "";
    if (c->files) snprintf(files, sizeof files, c->ending[0] != '\0' ? "_files -g \"*.%s(-.)\"" : "_files", c->ending);
    if (c->folders) snprintf(files, sizeof files, "_files -/");
    if (c->n == 0) {
        fputs(files[0] != '\0' ? files : " ", out);
        return;
    }
    if (files[0] != '\0') fputs("{_alternative \"names:name:", out);
    putc('(', out);
    for (size_t i = 0; i < c->n; i++) fprintf(out, "%s%s", i > 0 ? " " : "", c->names[i]);
    putc(')', out);
    if (files[0] != '\0') fprintf(out, "\" \"files:file:_files -g \\\"*.%s(-.)\\\"\"}", c->ending);
}

/* One way to write an option: `word` is "-m+" or "--model=". */
static void print_form(const option_spec *s, const char *word, FILE *out) {
    char       brief[256];
    completion values;
    fputs(" \\\n        '", out);
    if (s->list)
        putc('*', out);
    else if (s->letter != 0)
        fprintf(out, "(-%c --%s)", s->letter, s->name);
    fprintf(out, "%s[", word);
    completion_brief(s->help, brief, sizeof brief);
    completion_quoted(brief, "[]:\\", out);
    putc(']', out);
    if (!s->type->is_flag) {
        completion_of(s, &values);
        fputs(s->implied != NULL ? "::" : ":", out);
        completion_quoted(s->arg, "[]:\\", out);
        putc(':', out);
        print_values(&values, out);
    }
    putc('\'', out);
}

static void print_option(const option_spec *s, FILE *out) {
    char word[64];
    if (s->letter != 0) {
        snprintf(word, sizeof word, "-%c%s", s->letter, s->type->is_flag ? "" : "+");
        print_form(s, word, out);
    }
    snprintf(word, sizeof word, "--%s%s", s->name, s->type->is_flag ? "" : s->implied != NULL ? "=-" : "=");
    print_form(s, word, out);
}

static void print_command(const command *c, FILE *out) {
    fprintf(out, "_harness_%s() {\n    _arguments -s -S", c->name);
    for (size_t i = 0; i < c->n_options; i++) print_option(&c->options[i], out);
    print_option(&option_help, out);
    for (size_t i = 0; i < c->n_operands; i++) {
        completion         values;
        const option_spec *s = &c->operands[i];
        completion_of(s, &values);
        fprintf(out, " \\\n        '%s:", s->list ? "*" : s->required ? "" : ":");
        completion_quoted(s->name, "[]:\\", out);
        putc(':', out);
        print_values(&values, out);
        putc('\'', out);
    }
    fputs("\n}\n\n", out);
}

static const char chooser[] =
    "_harness() {\n"
    "    local context state state_descr line ret=1\n"
    "    typeset -A opt_args\n"
    "    _arguments -C '(- *)'{-h,--help}'[list the commands]' '(- *)--version[print the version]' \\\n"
    "        '1:command:->command' '*::argument:->argument' && ret=0\n"
    "    case $state in\n"
    "    command) _describe -t commands command _harness_commands && ret=0 ;;\n"
    "    argument) (( $+functions[_harness_$words[1]] )) && _harness_$words[1] && ret=0 ;;\n"
    "    esac\n"
    "    return ret\n"
    "}\n\n"
    "if [ \"$funcstack[1]\" = _harness ]; then\n"
    "    _harness \"$@\"\n"
    "else\n"
    "    compdef _harness harness\n"
    "fi\n";

static void print(FILE *out) {
    fputs(
        "#compdef harness\n# Completion for zsh; made by harness help --completion zsh from the program's tables.\n\n",
        out);
    fputs("typeset -ga _harness_commands=(\n", out);
    for (size_t i = 0; i < command_registry.n; i++) {
        const command *c = command_registry.at[i];
        fprintf(out, "    '%s:", c->name);
        completion_quoted(c->help, ":\\", out);
        fputs("'\n", out);
    }
    fputs(")\n\n", out);
    for (size_t i = 0; i < command_registry.n; i++) print_command(command_registry.at[i], out);
    fputs(chooser, out);
}

const completion_shell completion_zsh = {"zsh", print};
