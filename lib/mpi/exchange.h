/* The sums of each rank's part, exchanged until all hold the sums of the whole: rounds.h. No network: the caller
 * carries the bytes. Sums before the wrap and beyond are kept apart, for only neighbours merge.
 *
 * All know from the agreement which blocks come, so a message is nothing but nodes, of 8 + 16 C bytes each. One of 8
 * bytes is the status of a rank in trouble. */
#ifndef BN_EXCHANGE_H
#define BN_EXCHANGE_H

#include "mpi/agreement.h"

typedef enum bn_kind { BN_EXCHANGE_MOMENTS, BN_EXCHANGE_GRADIENT_SUMS } bn_kind;

/* Which of the two, the kind says. */
typedef union bn_rank_sums {
    bnorm_moments *moments;
    bnorm_gradient_sums *gradient_sums;
} bn_rank_sums;

/* Sums of consecutive ranks: up to rank P - 1, and from rank 0 on. */
typedef struct bn_arc {
    bn_rank_sums tail, head;
} bn_arc;

typedef struct bn_exchange {
    bn_kind kind;
    const bnorm_desc *desc;
    const bn_agreement *agreement;
    bn_arc whole, part;
    uint64_t status; /* of this rank, or of one that it heard of */
    char *bytes;     /* the last message */
} bn_exchange;

/* own: the sums of this rank's part, which the exchange takes over; the agreement stays. Where something went wrong,
 * status says so: such a rank takes part all the same, and nothing else is looked at. */
bn_exchange bn_exchange_begin(bn_kind kind, const bnorm_desc *desc, const bn_agreement *agreement, bn_rank_sums own,
                              bnorm_status status);

/* The message of a round; a multiple of 8 bytes, at most `most`. Lives until something is heard. Never fails: of
 * a rank in trouble the message says so. */
const void *bn_exchange_message(bn_exchange *e, int round, size_t most, size_t *size);

/* Takes what came; where nothing did, message is NULL, and status says why. */
void bn_exchange_heard(bn_exchange *e, int round, const void *message, size_t size, bnorm_status status);

/* Gives the whole to the caller; NULL on an error. */
bnorm_status bn_exchange_end(bn_exchange *e, bn_rank_sums *whole);

#endif
