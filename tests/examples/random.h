/* splitmix64 (S. Vigna, public domain): the same numbers on every machine from one 64-bit state. */
#ifndef EXAMPLES_RANDOM_H
#define EXAMPLES_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* In [0, 1), a multiple of 2^-53. */
static inline double random_unit(uint64_t *state) { return (double)(random_bits(state) >> 11) * 0x1p-53; }

/* A random order of what is there (Fisher and Yates). */
static inline void random_shuffle(size_t *order, size_t count, uint64_t *state)
{
    for (size_t left = count; left > 1; left--) {
        const size_t k = (size_t)(random_unit(state) * (double)left), last = order[left - 1];
        order[left - 1] = order[k];
        order[k] = last;
    }
}

#endif
