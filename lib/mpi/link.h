/* A communicator of our own for each of the caller's: a duplicate that returns errors, made at first use, kept as an
 * attribute, and freed with the caller's. */
#ifndef BN_LINK_H
#define BN_LINK_H

#include "bnorm/mpi.h"

#include <limits.h>

typedef struct bn_link {
    MPI_Comm comm;
    int rank, ranks;
    uint64_t messages, bytes; /* sent */
} bn_link;

/* Collective at first use. BNORM_NULL, BNORM_UNSUPPORTED between groups, BNORM_MPI, BNORM_NO_MEMORY. */
bnorm_status bn_link_of(MPI_Comm comm, bn_link **link);

/* The link if there is one already, or NULL. */
bnorm_status bn_link_found(MPI_Comm comm, bn_link **link);

/* Counts of MPI are int: messages go as words of 8 bytes. */
enum { BN_WORD = 8 };
static const size_t bn_message_most = (size_t)INT_MAX * BN_WORD;

/* Sends a message, of whole words, and gives the one that this round brings, to be freed. What it gives counts only
 * where the status is BNORM_OK. */
void *bn_link_swap(bn_link *link, int round, const void *message, size_t size, size_t *heard_size,
                   bnorm_status *status);

#endif
