/* Learns handwritten digits with the rows of each batch spread over MPI ranks: 64-128-10, batch norm and ReLU in the
 * middle. Then every rank learns the same alone, with the plain layer, and compares.
 *
 *     mpirun -n RANKS digits_mpi [EPOCHS]
 *
 * All ranks must end with the same weights, to the bit. Batch norm's y, statistics, dx, dgamma and dbeta of the first
 * step must be those of the one process, to the bit, and the held-out accuracy must be its. For this, products are
 * taken by 64 rows, whatever a rank has of them, and the gradients of weights are summed in double. */
#include <bnorm/mpi.h>

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "csv.h"
#include "random.h"

enum { PIXELS = 64, HIDDEN = 128, CLASSES = 10, BATCH = 256, BLOCK = 64, HELD_OUT_EVERY = 5 };

struct rows {
    size_t count;
    float *pixels;
    int *digits;
};

/* What one step leaves of batch norm; y and dx of this rank's rows, from `first` on. */
struct step {
    size_t first, rows;
    float x[BATCH][HIDDEN], y[BATCH][HIDDEN], dx[BATCH][HIDDEN], dgamma[HIDDEN], dbeta[HIDDEN];
    float running_mean[HIDDEN], running_var[HIDDEN];
    double mean[HIDDEN], invstd[HIDDEN];
};

struct network {
    bool spread; /* over the ranks, or all on this one */
    bnorm_mpi_layer *mpi;
    bnorm_layer *norm;
    float w1[HIDDEN][PIXELS], w2[CLASSES][HIDDEN], bias[CLASSES];
    float v1[HIDDEN][PIXELS], v2[CLASSES][HIDDEN], vbias[CLASSES], vgamma[HIDDEN], vbeta[HIDDEN];
    double g1[HIDDEN][PIXELS], g2[CLASSES][HIDDEN], gbias[CLASSES]; /* sums of the gradients of blocks */
};

static int rank, ranks;

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "digits_mpi: rank %d: %s\n", rank, why);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    exit(EXIT_FAILURE);
}

static void require(bnorm_status status)
{
    if (status != BNORM_OK) fail(bnorm_status_string(status));
}

static void *room(size_t bytes)
{
    void *const p = calloc(bytes, 1);
    if (!p) fail("no memory");
    return p;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* ---- data ---- */

static void read_digits(struct rows *training, struct rows *held_out)
{
    const struct csv csv = csv_read(DATA "/digits.csv");
    if (csv.columns != PIXELS + 1) fail("not rows of 64 pixels and a digit");
    for (struct rows *r = training; r; r = r == training ? held_out : NULL)
        *r = (struct rows){0, room(csv.rows * PIXELS * sizeof(float)), room(csv.rows * sizeof(int))};
    for (size_t i = 0; i < csv.rows; i++) {
        struct rows *const r = i % HELD_OUT_EVERY ? training : held_out;
        for (size_t k = 0; k < PIXELS; k++)
            r->pixels[r->count * PIXELS + k] = (float)(csv.values[i * csv.columns + k] / 16);
        r->digits[r->count++] = (int)csv.values[i * csv.columns + PIXELS];
    }
    free(csv.values);
}

/* A batch in a random order, the same on every rank. */
static void pick(const struct rows *all, const size_t *order, struct rows *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        memcpy(batch->pixels + i * PIXELS, all->pixels + order[i] * PIXELS, PIXELS * sizeof(float));
        batch->digits[i] = all->digits[order[i]];
    }
}

/* ---- the network ---- */

static void network_create(struct network *n, bool spread)
{
    const bnorm_desc desc = bnorm_matrix(BNORM_F32, 0, HIDDEN);
    uint64_t random = 1;
    n->spread = spread;
    if (spread)
        require(bnorm_mpi_layer_create(&n->mpi, &desc, MPI_COMM_WORLD));
    else
        require(bnorm_layer_create(&n->norm, &desc));
    if (spread) n->norm = bnorm_mpi_layer_local(n->mpi);
    for (size_t i = 0; i < HIDDEN * PIXELS; i++)
        n->w1[i / PIXELS][i % PIXELS] = (float)(sqrt(6.0 / PIXELS) * (2 * random_unit(&random) - 1));
    for (size_t i = 0; i < CLASSES * HIDDEN; i++)
        n->w2[i / HIDDEN][i % HIDDEN] = (float)(sqrt(6.0 / HIDDEN) * (2 * random_unit(&random) - 1));
}

static void network_destroy(struct network *n)
{
    if (n->spread)
        bnorm_mpi_layer_destroy(n->mpi);
    else
        bnorm_layer_destroy(n->norm);
    free(n);
}

/* x = pixels times w1, by blocks of rows. */
static void products(const struct network *n, const float *pixels, size_t rows, float *x)
{
    for (size_t i = 0; i < rows; i += BLOCK)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)least(BLOCK, rows - i), HIDDEN, PIXELS, 1,
                    pixels + i * PIXELS, PIXELS, n->w1[0], PIXELS, 0, x + i * HIDDEN, HIDDEN);
}

/* Scores of one row, of y after ReLU. */
static void scores_of(const struct network *n, const float *y, float scores[CLASSES])
{
    for (size_t j = 0; j < CLASSES; j++) {
        scores[j] = n->bias[j];
        for (size_t k = 0; k < HIDDEN; k++) scores[j] += n->w2[j][k] * fmaxf(y[k], 0);
    }
}

/* The gradient of the mean loss by y, and what this row adds to those of w2 and of the bias. */
static void row_gradient(const struct network *n, const float *y, int digit, size_t batch, float *dy,
                         float g2[CLASSES][HIDDEN], float gbias[CLASSES])
{
    float scores[CLASSES], sum = 0, largest;
    scores_of(n, y, scores);
    largest = scores[0];
    for (size_t j = 1; j < CLASSES; j++) largest = fmaxf(largest, scores[j]);
    for (size_t j = 0; j < CLASSES; j++) sum += expf(scores[j] - largest);
    memset(dy, 0, HIDDEN * sizeof *dy);
    for (size_t j = 0; j < CLASSES; j++) {
        const float g = (expf(scores[j] - largest) / sum - ((int)j == digit)) / (float)batch;
        gbias[j] += g;
        for (size_t k = 0; k < HIDDEN; k++) {
            g2[j][k] += g * fmaxf(y[k], 0);
            if (y[k] > 0) dy[k] += g * n->w2[j][k];
        }
    }
}

static void add(double *sums, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) sums[i] += (double)values[i];
}

/* Of all ranks, the same bits on each: summed on one, told to all. */
static void sum_over_ranks(double *sums, int count)
{
    MPI_Reduce(rank == 0 ? MPI_IN_PLACE : sums, rank == 0 ? sums : NULL, count, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    MPI_Bcast(sums, count, MPI_DOUBLE, 0, MPI_COMM_WORLD);
}

static void forward(struct network *n, const struct rows *mine, struct step *s)
{
    products(n, mine->pixels, mine->count, s->x[0]);
    require(n->spread ? bnorm_mpi_layer_forward(n->mpi, mine->count, s->x, s->y, true)
                      : bnorm_layer_forward(n->norm, mine->count, s->x, s->y, true));
}

static void backward(struct network *n, const struct rows *mine, size_t batch, struct step *s)
{
    static float dy[BATCH][HIDDEN], g1[HIDDEN][PIXELS], g2[CLASSES][HIDDEN], gbias[CLASSES];
    memset(n->g1, 0, sizeof n->g1);
    memset(n->g2, 0, sizeof n->g2);
    memset(n->gbias, 0, sizeof n->gbias);
    for (size_t from = 0; from < mine->count; from += BLOCK) {
        memset(g2, 0, sizeof g2);
        memset(gbias, 0, sizeof gbias);
        for (size_t i = from; i < least(from + BLOCK, mine->count); i++)
            row_gradient(n, s->y[i], mine->digits[i], batch, dy[i], g2, gbias);
        add(n->g2[0], g2[0], CLASSES * HIDDEN);
        add(n->gbias, gbias, CLASSES);
    }
    require(n->spread ? bnorm_mpi_layer_backward(n->mpi, s->x, dy, s->dx)
                      : bnorm_layer_backward(n->norm, s->x, dy, s->dx));
    for (size_t i = 0; i < mine->count; i += BLOCK) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, HIDDEN, PIXELS, (int)least(BLOCK, mine->count - i), 1,
                    s->dx[i], HIDDEN, mine->pixels + i * PIXELS, PIXELS, 0, g1[0], PIXELS);
        add(n->g1[0], g1[0], HIDDEN * PIXELS);
    }
    if (!n->spread) return;
    sum_over_ranks(n->g1[0], HIDDEN * PIXELS);
    sum_over_ranks(n->g2[0], CLASSES * HIDDEN);
    sum_over_ranks(n->gbias, CLASSES);
}

/* dgamma and dbeta are float and already of all ranks. */
static void move(float *values, float *velocities, const double *gradients, const float *float_gradients, size_t count,
                 float rate)
{
    for (size_t i = 0; i < count; i++) {
        velocities[i] = 0.9f * velocities[i] - rate * (gradients ? (float)gradients[i] : float_gradients[i]);
        values[i] += velocities[i];
    }
}

static void descend(struct network *n, float rate)
{
    move(n->w1[0], n->v1[0], n->g1[0], NULL, HIDDEN * PIXELS, rate);
    move(n->w2[0], n->v2[0], n->g2[0], NULL, CLASSES * HIDDEN, rate);
    move(n->bias, n->vbias, n->gbias, NULL, CLASSES, rate);
    move(bnorm_layer_gamma(n->norm), n->vgamma, NULL, bnorm_layer_dgamma(n->norm), HIDDEN, rate);
    move(bnorm_layer_beta(n->norm), n->vbeta, NULL, bnorm_layer_dbeta(n->norm), HIDDEN, rate);
}

/* ---- training ---- */

/* This rank's rows of a batch: whole blocks, the last of the batch may be short. Where the batch is small, some ranks
 * have none. */
static struct rows part_of(const struct rows *batch, bool spread, size_t *first)
{
    const size_t blocks = (batch->count + BLOCK - 1) / BLOCK, r = spread ? (size_t)rank : 0;
    const size_t p = spread ? (size_t)ranks : 1, from = blocks * r / p * BLOCK, to = blocks * (r + 1) / p * BLOCK;
    *first = from;
    return (struct rows){least(to, batch->count) - from, batch->pixels + from * PIXELS, batch->digits + from};
}

/* The layer keeps its statistics to itself: the same call without it tells them. */
static void keep(const struct network *n, struct step *s)
{
    static float y[BATCH][HIDDEN];
    const bnorm_desc desc = bnorm_matrix(BNORM_F32, s->rows, HIDDEN);
    const bnorm_buffers b = {.x = s->x, .y = y, .mean = s->mean, .invstd = s->invstd};
    require(n->spread ? bnorm_mpi_forward_training(&desc, &b, MPI_COMM_WORLD) : bnorm_forward_training(&desc, &b));
    memcpy(s->dgamma, bnorm_layer_dgamma(n->norm), sizeof s->dgamma);
    memcpy(s->dbeta, bnorm_layer_dbeta(n->norm), sizeof s->dbeta);
    memcpy(s->running_mean, bnorm_layer_running_mean(n->norm), sizeof s->running_mean);
    memcpy(s->running_var, bnorm_layer_running_var(n->norm), sizeof s->running_var);
}

/* The first step is left in *first. */
static struct network *train(bool spread, int epochs, const struct rows *all, struct step *first)
{
    struct network *const n = room(sizeof *n);
    struct step *const later = room(sizeof *later);
    struct rows batch = {0, room(BATCH * PIXELS * sizeof(float)), room(BATCH * sizeof(int))};
    size_t *const order = room(all->count * sizeof *order);
    uint64_t random = 2;

    network_create(n, spread);
    for (size_t i = 0; i < all->count; i++) order[i] = i;
    for (int epoch = 0; epoch < epochs; epoch++) {
        random_shuffle(order, all->count, &random);
        for (size_t from = 0; from < all->count; from += BATCH) {
            struct step *const s = epoch == 0 && from == 0 ? first : later;
            batch.count = least(BATCH, all->count - from);
            pick(all, order + from, &batch);
            const struct rows mine = part_of(&batch, spread, &s->first);
            s->rows = mine.count;
            forward(n, &mine, s);
            backward(n, &mine, batch.count, s);
            if (s == first) keep(n, s);
            descend(n, 0.1f * (float)(epochs - epoch) / (float)epochs);
        }
    }
    free(order);
    free(batch.pixels);
    free(batch.digits);
    free(later);
    return n;
}

static double accuracy(struct network *n, const struct rows *rows)
{
    static float x[BATCH][HIDDEN], y[BATCH][HIDDEN];
    size_t right = 0;
    for (size_t from = 0; from < rows->count; from += BATCH) {
        const size_t count = least(BATCH, rows->count - from);
        products(n, rows->pixels + from * PIXELS, count, x[0]);
        require(bnorm_layer_forward(n->norm, count, x, y, false));
        for (size_t i = 0; i < count; i++) {
            float scores[CLASSES];
            int best = 0;
            scores_of(n, y[i], scores);
            for (int j = 1; j < CLASSES; j++)
                if (scores[j] > scores[best]) best = j;
            right += best == rows->digits[from + i];
        }
    }
    return (double)right / (double)rows->count;
}

/* ---- comparing ---- */

static uint64_t hash_bytes(uint64_t hash, const void *values, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const unsigned char *)values)[i]) * 0x100000001b3;
    return hash;
}

static uint64_t hash_of(const struct network *n)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325, n->w1, sizeof n->w1);
    hash = hash_bytes(hash, n->w2, sizeof n->w2);
    hash = hash_bytes(hash, n->bias, sizeof n->bias);
    hash = hash_bytes(hash, bnorm_layer_gamma(n->norm), HIDDEN * sizeof(float));
    hash = hash_bytes(hash, bnorm_layer_beta(n->norm), HIDDEN * sizeof(float));
    hash = hash_bytes(hash, bnorm_layer_running_mean(n->norm), HIDDEN * sizeof(float));
    return hash_bytes(hash, bnorm_layer_running_var(n->norm), HIDDEN * sizeof(float));
}

static bool same_step(const struct step *mine, const struct step *alone)
{
    const size_t bytes = mine->rows * sizeof mine->y[0];
    return memcmp(mine->y, alone->y[mine->first], bytes) == 0 && memcmp(mine->dx, alone->dx[mine->first], bytes) == 0 &&
           memcmp(mine->dgamma, alone->dgamma, sizeof mine->dgamma) == 0 &&
           memcmp(mine->dbeta, alone->dbeta, sizeof mine->dbeta) == 0 &&
           memcmp(mine->mean, alone->mean, sizeof mine->mean) == 0 &&
           memcmp(mine->invstd, alone->invstd, sizeof mine->invstd) == 0 &&
           memcmp(mine->running_mean, alone->running_mean, sizeof mine->running_mean) == 0 &&
           memcmp(mine->running_var, alone->running_var, sizeof mine->running_var) == 0;
}

/* Whether something holds on every rank. */
static bool on_all(bool holds)
{
    int mine = holds, all = 0;
    MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
    return all != 0;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    openblas_set_num_threads(1);
    const int epochs = argc > 1 ? atoi(argv[1]) : 20;

    struct rows training, held_out;
    struct step *const first = room(2 * sizeof *first), *const first_alone = first + 1;
    read_digits(&training, &held_out);
    struct network *const spread = train(true, epochs, &training, first);
    struct network *const alone = train(false, epochs, &training, first_alone);

    uint64_t mine = hash_of(spread), of_0 = mine;
    MPI_Bcast(&of_0, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    const double got = accuracy(spread, &held_out), wanted = accuracy(alone, &held_out);
    const bool weights = on_all(mine == of_0), step = on_all(same_step(first, first_alone));
    const bool learnt = on_all(got == wanted && got >= 0.95);
    const bool to_the_bit = on_all(mine == hash_of(alone));
    if (rank == 0)
        printf("%d ranks, %d epochs: held out %.2f %%, alone %.2f %%%s; weights of all ranks %s; first step %s the one "
               "process's; weights at the end %s\n",
               ranks, epochs, 100 * got, 100 * wanted, learnt ? "" : " (DIFFERS OR TOO LOW)",
               weights ? "the same" : "DIFFER", step ? "is" : "IS NOT", to_the_bit ? "too" : "to rounding");
    network_destroy(spread);
    network_destroy(alone);
    free(first);
    for (struct rows *r = &training; r; r = r == &training ? &held_out : NULL) {
        free(r->pixels);
        free(r->digits);
    }
    MPI_Finalize();
    return weights && step && learnt ? EXIT_SUCCESS : EXIT_FAILURE;
}
