#include "experiments/machine/cache.h"

#include <stdio.h>
#include <unistd.h>

/* Of a cache of one CPU, from sysfs (Documentation/ABI/testing/sysfs-devices-system-cpu): its size, as in "32768K" of
 * 1024 bytes, or the first of the CPUs that share it, as in "0-7,64-71". False: there is no such cache. */
static bool read_number(long cpu, int index, const char *name, size_t *out) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%ld/cache/index%d/%s", cpu, index, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) return false;
    bool read = fscanf(f, "%zu", out) == 1;
    fclose(f);
    return read;
}

/* A cache that several CPUs share counts at the first of them. */
size_t cache_bytes(void) {
    size_t sum = 0;
    for (long cpu = 0, cpus = sysconf(_SC_NPROCESSORS_CONF); cpu < cpus; cpu++) {
        size_t last = 0, size, first;
        for (int i = 0; read_number(cpu, i, "size", &size) && read_number(cpu, i, "shared_cpu_list", &first); i++)
            last = first == (size_t)cpu ? size : 0; /* indices go up with the level */
        sum += last;
    }
    return sum * 1024;
}
