/* The accuracy table: every output of the three calls, at the bounds that support/bounds.c derives, over sizes, inputs,
 * scales and |mean| / std. Columns of one array have different ratios, side by side: each must choose its own way. */
#include "support/bounds.h"
#include "support/check.h"

#include <math.h>
#include <string.h>

static const bnorm_dtype types[] = {BNORM_F32, BNORM_F64};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void report(const char *what, const struct worst *w)
{
    note("%s, largest error in units of its bound: mean %.2g invstd %.2g running %.2g y %.2g dbeta %.2g dgamma %.2g dx "
         "%.2g",
         what, w->mean, w->invstd, w->running, w->y, w->dbeta, w->dgamma, w->dx);
}

/* All ratios on all columns where there are few columns; each column one of the ratios where there are many. */
static void check_shape(bnorm_dtype type, size_t rows, size_t features, enum pattern pattern, struct worst *worst)
{
    const bnorm_desc d = bnorm_matrix(type, rows, features);
    for (int ratio = 0; ratio < (features < RATIOS ? RATIOS : 1); ratio++)
        check_all_calls(&d, &(struct input){.pattern = pattern, .ratio = ratio}, worst);
}

/* Both axes: nothing, less than a vector, around one, around several, primes, more than a block. */
static void check_small_sizes(enum pattern pattern)
{
    static const size_t rows[] = {1, 2, 3, 7, 15, 16, 17, 31, 63, 64, 65, 127, 1000};
    static const size_t features[] = {1, 2, 3, 7, 15, 16, 17, 63, 64, 65, 127};
    struct worst worst[2] = {{0}};
    for (int t = 0; t < 2; t++)
        for (size_t r = 0; r < LENGTH(rows); r++)
            for (size_t f = 0; f < LENGTH(features); f++)
                if (!test_quick() || rows[r] * features[f] < 2000)
                    check_shape(types[t], rows[r], features[f], pattern, &worst[t]);
    report("f32", &worst[0]);
    report("f64", &worst[1]);
}

CASE(accuracy, random) { check_small_sizes(RANDOM); }
CASE(accuracy, constant) { check_small_sizes(CONSTANT); }
CASE(accuracy, outlier_first) { check_small_sizes(OUTLIER_FIRST); }
CASE(accuracy, outlier_last) { check_small_sizes(OUTLIER_LAST); }
CASE(accuracy, sorted) { check_small_sizes(SORTED); }
CASE(accuracy, alternating) { check_small_sizes(ALTERNATING); }

CASE(accuracy, many_features)
{
    struct worst worst = {0};
    for (int t = 0; t < 2; t++)
        for (size_t rows = 2; rows < 20; rows += 5) check_shape(types[t], rows, 1000, RANDOM, &worst);
    report("f32 and f64", &worst);
}

/* Many blocks: where sums over the whole batch would lose what blocks keep. */
CASE(accuracy, large)
{
    static const size_t shapes[][2] = {{5000, 3}, {4096, 64}, {300000, 1}, {130, 2050}, {20000, 33}};
    static const enum pattern patterns[] = {RANDOM, OUTLIER_FIRST};
    if (test_quick()) {
        note("BNORM_TEST_QUICK: large shapes left out");
        return;
    }
    for (int t = 0; t < 2; t++) {
        struct worst worst = {0};
        for (size_t s = 0; s < LENGTH(shapes); s++)
            for (size_t i = 0; i < (shapes[s][0] == 20000 ? 1 : LENGTH(patterns)); i++) {
                const bnorm_desc d = bnorm_matrix(types[t], shapes[s][0], shapes[s][1]);
                check_all_calls(&d, &(struct input){.pattern = patterns[i], .ratio = 2 + (int)i}, &worst);
            }
        report(type_name(types[t]), &worst);
    }
}

/* Tiny and huge numbers, and a tiny or huge eps beside them. ratio 1 keeps |x| near the scale itself. */
static void check_scales(bnorm_dtype type, const double *scales, size_t count, struct worst *worst)
{
    static const size_t rows[] = {2, 17, 65, 1000};
    for (size_t s = 0; s < count; s++)
        for (size_t r = 0; r < LENGTH(rows); r++)
            for (int e = 0; e < 2; e++) {
                bnorm_desc d = bnorm_matrix(type, rows[r], 5);
                d.eps = e ? 1e-5 : 0;
                for (int ratio = 0; ratio < 2; ratio++)
                    check_all_calls(&d, &(struct input){.scale = scales[s], .ratio = ratio, .one_ratio = true}, worst);
            }
}

CASE(accuracy, scales)
{
    static const double f32[] = {1e-30, 1e-25, 1e-10, 1e10, 1e19, 1e25, 1e30};
    static const double f64[] = {0x1p-500, 0x1p-300, 0x1p-101, 0x1p101, 0x1p300, 0x1p500};
    struct worst worst[2] = {{0}};
    check_scales(BNORM_F32, f32, LENGTH(f32), &worst[0]);
    check_scales(BNORM_F64, f64, LENGTH(f64), &worst[1]);
    report("f32", &worst[0]);
    report("f64", &worst[1]);
}

/* Gradients of any size, where dx neither overflows nor vanishes altogether. */
CASE(accuracy, gradient_scales)
{
    static const double scales[] = {1e-30, 1e-20, 1e20, 1e30};
    struct worst worst = {0};
    for (int t = 0; t < 2; t++)
        for (size_t s = 0; s < LENGTH(scales); s++) {
            const bnorm_desc d = bnorm_matrix(types[t], 129, 7);
            check_all_calls(&d, &(struct input){.dy_scale = scales[s], .ratio = 1, .one_ratio = true}, &worst);
        }
    report("f32 and f64", &worst);
}

/* A column of one value yields exactly beta, whatever the value, its neighbours, M and eps. */
static void check_constant(bnorm_dtype type, size_t rows, size_t features, double eps)
{
    static const double values[] = {0, 1, -1, 0.1, 1.0 / 3, 1e6, 8388607.0, -123456.789, 1e-30, 1e30, 3.4e38};
    bnorm_desc d = bnorm_matrix(type, rows, features);
    d.eps = eps;
    describe("%zu x %zu %s eps %g", rows, features, type_name(type), eps);
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.ratio = 4});
    for (size_t c = 0; c < features; c++) {
        array_put(&p.arrays[BETA], 0, c, 11 + (double)c / 3);
        if (c % 4 == 3) continue; /* neighbours are not constant */
        for (size_t m = 0; m < rows; m++) array_put(&p.arrays[X], m, c, values[(c + rows) % LENGTH(values)]);
    }
    CHECK(problem_run(&p, TRAINING) == BNORM_OK, "status");
    for (size_t c = 0; c < features; c++) {
        if (c % 4 == 3) continue;
        size_t wrong = 0;
        for (size_t m = 0; m < rows; m++) wrong += array_get(&p.arrays[Y], m, c) != array_get(&p.arrays[BETA], 0, c);
        CHECK(wrong == 0, "column %zu, all %.9g: %zu values are not beta", c, array_get(&p.arrays[X], 0, c), wrong);
        CHECK(array_get(&p.arrays[MEAN], 0, c) == array_get(&p.arrays[X], 0, c), "mean of column %zu", c);
        const double invstd = array_get(&p.arrays[INVSTD], 0, c), expected = eps == 0 ? 0 : 1 / sqrt(eps);
        CHECK(fabs(invstd - expected) <= 0x1p-51 * expected, "invstd of column %zu: %.17g", c, invstd);
    }
    problem_free(&p);
}

CASE(accuracy, constant_columns_yield_exactly_beta)
{
    static const size_t rows[] = {2, 3, 5, 7, 16, 31, 63, 64, 65, 100, 127, 1000, 1025, 4097, 10007};
    static const size_t features[] = {1, 3, 8, 33, 130};
    for (int t = 0; t < 2; t++)
        for (size_t r = 0; r < LENGTH(rows); r++)
            for (size_t f = 0; f < LENGTH(features); f++)
                for (int e = 0; e < 2; e++) check_constant(types[t], rows[r], features[f], e ? 1e-5 : 0);
}

/* Sums that are exact in any order: small integers, M a power of two. mean and dbeta must be so to the bit. */
CASE(accuracy, exact_integers)
{
    static const size_t rows[] = {2, 64, 1024, 65536};
    for (int t = 0; t < 2; t++)
        for (size_t r = 0; r < LENGTH(rows); r++) {
            const bnorm_desc d = bnorm_matrix(types[t], rows[r], 5);
            describe("%zu x 5 %s", rows[r], type_name(types[t]));
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            long long sum[5] = {0}, sum_dy[5] = {0};
            for (size_t m = 0; m < rows[r]; m++)
                for (size_t c = 0; c < 5; c++) {
                    const long long x = 1000 * (long long)c + (long long)((m * 7919 + c) % 256),
                                    dy = (long long)(m * 31 + c) % 64 - 20;
                    array_put(&p.arrays[X], m, c, (double)x);
                    array_put(&p.arrays[DY], m, c, (double)dy);
                    sum[c] += x;
                    sum_dy[c] += dy;
                }
            CHECK(problem_run(&p, TRAINING) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "status");
            for (size_t c = 0; c < 5; c++) {
                const double mean = array_get(&p.arrays[MEAN], 0, c), exact = (double)sum[c] / (double)rows[r];
                CHECK(mean == exact, "mean[%zu] is %.17g, exactly %.17g", c, mean, exact);
                CHECK(array_get(&p.arrays[DBETA], 0, c) == (double)sum_dy[c], "dbeta[%zu] is not %lld", c, sum_dy[c]);
            }
            problem_free(&p);
        }
}
