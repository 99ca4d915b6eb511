/* Caches of this machine, in bytes, and how they are best filled; found out once. */
#ifndef BN_CACHE_H
#define BN_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* The last-level cache that a core shares with its neighbours; 32 MB where the system does not say. */
size_t bn_last_level_cache(void);

/* The largest that a core has for itself; 512 KB where the system does not say. */
size_t bn_core_cache(void);

/* Whether memory is read faster by several pages at once than page by page, see fetch.h: true of Intel's processors.
 * Others have not been measured. */
bool bn_reads_pages(void);

/* Whether memory is read sooner while other lines are written past the cache than before and after: true of AMD's
 * processors with 1 MB of cache a core (Zen 4, see fetches_next in passes/schedule.c). Others have not been measured
 * but for Intel's, which gain nothing by it. */
bool bn_reads_beside_stores(void);

#endif
