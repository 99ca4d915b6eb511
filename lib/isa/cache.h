/* Caches of this machine, in bytes; asked of the system once. */
#ifndef BN_CACHE_H
#define BN_CACHE_H

#include <stddef.h>

/* The last-level cache that a core shares with its neighbours; 32 MB where the system does not say. */
size_t bn_last_level_cache(void);

/* The largest that a core has for itself; 512 KB where the system does not say. */
size_t bn_core_cache(void);

#endif
