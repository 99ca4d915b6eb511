/* Ranks without a network: what lib/mpi says and hears, for all ranks of a communicator in one process. Includes
 * nothing of the tests, for perf counts with it. */
#ifndef TESTS_RANKS_H
#define TESTS_RANKS_H

#include "mpi/agreement.h"
#include "mpi/exchange.h"

/* A message on its way, in memory of its own. Who watches may change it. */
struct mail {
    const bn_exchange *from; /* NULL while ranks agree */
    int rank, round;
    size_t size;
    unsigned char *bytes;
};

typedef void watch_mail(struct mail *mail, void *context);

/* Each rank's rows, in the order of ranks, of one array. */
struct ranks {
    const bnorm_desc *desc; /* its batch does not count */
    int count;
    const size_t *rows;
    const void *const *x, *const *dy; /* of each rank; dy NULL: moments */
    const double *mean;               /* with dy */
    watch_mail *watch;
    void *context;
};

/* Runs both exchanges. `statuses` is what each rank begins with, and becomes what it returns; `wholes` the sums that
 * each has in the end, to be destroyed. */
void ranks_run(const struct ranks *ranks, bnorm_status *statuses, bn_rank_sums *wholes);

#endif
