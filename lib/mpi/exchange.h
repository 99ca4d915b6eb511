/* How P ranks, each with a piece of a whole, all come to hold the whole, in ceil(log2 P) rounds of one message each (J.
 * Bruck et al., "Efficient algorithms for all-to-all communications", 1997). No network: the caller carries the bytes.
 *
 * In round k, rank r gets from rank r + 2^k what that one holds, so that after it r holds the pieces of ranks
 * [r, r + 2^k+1), wrapped around at P. Where P is no power of two, the last round wants fewer, q = P - 2^k of the last
 * round: these are gathered on the way by the binary digits of q, so no piece is counted twice. Pieces before the wrap
 * and beyond are kept apart, for only neighbours merge. */
#ifndef BN_EXCHANGE_H
#define BN_EXCHANGE_H

#include "bnorm/bnorm.h"

/* Something that merges with its right neighbour: bnorm_moments, bnorm_gradient_sums, or what ranks agree on. */
typedef struct bn_kind {
    bnorm_status (*create)(void **piece, const bnorm_desc *desc, size_t first_block);
    void (*destroy)(void *piece);
    bnorm_status (*merge)(void *piece, const void *next);
    bnorm_status (*serialise)(const void *piece, void *bytes, size_t *size); /* a multiple of 8 */
    bnorm_status (*deserialise)(void *piece, const void *bytes, size_t size);
    size_t (*first_block)(const void *piece);
} bn_kind;

extern const bn_kind bn_moments_kind, bn_gradient_sums_kind, bn_agreement_kind;

/* What ranks tell each other before they begin. Merged: the first status of all that is not BNORM_OK, or
 * BNORM_MISMATCH where all are but hashes differ; the sums of blocks and of values. */
typedef struct bn_agreement {
    uint64_t status, hash, blocks, values;
} bn_agreement;

/* Pieces of consecutive ranks: up to rank P - 1, and from rank 0 on. Either may be NULL. */
typedef struct bn_span {
    void *tail, *head;
} bn_span;

typedef struct bn_exchange {
    const bn_kind *kind;
    const bnorm_desc *desc;
    int ranks, rank, rounds;
    bn_span whole, part; /* of ranks [rank, rank + 2^k), and of the first q mod 2^k of these */
    bnorm_status status; /* of this rank, or of one that it heard of */
    uint64_t alarm;      /* what is sent where no memory is left for a message */
} bn_exchange;

/* own: this rank's piece, which the exchange takes over. Where that could not be made it is NULL, and status says why:
 * such a rank takes part all the same. */
bn_exchange bn_exchange_begin(const bn_kind *kind, const bnorm_desc *desc, int ranks, int rank, void *own,
                              bnorm_status status);

/* Round k, of rounds: who is sent to, and who is heard. */
int bn_exchange_to(const bn_exchange *e, int round);
int bn_exchange_from(const bn_exchange *e, int round);

/* The message of a round; a multiple of 8 bytes, at most `most`, to be given back to bn_exchange_sent. Never fails: of
 * a rank in trouble the message says so. */
void *bn_exchange_message(bn_exchange *e, int round, size_t most, size_t *size);
void bn_exchange_sent(bn_exchange *e, void *message);

/* Takes what came, NULL if nothing did. */
void bn_exchange_heard(bn_exchange *e, int round, const void *message, size_t size);

/* Something went wrong outside. */
void bn_exchange_fail(bn_exchange *e, bnorm_status status);

/* Gives the whole to the caller, and in *before, unless NULL, what was before this rank (NULL if nothing). On an error
 * both are NULL. */
bnorm_status bn_exchange_end(bn_exchange *e, void **whole, void **before);

#endif
