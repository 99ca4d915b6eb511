/* Template: what is done once a column. Plain loops; the compiler makes vectors of them. Wants a dtype header and
 * rounding.h. */

/* The sums of squares of two parts, and of what lies between their means: one rounding where that is small. */
BN_INLINE double merged_m2(double m2, double other_m2, double between)
{
    const double sum = m2 + other_m2;
    return with_lost(sum, lost_by(m2, other_m2, sum) + between);
}

static void merge_equals(size_t columns, double n, double *restrict mean, double *restrict m2,
                         const double *restrict other_mean, const double *restrict other_m2)
{
    for (size_t j = 0; j < columns; j++) {
        const double d = other_mean[j] - mean[j];
        mean[j] = mean[j] + d * 0.5;
        m2[j] = merged_m2(m2[j], other_m2[j], d * d * (n * 0.5));
    }
}

/* Of unequal parts there may be many, one on top of the other, so a merge is to round the mean once and no more: d and
 * weight are each of two parts. It starts from the mean of the more values; from that of the fewer, what is taken off
 * may be nearly all of it. */
static void merge_moments(size_t columns, double n, double *restrict mean, double *restrict m2, double other_n,
                          const double *restrict other_mean, const double *restrict other_m2)
{
    if (n == other_n) {
        merge_equals(columns, n, mean, m2, other_mean, other_m2);
        return;
    }
    const bool from_other = n < other_n;
    const double all = n + other_n, fewer = from_other ? n : other_n, spread = n * (other_n / all);
    const double weight = fewer / all, weight1 = upper(weight), weight2 = rest_of(fewer, weight1, all) / all;

    for (size_t j = 0; j < columns; j++) {
        const double from = from_other ? other_mean[j] : mean[j], to = from_other ? mean[j] : other_mean[j];
        const double d = to - from, lost = lost_by(to, -from, d), square = d * d;
        const double d1 = upper(d), d2 = (d - d1) + lost, step = d1 * weight1, sum = from + step;
        mean[j] = sum + (lost_by(from, step, sum) + (d1 * weight2 + d2 * weight));
        m2[j] = merged_m2(m2[j], other_m2[j], with_lost(square, 2 * d * lost) * spread);
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

/* 1 / sqrt(v) of a v in 2^-120..2^120. Float's is off by 2.5 units of 2^-24 at most, so e by 2^-21.6, and what
 * the series leaves, 5/16 e^3, is nothing; of the roundings 2 units of 2^-53 are left. Root and quotient of doubles
 * take 5 cycles a feature, this 2 with AVX-512 and 3 with AVX2 (Xeon of family 6, model 207): of few values a feature
 * the most. */
BN_INLINE double by_series(double v)
{
    const double y = (double)(1 / sqrtf((float)v)), e = 1 - v * y * y;
    return y + y * e * (0.5 + 0.375 * e);
}

BN_INLINE double float_invstd(double v)
{
    return v == 0 ? 0 : sign_if_outside(v, 120) >> 63 ? 1 / sqrt(v) : by_series(v);
}

/* For double, product, sum, root and quotient are put right by what they are off, so that only the last rounding is
 * left. */
BN_INLINE double double_invstd(double m2, double n, double eps)
{
    const double reciprocal = 1 / n, var = m2 * reciprocal, v = var + eps, root = sqrt(v), r = 1 / root;
    if (v == 0) return 0;
    if (!(v >= 0x1p-1000 && v <= DBL_MAX)) return r;
    const double v_off = rest_of(m2, var, n) * reciprocal + lost_by(var, eps, v);
    const double root_off = (rest_of(v, root, root) + v_off) * (r / 2);
    return r + r * (rest_of(1, r, root) - root_off * r);
}

BN_INLINE bool all_inside(size_t columns, double reciprocal, double eps, const double *m2)
{
    uint64_t any = 0;
    for (size_t j = 0; j < columns; j++) any |= sign_if_outside(m2[j] * reciprocal + eps, 120);
    return any >> 63 == 0;
}

/* 1 / sqrt(m2 / n + eps) */
static void invstd(size_t columns, double n, double eps, double *m2)
{
    enum { FEW = 8 }; /* for which it takes longer to ask */
    const double reciprocal = 1 / n;

    if (sizeof(param) == sizeof(double))
        for (size_t j = 0; j < columns; j++) m2[j] = double_invstd(m2[j], n, eps);
    else if (columns >= FEW && all_inside(columns, reciprocal, eps, m2)) /* the same bits, in vectors */
        for (size_t j = 0; j < columns; j++) m2[j] = by_series(m2[j] * reciprocal + eps);
    else
        for (size_t j = 0; j < columns; j++) m2[j] = float_invstd(m2[j] * reciprocal + eps);
}

static void running(size_t columns, double eps, const void *running_mean, const void *running_var,
                    double *restrict mean, double *restrict var)
{
    const param *const rm = running_mean, *const rv = running_var;

    for (size_t j = 0; j < columns; j++) {
        mean[j] = (double)rm[j];
        var[j] = (double)rv[j];
    }
    invstd(columns, 1, eps, var);
}

/* 1 - rate is rounded; what the rounding lost is added back, so that double keeps to two roundings too. Float needs it
 * not, nor does a running statistic that has overflowed: it stays so. */
BN_INLINE double moved(double old, double batch, double rate, double keep, double lost)
{
    const double step = rate * batch;
    const bool exact = sizeof(param) == sizeof(double) && isfinite(old);
    return rate == 1 ? batch : keep * old + (exact ? step + lost * old : step);
}

static void update(size_t columns, double rate, double divisor, const double *restrict mean, const double *restrict m2,
                   void *running_mean, void *running_var)
{
    param *const rm = running_mean, *const rv = running_var;
    const double keep = 1 - rate, lost = (1 - keep) - rate;

    for (size_t j = 0; j < columns; j++) {
        const double var = divided(m2[j], divisor);
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
