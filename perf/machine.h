/* What a result has to say about where it was taken. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>

/* The processor's name, e.g. "AMD EPYC". */
const char *machine_cpu(void);

/* Logical processors that this process may run on. */
int machine_cpus(void);

/* All that the machine has. */
int machine_processors(void);

/* Seconds that the machine's processors have worked so far, all of them and for whomever; NAN where the system does not
 * say. In steps of a hundredth. */
double machine_busy(void);

/* "L1d 48 KB x 2, L2 1024 KB x 2, L3 32768 KB x 1" */
const char *machine_caches(void);

/* Bytes of all the last-level caches together; 32 MB where the system does not say. */
size_t machine_last_level(void);

/* Bytes of a core's second-level cache; 512 KB where the system does not say. */
size_t machine_core_cache(void);

#endif
