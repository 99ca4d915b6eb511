/* Integers from a counter: the value depends on the seed and the index only, so an element has the same value in every
 * layout and stride, and whatever the order in which a test fills its arrays. No libm: the same on every machine. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>

uint64_t random_bits(uint64_t seed, uint64_t index);

/* In [-1, 1), a multiple of 2^-52. */
double random_uniform(uint64_t seed, uint64_t index);

#endif
