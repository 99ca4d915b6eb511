/* bnorm_backward: values, optional outputs, edges, finite differences. */
#include "support/bounds.h"
#include "support/check.h"
#include "support/reference.h"

#include <math.h>
#include <stdlib.h>

/* Every subset of outputs, with and without gamma. */
CASE(backward, optional_arrays)
{
    struct worst worst = {0};
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (int subset = 0; subset < 16; subset++) {
            const bnorm_dtype type = all_types[kind % TYPES];
            const bnorm_desc d = bnorm_image(type, all_layouts[kind / TYPES], 5, 17, 13);
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            problem_fill_saved_statistics(&p);
            if (subset & 1) p.buffers.gamma = NULL;
            if (subset & 2) p.buffers.dx = NULL;
            if (subset & 4) p.buffers.dgamma = NULL;
            if (subset & 8) p.buffers.dbeta = NULL;
            describe("%s, channels %s, without subset %d of gamma, dx, dgamma, dbeta", type_name(type),
                     layout_name(d.layout), subset);
            run_and_check(&p, BACKWARD, &worst);
            problem_free(&p);
        }
}

/* Batch 0 sums nothing: dgamma = dbeta = 0, and nothing else is written. */
CASE(backward, empty_batch)
{
    for (int t = 0; t < TYPES; t++) {
        const bnorm_desc d = bnorm_image(all_types[t], all_layouts[t % 2], t < 2 ? 0 : 3, 5, t < 2 ? 9 : 0);
        describe("%s", type_name(all_types[t]));
        struct problem p = problem_make(&d, 0);
        problem_fill(&p, &(struct input){.pattern = RANDOM});
        CHECK(problem_run(&p, BACKWARD) == BNORM_OK, "status");
        for (size_t c = 0; c < 5; c++) {
            CHECK(array_get(&p.arrays[DGAMMA], 0, c) == 0, "dgamma[%zu]", c);
            CHECK(array_get(&p.arrays[DBETA], 0, c) == 0, "dbeta[%zu]", c);
        }
        CHECK(bnorm_backward(&d, &(bnorm_buffers){0}) == BNORM_OK, "without arrays");
        problem_free(&p);
    }
}

/* Saved statistics are inputs like any other: backward is the formula on their bits, whatever they are. */
CASE(backward, foreign_statistics)
{
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++) {
        const bnorm_desc d = bnorm_image(all_types[t], all_layouts[t % 2], 127, 9, 1 + (size_t)t);
        struct problem p = problem_make(&d, 0);
        problem_fill(&p, &(struct input){.pattern = RANDOM});
        for (size_t c = 0; c < 9; c++) {
            array_put(&p.arrays[MEAN], 0, c, (double)c - 3);
            array_put(&p.arrays[INVSTD], 0, c, c == 4 ? 0 : ldexp(1, (int)c * 5 - 20));
        }
        describe("%s", type_name(all_types[t]));
        run_and_check(&p, BACKWARD, &worst);
        problem_free(&p);
    }
}

/* An infinite saved mean: every x - mean is -infinity, and so is dgamma where every dy is above 0. What lies beyond the
 * end of a row or of a run is no value, and must not make a NaN of it. */
CASE(backward, infinite_saved_mean)
{
    static const size_t pixels[] = {1, 5, 49, 63, 64, 65, 66, 72, 79, 100, 127, 196, 201};
    enum { SIZES = LENGTH(pixels) };
    for (int kind = 0; kind < TYPES * LAYOUTS * SIZES; kind++) {
        const bnorm_dtype type = all_types[kind % TYPES];
        const bnorm_desc d =
            bnorm_image(type, all_layouts[kind / TYPES % LAYOUTS], 3, 3, pixels[kind / TYPES / LAYOUTS]);
        struct problem p = problem_make(&d, 0);
        problem_fill(&p, &(struct input){.ratio = 0});
        problem_fill_saved_statistics(&p);
        for (size_t m = 0; m < p.count; m++) array_put(&p.arrays[DY], m, 1, fabs(array_get(&p.arrays[DY], m, 1)) + 1);
        array_put(&p.arrays[MEAN], 0, 1, INFINITY);
        array_put(&p.arrays[INVSTD], 0, 1, 1);
        describe("%s, channels %s, %zu pixels", type_name(type), layout_name(d.layout), d.spatial);
        CHECK(problem_run(&p, BACKWARD) == BNORM_OK, "status");
        for (size_t c = 0; c < 3; c++) {
            const double dgamma = array_get(&p.arrays[DGAMMA], 0, c);
            CHECK(c == 1 ? dgamma == -INFINITY : isfinite(dgamma), "dgamma[%zu] is %g", c, dgamma);
            CHECK(isfinite(array_get(&p.arrays[DBETA], 0, c)), "dbeta[%zu]", c);
        }
        problem_free(&p);
    }
}

CASE(backward, one_row)
{
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++) {
        const bnorm_desc d = bnorm_matrix(all_types[t], 1, 9);
        struct problem p = problem_make(&d, 0);
        problem_fill(&p, &(struct input){.pattern = RANDOM});
        for (size_t c = 0; c < 9; c++) {
            array_put(&p.arrays[MEAN], 0, c, 0.25);
            array_put(&p.arrays[INVSTD], 0, c, 2);
        }
        describe("%s", type_name(all_types[t]));
        run_and_check(&p, BACKWARD, &worst);
        problem_free(&p);
    }
}

/* sum over one column of dy * y(x), whose derivatives by x, gamma and beta are dx, dgamma and dbeta. */
static wide loss(const double *x, const double *dy, size_t count, double eps, wide gamma, wide beta)
{
    const struct statistics s = reference_statistics(x, count, eps);
    wide sum = 0;
    for (size_t i = 0; i < count; i++) sum += dy[i] * reference_y(x[i], s.mean, s.invstd, gamma, beta);
    return sum;
}

/* Central differences of the reference's forward pass, in binary128. The step h = 2^-30 errs by about h^2 = 2^-60 times
 * a third derivative and by 2^-113 / h = 2^-83: far below the 2^-40 that is asked of f64. */
static void check_differences(const struct problem *p, size_t c, double tolerance)
{
    enum { MOST = 64 };
    const double h = 0x1p-30, eps = p->desc.eps;
    const wide gamma = array_get(&p->arrays[GAMMA], 0, c), beta = array_get(&p->arrays[BETA], 0, c);
    double x[MOST], dy[MOST], scale = 0;
    for (size_t m = 0; m < p->count; m++) {
        x[m] = array_get(&p->arrays[X], m, c);
        dy[m] = array_get(&p->arrays[DY], m, c);
        scale += fabs(dy[m]);
    }
    scale *= 1 + fabs((double)gamma) * array_get(&p->arrays[INVSTD], 0, c);
    for (size_t m = 0; m < p->count; m++) {
        const double at = x[m];
        x[m] = at + h;
        const wide above = loss(x, dy, p->count, eps, gamma, beta), up = x[m];
        x[m] = at - h;
        const wide below = loss(x, dy, p->count, eps, gamma, beta), down = x[m];
        x[m] = at;
        const double slope = (double)((above - below) / (up - down)), got = array_get(&p->arrays[DX], m, c);
        CHECK(fabs(got - slope) <= tolerance * scale, "dx[%zu][%zu] is %.17g, the difference %.17g", m, c, got, slope);
    }
    const wide by_gamma = loss(x, dy, p->count, eps, gamma + h, beta) - loss(x, dy, p->count, eps, gamma - h, beta);
    const wide by_beta = loss(x, dy, p->count, eps, gamma, beta + h) - loss(x, dy, p->count, eps, gamma, beta - h);
    const double dgamma = array_get(&p->arrays[DGAMMA], 0, c), dbeta = array_get(&p->arrays[DBETA], 0, c);
    CHECK(fabs(dgamma - (double)(by_gamma / (2 * h))) <= tolerance * scale, "dgamma[%zu] is %.17g", c, dgamma);
    CHECK(fabs(dbeta - (double)(by_beta / (2 * h))) <= tolerance * scale, "dbeta[%zu] is %.17g", c, dbeta);
}

CASE(backward, finite_differences)
{
    static const size_t shapes[][2] = {{2, 1}, {3, 1}, {7, 1}, {33, 1}, {1, 2}, {3, 9}, {2, 16}};
    static const bnorm_dtype types[] = {BNORM_F32, BNORM_F64};
    for (int t = 0; t < 2; t++)
        for (size_t s = 0; s < LENGTH(shapes); s++)
            for (int wide_eps = 0; wide_eps < 2; wide_eps++) {
                const bnorm_layout layout = shapes[s][1] > 1 ? BNORM_CHANNELS_FIRST : BNORM_CHANNELS_LAST;
                bnorm_desc d = bnorm_image(types[t], layout, shapes[s][0], 5, shapes[s][1]);
                d.eps = wide_eps ? 0.5 : 1e-5;
                struct problem p = problem_make(&d, 0);
                const struct input input = {.pattern = RANDOM, .ratio = 1, .one_ratio = true};
                problem_fill(&p, &input);
                describe_problem(&p, &input);
                CHECK(problem_run(&p, TRAINING) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "status");
                for (size_t c = 0; c < 5; c++) check_differences(&p, c, types[t] == BNORM_F64 ? 0x1p-40 : 0x1p-20);
                problem_free(&p);
            }
}
