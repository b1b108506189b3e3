/* harness.c - the program: finds the command, runs it, prints its error and decides the exit status.
 *
 * 0: done. 1: something failed while working; finished work is kept. 2: the usage, configuration or input
 * is at fault. Nothing else in the project exits or prints an error.
 */
#include <errno.h>
#include <gsl/gsl_errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/atomic.h"
#include "engine/base/utf8.h"
#include "experiments/commands/commands.h"

/* Options that stand for a command. */
static const char *command_of(const char *word) {
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) return "help";
    return strcmp(word, "--version") == 0 ? "version" : word;
}

static int unknown_option(const char *word, err *e) {
    static const char *const names[] = {"help", "version"};
    char                     meant[64] = "";
    if (word[1] == '-') options_suggest(word, names, 2, meant, sizeof meant);
    return err_input(e, "unknown option '%.200s'%s (see harness -h)", word, meant);
}

static int run(int argc, char **argv, err *e) {
    if (argc < 2) return err_input(e, "no command (see harness -h)");
    const char *name = command_of(argv[1]);
    if (name[0] == '-') return unknown_option(name, e);
    const command *c = registry_named(&command_registry, "command line", name, e);
    if (c == NULL) return -1;
    argv[1] = (char *)c->name;
    return command_run(c, argc - 1, argv + 1, e);
}

/* Models and datastores are mapped into memory, so a failing disk, or a file truncated by another program, shows up as
 * SIGBUS. */
static void on_lost_page(int sig, siginfo_t *info, void *context) {
    static const char text[] =
        "harness: a model or a datastore cannot be read any more: the disk failed, or its file was cut\n";
    static atomic_flag told = ATOMIC_FLAG_INIT;
    (void)context;
    if (info->si_code != BUS_ADRERR) {
        signal(sig, SIG_DFL);
        return; /* into it */
    }
    while (atomic_flag_test_and_set(&told)) pause(); /* another thread is ending the program */
    atomic_abandon();
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* there is nobody to tell */
    _exit(1);
}

/* What a terminal would act on, or hide, is not shown to it. */
static const utf8_rules shown = {.invalid = "?", .control = "?", .newline = "\n", .tab = "\t", .hidden = "?"};

int main(int argc, char **argv) {
    err e = {0};
    gsl_set_error_handler_off(); /* it would abort when memory runs out; every result is checked */
    atexit(atomic_abandon);      /* libgomp ends the program itself when it cannot start a thread */
    signal(SIGXFSZ,
           SIG_IGN); /* exceeding the file size limit is then an error of write(2), reported with the file's name */
    struct sigaction act = {.sa_sigaction = on_lost_page, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &act, NULL);
    int status = run(argc, argv, &e);
    /* A full disk shows up here at the latest. The first error is the one reported. */
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
        if (errno == 0) errno = EIO; /* an earlier write failed */
        status = err_errno(&e, "standard output", "cannot write");
    }
    if (status == 0) return 0;
    fputs("harness: ", stderr);
    utf8_write(e.text, strlen(e.text), &shown, stderr); /* names and texts in it may come from files */
    fputc('\n', stderr);
    return e.kind == ERR_INPUT ? 2 : 1;
}
