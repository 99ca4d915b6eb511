/* What ranks send each other, counted exactly: lib/mpi's exchange for up to 4096 ranks in one process, without a
 * network. Every rank's result is compared with the moments of the whole batch, bit by bit.
 *
 *     bnorm-exchange [FEATURES]      64 unless told
 *
 * Rows are dealt in three ways: one block to a rank; two blocks and some rows, which count as three; and 1000
 * blocks. */
#include "mpi/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct count {
    uint64_t messages, bytes, most_bytes;
};

static void require(bnorm_status status, const char *what)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bnorm-exchange: %s: %s\n", what, bnorm_status_string(status));
    exit(EXIT_FAILURE);
}

/* All messages of a round, then all hear: nobody sees what another did in the same round. */
static void run_round(bn_exchange *e, int ranks, int round, void **messages, size_t *sizes, struct count *count)
{
    for (int r = 0; r < ranks; r++) {
        messages[r] = bn_exchange_message(&e[r], round, SIZE_MAX, &sizes[r]);
        count->messages++;
        count->bytes += sizes[r];
        if (sizes[r] > count->most_bytes) count->most_bytes = sizes[r];
    }
    for (int r = 0; r < ranks; r++) {
        const int from = bn_exchange_from(&e[r], round);
        bn_exchange_heard(&e[r], round, messages[from], sizes[from]);
    }
    for (int r = 0; r < ranks; r++) bn_exchange_sent(&e[r], messages[r]);
}

static bnorm_moments *moments_of(const bnorm_desc *d, size_t first_block, size_t rows, const float *x)
{
    bnorm_moments *m = NULL;
    require(bnorm_moments_create(&m, d, first_block), "create");
    require(bnorm_moments_accumulate(m, rows, x), "accumulate");
    return m;
}

static bool same(const bnorm_moments *a, const bnorm_moments *b)
{
    size_t size = 0, other = 0;
    require(bnorm_moments_serialise(a, NULL, &size), "size");
    require(bnorm_moments_serialise(b, NULL, &other), "size");
    char *const bytes = malloc(size + other);
    if (!bytes) require(BNORM_NO_MEMORY, "bytes");
    require(bnorm_moments_serialise(a, bytes, &size), "serialise");
    require(bnorm_moments_serialise(b, bytes + size, &other), "serialise");
    const bool equal = size == other && memcmp(bytes, bytes + size, size) == 0;
    free(bytes);
    return equal;
}

static struct count exchange(const bnorm_desc *d, int ranks, size_t rows, const float *x)
{
    bn_exchange *const e = calloc((size_t)ranks, sizeof *e);
    void **const messages = calloc((size_t)ranks, sizeof *messages);
    size_t *const sizes = calloc((size_t)ranks, sizeof *sizes), block = 0;
    bnorm_moments *const whole = moments_of(d, 0, 0, NULL);
    struct count count = {0};

    if (!e || !messages || !sizes) require(BNORM_NO_MEMORY, "ranks");
    require(bnorm_block_rows(d, &block), "block");
    const size_t blocks = (rows + block - 1) / block;
    for (int r = 0; r < ranks; r++) {
        bnorm_moments *const own = moments_of(d, (size_t)r * blocks, rows, x + (size_t)r % 7);
        require(bnorm_moments_merge(whole, own), "merge");
        e[r] = bn_exchange_begin(&bn_moments_kind, d, ranks, r, own, BNORM_OK);
    }
    for (int round = 0; round < e[0].rounds; round++) run_round(e, ranks, round, messages, sizes, &count);
    for (int r = 0; r < ranks; r++) {
        void *got = NULL;
        require(bn_exchange_end(&e[r], &got, NULL), "a rank");
        if (!same(got, whole)) require(BNORM_CORRUPT, "a rank's bits are not the whole batch's");
        bnorm_moments_destroy(got);
    }
    bnorm_moments_destroy(whole);
    free(e);
    free(messages);
    free(sizes);
    return count;
}

int main(int argc, char **argv)
{
    static const int ranks[] = {1,  2,  3,  4,  5,   6,   7,   8,   12,   16,   24,
                                31, 32, 33, 64, 100, 127, 128, 256, 1000, 1024, 4096};
    const size_t features = argc > 1 ? strtoull(argv[1], NULL, 10) : 64;
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, features);
    size_t block;
    require(bnorm_block_rows(&d, &block), "features");
    const size_t dealt[] = {block, 2 * block + block / 2 + 1, 1000 * block};
    static const char *const names[] = {"1 block", "2.5 blocks", "1000 blocks"};
    float *const x = malloc((dealt[2] + 7) * features * sizeof *x);
    if (!x) require(BNORM_NO_MEMORY, "rows");
    for (size_t i = 0; i < (dealt[2] + 7) * features; i++) x[i] = (float)(i * 2654435761u % 1024) / 512 - 1;

    printf("%zu features, %zu rows to a block; a node is %zu bytes, a message's heads at most 328\n\n", features, block,
           24 + 16 * features);
    printf("each rank      ranks  rounds  messages a rank  bytes a rank, mean  largest message\n");
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
            if (k == 2 && ranks[i] > 128) continue; /* a thousand times the rows */
            const struct count c = exchange(&d, ranks[i], dealt[k], x);
            const unsigned n = (unsigned)ranks[i];
            printf("%-12s %7u %7" PRIu64 " %16" PRIu64 " %19" PRIu64 " %16" PRIu64 "\n", names[k], n, c.messages / n,
                   c.messages / n, c.bytes / n, c.most_bytes);
        }
    free(x);
    return 0;
}
