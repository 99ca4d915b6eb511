/* What holds whatever the values are. */
#include "support/bounds.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>

static const bnorm_dtype types[] = {BNORM_F32, BNORM_F64};

/* x -> 2^e x with eps 0 changes the exponents of mean, invstd and dx, and no bit of y, dgamma and dbeta. */
static void check_power_of_two(bnorm_dtype type, int exponent)
{
    bnorm_desc d = bnorm_matrix(type, 333, 7);
    d.eps = 0;
    describe("%s, x times 2^%d", type_name(type), exponent);
    struct problem a = problem_make(&d, 0), b = problem_make(&d, 0);
    problem_fill(&a, &(struct input){.ratio = 0});
    problem_fill(&b, &(struct input){.ratio = 0});
    for (size_t m = 0; m < a.count; m++)
        for (size_t c = 0; c < d.features; c++)
            array_put(&b.arrays[X], m, c, ldexp(array_get(&b.arrays[X], m, c), exponent));
    for (int o = TRAINING; o <= BACKWARD; o += BACKWARD)
        CHECK(problem_run(&a, o) == BNORM_OK && problem_run(&b, o) == BNORM_OK, "%s", operation_name(o));
    CHECK(array_digest(&a.arrays[Y]) == array_digest(&b.arrays[Y]), "y changed");
    CHECK(array_digest(&a.arrays[DGAMMA]) == array_digest(&b.arrays[DGAMMA]), "dgamma changed");
    CHECK(array_digest(&a.arrays[DBETA]) == array_digest(&b.arrays[DBETA]), "dbeta changed");
    for (size_t c = 0; c < d.features; c++) {
        const double mean = array_get(&a.arrays[MEAN], 0, c), invstd = array_get(&a.arrays[INVSTD], 0, c);
        CHECK(array_get(&b.arrays[MEAN], 0, c) == ldexp(mean, exponent), "mean[%zu]", c);
        CHECK(array_get(&b.arrays[INVSTD], 0, c) == ldexp(invstd, -exponent), "invstd[%zu]", c);
    }
    problem_free(&a);
    problem_free(&b);
}

CASE(laws, power_of_two_scale)
{
    static const int exponents[] = {-20, -3, -1, 1, 4, 20};
    for (int t = 0; t < 2; t++)
        for (int e = 0; e < 6; e++) check_power_of_two(types[t], exponents[e]);
}

/* dx is orthogonal to the constant and, with eps 0, to xhat. What is left over is rounding: each dx errs by less than
 * its bound of 16 u |gamma invstd| (terms), so the sums err by less than M times that, terms taken at their largest.
 * And xhat is of the saved statistics: they are off by their own bounds, so that sum xhat and sum xhat^2 - M are not
 * quite 0. */
CASE(laws, dx_is_orthogonal)
{
    for (int t = 0; t < 2; t++)
        for (size_t rows = 2; rows < 5000; rows = rows * 3 + 1) {
            bnorm_desc d = bnorm_matrix(types[t], rows, 11);
            d.eps = 0;
            describe("%zu x 11 %s", rows, type_name(types[t]));
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.ratio = 1, .one_ratio = true});
            CHECK(problem_run(&p, TRAINING) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "status");
            for (size_t c = 0; c < d.features; c++) {
                const double mean = array_get(&p.arrays[MEAN], 0, c), invstd = array_get(&p.arrays[INVSTD], 0, c);
                double sum = 0, sum_xhat = 0, largest = 0, terms = 0, largest_x = 0;
                for (size_t m = 0; m < rows; m++) {
                    const double dx = array_get(&p.arrays[DX], m, c),
                                 xhat = (array_get(&p.arrays[X], m, c) - mean) * invstd;
                    sum += dx;
                    sum_xhat += dx * xhat;
                    largest = fmax(largest, fabs(xhat));
                    largest_x = fmax(largest_x, fabs(array_get(&p.arrays[X], m, c)));
                    terms = fmax(terms, fabs(array_get(&p.arrays[DY], m, c)));
                }
                const double saved = 8 * 0x1p-53 * (1 + largest_x * invstd) + (types[t] == BNORM_F32 ? 0x1p-30 : 0);
                const double each = (16 * unit_roundoff(types[t]) + 2 * saved) *
                                    fabs(array_get(&p.arrays[GAMMA], 0, c)) * invstd * terms * (2 + largest * largest);
                CHECK(fabs(sum) <= (double)rows * each, "sum of dx[%zu] is %g", c, sum);
                CHECK(fabs(sum_xhat) <= (double)rows * each * (1 + largest), "sum of dx xhat[%zu] is %g", c, sum_xhat);
            }
            problem_free(&p);
        }
}

/* x + b, exact in the type, changes y only by the rounding of its mean. */
CASE(laws, shift)
{
    for (int t = 0; t < 2; t++) {
        bnorm_desc d = bnorm_matrix(types[t], 1000, 5);
        describe("%s", type_name(types[t]));
        struct problem a = problem_make(&d, 0), b = problem_make(&d, 0);
        problem_fill(&a, &(struct input){.ratio = 0});
        problem_fill(&b, &(struct input){.ratio = 0});
        for (size_t m = 0; m < a.count; m++)
            for (size_t c = 0; c < 5; c++) {
                const double x = (double)((m * 37 + c * 11) % 1021);
                array_put(&a.arrays[X], m, c, x);
                array_put(&b.arrays[X], m, c, x + 1048576);
            }
        CHECK(problem_run(&a, TRAINING) == BNORM_OK && problem_run(&b, TRAINING) == BNORM_OK, "status");
        for (size_t m = 0; m < a.count; m++)
            for (size_t c = 0; c < 5; c++) {
                const double y = array_get(&a.arrays[Y], m, c), shifted = array_get(&b.arrays[Y], m, c);
                const double gamma = fabs(array_get(&a.arrays[GAMMA], 0, c)),
                             beta = fabs(array_get(&a.arrays[BETA], 0, c));
                const double invstd = array_get(&a.arrays[INVSTD], 0, c);
                const double bound =
                    10 * unit_roundoff(types[t]) * (2 * gamma + beta) + 16 * 0x1p-53 * gamma * invstd * 1049600;
                CHECK(fabs(y - shifted) <= bound, "y[%zu][%zu] goes from %.17g to %.17g", m, c, y, shifted);
            }
        problem_free(&a);
        problem_free(&b);
    }
}

/* The order of the rows is the order of y's and dx's rows, and nothing else beyond rounding: reverse them. */
CASE(laws, reversed_rows)
{
    for (int t = 0; t < 2; t++) {
        const bnorm_desc d = bnorm_matrix(types[t], 3001, 6);
        describe("%s", type_name(types[t]));
        struct problem a = problem_make(&d, 0), b = problem_make(&d, 0);
        problem_fill(&a, &(struct input){.ratio = 1});
        problem_fill(&b, &(struct input){.ratio = 1});
        for (size_t m = 0; m < a.count; m++)
            for (size_t c = 0; c < 6; c++) array_put(&b.arrays[X], m, c, array_get(&a.arrays[X], a.count - 1 - m, c));
        CHECK(problem_run(&a, TRAINING) == BNORM_OK && problem_run(&b, TRAINING) == BNORM_OK, "status");
        for (size_t c = 0; c < 6; c++) {
            const double mean = array_get(&a.arrays[MEAN], 0, c), reversed = array_get(&b.arrays[MEAN], 0, c);
            CHECK(fabs(mean - reversed) <= 16 * 0x1p-53 * (fabs(mean) + 2), "mean[%zu]", c);
            const double invstd = array_get(&a.arrays[INVSTD], 0, c);
            CHECK(fabs(array_get(&b.arrays[INVSTD], 0, c) / invstd - 1) <= 0x1p-30, "invstd[%zu]", c);
        }
        problem_free(&a);
        problem_free(&b);
    }
}

/* Rows of zeros yield beta, and a batch of one row twice has the mean of that row and variance 0. */
CASE(laws, zeros)
{
    for (int t = 0; t < 2; t++) {
        bnorm_desc d = bnorm_matrix(types[t], 130, 9);
        d.eps = 0;
        describe("%s", type_name(types[t]));
        struct problem p = problem_make(&d, 0);
        problem_fill(&p, &(struct input){.ratio = 0});
        for (size_t m = 0; m < p.count; m++)
            for (size_t c = 0; c < 9; c++) array_put(&p.arrays[X], m, c, 0);
        CHECK(problem_run(&p, TRAINING) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "status");
        for (size_t c = 0; c < 9; c++) {
            CHECK(array_get(&p.arrays[MEAN], 0, c) == 0 && array_get(&p.arrays[INVSTD], 0, c) == 0, "statistics");
            CHECK(array_get(&p.arrays[DGAMMA], 0, c) == 0, "dgamma[%zu]", c);
            for (size_t m = 0; m < p.count; m++) {
                CHECK(array_get(&p.arrays[Y], m, c) == array_get(&p.arrays[BETA], 0, c), "y[%zu][%zu]", m, c);
                CHECK(array_get(&p.arrays[DX], m, c) == 0, "dx[%zu][%zu]", m, c);
            }
        }
        problem_free(&p);
    }
}
