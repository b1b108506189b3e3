/* harness.c - the program: finds the command, runs it, prints its error and decides the exit status.
 *
 * 0: done. 1: something failed while working; what is finished is kept. 2: usage, configuration or input
 * is at fault. Nothing else in the project exits or prints an error.
 */
#include <errno.h>
#include <gsl/gsl_errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/atomic.h"
#include "experiments/commands.h"
#include "experiments/provenance.h"
#include "experiments/suggest.h"

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv, err *e);
} commands[] = {
#define COMMAND(id, name, help) {name, help, cmd_##id},
#include "experiments/commands.def"
#undef COMMAND
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void) {
    printf("usage: harness COMMAND [OPTION]... [ARGUMENT]...\n"
           "Measures inference with reference: text that is copied, checked by the model, and the same bit for bit.\n"
           "\n");
    for (size_t i = 0; i < N_COMMANDS; i++) printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("\n"
           "harness COMMAND -h says more about one. --version prints the version.\n"
           "Exit status: 0 done; 1 something failed while working; 2 usage, configuration or input error.\n");
}

static int unknown_command(const char *name, err *e) {
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++) names[i] = commands[i].name;
    return err_unknown(e, "command line", "command", name, names, N_COMMANDS);
}

static int run(int argc, char **argv, err *e) {
    if (argc < 2) return err_input(e, "no command (see harness -h)");
    const char *name = argv[1];
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        print_help();
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("harness %s\n", HARNESS_VERSION);
        return 0;
    }
    if (name[0] == '-') return err_input(e, "unknown option '%.200s' (see harness -h)", name);
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return commands[i].run(argc - 1, argv + 1, e);
    return unknown_command(name, e);
}

/* Models are mapped into memory: this is how a disk that fails, or a file that another program cuts, shows there. */
static void on_lost_page(int sig, siginfo_t *info, void *context) {
    static const char text[] = "harness: a model's file cannot be read any more: the disk failed, or it was cut\n";
    (void)sig, (void)context;
    if (info->si_code != BUS_ADRERR) return; /* into the default: SA_RESETHAND */
    atomic_abandon();
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* nobody to tell */
    _exit(1);
}

int main(int argc, char **argv) {
    err e = {0};
    gsl_set_error_handler_off(); /* it would abort where memory is out; every result is checked */
    signal(SIGXFSZ, SIG_IGN);    /* a file over the user's limit is an error of write(2), with its name */
    struct sigaction act = {.sa_sigaction = on_lost_page, .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND)};
    sigaction(SIGBUS, &act, NULL);
    int status = run(argc, argv, &e);
    /* A full disk shows here at the latest. The first error is the one to tell. */
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
        if (errno == 0) errno = EIO; /* an earlier write failed */
        status = err_errno(&e, "standard output", "cannot write");
    }
    if (status == 0) return 0;
    fprintf(stderr, "harness: %s\n", e.text);
    return e.kind == ERR_INPUT ? 2 : 1;
}
