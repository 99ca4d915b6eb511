/* Who speaks to whom in a round: in round k rank r sends to rank r - 2^k and hears rank r + 2^k, around the circle of
 * all ranks. And what a message of a rank in trouble means. */
#ifndef BN_ROUNDS_H
#define BN_ROUNDS_H

#include "bnorm/bnorm.h"

/* ceil(log2 ranks) */
static inline int bn_rounds(int ranks)
{
    int n = 0;
    while (n < 31 && (1u << n) < (unsigned)ranks) n++;
    return n;
}

static inline int bn_round_to(int ranks, int rank, int round)
{
    const unsigned n = (unsigned)ranks;
    return (int)(((unsigned)rank + n - (1u << round)) % n);
}

static inline int bn_round_from(int ranks, int rank, int round)
{
    return (int)(((unsigned)rank + (1u << round)) % (unsigned)ranks);
}

/* The first in the order of statuses that is not BNORM_OK. */
static inline bnorm_status bn_worse(bnorm_status a, bnorm_status b)
{
    if (a == BNORM_OK || b == BNORM_OK) return a == BNORM_OK ? b : a;
    return a < b ? a : b;
}

/* A status that came as a word, from a rank that is in trouble. */
static inline bnorm_status bn_status_heard(uint64_t word)
{
    return word != BNORM_OK && word <= BNORM_MPI ? (bnorm_status)word : BNORM_MPI;
}

#endif
