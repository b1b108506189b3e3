/* completion_bash.c - completion for bash: a table of what follows which option of which command, and a function that
 * reads it. bash splits words at = and :, so --policy=llma are three of them. */
#include "experiments/commands/commands.h"
#include "experiments/commands/completion.h"

/* "@f:gguf" are files with this ending, "@f:" all, "@d" folders; the rest are words. */
static void print_values(const completion *c, FILE *out) {
    for (size_t i = 0; i < c->n; i++) fprintf(out, " %s", c->names[i]);
    if (c->files) fprintf(out, " @f:%s", c->ending);
    if (c->folders) fprintf(out, " @d");
}

static void print_command(const command *c, FILE *out) {
    completion values;
    for (size_t i = 0; i < c->n_options; i++) {
        const option_spec *s = &c->options[i];
        if (s->type->is_flag) continue;
        completion_of(s, &values);
        fprintf(out, "    '%s --%s'", c->name, s->name);
        if (s->letter != 0) fprintf(out, " | '%s -%c'", c->name, s->letter);
        fprintf(out, ") values='");
        print_values(&values, out);
        fprintf(out, "' ;;\n");
    }
    fprintf(out, "    '%s operands') values='", c->name);
    for (size_t i = 0; i < c->n_operands; i++) {
        completion_of(&c->operands[i], &values);
        print_values(&values, out);
    }
    fprintf(out, "' ;;\n    '%s options') values='", c->name);
    for (size_t i = 0; i < c->n_options; i++) {
        if (c->options[i].letter != 0) fprintf(out, " -%c", c->options[i].letter);
        fprintf(out, " --%s", c->options[i].name);
    }
    fprintf(out, " -h --help' ;;\n");
}

/* Optional values come after = only. */
static void print_implied(FILE *out) {
    fputs("_harness_has_value() { # COMMAND OPTION: whether the next word is its value\n    case $1 in\n", out);
    for (size_t i = 0; i < command_registry.n; i++) {
        const command *c = command_registry.at[i];
        for (size_t k = 0; k < c->n_options; k++)
            if (c->options[k].implied != NULL)
                fprintf(out, "    '%s --%s') return 1 ;;\n", c->name, c->options[k].name);
    }
    fputs("    esac\n    _harness_values \"$1\"\n}\n\n", out);
}

static const char reader[] =
    "_harness() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}\n"
    "    local values= words= word ending IFS=$' \\t\\n'\n"
    "    COMPREPLY=()\n"
    "    case $command in\n"
    "    -h | --help) command=help ;;\n"
    "    esac\n"
    "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
    "        values=\"$_harness_commands\"\n"
    "    elif [ \"$cur\" = = ]; then\n"
    "        cur= && _harness_values \"$command $prev\"\n"
    "    elif [ \"$prev\" = = ]; then\n"
    "        _harness_values \"$command ${COMP_WORDS[COMP_CWORD - 2]}\"\n"
    "    elif [[ $prev == -* ]] && _harness_has_value \"$command $prev\"; then\n"
    "        :\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        _harness_values \"$command options\"\n"
    "    else\n"
    "        _harness_values \"$command operands\"\n"
    "    fi\n"
    "    for word in $values; do\n"
    "        case $word in\n"
    "        @f:*)\n"
    "            compopt -o filenames\n"
    "            ending=${word#@f:}\n"
    "            IFS=$'\\n'\n"
    "            if [ -n \"$ending\" ]; then\n"
    "                COMPREPLY+=($(compgen -f -X \"!*.$ending\" -- \"$cur\") $(compgen -d -- \"$cur\"))\n"
    "            else\n"
    "                COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
    "            fi\n"
    "            IFS=$' \\t\\n' ;;\n"
    "        @d)\n"
    "            compopt -o filenames\n"
    "            IFS=$'\\n'\n"
    "            COMPREPLY+=($(compgen -d -- \"$cur\"))\n"
    "            IFS=$' \\t\\n' ;;\n"
    "        *) words+=\" $word\" ;;\n"
    "        esac\n"
    "    done\n"
    "    COMPREPLY+=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "}\n"
    "complete -F _harness harness\n";

static void print(FILE *out) {
    fputs("# Completion of harness for bash; made by harness help --completion bash from the program's tables.\n\n",
          out);
    fputs("_harness_commands='-h --help --version", out);
    for (size_t i = 0; i < command_registry.n; i++) fprintf(out, " %s", registry_name(&command_registry, i));
    fputs("'\n\n_harness_values() { # \"COMMAND OPTION\": its values; there are none for a flag\n    case $1 in\n",
          out);
    for (size_t i = 0; i < command_registry.n; i++) print_command(command_registry.at[i], out);
    fputs("    *) return 1 ;;\n    esac\n}\n\n", out);
    print_implied(out);
    fputs(reader, out);
}

const completion_shell completion_bash = {"bash", print};
