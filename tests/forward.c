/* bnorm_forward_training and bnorm_forward_inference: values, options, edges. */
#include "support/bounds.h"
#include "support/check.h"

#include <math.h>

CASE(forward, by_hand)
{
    /* Column 0: 1, 2, 3, 6, mean 3, variance 3.5. Column 1: -2, 0, 0, 2, mean 0, variance 2. */
    const double x[] = {1, -2, 2, 0, 3, 0, 6, 2}, gamma[] = {1, 2}, beta[] = {0, 10};
    double y[8], mean[2], invstd[2], running_mean[] = {1, 1}, running_var[] = {1, 1};
    bnorm_desc d = bnorm_matrix(BNORM_F64, 4, 2);
    d.eps = 0.25;
    d.update_rate = 0.5;
    const bnorm_buffers b = {.x = x,
                             .y = y,
                             .gamma = gamma,
                             .beta = beta,
                             .mean = mean,
                             .invstd = invstd,
                             .running_mean = running_mean,
                             .running_var = running_var};
    CHECK(bnorm_forward_training(&d, &b) == BNORM_OK, "status");
    CHECK(mean[0] == 3 && mean[1] == 0, "means %g %g", mean[0], mean[1]);
    CHECK(fabs(invstd[0] - 1 / sqrt(3.75)) < 1e-15, "invstd %.17g", invstd[0]);
    CHECK(fabs(invstd[1] - 1 / 1.5) < 1e-15, "invstd %.17g", invstd[1]);
    CHECK(running_mean[0] == 2 && running_mean[1] == 0.5, "running mean %g %g", running_mean[0], running_mean[1]);
    CHECK(fabs(running_var[0] - (0.5 + 0.5 * 14 / 3)) < 1e-14, "running variance %.17g", running_var[0]);
    CHECK(fabs(running_var[1] - (0.5 + 0.5 * 8 / 3)) < 1e-14, "running variance %.17g", running_var[1]);
    CHECK(fabs(y[0] + 2 / sqrt(3.75)) < 1e-15 && fabs(y[7] - (10 + 4 / 1.5)) < 1e-14, "y %.17g %.17g", y[0], y[7]);
}

CASE(forward, defaults)
{
    const bnorm_desc m = bnorm_matrix(BNORM_F64, 7, 5), i = bnorm_image(BNORM_F32, BNORM_CHANNELS_LAST, 2, 3, 49);
    CHECK(m.abi == BNORM_ABI && m.dtype == BNORM_F64 && m.layout == BNORM_CHANNELS_LAST, "matrix");
    CHECK(m.batch == 7 && m.features == 5 && m.spatial == 1, "matrix: sizes");
    CHECK(m.eps == 1e-5 && m.update_rate == 0.1 && m.activation == BNORM_IDENTITY, "matrix: options");
    CHECK(!m.biased_running_var && m.threads == 0 && m.x_stride == 0 && m.dy_stride == 0, "matrix: options");
    CHECK(i.batch == 2 && i.features == 3 && i.spatial == 49 && i.dtype == BNORM_F32, "image: sizes");
}

static void check_options(bnorm_desc d, double eps, double rate, bool biased)
{
    struct worst worst = {0};
    d.eps = eps;
    d.update_rate = rate;
    d.biased_running_var = biased;
    describe("%s, channels %s, eps %g rate %g biased %d", type_name(d.dtype), layout_name(d.layout), eps, rate, biased);
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    run_and_check(&p, TRAINING, &worst);
    run_and_check(&p, INFERENCE, &worst);
    problem_free(&p);
}

CASE(forward, options)
{
    static const double epsilons[] = {0, 1e-12, 1e-5, 1e-3, 1, 1e6}, rates[] = {0, 0.001, 0.1, 0.5, 0.9, 1};
    for (int t = 0; t < TYPES; t++)
        for (int e = 0; e < 6; e++)
            for (int r = 0; r < 6; r++)
                for (int biased = 0; biased < 2; biased++) {
                    check_options(bnorm_matrix(all_types[t], 37, 11), epsilons[e], rates[r], biased);
                    check_options(bnorm_image(all_types[t], BNORM_CHANNELS_FIRST, 3, 4, 13), epsilons[e], rates[r],
                                  biased);
                }
}

/* Every subset of the optional arrays; those left out must be neither read nor written. */
CASE(forward, optional_arrays)
{
    struct worst worst = {0};
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (int subset = 0; subset < 16; subset++) {
            const bnorm_dtype type = all_types[kind % TYPES];
            const bnorm_desc d = bnorm_image(type, all_layouts[kind / TYPES], 5, 17, kind / TYPES ? 13 : 1);
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            if (subset & 1) p.buffers.gamma = NULL;
            if (subset & 2) p.buffers.beta = NULL;
            describe("%s, channels %s, without subset %d of gamma, beta, mean and invstd, running", type_name(type),
                     layout_name(d.layout), subset);
            run_and_check(&p, INFERENCE, &worst);
            if (subset & 4) p.buffers.mean = p.buffers.invstd = NULL;
            if (subset & 8) p.buffers.running_mean = p.buffers.running_var = NULL;
            run_and_check(&p, TRAINING, &worst);
            problem_free(&p);
        }
}

/* A rate of 0 leaves the bits alone, NaN and all; 1 replaces, NaN and all. Neither multiplies by 0. */
CASE(forward, update_rate_0_and_1)
{
    for (int t = 0; t < TYPES; t++) {
        const bnorm_dtype parameter = parameter_type(all_types[t]);
        bnorm_desc d = bnorm_image(all_types[t], all_layouts[t % 2], t % 2 ? 3 : 9, 3, t % 2 ? 3 : 1);
        describe("%s", type_name(all_types[t]));
        struct problem p = problem_make(&d, 0);
        problem_fill(&p, &(struct input){.pattern = RANDOM});
        array_put(&p.arrays[X], 4, 1, NAN);
        array_put(&p.arrays[RUNNING_MEAN], 0, 2, NAN);
        array_put(&p.arrays[RUNNING_VAR], 0, 2, INFINITY);
        p.desc.update_rate = 0;
        CHECK(problem_run(&p, TRAINING) == BNORM_OK, "rate 0");
        CHECK(array_unchanged(&p.arrays[RUNNING_MEAN]) && array_unchanged(&p.arrays[RUNNING_VAR]), "rate 0 moved bits");
        CHECK(isnan(array_get(&p.arrays[MEAN], 0, 1)), "a mean of NaN is NaN");

        array_put(&p.arrays[X], 4, 1, 0);
        array_put(&p.arrays[RUNNING_MEAN], 0, 0, NAN);
        p.desc.update_rate = 1;
        struct worst worst = {0};
        for (size_t c = 0; c < 3; c++) array_put(&p.arrays[RUNNING_MEAN], 0, c, c == 0 ? NAN : INFINITY);
        CHECK(problem_run(&p, TRAINING) == BNORM_OK, "rate 1");
        for (size_t c = 0; c < 3; c++) { /* what was there must not matter: judge as if it had been 0 */
            type_put(parameter,
                     p.arrays[RUNNING_MEAN].saved + (p.arrays[RUNNING_MEAN].elements - p.arrays[RUNNING_MEAN].block), c,
                     0);
            type_put(parameter,
                     p.arrays[RUNNING_VAR].saved + (p.arrays[RUNNING_VAR].elements - p.arrays[RUNNING_VAR].block), c,
                     0);
        }
        check_training(&p, &worst);
        problem_free(&p);
    }
}

/* The unbiased running variance goes by M / (M - 1), the biased one does not: exact on 1, 3. */
CASE(forward, biased_and_unbiased)
{
    const float x[] = {1, 3};
    float y[2], mean = 0, variance = 0;
    bnorm_desc d = bnorm_matrix(BNORM_F32, 2, 1);
    d.update_rate = 1;
    const bnorm_buffers b = {.x = x, .y = y, .running_mean = &mean, .running_var = &variance};
    CHECK(bnorm_forward_training(&d, &b) == BNORM_OK, "status");
    CHECK(mean == 2 && variance == 2, "unbiased: %g %g", mean, variance);
    d.biased_running_var = true;
    CHECK(bnorm_forward_training(&d, &b) == BNORM_OK, "status");
    CHECK(mean == 2 && variance == 1, "biased: %g %g", mean, variance);
}

/* Batch 0: success, and nothing is written, with arrays and without. */
CASE(forward, empty_batch)
{
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (int pixels = 0; pixels < 2; pixels++) {
            const bnorm_dtype type = all_types[kind % TYPES];
            const bnorm_desc d = bnorm_image(type, all_layouts[kind / TYPES], pixels ? 0 : 3, 5, pixels ? 7 : 0);
            describe("%s, channels %s, batch %zu, spatial %zu", type_name(type), layout_name(d.layout), d.batch,
                     d.spatial);
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            problem_save(&p);
            const bnorm_buffers none = {0};
            for (int o = TRAINING; o <= INFERENCE; o++) {
                CHECK(call(o, &d, &p.buffers) == BNORM_OK, "%s", operation_name(o));
                CHECK(call(o, &d, &none) == BNORM_OK, "%s without arrays", operation_name(o));
            }
            problem_check_unchanged(&p);
            problem_free(&p);
        }
}

/* One value per feature has running statistics to be normalised by, though no variance of its own. */
CASE(forward, inference_of_one_row)
{
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (size_t features = 1; features < 70; features++) {
            const bnorm_desc d = bnorm_matrix(all_types[t], 1, features);
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM, .ratio = 1});
            describe("1 x %zu %s", features, type_name(all_types[t]));
            run_and_check(&p, INFERENCE, &worst);
            problem_free(&p);
        }
}

/* Powers of two or not; one feature, one pixel; blocks of whole images and images of several blocks. */
CASE(forward, images)
{
    struct worst worst = {0};
    static const size_t shapes[][3] = {{2, 1, 49},   {3, 3, 16},  {5, 8, 7},    {1, 64, 65}, {2, 3, 5000},
                                       {7, 130, 9},  {9, 5, 1},   {65, 3, 2},   {50, 2, 63}, {3, 17, 64},
                                       {2, 100, 13}, {4, 1, 784}, {1, 3, 12544}};
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++)
            for (size_t s = 0; s < LENGTH(shapes); s++) {
                const bnorm_desc d =
                    bnorm_image(all_types[t], all_layouts[l], shapes[s][0], shapes[s][1], shapes[s][2]);
                check_all_calls(&d, &(struct input){.pattern = RANDOM}, &worst);
            }
}

/* NaN and infinities stay in their feature: no other column changes a bit, forward or backward. At ratio 0 no column
 * cancels, so that none is summed again but the one with the poison. */
static void check_poison(const bnorm_desc *d, size_t column, double poison, size_t row)
{
    describe("%zu x %zu x %zu %s, channels %s: %g at %zu, %zu", d->batch, d->features, d->spatial, type_name(d->dtype),
             layout_name(d->layout), poison, row, column);
    struct problem clean = problem_make(d, 0), poisoned = problem_make(d, 0);
    problem_fill(&clean, &(struct input){.pattern = RANDOM, .one_ratio = true});
    problem_fill(&poisoned, &(struct input){.pattern = RANDOM, .one_ratio = true});
    array_put(&poisoned.arrays[X], row, column, poison);
    for (int o = 0; o < OPERATIONS; o++) {
        CHECK(problem_run(&clean, o) == BNORM_OK, "%s", operation_name(o));
        CHECK(problem_run(&poisoned, o) == BNORM_OK, "%s", operation_name(o));
        for (int a = 0; a < WORKSPACE; a++) {
            const struct array *was = &clean.arrays[a], *is = &poisoned.arrays[a];
            size_t different = 0;
            for (size_t m = 0; m < was->rows; m++)
                for (size_t c = 0; c < was->columns; c++)
                    different += c != column && memcmp(was->elements + array_index(was, m, c) * was->size,
                                                       is->elements + array_index(is, m, c) * is->size, was->size) != 0;
            CHECK(different == 0, "%s: %zu elements of array %d changed", operation_name(o), different, a);
        }
        if (o == TRAINING)
            for (size_t m = 0; m < clean.count; m++)
                CHECK(isnan(array_get(&poisoned.arrays[Y], m, column)), "y[%zu] of a column with %g", m, poison);
    }
    problem_free(&clean);
    problem_free(&poisoned);
}

CASE(forward, nan_and_infinity_stay_in_their_feature)
{
    static const double poisons[] = {NAN, INFINITY, -INFINITY};
    static const size_t shapes[][3] = {{5, 3, 1},   {70, 19, 1},  {1100, 3, 1}, {300, 64, 1}, {5, 3, 49},
                                       {9, 19, 16}, {40, 3, 100}, {2, 7, 4097}, {130, 4, 7}};
    for (int t = 0; t < TYPES; t++)
        for (size_t s = 0; s < LENGTH(shapes); s++)
            for (int i = 0; i < 3; i++)
                for (int l = shapes[s][2] > 1 ? 0 : 1; l < LAYOUTS; l++) {
                    const bnorm_layout layout = shapes[s][2] > 1 ? all_layouts[l] : BNORM_CHANNELS_LAST;
                    const bnorm_desc d = bnorm_image(all_types[t], layout, shapes[s][0], shapes[s][1], shapes[s][2]);
                    const size_t rows = d.batch * d.spatial;
                    check_poison(&d, (size_t)i % d.features, poisons[i], i == 0 ? 0 : rows - 1 - (size_t)i);
                }
}
