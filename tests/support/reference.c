#include "reference.h"

#include <math.h>

wide wide_abs(wide a) { return a < 0 ? -a : a; }

/* From the square root in double, 53 bits, two steps of Newton's: 106, then all 113. Arguments lie in double's range.
 */
wide wide_sqrt(wide a)
{
    if (a <= 0) return 0;
    wide root = sqrt((double)a);
    root = (root + a / root) / 2;
    return (root + a / root) / 2;
}

wide reference_invstd(wide variance, double eps)
{
    const wide sum = variance + eps;
    if (sum > DBL_MAX) return 0; /* a running variance that its type could not hold */
    return sum == 0 ? 0 : 1 / wide_sqrt(sum);
}

struct statistics reference_statistics(const double *x, size_t count, double eps)
{
    struct statistics s = {0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        s.mean += x[i];
        s.mean_abs += fabs(x[i]);
    }
    s.mean /= count;
    s.mean_abs /= count;
    /* The rounded mean of equal values need not be that value; the exact one is. */
    size_t equal = 1;
    while (equal < count && x[equal] == x[0]) equal++;
    if (equal >= count) s.mean = x[0];
    for (size_t i = 0; i < count; i++) s.variance += (x[i] - s.mean) * (x[i] - s.mean);
    s.variance /= count;
    s.invstd = reference_invstd(s.variance, eps);
    return s;
}

wide reference_y(double x, wide mean, wide invstd, wide gamma, wide beta) { return (x - mean) * invstd * gamma + beta; }

wide reference_running(wide before, wide batch, wide update_rate)
{
    return (1 - update_rate) * before + update_rate * batch;
}

struct gradients reference_gradients(const double *x, const double *dy, size_t count, wide mean, wide invstd)
{
    struct gradients g = {0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        const wide product = dy[i] * ((x[i] - mean) * invstd);
        g.dbeta += dy[i];
        g.dgamma += product;
        g.sum_abs_dy += fabs(dy[i]);
        g.sum_abs_dy_xhat += wide_abs(product);
    }
    return g;
}

wide reference_dx(double x, double dy, size_t count, wide mean, wide invstd, wide gamma,
                  const struct gradients *gradients)
{
    const wide xhat = (x - mean) * invstd;
    return gamma * invstd * (dy - gradients->dbeta / count - xhat * gradients->dgamma / count);
}
