#include "cache.h"

#include <stdatomic.h>

static atomic_size_t pretended;

void cache_pretend(size_t bytes) { atomic_store(&pretended, bytes); }

size_t __real_bn_last_level_cache(void);
size_t __wrap_bn_last_level_cache(void);

size_t __wrap_bn_last_level_cache(void)
{
    const size_t bytes = atomic_load(&pretended);
    return bytes ? bytes : __real_bn_last_level_cache();
}
