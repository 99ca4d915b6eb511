/* Gradient accumulation without changing what batch norm sees: a batch of 1000 rows in micro-batches of 192 has the
 * statistics, the outputs and the gradients of the whole, to the bit, for 192 is a whole number of blocks. Two trips
 * forward and two backward over the parts; between them only the sums are kept. */
#include <bnorm/bnorm.h>

#include <stdio.h>
#include <stdlib.h>

#include "random.h"

enum { ROWS = 1000, FEATURES = 64, MICRO = 192 };

static float x[ROWS][FEATURES], dy[ROWS][FEATURES], y[ROWS][FEATURES], dx[ROWS][FEATURES];
static float whole_y[ROWS][FEATURES], whole_dx[ROWS][FEATURES];
static float dgamma[2][FEATURES], dbeta[2][FEATURES], running_mean[2][FEATURES], running_var[2][FEATURES];
static double mean[2][FEATURES], invstd[2][FEATURES];

static void require(bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bnorm: %s\n", bnorm_status_string(status));
    exit(EXIT_FAILURE);
}

static size_t rows_from(size_t row) { return ROWS - row < MICRO ? ROWS - row : MICRO; }

static bnorm_buffers part_from(size_t row)
{
    return (bnorm_buffers){
        .x = x[row], .y = y[row], .dy = dy[row], .dx = dx[row], .mean = mean[0], .invstd = invstd[0]};
}

static void forward(bnorm_desc desc)
{
    bnorm_moments *moments;
    require(bnorm_moments_create(&moments, &desc, 0));
    for (size_t row = 0; row < ROWS; row += MICRO) require(bnorm_moments_accumulate(moments, rows_from(row), x[row]));
    require(bnorm_moments_finish(moments, mean[0], invstd[0]));
    require(bnorm_moments_commit(moments, running_mean[0], running_var[0]));
    bnorm_moments_destroy(moments);
    for (size_t row = 0; row < ROWS; row += MICRO) {
        const bnorm_buffers part = part_from(row);
        desc.batch = rows_from(row);
        require(bnorm_normalise(&desc, &part));
    }
}

static void backward(bnorm_desc desc)
{
    bnorm_gradient_sums *sums;
    require(bnorm_gradient_sums_create(&sums, &desc, 0));
    for (size_t row = 0; row < ROWS; row += MICRO)
        require(bnorm_gradient_sums_accumulate(sums, rows_from(row), x[row], dy[row], mean[0]));
    require(bnorm_gradient_sums_finish(sums, invstd[0], dgamma[0], dbeta[0]));
    for (size_t row = 0; row < ROWS; row += MICRO) {
        const bnorm_buffers part = part_from(row);
        desc.batch = rows_from(row);
        require(bnorm_input_gradient(&desc, &part, sums));
    }
    bnorm_gradient_sums_destroy(sums);
}

int main(void)
{
    const bnorm_desc desc = bnorm_matrix(BNORM_F32, ROWS, FEATURES);
    const bnorm_buffers whole = {.x = x,
                                 .y = whole_y,
                                 .dy = dy,
                                 .dx = whole_dx,
                                 .dgamma = dgamma[1],
                                 .dbeta = dbeta[1],
                                 .running_mean = running_mean[1],
                                 .running_var = running_var[1],
                                 .mean = mean[1],
                                 .invstd = invstd[1]};
    uint64_t random = 1;
    size_t block;

    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < FEATURES; j++) {
            x[i][j] = (float)(10 * random_unit(&random));
            dy[i][j] = (float)(random_unit(&random) - 0.5);
        }
    require(bnorm_block_rows(&desc, &block));
    forward(desc);
    backward(desc);
    require(bnorm_forward_training(&desc, &whole));
    require(bnorm_backward(&desc, &whole));

    const bool same =
        memcmp(y, whole_y, sizeof y) == 0 && memcmp(dx, whole_dx, sizeof dx) == 0 &&
        memcmp(mean[0], mean[1], sizeof mean[0]) == 0 && memcmp(invstd[0], invstd[1], sizeof invstd[0]) == 0 &&
        memcmp(dgamma[0], dgamma[1], sizeof dgamma[0]) == 0 && memcmp(dbeta[0], dbeta[1], sizeof dbeta[0]) == 0 &&
        memcmp(running_mean[0], running_mean[1], sizeof running_mean[0]) == 0 &&
        memcmp(running_var[0], running_var[1], sizeof running_var[0]) == 0;
    printf("%d rows in micro-batches of %d, blocks of %zu rows: %s\n", ROWS, MICRO, block,
           same ? "the bits of the whole batch" : "OTHER BITS");
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
