/* libbnorm-mpi on as many ranks as mpirun starts: against a gather of everything on each rank, and with faults. Prints
 * what failed; exits with 1 if anything did, on any rank. */
#include <bnorm/mpi.h>

#include "support/array.h"
#include "support/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int rank, ranks, failures;
static char context[128];

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition) && failures++ < 12) {                                                                         \
            fprintf(stderr, "%s:%d: rank %d of %d [%s] %s: ", __FILE__, __LINE__, rank, ranks, context, #condition);   \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
        }                                                                                                              \
    } while (0)

#define IS(expected, expression)                                                                                       \
    do {                                                                                                               \
        const bnorm_status got_ = (expression);                                                                        \
        CHECK(got_ == (expected), "got %s, expected %s", bnorm_status_string(got_), bnorm_status_string(expected));    \
    } while (0)

/* The library's receptions pass through here, so that one can fail. */
static int fail_in;

__attribute__((visibility("default"))) int MPI_Mrecv(void *buffer, int count, MPI_Datatype type, MPI_Message *message,
                                                     MPI_Status *status)
{
    const int error = PMPI_Mrecv(buffer, count, type, message, status);
    return fail_in > 0 && --fail_in == 0 ? MPI_ERR_OTHER : error;
}

/* ---- a batch in parts ---- */

static void *room(size_t bytes)
{
    void *const p = calloc(bytes + 8, 1);
    if (!p) abort();
    return p;
}

struct part {
    bnorm_desc desc;
    size_t entry, param; /* bytes of an entry and of a parameter */
    bnorm_buffers b;
};

static double noise(uint64_t i) { return random_uniform(1, i); }

/* Arrays of a description; x and dy from the values at place `from` of the whole on. */
static struct part part_make(const bnorm_desc *desc, size_t from)
{
    const size_t c = desc->features, size = type_size(desc->dtype), values = c * desc->spatial * desc->batch;
    const bnorm_dtype of_params = desc->dtype == BNORM_F64 ? BNORM_F64 : BNORM_F32;
    const size_t param = type_size(of_params);
    struct part p = {.desc = *desc, .entry = c * desc->spatial * size, .param = param};
    void *const x = room(values * size), *const dy = room(values * size), *const gamma = room(c * param);
    void *const beta = room(c * param), *const mean = room(c * param), *const var = room(c * param);
    for (size_t i = 0; i < values; i++) {
        type_put(desc->dtype, x, i, 3 + noise(from * c * desc->spatial + i));
        type_put(desc->dtype, dy, i, noise(77777777 + from * c * desc->spatial + i));
    }
    for (size_t i = 0; i < c; i++) {
        type_put(of_params, gamma, i, 1 + 0.5 * noise(i));
        type_put(of_params, beta, i, noise(i + 5));
        type_put(of_params, mean, i, noise(i + 9));
        type_put(of_params, var, i, 2);
    }
    p.b = (bnorm_buffers){.x = x,
                          .dy = dy,
                          .gamma = gamma,
                          .beta = beta,
                          .running_mean = mean,
                          .running_var = var,
                          .y = room(values * size),
                          .dx = room(values * size),
                          .dgamma = room(c * param),
                          .dbeta = room(c * param),
                          .mean = room(c * 8),
                          .invstd = room(c * 8)};
    return p;
}

static void part_free(struct part *p)
{
    const bnorm_buffers *const b = &p->b;
    const void *const all[] = {b->x,      b->dy,    b->gamma, b->beta,         b->y,           b->dx,
                               b->dgamma, b->dbeta, b->mean,  b->running_mean, b->running_var, b->invstd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free((void *)all[i]);
}

/* Entries before this rank, and of all. */
static void place(size_t mine, size_t *before, size_t *all)
{
    unsigned long long m = mine, b = 0, a = 0;
    MPI_Exscan(&m, &b, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(&m, &a, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
    *before = rank == 0 ? 0 : (size_t)b;
    *all = (size_t)a;
}

/* Gathers the parts of an array. */
static void gather(const void *mine, size_t bytes, void *all)
{
    int *const counts = room((size_t)ranks * sizeof *counts), *const places = room((size_t)ranks * sizeof *places);
    const int count = (int)bytes;
    MPI_Allgather(&count, 1, MPI_INT, counts, 1, MPI_INT, MPI_COMM_WORLD);
    for (int r = 1; r < ranks; r++) places[r] = places[r - 1] + counts[r - 1];
    MPI_Allgatherv(mine, count, MPI_BYTE, all, counts, places, MPI_BYTE, MPI_COMM_WORLD);
    free(counts);
    free(places);
}

/* The whole batch by the plain calls, of x and dy as the ranks have them. */
static struct part oracle(const struct part *p, size_t all)
{
    bnorm_desc d = p->desc;
    d.batch = all;
    struct part whole = part_make(&d, 0);
    gather(p->b.x, p->desc.batch * p->entry, (void *)whole.b.x);
    gather(p->b.dy, p->desc.batch * p->entry, (void *)whole.b.dy);
    IS(BNORM_OK, bnorm_forward_training(&d, &whole.b));
    IS(BNORM_OK, bnorm_backward(&d, &whole.b));
    return whole;
}

/* ---- what must hold ---- */

static void check_same(const void *a, const void *b, size_t bytes, const char *what)
{
    CHECK(memcmp(a, b, bytes) == 0, "%s", what);
}

/* The same bits on every rank. */
static void check_same_everywhere(const void *mine, size_t bytes, const char *what)
{
    char *const first = room(bytes);
    memcpy(first, mine, bytes);
    MPI_Bcast(first, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
    check_same(mine, first, bytes, what);
    free(first);
}

static void check_everywhere(const struct part *p)
{
    const size_t params = p->desc.features * p->param, doubles = p->desc.features * 8;
    check_same_everywhere(p->b.mean, doubles, "mean differs between ranks");
    check_same_everywhere(p->b.invstd, doubles, "invstd differs between ranks");
    check_same_everywhere(p->b.running_mean, params, "running_mean differs between ranks");
    check_same_everywhere(p->b.running_var, params, "running_var differs between ranks");
    check_same_everywhere(p->b.dgamma, params, "dgamma differs between ranks");
    check_same_everywhere(p->b.dbeta, params, "dbeta differs between ranks");
}

static void check_bits(const struct part *p, const struct part *whole, size_t before)
{
    const size_t params = p->desc.features * p->param, doubles = p->desc.features * 8;
    const size_t bytes = p->desc.batch * p->entry, from = before * p->entry;
    check_same(p->b.mean, whole->b.mean, doubles, "mean");
    check_same(p->b.invstd, whole->b.invstd, doubles, "invstd");
    check_same(p->b.running_mean, whole->b.running_mean, params, "running_mean");
    check_same(p->b.running_var, whole->b.running_var, params, "running_var");
    check_same(p->b.dgamma, whole->b.dgamma, params, "dgamma");
    check_same(p->b.dbeta, whole->b.dbeta, params, "dbeta");
    check_same(p->b.y, (char *)whole->b.y + from, bytes, "y");
    check_same(p->b.dx, (char *)whole->b.dx + from, bytes, "dx");
}

/* Other parts: both means keep the bound of 8 * 2^-53 mean abs(x), and here abs(x) < 4, so they are within 2^-47; both
 * invstd within 2^-30, for float, of their size. */
static void check_near(const struct part *p, const struct part *whole)
{
    for (size_t c = 0; c < p->desc.features; c++) {
        const double mean = whole->b.mean[c], invstd = whole->b.invstd[c];
        CHECK(fabs(p->b.mean[c] - mean) <= 0x1p-47, "mean[%zu] %.17g, %.17g", c, p->b.mean[c], mean);
        CHECK(fabs(p->b.invstd[c] - invstd) <= 0x1p-29 * invstd, "invstd[%zu] %.17g, %.17g", c, p->b.invstd[c], invstd);
    }
}

/* Other parts to the bit: the same parts in one process. */
static void check_parts_in_one_process(const struct part *p, const struct part *whole, size_t mine)
{
    unsigned long long own = mine, *const all = room((size_t)ranks * sizeof *all);
    double *const mean = room(p->desc.features * 8), *const invstd = room(p->desc.features * 8);
    bnorm_moments *m = NULL;
    size_t from = 0;
    MPI_Allgather(&own, 1, MPI_UNSIGNED_LONG_LONG, all, 1, MPI_UNSIGNED_LONG_LONG, MPI_COMM_WORLD);
    IS(BNORM_OK, bnorm_moments_create(&m, &p->desc, 0));
    for (int r = 0; r < ranks; from += all[r++])
        IS(BNORM_OK, bnorm_moments_accumulate(m, all[r], (const char *)whole->b.x + from * p->entry));
    IS(BNORM_OK, bnorm_moments_finish(m, mean, invstd));
    check_same(p->b.mean, mean, p->desc.features * 8, "mean of the same parts");
    check_same(p->b.invstd, invstd, p->desc.features * 8, "invstd of the same parts");
    bnorm_moments_destroy(m);
    free(mean);
    free(invstd);
    free(all);
}

/* ---- cases ---- */

static void run(bnorm_desc d, size_t entries, bool whole_blocks, bool with_layer)
{
    size_t before, all;
    place(entries, &before, &all);
    d.batch = entries;
    snprintf(context, sizeof context, "%zu of %zu x %zu x %zu, dtype %d, layout %d", entries, all, d.features,
             d.spatial, (int)d.dtype, (int)d.layout);
    struct part p = part_make(&d, before), whole = oracle(&p, all);
    if (with_layer) {
        const size_t params = d.features * p.param;
        bnorm_mpi_layer *l = NULL;
        IS(BNORM_OK, bnorm_mpi_layer_create(&l, &d, MPI_COMM_WORLD));
        bnorm_layer *const local = bnorm_mpi_layer_local(l);
        memcpy(bnorm_layer_gamma(local), p.b.gamma, params);
        memcpy(bnorm_layer_beta(local), p.b.beta, params);
        memcpy(bnorm_layer_running_mean(local), p.b.running_mean, params);
        memcpy(bnorm_layer_running_var(local), p.b.running_var, params);
        IS(BNORM_NULL, bnorm_mpi_layer_backward(l, p.b.x, p.b.dy, p.b.dx));
        IS(BNORM_OK, bnorm_mpi_layer_forward(l, entries, p.b.x, p.b.y, true));
        IS(BNORM_OK, bnorm_mpi_layer_backward(l, p.b.x, p.b.dy, p.b.dx));
        memcpy(p.b.running_mean, bnorm_layer_running_mean(local), params);
        memcpy(p.b.running_var, bnorm_layer_running_var(local), params);
        memcpy(p.b.dgamma, bnorm_layer_dgamma(local), params);
        memcpy(p.b.dbeta, bnorm_layer_dbeta(local), params);
        memcpy(p.b.mean, whole.b.mean, d.features * 8);
        memcpy(p.b.invstd, whole.b.invstd, d.features * 8);
        void *const y = room(entries * p.entry);
        IS(BNORM_OK, bnorm_mpi_layer_forward(l, entries, p.b.x, y, false));
        free(y);
        bnorm_mpi_layer_destroy(l);
    } else {
        IS(BNORM_OK, bnorm_mpi_forward_training(&d, &p.b, MPI_COMM_WORLD));
        IS(BNORM_OK, bnorm_mpi_backward(&d, &p.b, MPI_COMM_WORLD));
    }
    check_everywhere(&p);
    if (whole_blocks)
        check_bits(&p, &whole, before);
    else {
        check_near(&p, &whole);
        check_parts_in_one_process(&p, &whole, entries);
    }
    part_free(&p);
    part_free(&whole);
}

static size_t block_of(const bnorm_desc *d)
{
    size_t block = 1;
    IS(BNORM_OK, bnorm_block_rows(d, &block));
    return block;
}

static void whole_blocks(void)
{
    const bnorm_desc all[] = {bnorm_matrix(BNORM_F32, 0, 5),
                              bnorm_matrix(BNORM_F64, 0, 100),
                              bnorm_image(BNORM_F32, BNORM_CHANNELS_LAST, 0, 3, 50),
                              bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 0, 3, 50),
                              bnorm_image(BNORM_BF16, BNORM_CHANNELS_FIRST, 0, 4, 30),
                              bnorm_matrix(BNORM_F16, 0, 33),
                              bnorm_image(BNORM_F64, BNORM_CHANNELS_FIRST, 0, 2, 9000)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const size_t block = block_of(&all[i]), r = (size_t)rank, last = rank == ranks - 1 ? (block + 2) / 3 : 0;
        run(all[i], 2 * block + last, true, i == 1);
        run(all[i], (r * 7 + 3) % 5 * block + last, true, false);         /* unequal, some empty */
        run(all[i], rank == ranks / 2 ? 3 * block + 1 : 0, true, i == 0); /* one has it all */
    }
}

static void any_parts(void)
{
    const bnorm_desc f32 = bnorm_matrix(BNORM_F32, 0, 9), f64 = bnorm_matrix(BNORM_F64, 0, 70);
    const bnorm_desc half = bnorm_image(BNORM_F16, BNORM_CHANNELS_LAST, 0, 3, 10);
    const bnorm_desc first = bnorm_image(BNORM_BF16, BNORM_CHANNELS_FIRST, 0, 2, 20);
    run(f32, 300 + 11 * (size_t)rank, false, false);
    run(f32, 2, false, false);
    run(f64, (size_t)rank % 2 == 0 ? 1000 : 0, false, false);
    run(f64, (size_t)ranks - (size_t)rank + 1, false, false);
    run(half, 20 + 31 * (size_t)rank, false, false);
    run(first, (size_t)rank % 3 * 41 + 1, false, false);
}

static void few_values(void)
{
    bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 3);
    snprintf(context, sizeof context, "few values");
    struct part none = part_make(&d, 0);
    IS(BNORM_OK, bnorm_mpi_forward_training(&d, &none.b, MPI_COMM_WORLD));
    CHECK(none.b.mean[0] == 0 && ((float *)none.b.running_var)[0] == 2, "no values, and something was written");
    IS(BNORM_OK, bnorm_mpi_backward(&d, &none.b, MPI_COMM_WORLD));
    part_free(&none);
    d.batch = rank == ranks - 1;
    struct part one = part_make(&d, 0);
    IS(BNORM_ONE_VALUE, bnorm_mpi_forward_training(&d, &one.b, MPI_COMM_WORLD));
    CHECK(one.b.mean[0] == 0 && ((float *)one.b.running_var)[0] == 2, "one value, and something was written");
    part_free(&one);
    if (ranks > 1) {
        d.batch = 1;             /* one value each is several */
        d.negative_slope = rank; /* not looked at, whatever others have */
        struct part each = part_make(&d, (size_t)rank);
        IS(BNORM_OK, bnorm_mpi_forward_training(&d, &each.b, MPI_COMM_WORLD));
        check_everywhere(&each);
        part_free(&each);
    }
}

enum fault { NO_X, BAD_EPS, NO_DESC, NO_BUFFERS, LONE_MEAN, OVERLAP, OTHER_FEATURES, OTHER_RATE, FAULTS };

/* What all must say of the fault of one. Of two ranks with different descriptions neither is wrong. */
static bnorm_status expected(enum fault fault)
{
    static const bnorm_status all[FAULTS] = {BNORM_NULL, BNORM_BAD_EPS, BNORM_NULL,     BNORM_NULL,
                                             BNORM_NULL, BNORM_OVERLAP, BNORM_MISMATCH, BNORM_MISMATCH};
    return all[fault];
}

static void check_fault(enum fault fault, int culprit)
{
    bnorm_desc d = bnorm_matrix(BNORM_F32, 70, 6);
    struct part p = part_make(&d, (size_t)rank * 70);
    bnorm_buffers b = p.b;
    const bool mine = rank == culprit;
    snprintf(context, sizeof context, "fault %d on rank %d", (int)fault, culprit);
    if (mine && fault == NO_X) b.x = NULL;
    if (mine && fault == BAD_EPS) d.eps = -1;
    if (mine && fault == LONE_MEAN) b.invstd = NULL;
    if (mine && fault == OVERLAP) b.y = b.dx = b.mean;
    if (mine && fault == OTHER_FEATURES) d.features = 5;
    if (mine && fault == OTHER_RATE) d.update_rate = 0.2;
    const bnorm_desc *const given = mine && fault == NO_DESC ? NULL : &d;
    const bnorm_buffers *const buffers = mine && fault == NO_BUFFERS ? NULL : &b;
    IS(expected(fault), bnorm_mpi_forward_training(given, buffers, MPI_COMM_WORLD));
    IS(expected(fault), bnorm_mpi_backward(given, buffers, MPI_COMM_WORLD));
    CHECK(p.b.mean[0] == 0 && p.b.invstd[5] == 0 && ((float *)p.b.running_var)[0] == 2, "statistics were written");
    CHECK(((float *)p.b.y)[0] == 0 && ((float *)p.b.dx)[0] == 0, "elements were written");
    CHECK(((float *)p.b.dgamma)[0] == 0 && ((float *)p.b.dbeta)[0] == 0, "gradients were written");
    part_free(&p);
}

static void faults(void)
{
    for (int culprit = 0; culprit < ranks; culprit += ranks < 5 ? 1 : 3)
        for (int fault = 0; fault < FAULTS; fault++)
            if (ranks > 1 || fault < OTHER_FEATURES) check_fault((enum fault)fault, culprit);
    bnorm_desc d = bnorm_matrix(BNORM_F32, 0, rank == 0 ? 0 : 4);
    bnorm_mpi_layer *l = NULL;
    snprintf(context, sizeof context, "layer without features on rank 0");
    IS(BNORM_NO_FEATURES, bnorm_mpi_layer_create(&l, &d, MPI_COMM_WORLD));
    CHECK(!l, "a layer was made");
    snprintf(context, sizeof context, "null");
    IS(BNORM_NULL, bnorm_mpi_forward_training(&d, NULL, MPI_COMM_NULL));
    IS(BNORM_NULL, bnorm_mpi_layer_forward(NULL, 1, &d, &d, true));
    bnorm_mpi_layer_destroy(NULL);
}

/* MPI fails on the last rank in its nth reception: it returns BNORM_MPI, and so does who hears of it; none hangs, and
 * whoever fails has written nothing. */
static void errors_of_mpi(void)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 100, 6);
    int rounds = 0;
    while (1 << rounds < ranks) rounds++;
    for (int n = 1; n <= 2 * rounds; n++) {
        struct part p = part_make(&d, (size_t)rank * 100);
        snprintf(context, sizeof context, "reception %d fails", n);
        fail_in = rank == ranks - 1 ? n : 0;
        const bnorm_status s = bnorm_mpi_forward_training(&d, &p.b, MPI_COMM_WORLD);
        CHECK(fail_in == 0, "not that many receptions");
        CHECK(s == BNORM_MPI || (s == BNORM_OK && rank != ranks - 1), "%s", bnorm_status_string(s));
        if (s != BNORM_OK)
            CHECK(p.b.mean[0] == 0 && ((float *)p.b.running_var)[0] == 2 && ((float *)p.b.y)[0] == 0, "written");
        fail_in = 0;
        part_free(&p);
    }
}

/* The fewest aligned nodes that ranks [from, from + count) hold between them, 3 blocks to a rank, around the circle. */
static size_t nodes_of(size_t from, size_t count)
{
    const size_t all = 3 * (size_t)ranks;
    size_t nodes = 0, block = 3 * from;
    for (size_t left = 3 * count; left > 0; nodes++) {
        size_t size = 1;
        while (block % (2 * size) == 0 && 2 * size <= left && block + 2 * size <= all) size *= 2;
        left -= size;
        block = (block + size) % all;
    }
    return nodes;
}

/* Two exchanges to a call, of one message a round. To agree takes 48 bytes a round; nodes take 24 C bytes at most for
 * each that a rank holds: of the ranks so far, 2^k of them, and of the first of these that the last round will want. A
 * communicator that is freed takes ours along. */
static void check_traffic(size_t features)
{
    const bnorm_desc none = bnorm_matrix(BNORM_F32, 0, features);
    size_t block = block_of(&none), nodes = 0, last = 1;
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 3 * block, features);
    struct part p = part_make(&d, (size_t)rank * d.batch);
    uint64_t messages = 9, bytes = 9;
    unsigned rounds = 0;
    MPI_Comm comm;
    snprintf(context, sizeof context, "traffic of %zu features", features);
    while (1u << rounds < (unsigned)ranks) rounds++;
    if (rounds > 0) last = (size_t)ranks - ((size_t)1 << (rounds - 1));
    for (unsigned k = 0; k < rounds; k++) {
        const size_t of_last = last & (((size_t)1 << k) - 1);
        if (k < rounds - 1 || last == (size_t)1 << k) nodes += nodes_of((size_t)rank, (size_t)1 << k);
        nodes += nodes_of((size_t)rank, of_last);
    }
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    IS(BNORM_OK, bnorm_mpi_traffic(comm, &messages, &bytes));
    CHECK(messages == 0 && bytes == 0, "before any");
    IS(BNORM_OK, bnorm_mpi_forward_training(&d, &p.b, comm));
    IS(BNORM_OK, bnorm_mpi_traffic(comm, &messages, &bytes));
    CHECK(messages == 2 * rounds, "%u messages, %u rounds", (unsigned)messages, rounds);
    const size_t to_agree = 48 * rounds;
    CHECK(bytes >= to_agree && bytes - to_agree <= 24 * features * nodes, "%u bytes, %zu to agree, %zu nodes",
          (unsigned)bytes, to_agree, nodes);
    MPI_Comm_free(&comm);
    part_free(&p);
}

static void traffic(void)
{
    static const size_t features[] = {1, 2, 3, 64};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) check_traffic(features[i]);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    whole_blocks();
    any_parts();
    few_values();
    faults();
    errors_of_mpi();
    traffic();
    int all = 0;
    MPI_Allreduce(&failures, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) printf("%d ranks, %d failures\n", ranks, all);
    MPI_Finalize();
    return all != 0;
}
