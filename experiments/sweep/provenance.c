#include "experiments/sweep/provenance.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/kernels/kernels.h"
#include "version.h" /* written by the Makefile */

const char *provenance_source(const char *path) {
    static const struct {
        const char *path, *digest;
    } sources[] = {
#define SOURCE(path, digest) {path, digest},
#include "sources.h" /* written by the Makefile */
#undef SOURCE
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (strcmp(sources[i].path, path) == 0) return sources[i].digest;
    return NULL;
}

/* The first "model name" of /proc/cpuinfo; elsewhere the machine's architecture. */
static char *cpu_name(err *e) {
    struct utsname host;
    char           line[512];
    const char    *name = NULL;
    FILE          *in = fopen("/proc/cpuinfo", "r");
    if (in == NULL && errno != ENOENT) {
        err_unreadable(e, "/proc/cpuinfo"); /* it exists: a name from elsewhere would be wrong */
        return NULL;
    }
    while (in != NULL && name == NULL && fgets(line, sizeof line, in) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        colon[strcspn(colon, "\n")] = '\0';
        name = colon + 1 + strspn(colon + 1, " \t");
    }
    if (in != NULL) fclose(in);
    if (name == NULL) name = uname(&host) == 0 ? host.machine : "unknown";
    return mem_strdup(name, e);
}

/* What scales the frequency of the processor that this runs on: "performance", "powersave". A virtual machine has none
 * of its own. */
static char *governor_name(err *e) {
    char  path[96], name[64] = "";
    int   cpu = sched_getcpu();
    FILE *in = NULL;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu >= 0 ? cpu : 0);
    if ((in = fopen(path, "r")) == NULL || fgets(name, sizeof name, in) == NULL) *name = '\0';
    if (in != NULL) fclose(in);
    name[strcspn(name, "\n")] = '\0';
    return mem_strdup(*name != '\0' ? name : "unknown", e);
}

/* Threads that wanted to run, on average over the last minute. */
static char *load_average(err *e) {
    double load;
    return getloadavg(&load, 1) == 1 ? mem_printf(e, "%.1f", load) : mem_strdup("unknown", e);
}

const char *provenance_user_flags(void) {
    return BUILD_USER_FLAGS;
}

char *provenance_now(err *e) {
    char      text[32];
    struct tm utc;
    time_t    now = time(NULL);
    if (gmtime_r(&now, &utc) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        err_run(e, "cannot tell the time");
        return NULL;
    }
    return mem_strdup(text, e);
}

/* Drawn once per process, and again after a fork. Not the pid: containers that share a folder share pids. */
static char *process_id(err *e) {
    static uint64_t id;
    static pid_t    drawn_in;
    if (drawn_in != getpid()) {
        if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id) {
            err_errno(e, "getrandom", "cannot draw an id for this process");
            return NULL;
        }
        drawn_in = getpid();
    }
    return mem_printf(e, "%016" PRIx64, id);
}

int provenance_process(process_row *p, err *e) {
    const kernel_table *kernels = kernels_get(e);
    *p = (process_row){0};
    if (kernels == NULL) return -1;
    p->id = process_id(e);
    p->harness_version = mem_strdup(HARNESS_VERSION, e);
    p->git_commit = mem_strdup(BUILD_COMMIT, e);
    p->started = provenance_now(e);
    p->cpu = cpu_name(e);
    p->isa = mem_strdup(kernels->isa, e);
    p->compiler = mem_strdup(BUILD_COMPILER, e);
    p->flags = mem_strdup(BUILD_FLAGS, e);
    p->governor = governor_name(e);
    p->load = load_average(e);
    if (p->id != NULL && p->harness_version != NULL && p->git_commit != NULL && p->started != NULL && p->cpu != NULL &&
        p->isa != NULL && p->compiler != NULL && p->flags != NULL && p->governor != NULL && p->load != NULL)
        return 0;
    process_free(p);
    return -1;
}

void process_free(process_row *p) {
    char *const all[] = {p->id,  p->harness_version, p->git_commit, p->started,  p->cpu,
                         p->isa, p->compiler,        p->flags,      p->governor, p->load};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *p = (process_row){0};
}
