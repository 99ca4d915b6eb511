/* The last-level cache as the library sees it: how large it is decides whether stores pass it by. Linked with --wrap,
 * as allocation.h is. */
#ifndef TESTS_CACHE_H
#define TESTS_CACHE_H

#include "bnorm/bnorm.h"

#include <stdbool.h>
#include <stddef.h>

/* From now on the library finds one of so many bytes; 0: the machine's own. */
void cache_pretend(size_t bytes);

/* Whether a forward call on a whole batch, not in place, writes past the cache that the library finds. */
bool streams(const bnorm_desc *desc);

#endif
