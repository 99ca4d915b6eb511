/* libbnorm-mpi where memory runs out on one rank: the nth allocation of a call fails there, for every n until none
 * does. That rank returns BNORM_NO_MEMORY and has written nothing; the others return that or BNORM_OK; none hangs, and
 * the next call on the same communicator succeeds. Prints what failed; exits with 1 if anything did.
 *
 *     mpi-allocation [fresh]     fresh: on communicators that no call has seen, too */
#include "../support/allocation.h"

#include <bnorm/mpi.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 300, FEATURES = 6, VALUES = ROWS * FEATURES, PATIENCE = 60 };

static int rank, ranks, failures;
static float x[VALUES], y[VALUES], dy[VALUES], dx[VALUES];
static float running_mean[FEATURES], running_var[FEATURES], dgamma[FEATURES], dbeta[FEATURES];
static double mean[FEATURES], invstd[FEATURES];

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition) && failures++ < 12) {                                                                         \
            fprintf(stderr, "%s:%d: rank %d of %d: %s: ", __FILE__, __LINE__, rank, ranks, #condition);                \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
        }                                                                                                              \
    } while (0)

static bnorm_desc description(void)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, ROWS, FEATURES);
    return d;
}

/* Without mean and invstd: the call then allocates them too. */
static bnorm_status training(MPI_Comm comm)
{
    const bnorm_desc d = description();
    const bnorm_buffers b = {.x = x, .y = y, .running_mean = running_mean, .running_var = running_var};
    return bnorm_mpi_forward_training(&d, &b, comm);
}

static bnorm_status backward(MPI_Comm comm)
{
    const bnorm_desc d = description();
    const bnorm_buffers b = {
        .x = x, .dy = dy, .dx = dx, .dgamma = dgamma, .dbeta = dbeta, .mean = mean, .invstd = invstd};
    return bnorm_mpi_backward(&d, &b, comm);
}

static bnorm_status layer(MPI_Comm comm)
{
    const bnorm_desc d = description();
    bnorm_mpi_layer *l = NULL;
    const bnorm_status s = bnorm_mpi_layer_create(&l, &d, comm);
    CHECK((s == BNORM_OK) == (l != NULL), "%s and a layer", bnorm_status_string(s));
    bnorm_mpi_layer_destroy(l);
    return s;
}

static void clear(void)
{
    memset(y, 0, sizeof y);
    memset(dx, 0, sizeof dx);
    memset(running_mean, 0, sizeof running_mean);
    memset(running_var, 0, sizeof running_var);
    memset(dgamma, 0, sizeof dgamma);
    memset(dbeta, 0, sizeof dbeta);
}

static bool written(void)
{
    bool any = false;
    for (int i = 0; i < VALUES; i++) any |= y[i] != 0 || dx[i] != 0;
    for (int i = 0; i < FEATURES; i++)
        any |= running_mean[i] != 0 || running_var[i] != 0 || dgamma[i] != 0 || dbeta[i] != 0;
    return any;
}

/* fresh: on a communicator that no call has seen. True where an allocation failed. */
static bool fails(bnorm_status (*call)(MPI_Comm), int culprit, int n, bool fresh, MPI_Comm seen)
{
    MPI_Comm comm = seen;
    if (fresh) MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    clear();
    alarm(PATIENCE);
    allocation_fail_from(rank == culprit ? n : 0);
    const bnorm_status s = call(comm);
    const int count = allocation_count();
    allocation_fail_from(0);
    int failed = rank == culprit && count >= n;
    if (failed) CHECK(s == BNORM_NO_MEMORY, "allocation %d failed: %s", n, bnorm_status_string(s));
    CHECK(s == BNORM_NO_MEMORY || s == BNORM_OK, "%s", bnorm_status_string(s));
    CHECK(s == BNORM_OK || !written(), "%s, and something was written", bnorm_status_string(s));
    MPI_Bcast(&failed, 1, MPI_INT, culprit, MPI_COMM_WORLD);
    CHECK(failed || s == BNORM_OK, "%s", bnorm_status_string(s));
    CHECK(call(comm) == BNORM_OK, "the next call");
    if (fresh) MPI_Comm_free(&comm);
    return failed;
}

int main(int argc, char **argv)
{
    static bnorm_status (*const calls[])(MPI_Comm) = {training, backward, layer};
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int i = 0; i < VALUES; i++) {
        x[i] = (float)((i * 7 + rank) % 11);
        dy[i] = (float)((i * 5 + rank) % 13);
    }
    for (int i = 0; i < FEATURES; i++) invstd[i] = 1;
    CHECK(training(MPI_COMM_WORLD) == BNORM_OK, "the communicator's first call");
    for (int fresh = argc > 1; fresh >= 0; fresh--)
        for (int i = 0; i < 3; i++)
            for (int culprit = 0; culprit < ranks; culprit++) {
                int n = 1;
                while (fails(calls[i], culprit, n, fresh, MPI_COMM_WORLD)) n++;
                CHECK(n > 1, "call %d allocates nothing", i);
                if (rank == 0)
                    printf("call %d, rank %d, %s: %d allocations\n", i, culprit, fresh ? "fresh" : "seen", n - 1);
            }
    MPI_Finalize();
    return failures > 0;
}
