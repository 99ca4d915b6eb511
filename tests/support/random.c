#include "random.h"

/* The output function of splitmix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
 * 2014), applied to seed and counter in turn. */
static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_bits(uint64_t seed, uint64_t index) { return mix(mix(seed) ^ index); }

double random_uniform(uint64_t seed, uint64_t index)
{
    return (double)(int64_t)(random_bits(seed, index) >> 11) * 0x1p-52 - 1.0;
}
