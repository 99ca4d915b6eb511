/* Caches of this machine, in bytes, and how they are best filled; found out once. */
#ifndef BN_CACHE_H
#define BN_CACHE_H

#include <stddef.h>

/* The last-level cache that a core shares with its neighbours; 32 MB where the system does not say. */
size_t bn_last_level_cache(void);

/* The largest that a core has for itself; 512 KB where the system does not say. */
size_t bn_core_cache(void);

/* How memory is best read. */
typedef enum bn_reading {
    BN_READS_PLAINLY, /* as any other */
    BN_READS_PAGES,   /* several pages at once, see fetch.h: Intel's processors. Others have not been measured */
    BN_READS_AS_ZEN4, /* while other lines are written, and long runs unasked; and the last cache is written far faster
                         than memory: AMD's with 1 MB of cache a core. Intel's gain nothing by the first, and Zen 3,
                         which has 512 KB, 0.87 to 1.16 */
    BN_READS_AS_ZEN5  /* the same, but long runs are asked for too, and what is asked for comes into the first cache:
                         those of these whose first cache is larger than 32 KB */
} bn_reading;

bn_reading bn_reads(void);

#endif
