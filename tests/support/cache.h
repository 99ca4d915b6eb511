/* The caches as the library sees them: how large they are decides in which order it walks, whether stores pass them by,
 * and what is fetched. Linked with --wrap, as allocation.h is. */
#ifndef TESTS_CACHE_H
#define TESTS_CACHE_H

#include "bnorm/bnorm.h"
#include "isa/cache.h"

#include <stdbool.h>
#include <stddef.h>

enum { READINGS = BN_READS_AS_ZEN5 + 1 };

/* From now on the library finds a last-level cache of so many bytes, 64 KB for a core, and a machine that reads so;
 * with 0 bytes the machine's own of all these. */
void cache_pretend(size_t bytes, bn_reading reading);

/* Whether a forward call on a whole batch, not in place, reads and writes past the cache that the library finds. */
bool streams(const bnorm_desc *desc);

/* Whether its elements go by whole rows, of which a strip is a part. */
bool goes_by_whole_rows(const bnorm_desc *desc);

/* Columns that one thread streams from end to end before the next. */
size_t band_of(const bnorm_desc *desc);

/* Columns that it finishes together. */
size_t strip_of(const bnorm_desc *desc);

/* Whether what the next strip of a forward call reads is fetched while a strip is written. */
bool fetches_next(const bnorm_desc *desc);

/* Whether two threads, in forward training, write some of the output past the cache and some not. */
bool keeps_some(const bnorm_desc *desc);

/* Features in a strip that one of two threads takes from end to end, in forward training or in inference; 0 where they
 * share out blocks. */
size_t owned_by_two(const bnorm_desc *desc, bool training);

/* Whether two threads share its columns out for sums and then its rows for elements. */
bool crosses(const bnorm_desc *desc);

#endif
