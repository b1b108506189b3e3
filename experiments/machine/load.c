#include "experiments/machine/load.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/base/clock.h"

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

/* "cpuN user nice system idle iowait irq softirq steal ..." (proc(5)); a guest's time is in user and nice. */
static void read_line(const char *line, double tick, load_moment *out) {
    unsigned           cpu;
    unsigned long long user, nice, kernel, idle, waiting, irq, soft, steal;
    if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &user, &nice, &kernel, &idle, &waiting,
               &irq, &soft, &steal) != 9 ||
        cpu >= CPU_SETSIZE)
        return;
    out->busy[cpu] = (double)(user + nice + kernel + irq + soft) * tick;
    out->stolen[cpu] = (double)steal * tick;
    out->known = true;
}

void load_now(load_moment *out) {
    struct rusage own;
    char          line[512];
    double        tick = 1 / (double)sysconf(_SC_CLK_TCK);
    FILE         *f = fopen("/proc/stat", "r");
    *out = (load_moment){.wall_ns = clock_ns()};
    while (f != NULL && fgets(line, sizeof line, f) != NULL) read_line(line, tick, out);
    if (f != NULL) fclose(f);
    if (getrusage(RUSAGE_SELF, &own) == 0) out->own = seconds(own.ru_utime) + seconds(own.ru_stime);
}

/* The processors of all threads: OpenMP may have bound each to one of its own. */
static void usable_processors(cpu_set_t *all) {
    CPU_ZERO(all);
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; tasks != NULL && (d = readdir(tasks)) != NULL;) {
        cpu_set_t one;
        pid_t     id = (pid_t)atoi(d->d_name);
        if (id > 0 && sched_getaffinity(id, sizeof one, &one) == 0) CPU_OR(all, all, &one);
    }
    if (tasks != NULL) closedir(tasks);
}

load load_since(const load_moment *begun) {
    load        l = {0};
    load_moment now;
    cpu_set_t   usable;
    double      busy = 0;
    load_now(&now);
    usable_processors(&usable);
    double wall = (double)(now.wall_ns - begun->wall_ns) * 1e-9, own = now.own - begun->own;
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &usable)) continue;
        l.processors++;
        busy += now.busy[i] - begun->busy[i];
        l.stolen += (now.stolen[i] - begun->stolen[i]) / wall;
    }
    /* Some containers show a /proc/stat in which nothing moves. */
    l.known = begun->known && now.known && l.processors > 0 && wall > 0 && busy >= own / 2;
    /* Busy time is counted in ticks, and each processor may show one too many. */
    double excess = busy - own - (double)l.processors / (double)sysconf(_SC_CLK_TCK);
    l.others = l.known ? fmax(excess, 0) / wall : 0;
    return l;
}

/* A pass waits for its slowest thread, so losing a tenth of one processor may cost a tenth of the pass. Processors that
 * the threads leave free do not count. */
bool load_doubtful(const load *l, size_t threads, char *buf, size_t size) {
    double spare = l->processors > threads ? (double)(l->processors - threads) : 0;
    buf[0] = '\0';
    if (!l->known || l->others + l->stolen <= spare + 0.1) return false;
    snprintf(
        buf, size,
        "other processes used %.2f of %zu processors, and the hypervisor %.2f, while T(k) was timed with threads = %zu",
        l->others, l->processors, l->stolen, threads);
    return true;
}
