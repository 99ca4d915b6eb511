/* Template: what is done once a column. Plain loops; the compiler makes vectors of them. Wants a dtype header. */

static void merge_moments(size_t columns, double n, double *restrict mean, double *restrict m2, double other_n,
                          const double *restrict other_mean, const double *restrict other_m2)
{
    const double weight = other_n / (n + other_n), rest = n / (n + other_n), spread = n * weight;
    const bool from_other = n < other_n; /* from the mean of the fewer, what is taken off may be nearly all of it */

    for (size_t j = 0; j < columns; j++) {
        const double d = other_mean[j] - mean[j];
        mean[j] = from_other ? other_mean[j] - d * rest : mean[j] + d * weight;
        m2[j] = m2[j] + other_m2[j] + d * d * spread;
    }
}

static void merge_sums(size_t columns, double n, double *restrict sum_dy, double *restrict sum_dy_d, double other_n,
                       const double *restrict other_sum_dy, const double *restrict other_sum_dy_d)
{
    (void)n, (void)other_n;
    for (size_t j = 0; j < columns; j++) {
        sum_dy[j] += other_sum_dy[j];
        sum_dy_d[j] += other_sum_dy_d[j];
    }
}

BN_INLINE double invstd_of(double var, double eps)
{
    const double v = var + eps;
    return v == 0 ? 0 : 1 / sqrt(v);
}

static void invstd(size_t columns, double n, double eps, const double *m2, double *out)
{
    for (size_t j = 0; j < columns; j++) out[j] = invstd_of(m2[j] / n, eps);
}

static void running(size_t columns, double eps, const void *running_mean, const void *running_var,
                    double *restrict mean, double *restrict out)
{
    const param *const rm = running_mean, *const rv = running_var;
    for (size_t j = 0; j < columns; j++) {
        mean[j] = (double)rm[j];
        out[j] = invstd_of((double)rv[j], eps);
    }
}

/* 1 - rate is rounded; what the rounding lost is added back, so that double keeps to two roundings too. Float needs it
 * not, nor does a running statistic that has overflowed: it stays so. */
BN_INLINE double moved(double old, double batch, double rate, double keep, double lost)
{
    const double more = sizeof(param) == sizeof(double) && isfinite(old) ? lost * old : 0;
    return rate == 1 ? batch : keep * old + (rate * batch + more);
}

static void update(size_t columns, double rate, double divisor, const double *restrict mean, const double *restrict m2,
                   void *running_mean, void *running_var)
{
    param *const rm = running_mean, *const rv = running_var;
    const double keep = 1 - rate, lost = (1 - keep) - rate;

    for (size_t j = 0; j < columns; j++) {
        const double var = m2[j] / divisor;
        rm[j] = (param)moved((double)rm[j], mean[j], rate, keep, lost);
        rv[j] = (param)moved((double)rv[j], var, rate, keep, lost);
    }
}

static void parameter_gradients(size_t columns, const double *invstd_, const double *sum_dy, const double *sum_dy_d,
                                void *dgamma, void *dbeta)
{
    if (dbeta)
        for (size_t j = 0; j < columns; j++) ((param *)dbeta)[j] = (param)sum_dy[j];
    if (dgamma)
        for (size_t j = 0; j < columns; j++) ((param *)dgamma)[j] = (param)(sum_dy_d[j] * invstd_[j]);
}
