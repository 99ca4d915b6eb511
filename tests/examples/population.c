/* Mean and variance of every column of a file that need not fit memory: rows of floats, row after row, in the byte
 * order of the machine, read in chunks.
 *
 *     population FEATURES FILE           prints mean and standard deviation of each column
 *     population --check FOLDER          writes a file there, and compares with all of it in memory, to the bit */
#include <bnorm/bnorm.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "random.h"

enum { CHUNK_BYTES = 1 << 20 };

static void require(bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "population: %s\n", bnorm_status_string(status));
    exit(EXIT_FAILURE);
}

static _Noreturn void fail(const char *path)
{
    perror(path);
    exit(EXIT_FAILURE);
}

static void *room(size_t bytes)
{
    void *const p = malloc(bytes + 1);
    if (!p) require(BNORM_NO_MEMORY);
    return p;
}

/* Rows of a chunk: a whole number of blocks, so that the result does not depend on it. */
static size_t chunk_rows(const bnorm_desc *desc)
{
    size_t block;
    require(bnorm_block_rows(desc, &block));
    const size_t bytes = block * desc->features * sizeof(float);
    return bytes < CHUNK_BYTES ? CHUNK_BYTES / bytes * block : block;
}

static void progress(double part, size_t rows)
{
    fprintf(stderr, "\r%5.1f %%  %zu rows", 100 * part, rows);
    if (part >= 1) fputc('\n', stderr);
}

/* The moments of a whole file. */
static bnorm_moments *read_moments(const char *path, const bnorm_desc *desc)
{
    const size_t row = desc->features * sizeof(float), most = chunk_rows(desc);
    float *const chunk = room(most * row);
    bnorm_moments *moments;
    FILE *const file = fopen(path, "rb");
    if (!file || fseeko(file, 0, SEEK_END) != 0) fail(path);
    const double bytes = (double)ftello(file);
    rewind(file);

    require(bnorm_moments_create(&moments, desc, 0));
    size_t rows;
    while ((rows = fread(chunk, row, most, file)) > 0) {
        require(bnorm_moments_accumulate(moments, rows, chunk));
        const size_t so_far = bnorm_moments_count(moments);
        progress((double)(so_far * row) / bytes, so_far);
    }
    if (ferror(file)) fail(path);
    if ((double)(bnorm_moments_count(moments) * row) != bytes) {
        fprintf(stderr, "%s: its size is not a whole number of rows of %zu floats\n", path, desc->features);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    free(chunk);
    return moments;
}

static int print(const char *path, size_t features)
{
    bnorm_desc desc = bnorm_matrix(BNORM_F32, 0, features);
    double *const mean = room(features * sizeof *mean), *const invstd = room(features * sizeof *invstd);
    desc.eps = 0; /* then invstd is 1 / std */
    bnorm_moments *const moments = read_moments(path, &desc);
    require(bnorm_moments_finish(moments, mean, invstd));
    for (size_t j = 0; bnorm_moments_count(moments) > 0 && j < features; j++)
        printf("%zu  mean %.9g  std %.9g\n", j, mean[j], invstd[j] > 0 ? 1 / invstd[j] : 0);
    bnorm_moments_destroy(moments);
    free(mean);
    free(invstd);
    return EXIT_SUCCESS;
}

/* A mean a thousand times the standard deviation, which plain sums in float would lose. */
static int check(const char *folder)
{
    enum { ROWS = 300007, FEATURES = 12 };
    char path[4096];
    float *const x = room((size_t)ROWS * FEATURES * sizeof *x), *const y = room((size_t)ROWS * FEATURES * sizeof *y);
    double mean[2][FEATURES], invstd[2][FEATURES];
    const bnorm_desc desc = bnorm_matrix(BNORM_F32, ROWS, FEATURES);
    const bnorm_buffers all = {.x = x, .y = y, .mean = mean[1], .invstd = invstd[1]};
    uint64_t random = 1;

    snprintf(path, sizeof path, "%s/population-%ld", folder, (long)getpid());
    for (size_t i = 0; i < (size_t)ROWS * FEATURES; i++) x[i] = (float)(1000 + random_unit(&random));
    FILE *const file = fopen(path, "wb");
    if (!file || fwrite(x, sizeof *x, (size_t)ROWS * FEATURES, file) != (size_t)ROWS * FEATURES || fclose(file) != 0)
        fail(path);
    bnorm_moments *const moments = read_moments(path, &desc);
    remove(path);
    require(bnorm_moments_finish(moments, mean[0], invstd[0]));
    require(bnorm_forward_training(&desc, &all));
    const bool same =
        memcmp(mean[0], mean[1], sizeof mean[0]) == 0 && memcmp(invstd[0], invstd[1], sizeof invstd[0]) == 0;
    printf("%d rows in chunks of %zu: %s\n", ROWS, chunk_rows(&desc),
           same ? "the bits of all in memory" : "OTHER BITS");
    bnorm_moments_destroy(moments);
    free(x);
    free(y);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--check") == 0) return check(argv[2]);
    const size_t features = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
    if (features > 0) return print(argv[2], features);
    fprintf(stderr, "usage: population FEATURES FILE | --check FOLDER\n");
    return 2;
}
