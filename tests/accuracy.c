/* The accuracy table: every output of the three calls, at the bounds that support/bounds.c derives, over sizes, inputs,
 * scales and |mean| / std. Columns of one array have different ratios, side by side: each must choose its own way. */
#include "support/bounds.h"
#include "support/check.h"

#include <math.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void report(const char *what, const struct worst *w)
{
    const struct used *t = w->of[TRAINING], *b = w->of[BACKWARD];
    note("%s, largest error in units of its bound: mean %.2g invstd %.2g running %.2g y %.2g (inference %.2g) dbeta "
         "%.2g dgamma %.2g dx %.2g",
         what, t[MEAN].share, t[INVSTD].share, fmax(t[RUNNING_MEAN].share, t[RUNNING_VAR].share), t[Y].share,
         w->of[INFERENCE][Y].share, b[DBETA].share, b[DGAMMA].share, b[DX].share);
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
    struct worst worst[TYPES] = {0};
    for (int t = 0; t < TYPES; t++)
        for (size_t r = 0; r < LENGTH(rows); r++)
            for (size_t f = 0; f < LENGTH(features); f++) {
                const bool sixteen = type_size(all_types[t]) == 2; /* what they add to f32 shows at a third of these */
                if ((sixteen && (r + f) % 3 != 0) || (test_quick() && rows[r] * features[f] >= 2000)) continue;
                check_shape(all_types[t], rows[r], features[f], pattern, &worst[t]);
            }
    for (int t = 0; t < TYPES; t++) report(type_name(all_types[t]), &worst[t]);
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
    for (int t = 0; t < TYPES; t++)
        for (size_t rows = 2; rows < 20; rows += 5) check_shape(all_types[t], rows, 1000, RANDOM, &worst);
    report("all types", &worst);
}

/* Every length of run around what kernels and plans count in, with one channel, few, many, in one image, few, many. The
 * patterns take turns. */
static void check_images(bnorm_layout layout, size_t most)
{
    static const size_t spatial[] = {1, 2, 3, 7, 16, 49, 63, 64, 65, 100, 169, 196, 784, 4095, 4096, 4097, 12544};
    static const size_t features[] = {1, 2, 3, 5, 16, 17, 64, 100}, batches[] = {1, 2, 3, 50, 65, 130};
    struct worst worst[TYPES] = {0};
    size_t number = 0;
    for (size_t s = 0; s < LENGTH(spatial); s++)
        for (size_t f = 0; f < LENGTH(features); f++)
            for (size_t b = 0; b < LENGTH(batches); b++)
                for (int t = 0; t < TYPES; t++) {
                    if (spatial[s] * features[f] * batches[b] > most) continue;
                    const bnorm_desc d = bnorm_image(all_types[t], layout, batches[b], features[f], spatial[s]);
                    const struct input input = {.pattern = number % PATTERNS, .ratio = (int)(number % RATIOS)};
                    number += 11; /* of no factor with either */
                    check_all_calls(&d, &input, &worst[t]);
                }
    for (int t = 0; t < TYPES; t++) report(type_name(all_types[t]), &worst[t]);
}

CASE(accuracy, images_channels_first) { check_images(BNORM_CHANNELS_FIRST, test_quick() ? 3000 : 20000); }
CASE(accuracy, images_channels_last) { check_images(BNORM_CHANNELS_LAST, test_quick() ? 1000 : 7000); }

/* Images of many blocks, and many blocks of images. */
CASE(accuracy, large_images)
{
    static const size_t shapes[][3] = {{130, 17, 49}, {2, 16, 4097}, {3, 5, 12544}, {50, 3, 784}, {5000, 2, 9}};
    if (test_quick()) {
        note("BNORM_TEST_QUICK: large shapes left out");
        return;
    }
    for (int t = 0; t < TYPES; t++) {
        struct worst worst = {0};
        for (size_t s = 0; s < LENGTH(shapes); s++) {
            const bnorm_desc d =
                bnorm_image(all_types[t], BNORM_CHANNELS_FIRST, shapes[s][0], shapes[s][1], shapes[s][2]);
            check_all_calls(&d, &(struct input){.pattern = s % 2 ? OUTLIER_FIRST : RANDOM, .ratio = (int)s}, &worst);
        }
        report(type_name(all_types[t]), &worst);
    }
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
    for (int t = 0; t < TYPES; t++) {
        struct worst worst = {0};
        for (size_t s = 0; s < (type_size(all_types[t]) == 2 ? 3 : LENGTH(shapes)); s++)
            for (size_t i = 0; i < (shapes[s][0] == 20000 ? 1 : LENGTH(patterns)); i++) {
                const bnorm_desc d = bnorm_matrix(all_types[t], shapes[s][0], shapes[s][1]);
                check_all_calls(&d, &(struct input){.pattern = patterns[i], .ratio = 2 + (int)i}, &worst);
            }
        report(type_name(all_types[t]), &worst);
    }
}

/* Tiny and huge numbers, and a tiny or huge eps beside them. ratio 1 keeps |x| near the scale itself. */
static void check_scales(bnorm_dtype type, const double *scales, size_t count, struct worst *worst)
{
    static const size_t rows[] = {2, 17, 65, 1000};
    for (size_t s = 0; s < count; s++)
        for (size_t r = 0; r < LENGTH(rows); r++)
            for (int e = 0; e < 2; e++) {
                bnorm_desc d = bnorm_image(type, all_layouts[(s + r) % 2], rows[r], 5, rows[r] < 65 ? 3 : 1);
                d.eps = e ? 1e-5 : 0;
                for (int ratio = 0; ratio < 2; ratio++)
                    check_all_calls(&d, &(struct input){.scale = scales[s], .ratio = ratio, .one_ratio = true}, worst);
            }
}

CASE(accuracy, scales)
{
    static const double f32[] = {1e-30, 1e-25, 1e-10, 1e10, 1e19, 1e25, 1e30};
    static const double f64[] = {0x1p-500, 0x1p-300, 0x1p-101, 0x1p101, 0x1p300, 0x1p500};
    /* From subnormal numbers to a variance far beyond 65504; at ratio 1 the largest value is 2.73 times the scale. */
    static const double f16[] = {0x1p-22, 0x1p-18, 0x1p-14, 0x1p-10, 300, 5000, 20000};
    struct worst worst[TYPES] = {0};
    check_scales(BNORM_F32, f32, LENGTH(f32), &worst[0]);
    check_scales(BNORM_F64, f64, LENGTH(f64), &worst[1]);
    check_scales(BNORM_BF16, f32, LENGTH(f32), &worst[2]);
    check_scales(BNORM_F16, f16, LENGTH(f16), &worst[3]);
    for (int t = 0; t < TYPES; t++) report(type_name(all_types[t]), &worst[t]);
}

/* Gradients of any size, where dx neither overflows nor vanishes altogether. */
CASE(accuracy, gradient_scales)
{
    static const double scales[] = {1e-30, 1e-20, 1e20, 1e30}, f16[] = {0x1p-22, 0x1p-12, 1000, 20000};
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (size_t s = 0; s < LENGTH(scales); s++)
            for (int l = 0; l < LAYOUTS; l++) {
                const bnorm_desc d = bnorm_image(all_types[t], all_layouts[l], 43, 7, 3);
                const double scale = all_types[t] == BNORM_F16 ? f16[s] : scales[s];
                check_all_calls(&d, &(struct input){.dy_scale = scale, .ratio = 1, .one_ratio = true}, &worst);
            }
    report("all types", &worst);
}

/* gamma * invstd is more than float holds, or so little that it keeps few digits, where y and dx are neither. Not for
 * half, whose x and y are never so far apart. */
CASE(accuracy, factors_beyond_float)
{
    static const double scales[] = {1e-30, 1e30};
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (size_t s = 0; s < LENGTH(scales) && all_types[t] != BNORM_F16; s++)
            for (int l = 0; l < LAYOUTS; l++) {
                bnorm_desc d = bnorm_image(all_types[t], all_layouts[l], 43, 7, 3);
                d.eps = 0;
                struct problem p = problem_make(&d, 0);
                const struct input input = {.scale = scales[s], .dy_scale = scales[s]};
                problem_fill(&p, &input);
                describe_problem(&p, &input);
                struct array *const gamma = &p.arrays[GAMMA];
                for (size_t c = 0; c < d.features; c += 2) /* beside neighbours that are as usual */
                    array_put(gamma, 0, c, array_get(gamma, 0, c) / sqrt(scales[s]));
                run_and_check(&p, TRAINING, &worst);
                run_and_check(&p, BACKWARD, &worst);
                problem_free(&p);
            }
    report("f32, f64, bf16", &worst);
}

/* A column of one value yields exactly beta, whatever the value, its neighbours, M and eps. */
static void check_constant(bnorm_desc d, double eps)
{
    static const double values[] = {0,     1,    -1,     0.1,     1.0 / 3, 1e6,      8388607.0, -123456.789,
                                    1e-30, 1e30, 3.4e38, 1.1e308, DBL_MAX, -DBL_MAX, 5e-324,    0x1.8000000000003p0};
    const size_t features = d.features, rows = d.batch * d.spatial;
    const double largest = largest_finite(d.dtype);
    d.eps = eps;
    describe("%zu x %zu x %zu %s, channels %s, eps %g", d.batch, features, d.spatial, type_name(d.dtype),
             layout_name(d.layout), eps);
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.ratio = 4});
    for (size_t c = 0; c < features; c++) {
        array_put(&p.arrays[BETA], 0, c, 11 + (double)c / 3);
        if (c % 4 == 3) continue; /* neighbours are not constant */
        const double value = type_round(d.dtype, fmax(-largest, fmin(largest, values[(c + rows) % LENGTH(values)])));
        for (size_t m = 0; m < rows; m++) array_put(&p.arrays[X], m, c, value);
    }
    CHECK(problem_run(&p, TRAINING) == BNORM_OK, "status");
    for (size_t c = 0; c < features; c++) {
        if (c % 4 == 3) continue;
        const double beta = type_round(d.dtype, array_get(&p.arrays[BETA], 0, c));
        size_t wrong = 0;
        for (size_t m = 0; m < rows; m++) wrong += array_get(&p.arrays[Y], m, c) != beta;
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
    static const size_t images[][3] = {{2, 3, 1},    {1, 5, 49},    {3, 8, 100}, {50, 3, 7},  {2, 3, 63},
                                       {2, 3, 4097}, {1, 2, 12544}, {7, 33, 16}, {1, 60, 48}, {3, 60, 49}};
    for (int t = 0; t < TYPES; t++)
        for (int e = 0; e < 2; e++) {
            const double eps = e ? 1e-5 : 0;
            for (size_t r = 0; r < LENGTH(rows); r++)
                for (size_t f = 0; f < LENGTH(features) && !(test_quick() && rows[r] * features[f] > 20000); f++)
                    check_constant(bnorm_matrix(all_types[t], rows[r], features[f]), eps);
            for (size_t s = 0; s < LENGTH(images); s++)
                check_constant(
                    bnorm_image(all_types[t], BNORM_CHANNELS_FIRST, images[s][0], images[s][1], images[s][2]), eps);
        }
}

/* Doubles whose sum is beyond the largest, but whose mean is not: that is right. Squares are beyond it, so invstd is 0.
 */
CASE(accuracy, sums_beyond_the_largest_double)
{
    static const double second[] = {-0x1.8p1023, 0x1p1023, 0}, mean[] = {0, 0x1.4p1023, 0x1.8p1022};
    const bnorm_desc all[] = {bnorm_matrix(BNORM_F64, 48, 3), bnorm_matrix(BNORM_F64, 64, 70),
                              bnorm_image(BNORM_F64, BNORM_CHANNELS_FIRST, 2, 3, 49),
                              bnorm_image(BNORM_F64, BNORM_CHANNELS_FIRST, 2, 3, 600)};
    for (size_t i = 0; i < LENGTH(all); i++) {
        struct problem p = problem_make(&all[i], 0);
        problem_fill(&p, &(struct input){.ratio = 0});
        describe("%zu x %zu x %zu", all[i].batch, all[i].features, all[i].spatial);
        for (size_t c = 0; c < all[i].features; c++)
            for (size_t m = 0; m < p.count; m++)
                array_put(&p.arrays[X], m, c, m < p.count / 2 ? 0x1.8p1023 : second[c % 3]);
        CHECK(problem_run(&p, TRAINING) == BNORM_OK, "status");
        for (size_t c = 0; c < all[i].features; c++) {
            const double got = array_get(&p.arrays[MEAN], 0, c), invstd = array_get(&p.arrays[INVSTD], 0, c);
            CHECK(got == mean[c % 3] && invstd == 0, "column %zu: mean %g, invstd %g", c, got, invstd);
        }
        problem_free(&p);
    }
}

/* Sums that are exact in any order: small integers, which 16 bits hold too, a power of two of them in each block. mean
 * and dbeta must be so to the bit. */
CASE(accuracy, exact_integers)
{
    static const size_t rows[] = {2, 64, 1024, 65536};
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (size_t r = 0; r < LENGTH(rows); r++) {
            const bnorm_dtype type = all_types[kind % TYPES];
            const long long step = type_size(type) == 2 ? 0 : 1000;
            const size_t pixels = kind < TYPES ? 1 : rows[r] < 4096 ? rows[r] / 2 : 2048; /* more are cut unevenly */
            const bnorm_desc d = bnorm_image(type, all_layouts[kind / TYPES], rows[r] / pixels, 5, pixels);
            describe("%zu x 5 x %zu %s", d.batch, pixels, type_name(type));
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            long long sum[5] = {0}, sum_dy[5] = {0};
            for (size_t m = 0; m < rows[r]; m++)
                for (size_t c = 0; c < 5; c++) {
                    const long long x = step * (long long)c + (long long)((m * 7919 + c) % 256),
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
