/* How P ranks all come to hold what all have, in ceil(log2 P) rounds of one message each (J. Bruck et al., "Efficient
 * algorithms for all-to-all communications", 1997). In round k rank r sends to rank r - 2^k, and hears rank r + 2^k,
 * around the circle of all ranks, what that one holds: after it r holds the whole of ranks [r, r + 2^k+1). Where P is
 * no power of two, the last round wants fewer, q = P - 2^k of the last round: these are gathered on the way as the
 * part, by the binary digits of q, so no rank is counted twice. And what a message of a rank in trouble means. */
#ifndef BN_ROUNDS_H
#define BN_ROUNDS_H

#include "bnorm/bnorm.h"

enum { BN_ROUNDS = 31 }; /* at most */

/* ceil(log2 ranks) */
static inline int bn_rounds(int ranks)
{
    int n = 0;
    while (n < BN_ROUNDS && (1u << n) < (unsigned)ranks) n++;
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

/* What a round is about. */
typedef struct bn_round {
    bool whole, part;           /* whether it is sent */
    bool grows;                 /* the part: it becomes the whole so far, then takes the part that comes */
    unsigned count, part_count; /* ranks that come to the whole, and to the part */
} bn_round;

static inline bn_round bn_round_of(int ranks, int round)
{
    const unsigned known = 1u << round, wanted = (unsigned)ranks - (1u << bn_rounds(ranks) >> 1);
    const bool last = 2 * known >= (unsigned)ranks, whole = !last || wanted == known;
    const bool grows = !last && (wanted & known) != 0;
    const unsigned part_count = wanted & (known - 1);
    return (bn_round){whole, part_count > 0 && (grows || !whole), grows, whole ? known : wanted, part_count};
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
