#include "experiments/terminal/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "experiments/terminal/terminal.h"

void progress_duration(uint64_t s, char *text, size_t size) {
    if (s >= 3600)
        snprintf(text, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(text, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
}

/* "  3m09s left"; "" when it cannot be known. */
static void print_left(const progress *p, size_t units, uint64_t spent, char *text, size_t size) {
    char   duration[32];
    double share = p->share;
    *text = '\0';
    if (units <= p->first || units >= p->units.total) return;
    if (share <= 0) share = (double)(units - p->first) / (double)(p->units.total - p->first);
    progress_duration((uint64_t)((double)spent * (1 - share) / share / 1e9 + 0.5), duration, sizeof duration);
    snprintf(text, size, "  %s left", duration);
}

static void show(progress *p, size_t groups, size_t units, uint64_t now) {
    char   left[48];
    size_t total = p->units.total;
    print_left(p, units, now - p->begun_ns, left, sizeof left);
    fprintf(stderr, "%s%s: ", p->terminal ? "\r\033[K" : "", p->name);
    if (p->groups.name != NULL) fprintf(stderr, "%s %zu/%zu  ", p->groups.name, groups, p->groups.total);
    fprintf(stderr, "%s %zu/%zu (%zu%%)%s%s%s%s", p->units.name, units, total, total > 0 ? units * 100 / total : 100,
            p->note[0] != '\0' ? "  " : "", p->note, left, p->terminal ? "" : "\n");
    p->drawn = p->terminal;
    p->shown_ns = now;
}

void progress_begin(progress *p, const char *name, progress_kind groups, progress_kind units, bool quiet) {
    *p = (progress){.name = name, .groups = groups, .units = units, .quiet = quiet};
    p->terminal = terminal_redraws(STDERR_FILENO);
    p->begun_ns = p->shown_ns = clock_ns();
}

bool progress_due(const progress *p) {
    uint64_t every = p->terminal ? 200000000u : 10000000000u;
    return !p->quiet && clock_ns() - p->shown_ns >= every;
}

void progress_update(progress *p, size_t groups_done, size_t units_done) {
    if (progress_due(p)) show(p, groups_done, units_done, clock_ns());
}

void progress_clear(progress *p) {
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = false;
}

void progress_end(progress *p, size_t groups_done, size_t units_done) {
    if (p->quiet) return;
    show(p, groups_done, units_done, clock_ns());
    if (p->terminal) fputc('\n', stderr);
    p->drawn = false;
}
