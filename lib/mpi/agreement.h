/* What ranks tell each other before a call begins: whether all is well, of what they speak, and how many blocks their
 * rows are. ceil(log2 P) rounds (rounds.h) of one message of 48 bytes. No network, and no memory: the caller carries
 * the bytes. */
#ifndef BN_AGREEMENT_H
#define BN_AGREEMENT_H

#include "mpi/rounds.h"

/* Blocks of consecutive ranks: up to rank P - 1, and from rank 0 on. */
typedef struct bn_blocks {
    uint64_t tail, head;
} bn_blocks;

typedef struct bn_counts {
    bn_blocks whole, part; /* as rounds.h has it */
} bn_counts;

typedef struct bn_agreement_words {
    uint64_t status; /* the first of all that is not BNORM_OK, of the ranks heard of */
    uint64_t hash;
    bn_counts blocks;
} bn_agreement_words;

typedef struct bn_agreement {
    int ranks, rank;
    uint64_t most;              /* blocks that a batch may have */
    bn_agreement_words said;    /* the next message */
    bn_counts after[BN_ROUNDS]; /* each round */
} bn_agreement;

/* This rank's status, a hash of what must be the same on all, and its rows: batch entries. Where something is wrong,
 * desc is not looked at. */
bn_agreement bn_agreement_begin(int ranks, int rank, bnorm_status status, uint64_t hash, const bnorm_desc *desc,
                                size_t rows);

/* Takes what came of a.said in a round; where nothing did, message is NULL, and status says why. */
void bn_agreement_heard(bn_agreement *a, int round, const void *message, size_t size, bnorm_status status);

/* After the last round: the first status of all, BNORM_MISMATCH where hashes differ, BNORM_OVERFLOW where the whole
 * batch is too large. */
bnorm_status bn_agreement_end(const bn_agreement *a);

/* If all is well: the number of this rank's first block. */
size_t bn_agreement_first(const bn_agreement *a);

#endif
