/* What ranks send each other, counted exactly: what lib/mpi says and hears for up to 4096 ranks in one process, without
 * a network. Every rank's result is compared with the moments of the whole batch, bit by bit.
 *
 *     bnorm-exchange [FEATURES]      64 unless told
 *
 * Rows are dealt in three ways: one block to a rank; two blocks and some rows, which count as three; and 1000
 * blocks. */
#include "support/ranks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct count {
    uint64_t messages, agreement, nodes, largest; /* but for the first, bytes */
};

static void require(bnorm_status status, const char *what)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bnorm-exchange: %s: %s\n", what, bnorm_status_string(status));
    exit(EXIT_FAILURE);
}

static void *room(size_t bytes)
{
    void *const p = calloc(bytes, 1);
    if (!p) require(BNORM_NO_MEMORY, "arrays");
    return p;
}

static void count_mail(struct mail *mail, void *context)
{
    struct count *const c = context;
    c->messages++;
    *(mail->from ? &c->nodes : &c->agreement) += mail->size;
    if (mail->size > c->largest) c->largest = mail->size;
}

static bool same(const bnorm_moments *a, const bnorm_moments *b)
{
    size_t size = 0, other = 0;
    require(bnorm_moments_serialise(a, NULL, &size), "size");
    require(bnorm_moments_serialise(b, NULL, &other), "size");
    char *const bytes = room(size + other);
    require(bnorm_moments_serialise(a, bytes, &size), "serialise");
    require(bnorm_moments_serialise(b, bytes + size, &other), "serialise");
    const bool equal = size == other && memcmp(bytes, bytes + size, size) == 0;
    free(bytes);
    return equal;
}

static struct count exchange(const bnorm_desc *d, int ranks, size_t rows, const float *x)
{
    const size_t n = (size_t)ranks;
    size_t *const all_rows = room(n * sizeof *all_rows);
    const void **const parts = room(n * sizeof *parts);
    bnorm_status *const statuses = room(n * sizeof *statuses);
    bn_rank_sums *const wholes = room(n * sizeof *wholes);
    bnorm_moments *expected;
    struct count count = {0};

    require(bnorm_moments_create(&expected, d, 0), "create");
    for (size_t r = 0; r < n; r++) {
        all_rows[r] = rows;
        parts[r] = x + r % 7;
        require(bnorm_moments_accumulate(expected, rows, parts[r]), "accumulate");
    }
    ranks_run(&(struct ranks){d, ranks, all_rows, parts, NULL, NULL, count_mail, &count}, statuses, wholes);
    for (size_t r = 0; r < n; r++) {
        require(statuses[r], "a rank");
        if (!same(wholes[r].moments, expected)) require(BNORM_CORRUPT, "a rank's bits are not the whole batch's");
        bnorm_moments_destroy(wholes[r].moments);
    }
    bnorm_moments_destroy(expected);
    free(all_rows);
    free(parts);
    free(statuses);
    free(wholes);
    return count;
}

enum { FEATURES_MOST = 4096 }; /* of which the rows take 1 GB */

int main(int argc, char **argv)
{
    static const int ranks[] = {1,  2,  3,  4,  5,   6,   7,   8,   12,   16,   24,
                                31, 32, 33, 64, 100, 127, 128, 256, 1000, 1024, 4096};
    char *end = NULL;
    const size_t features = argc > 1 ? strtoull(argv[1], &end, 10) : 64;
    if (argc > 2 || (end && *end) || features == 0 || features > FEATURES_MOST) {
        fprintf(stderr, "usage: bnorm-exchange [FEATURES], 1 to %d\n", FEATURES_MOST);
        return 2;
    }
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, features);
    size_t block;
    require(bnorm_block_rows(&d, &block), "features");
    const size_t dealt[] = {block, 2 * block + block / 2 + 1, 1000 * block};
    static const char *const names[] = {"1 block", "2.5 blocks", "1000 blocks"};
    float *const x = room((dealt[2] + 7) * features * sizeof *x);
    for (size_t i = 0; i < (dealt[2] + 7) * features; i++) x[i] = (float)(i * 2654435761u % 1024) / 512 - 1;

    printf("%zu features, %zu rows to a block; a node is %zu bytes. Bytes are means of what a rank sends.\n\n",
           features, block, 8 + 16 * features);
    printf("each rank      ranks  messages a rank  bytes to agree  bytes of nodes  largest message\n");
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
            if (k == 2 && ranks[i] > 128) continue; /* a thousand times the rows */
            const struct count c = exchange(&d, ranks[i], dealt[k], x);
            const unsigned n = (unsigned)ranks[i];
            printf("%-12s %7u %16" PRIu64 " %15" PRIu64 " %15" PRIu64 " %16" PRIu64 "\n", names[k], n, c.messages / n,
                   c.agreement / n, c.nodes / n, c.largest);
        }
    free(x);
    return 0;
}
