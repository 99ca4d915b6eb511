/* What ranks tell each other before a call begins: whether all is well, of what they speak, and how many rows each has.
 * ceil(log2 P) rounds of one message: in round k, rank r hears from rank r + 2^k of as many ranks from that one on, so
 * that after it r knows of ranks [r, r + 2^k+1), wrapped around at P. A message is 16 bytes and 8 for each rank. No
 * network: the caller carries the bytes. */
#ifndef BN_AGREEMENT_H
#define BN_AGREEMENT_H

#include "bnorm/bnorm.h"

typedef struct bn_agreement {
    int ranks, rank, rounds;
    uint64_t status; /* the first of all that is not BNORM_OK, of the ranks heard of */
    uint64_t *words; /* a message: status, hash, rows of each rank from this one on; NULL without memory */
    size_t *starts;  /* the first block of each rank, and the one after the last */
} bn_agreement;

/* This rank's status, a hash of what must be the same on all, and its rows: batch entries. */
bn_agreement bn_agreement_begin(int ranks, int rank, bnorm_status status, uint64_t hash, size_t rows);

/* The message of a round, and its bytes. Lives until something is heard. Of a rank without memory only the status. */
const void *bn_agreement_message(bn_agreement *a, int round, size_t *size);

/* Takes what came; where nothing did, message is NULL, and status says why. */
void bn_agreement_heard(bn_agreement *a, int round, const void *message, size_t size, bnorm_status status);

/* After the last round: the first status of all, BNORM_MISMATCH where hashes differ, BNORM_OVERFLOW where the whole
 * batch is too large. If all is well, a->starts is ready. */
bnorm_status bn_agreement_end(bn_agreement *a, const bnorm_desc *desc);

void bn_agreement_free(bn_agreement *a);

#endif
