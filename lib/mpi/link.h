/* A communicator of our own for each of the caller's: a duplicate that returns errors, made at first use, kept as an
 * attribute, and freed with the caller's. */
#ifndef BN_LINK_H
#define BN_LINK_H

#include "bnorm/mpi.h"
#include "mpi/exchange.h"

typedef struct bn_link {
    MPI_Comm comm;
    int rank, ranks;
    uint64_t messages, bytes; /* sent */
} bn_link;

/* Collective at first use. BNORM_NULL, BNORM_UNSUPPORTED between groups, BNORM_MPI, BNORM_NO_MEMORY. */
bnorm_status bn_link_of(MPI_Comm comm, bn_link **link);

/* The link if there is one already, or NULL. */
bnorm_status bn_link_found(MPI_Comm comm, bn_link **link);

/* All rounds of an exchange. */
void bn_link_exchange(bn_link *link, bn_exchange *e);

#endif
