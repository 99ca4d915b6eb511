/* How P ranks, each with the sums of its part, all come to hold the sums of the whole, in ceil(log2 P) rounds of one
 * message each (J. Bruck et al., "Efficient algorithms for all-to-all communications", 1997). No network: the caller
 * carries the bytes.
 *
 * In round k, rank r gets from rank r + 2^k what that one holds, so that after it r holds the sums of ranks
 * [r, r + 2^k+1), wrapped around at P. Where P is no power of two, the last round wants fewer, q = P - 2^k of the last
 * round: these are gathered on the way by the binary digits of q, so no part is counted twice. Sums before the wrap
 * and beyond are kept apart, for only neighbours merge.
 *
 * All know where each rank's part begins, so a message is nothing but nodes, of 8 + 16 C bytes each. One of 8 bytes is
 * the status of a rank in trouble. */
#ifndef BN_EXCHANGE_H
#define BN_EXCHANGE_H

#include "bnorm/bnorm.h"

typedef enum bn_kind { BN_MOMENTS, BN_GRADIENT_SUMS } bn_kind;

/* Which of the two, the kind says. */
typedef union bn_sums {
    bnorm_moments *moments;
    bnorm_gradient_sums *gradient_sums;
} bn_sums;

/* Sums of consecutive ranks: up to rank P - 1, and from rank 0 on. */
typedef struct bn_span {
    bn_sums tail, head;
} bn_span;

typedef struct bn_exchange {
    bn_kind kind;
    const bnorm_desc *desc;
    const size_t *starts; /* the first block of each rank, and the one after the last */
    int ranks, rank, rounds;
    bn_span whole, part; /* of ranks [rank, rank + 2^k), and of the first q mod 2^k of these */
    uint64_t status;     /* of this rank, or of one that it heard of */
    char *bytes;         /* the last message */
} bn_exchange;

/* own: the sums of this rank's part, which the exchange takes over. Where something went wrong, status says so: such a
 * rank takes part all the same, and nothing else is looked at. */
bn_exchange bn_exchange_begin(bn_kind kind, const bnorm_desc *desc, const size_t *starts, int ranks, int rank,
                              bn_sums own, bnorm_status status);

/* The message of a round; a multiple of 8 bytes, at most `most`. Lives until something is heard. Never fails: of
 * a rank in trouble the message says so. */
const void *bn_exchange_message(bn_exchange *e, int round, size_t most, size_t *size);

/* Takes what came; where nothing did, message is NULL, and status says why. */
void bn_exchange_heard(bn_exchange *e, int round, const void *message, size_t size, bnorm_status status);

/* Gives the whole to the caller; NULL on an error. */
bnorm_status bn_exchange_end(bn_exchange *e, bn_sums *whole);

#endif
