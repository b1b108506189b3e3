#include "experiments/provenance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

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

/* Now, as ISO 8601 in UTC. */
static char *timestamp(err *e) {
    char      text[32];
    struct tm utc;
    time_t    now = time(NULL);
    if (gmtime_r(&now, &utc) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        err_run(e, "cannot tell the time");
        return NULL;
    }
    return mem_strdup(text, e);
}

int provenance_fill(provenance *p, const char *sweep, uint32_t threads, err *e) {
    const kernel_table *kernels = kernels_get(e);
    *p = (provenance){.threads = threads};
    if (kernels == NULL) return -1;
    p->sweep = mem_strdup(sweep, e);
    p->harness_version = mem_strdup(HARNESS_VERSION, e);
    p->git_commit = mem_strdup(BUILD_COMMIT, e);
    p->created = timestamp(e);
    p->cpu = cpu_name(e);
    p->isa = mem_strdup(kernels->isa, e);
    p->compiler = mem_strdup(BUILD_COMPILER, e);
    p->flags = mem_strdup(BUILD_FLAGS, e);

    char *const all[] = {p->sweep, p->harness_version, p->git_commit, p->created, p->cpu,
                         p->isa,   p->compiler,        p->flags};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] != NULL) continue;
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
        *p = (provenance){0};
        return -1;
    }
    return 0;
}
