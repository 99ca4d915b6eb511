/* The last-level cache as the library sees it: how large it is decides whether stores pass it by. Linked with --wrap,
 * as allocation.h is. */
#ifndef TESTS_CACHE_H
#define TESTS_CACHE_H

#include <stddef.h>

/* From now on the library finds one of so many bytes; 0: the machine's own. */
void cache_pretend(size_t bytes);

#endif
