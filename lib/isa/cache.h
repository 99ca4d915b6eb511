/* The last-level cache that a core shares with its neighbours. */
#ifndef BN_CACHE_H
#define BN_CACHE_H

#include <stddef.h>

/* In bytes; asked of the system once. 32 MB where it does not say. */
size_t bn_last_level_cache(void);

#endif
