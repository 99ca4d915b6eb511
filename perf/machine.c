#include "machine.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static bool read_line(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");
    if (!f) return false;
    const bool good = fgets(text, (int)size, f) != NULL;
    fclose(f);
    if (good) text[strcspn(text, "\n")] = 0;
    return good;
}

/* x86 says "model name", AArch64 only "CPU part". */
const char *machine_cpu(void)
{
    static char name[160];
    FILE *f = name[0] ? NULL : fopen("/proc/cpuinfo", "r");
    char line[256];
    while (f && !name[0] && fgets(line, sizeof line, f)) {
        if (strncmp(line, "model name", 10) && strncmp(line, "CPU part", 8)) continue;
        const char *colon = strchr(line, ':');
        if (colon) snprintf(name, sizeof name, "%s", colon + 1 + strspn(colon + 1, " \t"));
        name[strcspn(name, "\n")] = 0;
    }
    if (f) fclose(f);
    if (!name[0]) strcpy(name, "unknown");
    return name;
}

int machine_processors(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

/* proc(5): user, nice, system, idle, iowait, irq, softirq, steal. */
double machine_busy(void)
{
    char line[256];
    unsigned long long t[8];
    if (!read_line("/proc/stat", line, sizeof line) || sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", t,
                                                              t + 1, t + 2, t + 3, t + 4, t + 5, t + 6, t + 7) != 8)
        return NAN;
    return (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)sysconf(_SC_CLK_TCK);
}

/* With OMP_PROC_BIND this thread is already pinned to one of them: the affinity mask would say 1, OpenMP knows better.
 */
int machine_cpus(void)
{
#ifdef _OPENMP
    return omp_get_num_procs();
#else
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
}

/* One cache, seen from one processor, by Linux's files: false where there is none of this number. */
static bool read_cache(int cpu, int index, int *level, char *type, size_t *kilobytes, char shared[64])
{
    char path[128], text[64];
    const char *const root = "/sys/devices/system/cpu/cpu%d/cache/index%d/%s";
    snprintf(path, sizeof path, root, cpu, index, "level");
    if (!read_line(path, text, sizeof text)) return false;
    *level = atoi(text);
    snprintf(path, sizeof path, root, cpu, index, "type");
    if (!read_line(path, text, sizeof text)) return false;
    *type = text[0]; /* Data, Instruction, Unified */
    snprintf(path, sizeof path, root, cpu, index, "size");
    if (!read_line(path, text, sizeof text)) return false;
    *kilobytes = strtoul(text, NULL, 10) * (strchr(text, 'M') ? 1024 : 1);
    snprintf(path, sizeof path, root, cpu, index, "shared_cpu_list");
    return read_line(path, shared, 64);
}

/* All of the machine's caches, whether this process may run beside them or not. One is counted at the first processor
 * of those that share it. */
static void add_caches(size_t kilobytes[8], size_t instances[8])
{
    const int cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
    for (int cpu = 0; cpu < cpus; cpu++) {
        int level;
        char type, shared[64];
        size_t size;
        for (int index = 0; read_cache(cpu, index, &level, &type, &size, shared); index++)
            if (type != 'I' && level < 8 && atoi(shared) == cpu) {
                kilobytes[level] = size;
                instances[level]++;
            }
    }
}

const char *machine_caches(void)
{
    static char text[256];
    size_t kilobytes[8] = {0}, instances[8] = {0}, used = 0;
    add_caches(kilobytes, instances);
    text[0] = 0;
    for (int level = 1; level < 8; level++)
        if (instances[level])
            used += (size_t)snprintf(text + used, sizeof text - used, "%sL%d%s %zu KB x %zu", used ? ", " : "", level,
                                     level == 1 ? "d" : "", kilobytes[level], instances[level]);
    return text[0] ? text : "unknown";
}

size_t machine_last_level(void)
{
    size_t kilobytes[8] = {0}, instances[8] = {0}, last = 32768;
    add_caches(kilobytes, instances);
    for (int level = 1; level < 8; level++)
        if (instances[level]) last = kilobytes[level] * instances[level];
    return last * 1024;
}

size_t machine_core_cache(void)
{
    size_t kilobytes[8] = {0}, instances[8] = {0};
    add_caches(kilobytes, instances);
    return 1024 * (instances[2] ? kilobytes[2] : 512);
}
