/* What holds whatever the values are. */
#include "support/bounds.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>

static bool is_sixteen(bnorm_dtype type) { return type_size(type) == 2; }

/* x -> 2^e x with eps 0 changes the exponents of mean, invstd and dx, and no bit of y, dgamma and dbeta. */
static void check_power_of_two(bnorm_dtype type, int exponent)
{
    bnorm_desc d = bnorm_matrix(type, 333, 7);
    d.eps = 0;
    describe("%s, x times 2^%d", type_name(type), exponent);
    struct problem a = problem_make(&d, 0), b = problem_make(&d, 0);
    const struct input input = {.ratio = 0, .one_ratio = type == BNORM_F16};
    problem_fill(&a, &input);
    problem_fill(&b, &input);
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
    for (int t = 0; t < TYPES; t++)
        for (int e = 0; e < 6; e++) {
            if (all_types[t] == BNORM_F16 && (exponents[e] < 0 || exponents[e] > 4)) continue; /* x would be rounded */
            check_power_of_two(all_types[t], exponents[e]);
        }
}

/* dx is orthogonal to the constant and, with eps 0, to xhat. What is left over is rounding: each dx errs by less than
 * its bound of 16 u |gamma invstd| (terms), so the sums err by less than M times that, terms taken at their largest,
 * and by half an ulp of each dx where these are of 16 bits. And xhat is of the saved statistics: they are off by their
 * own bounds, so that sum xhat and sum xhat^2 - M are not quite 0. */
CASE(laws, dx_is_orthogonal)
{
    for (int t = 0; t < TYPES; t++)
        for (size_t rows = 2; rows < 5000; rows = rows * 3 + 1) {
            bnorm_desc d = bnorm_image(all_types[t], all_layouts[rows % 2], rows, 11, 1);
            d.eps = 0;
            describe("%zu x 11 %s", rows, type_name(all_types[t]));
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.ratio = 1, .one_ratio = true});
            CHECK(problem_run(&p, TRAINING) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "status");
            for (size_t c = 0; c < d.features; c++) {
                const double mean = array_get(&p.arrays[MEAN], 0, c), invstd = array_get(&p.arrays[INVSTD], 0, c);
                double sum = 0, sum_xhat = 0, largest = 0, terms = 0, largest_x = 0, ulps = 0;
                for (size_t m = 0; m < rows; m++) {
                    const double dx = array_get(&p.arrays[DX], m, c),
                                 xhat = (array_get(&p.arrays[X], m, c) - mean) * invstd;
                    sum += dx;
                    sum_xhat += dx * xhat;
                    if (is_sixteen(all_types[t]))
                        ulps += stored_roundoff(all_types[t]) * fabs(dx) + least_subnormal(all_types[t]);
                    largest = fmax(largest, fabs(xhat));
                    largest_x = fmax(largest_x, fabs(array_get(&p.arrays[X], m, c)));
                    terms = fmax(terms, fabs(array_get(&p.arrays[DY], m, c)));
                }
                const double saved = 8 * 0x1p-53 * (1 + largest_x * invstd) + (all_types[t] == BNORM_F64 ? 0 : 0x1p-30);
                const double each = (16 * unit_roundoff(all_types[t]) + 2 * saved) *
                                    fabs(array_get(&p.arrays[GAMMA], 0, c)) * invstd * terms * (2 + largest * largest);
                const double all = (double)rows * each;
                CHECK(fabs(sum) <= all + ulps, "sum of dx[%zu] is %g", c, sum);
                CHECK(fabs(sum_xhat) <= (all + ulps) * (1 + largest), "sum of dx xhat[%zu] is %g", c, sum_xhat);
            }
            problem_free(&p);
        }
}

/* x + b, exact in f32 and f64, changes y only by the rounding of its mean. */
CASE(laws, shift)
{
    for (int t = 0; t < 2; t++) {
        bnorm_desc d = bnorm_matrix(all_types[t], 1000, 5);
        describe("%s", type_name(all_types[t]));
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
                    10 * unit_roundoff(all_types[t]) * (2 * gamma + beta) + 16 * 0x1p-53 * gamma * invstd * 1049600;
                CHECK(fabs(y - shifted) <= bound, "y[%zu][%zu] goes from %.17g to %.17g", m, c, y, shifted);
            }
        problem_free(&a);
        problem_free(&b);
    }
}

/* The order of the rows is the order of y's and dx's rows, and nothing else beyond rounding: reverse them. */
CASE(laws, reversed_rows)
{
    for (int t = 0; t < TYPES; t++) {
        const bnorm_desc d = bnorm_image(all_types[t], all_layouts[t % 2], t % 2 ? 3001 / 49 : 3001, 6, t % 2 ? 49 : 1);
        describe("%s", type_name(all_types[t]));
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
    for (int t = 0; t < TYPES; t++) {
        bnorm_desc d = bnorm_image(all_types[t], all_layouts[t % 2], 130, 9, t % 2 ? 7 : 1);
        d.eps = 0;
        describe("%s", type_name(all_types[t]));
        struct problem p = problem_make(&d, 0);
        problem_fill(&p, &(struct input){.ratio = 0});
        for (size_t m = 0; m < p.count; m++)
            for (size_t c = 0; c < 9; c++) array_put(&p.arrays[X], m, c, 0);
        CHECK(problem_run(&p, TRAINING) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "status");
        for (size_t c = 0; c < 9; c++) {
            CHECK(array_get(&p.arrays[MEAN], 0, c) == 0 && array_get(&p.arrays[INVSTD], 0, c) == 0, "statistics");
            CHECK(array_get(&p.arrays[DGAMMA], 0, c) == 0, "dgamma[%zu]", c);
            for (size_t m = 0; m < p.count; m++) {
                CHECK(array_get(&p.arrays[Y], m, c) == type_round(all_types[t], array_get(&p.arrays[BETA], 0, c)),
                      "y[%zu][%zu]", m, c);
                CHECK(array_get(&p.arrays[DX], m, c) == 0, "dx[%zu][%zu]", m, c);
            }
        }
        problem_free(&p);
    }
}

/* A feature of one value, times -1 and with a beta of -0, is -0, wherever it stands: factors keep their sign whether
 * tables hold one a feature or one a value, also in the last values of a full table. */
CASE(laws, negative_zeros)
{
    static const size_t shapes[][3] = {{130, 9, 1},   {40, 1030, 1}, {1, 512, 2},
                                       {300, 512, 2}, {40, 128, 8},  {5, 60, 49}};
    for (int t = 0; t < TYPES; t++)
        for (size_t s = 0; s < 2 * LENGTH(shapes); s++) {
            const size_t *const shape = shapes[s / 2];
            bnorm_desc d = bnorm_image(all_types[t], all_layouts[s % 2], shape[0], shape[1], shape[2]);
            d.eps = 0;
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.ratio = 0});
            for (size_t c = 0; c < d.features; c++) {
                array_put(&p.arrays[GAMMA], 0, c, -1);
                array_put(&p.arrays[BETA], 0, c, -0.0);
                for (size_t m = 0; m < p.count; m++) array_put(&p.arrays[X], m, c, 5);
            }
            describe("%s, %zu x %zu x %zu, channels %s", type_name(d.dtype), d.batch, d.features, d.spatial,
                     layout_name(d.layout));
            CHECK(problem_run(&p, TRAINING) == BNORM_OK, "status");
            size_t others = 0;
            for (size_t m = 0; m < p.count; m++)
                for (size_t c = 0; c < d.features; c++) {
                    const double y = array_get(&p.arrays[Y], m, c);
                    if (y != 0 || !signbit(y)) others++;
                }
            CHECK(others == 0, "%zu values are not -0", others);
            problem_free(&p);
        }
}

/* The layout says where a value stands, not what it is: both agree within the sum of their bounds. */
static void check_layouts_agree(bnorm_dtype type, const size_t shape[3])
{
    const bnorm_desc last = bnorm_image(type, BNORM_CHANNELS_LAST, shape[0], shape[1], shape[2]);
    const bnorm_desc first = bnorm_image(type, BNORM_CHANNELS_FIRST, shape[0], shape[1], shape[2]);
    const struct input input = {.ratio = 0, .one_ratio = true};
    struct problem a = problem_make(&last, 0), b = problem_make(&first, 0);
    problem_fill(&a, &input);
    problem_fill(&b, &input);
    describe_problem(&b, &input);
    CHECK(array_digest(&a.arrays[X]) == array_digest(&b.arrays[X]), "the inputs are not the same");
    CHECK(problem_run(&a, TRAINING) == BNORM_OK && problem_run(&b, TRAINING) == BNORM_OK, "status");
    for (size_t c = 0; c < last.features; c++) {
        const double mean = array_get(&a.arrays[MEAN], 0, c), invstd = array_get(&a.arrays[INVSTD], 0, c);
        const double gamma = fabs(array_get(&a.arrays[GAMMA], 0, c)), beta = fabs(array_get(&a.arrays[BETA], 0, c));
        CHECK(fabs(array_get(&b.arrays[MEAN], 0, c) - mean) <= 16 * 0x1p-53 * 2, "mean[%zu]", c); /* |x| < 2 */
        CHECK(fabs(array_get(&b.arrays[INVSTD], 0, c) / invstd - 1) <= 0x1p-29, "invstd[%zu]", c);
        for (size_t m = 0; m < a.count; m++) {
            const double y = array_get(&a.arrays[Y], m, c), other = array_get(&b.arrays[Y], m, c);
            const double xhat = fabs(array_get(&a.arrays[X], m, c) - mean) * invstd;
            const double bound = 16 * unit_roundoff(type) * (gamma * (1 + xhat) + beta) +
                                 (is_sixteen(type) ? 2 * stored_roundoff(type) * fabs(y) : 0) + least_subnormal(type);
            CHECK(fabs(y - other) <= bound, "y[%zu][%zu] is %.9g last, %.9g first", m, c, y, other);
        }
    }
    problem_free(&a);
    problem_free(&b);
}

CASE(laws, layouts_agree)
{
    static const size_t shapes[][3] = {{2, 3, 1}, {5, 4, 49}, {50, 17, 7}, {3, 100, 16}, {2, 3, 4097}, {1, 5, 2}};
    for (int t = 0; t < TYPES; t++)
        for (size_t s = 0; s < LENGTH(shapes); s++) check_layouts_agree(all_types[t], shapes[s]);
}
