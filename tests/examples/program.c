#include <bnorm/bnorm.h>
#include <stdio.h>

int main(void)
{
    const float x[4][2] = {{1, 100}, {2, 300}, {3, 200}, {4, 400}}; /* a batch of four rows, two features */
    const float dy[4][2] = {{1, 1}, {0, 2}, {0, 3}, {2, 5}};        /* the gradient of some loss by y */
    float y[4][2], dx[4][2];
    double mean[2], invstd[2];
    const bnorm_desc desc = bnorm_matrix(BNORM_F32, 4, 2);
    const bnorm_buffers buffers = {.x = x, .y = y, .mean = mean, .invstd = invstd, .dy = dy, .dx = dx};

    bnorm_status status = bnorm_forward_training(&desc, &buffers);
    if (status == BNORM_OK) status = bnorm_backward(&desc, &buffers);
    for (int i = 0; status == BNORM_OK && i < 4; i++)
        printf("y %6.3f %6.3f  dx %6.3f %8.5f\n", y[i][0], y[i][1], dx[i][0], dx[i][1]);
    if (status != BNORM_OK) fprintf(stderr, "bnorm: %s\n", bnorm_status_string(status));
    return status != BNORM_OK;
}
