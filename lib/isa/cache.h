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

/* Whether memory is read faster while other lines are written than before and after, long runs faster unasked, and the
 * last cache written far faster than memory: true of AMD's processors with 1 MB of cache a core, of which Zen 4 has
 * been measured. Intel's gain nothing by the first, and Zen 3, which has 512 KB, 0.87 to 1.16. */
bool bn_is_like_zen4(void);

#endif
