#include "experiments/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/base/clock.h"

static void show(progress *p, size_t cells, size_t trials, uint64_t now) {
    char     left[48] = "";
    uint64_t spent = now - p->begun_ns;
    if (trials > 0 && trials < p->trials) {
        double   rate = (double)trials / (double)spent;
        uint64_t s = (uint64_t)((double)(p->trials - trials) / rate / 1e9 + 0.5);
        if (s >= 3600)
            snprintf(left, sizeof left, "  %luh%02lum left", s / 3600, s / 60 % 60);
        else
            snprintf(left, sizeof left, "  %lum%02lus left", s / 60, s % 60);
    }
    fprintf(stderr, "%s%s: cells %zu/%zu  trials %zu/%zu (%zu%%)%s%s", p->terminal ? "\r\033[K" : "", p->name, cells,
            p->cells, trials, p->trials, p->trials > 0 ? trials * 100 / p->trials : 100, left, p->terminal ? "" : "\n");
    p->drawn = true;
    p->shown_ns = now;
}

void progress_begin(progress *p, const char *name, size_t cells, size_t trials, bool quiet) {
    *p = (progress){.name = name, .cells = cells, .trials = trials, .quiet = quiet};
    p->terminal = isatty(STDERR_FILENO);
    p->begun_ns = p->shown_ns = clock_ns();
}

void progress_update(progress *p, size_t cells_done, size_t trials_done) {
    uint64_t every = p->terminal ? 200000000u : 10000000000u;
    uint64_t now = clock_ns();
    if (!p->quiet && now - p->shown_ns >= every) show(p, cells_done, trials_done, now);
}

void progress_end(progress *p, size_t cells_done, size_t trials_done) {
    if (p->quiet) return;
    show(p, cells_done, trials_done, clock_ns());
    if (p->terminal) fputc('\n', stderr);
}
