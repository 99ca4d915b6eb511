/* The formulas of bnorm.h, one plain loop each, in binary128: 60 bits wider than the widest sum of the library, so the
 * error of the reference is nothing beside the bounds. A column is given as doubles, which hold every element type
 * exactly. Nothing here is shared with the library. */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include <float.h>
#include <stddef.h>

/* gcc and clang have __float128 on x86-64; on AArch64 long double is binary128. */
#if LDBL_MANT_DIG == 113
typedef long double wide;
#else
__extension__ typedef __float128 wide;
#endif

struct statistics {
    wide mean, variance, invstd; /* biased variance; invstd is 0 where variance + eps is */
    wide mean_abs;               /* mean of abs(x): what the bounds are stated in */
};

struct gradients {
    wide dbeta, dgamma;
    wide sum_abs_dy, sum_abs_dy_xhat; /* for the bounds */
};

wide wide_sqrt(wide a);
wide wide_abs(wide a);

struct statistics reference_statistics(const double *x, size_t count, double eps);

wide reference_invstd(wide variance, double eps);

wide reference_y(double x, wide mean, wide invstd, wide gamma, wide beta);

wide reference_running(wide before, wide batch, wide update_rate);

struct gradients reference_gradients(const double *x, const double *dy, size_t count, wide mean, wide invstd);

wide reference_dx(double x, double dy, size_t count, wide mean, wide invstd, wide gamma,
                  const struct gradients *gradients);

#endif
