/* Include after defining REAL (the type of the elements) and RUN (the name of the function). */

static void RUN(const work *w, double *scratch)
{
    const bnorm_buffers *b = &w->buffers;
    const size_t rows = w->rows, c = w->features;
    const REAL *x = b->x, *dy = b->dy, *gamma = b->gamma, *beta = b->beta;
    const double m = (double)rows;

    if (w->op == BACKWARD) {
        const double *mean = b->mean, *invstd = b->invstd;
        double *sum = scratch, *product = scratch + c;
        memset(scratch, 0, 2 * c * sizeof *scratch);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < c; j++) {
                sum[j] += dy[i * c + j];
                product[j] += dy[i * c + j] * ((x[i * c + j] - mean[j]) * invstd[j]);
            }
        REAL *dx = b->dx, *dgamma = b->dgamma, *dbeta = b->dbeta;
        for (size_t j = 0; j < c; j++) {
            dbeta[j] = (REAL)sum[j];
            dgamma[j] = (REAL)product[j];
        }
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < c; j++) {
                const double xhat = (x[i * c + j] - mean[j]) * invstd[j];
                dx[i * c + j] = (REAL)(gamma[j] * invstd[j] * (dy[i * c + j] - sum[j] / m - xhat * (product[j] / m)));
            }
        return;
    }

    double *mean = scratch, *invstd = scratch + c;
    if (w->op == FORWARD) {
        memset(scratch, 0, 2 * c * sizeof *scratch);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < c; j++) mean[j] += x[i * c + j];
        for (size_t j = 0; j < c; j++) mean[j] /= m;
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < c; j++) invstd[j] += (x[i * c + j] - mean[j]) * (x[i * c + j] - mean[j]);
        for (size_t j = 0; j < c; j++) invstd[j] = 1 / sqrt(invstd[j] / m + w->desc.eps);
    } else {
        const REAL *running_mean = b->running_mean, *running_var = b->running_var;
        for (size_t j = 0; j < c; j++) {
            mean[j] = running_mean[j];
            invstd[j] = 1 / sqrt(running_var[j] + w->desc.eps);
        }
    }
    REAL *y = b->y;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < c; j++) y[i * c + j] = (REAL)((x[i * c + j] - mean[j]) * invstd[j] * gamma[j] + beta[j]);
}
