/* How long a step of batch norm takes where the batch is spread over ranks:  mpirun -n RANKS bnorm-ranks
 * Forward and backward of a fixed batch of floats; the slowest rank counts; median of the repetitions. */
#include <bnorm/mpi.h>

#include <stdio.h>
#include <stdlib.h>

enum { REPETITIONS = 31, WARM_UP = 3 };

static void require(bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bnorm-ranks: %s\n", bnorm_status_string(status));
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
}

static void *room(size_t bytes)
{
    void *const p = calloc(bytes + 1, 1);
    if (!p) require(BNORM_NO_MEMORY);
    return p;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one call, on the slowest rank. */
static double seconds(bool forward, const bnorm_desc *d, const bnorm_buffers *b)
{
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    require(forward ? bnorm_mpi_forward_training(d, b, MPI_COMM_WORLD) : bnorm_mpi_backward(d, b, MPI_COMM_WORLD));
    double mine = MPI_Wtime() - start, most = 0;
    MPI_Allreduce(&mine, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return most;
}

static void measure(int rank, int ranks, size_t rows, size_t features)
{
    const size_t r = (size_t)rank, n = (size_t)ranks, block = 64;
    const size_t from = rows / block * r / n * block, to = rows / block * (r + 1) / n * block;
    const size_t values = (to - from) * features * sizeof(float), doubles = features * sizeof(double);
    const bnorm_desc d = bnorm_matrix(BNORM_F32, to - from, features);
    float *const x = room(values), *const dy = room(values);
    const bnorm_buffers b = {.x = x,
                             .dy = dy,
                             .y = room(values),
                             .dx = room(values),
                             .mean = room(doubles),
                             .invstd = room(doubles),
                             .dgamma = room(doubles),
                             .dbeta = room(doubles)};
    double times[2][REPETITIONS];

    for (size_t i = 0; i < (to - from) * features; i++) x[i] = dy[i] = (float)(i * 2654435761u % 1024) / 512;
    for (int i = -WARM_UP; i < REPETITIONS; i++)
        for (int forward = 1; forward >= 0; forward--) {
            const double t = seconds(forward, &d, &b);
            if (i >= 0) times[forward][i] = t;
        }
    qsort(times[0], REPETITIONS, sizeof **times, compare);
    qsort(times[1], REPETITIONS, sizeof **times, compare);
    if (rank == 0)
        printf("%2d ranks  %6zu x %4zu  forward %8.3f ms  backward %8.3f ms\n", ranks, rows, features,
               1e3 * times[1][REPETITIONS / 2], 1e3 * times[0][REPETITIONS / 2]);
    void *const all[] = {x, dy, b.y, b.dx, b.mean, b.invstd, b.dgamma, b.dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

int main(int argc, char **argv)
{
    static const size_t shapes[][2] = {{512, 64}, {4096, 512}, {65536, 64}};
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) measure(rank, ranks, shapes[i][0], shapes[i][1]);
    MPI_Finalize();
    return 0;
}
