/* The promise of accuracy, measured: the worst error of every output in units of its bound, and the least k that would
 * do, for every dtype and layout, over a ladder of inputs, against exact arithmetic (exact.h). Then inputs whose every
 * sum and product is exact, where results are compared to the bit. Fails where a bound is exceeded.
 *
 *     bnorm-accuracy                 all, some minutes
 *     bnorm-accuracy f32 bf16        these dtypes
 *     bnorm-accuracy --most=64       up to so many values a feature */
#include "exact.h"

#include "support/bounds.h"
#include "support/check.h"
#include "support/random.h"

#include "isa/select.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static size_t most = SIZE_MAX; /* values of a feature */

/* ---- the three calls against exact sums -------------------------------------------------------------------------- */

/* The plain reference of the other tests, in binary128, is held to the same sums: 2^-80 of the terms. */
static void check_reference(const double *x, size_t count, double eps, const struct statistics *exact)
{
    const struct statistics s = reference_statistics(x, count, eps);
    CHECK(wide_abs(s.mean - exact->mean) <= 0x1p-80 * exact->mean_abs, "mean of the plain reference");
    CHECK(wide_abs(s.variance - exact->variance) <= 0x1p-80 * exact->variance, "variance of the plain reference");
}

static void run_training(struct problem *p, struct worst *worst)
{
    const bnorm_status status = problem_run(p, TRAINING), expected = p->count > 1 ? BNORM_OK : BNORM_ONE_VALUE;
    CHECK(status == expected, "training returned %s", bnorm_status_string(status));
    for (size_t c = 0; status == BNORM_OK && c < p->desc.features; c++) {
        double *x = column_before(&p->arrays[X], c);
        const struct statistics s = exact_statistics(x, p->count, p->desc.eps);
        check_training_column(p, c, x, &s, worst);
        if (p->count <= 1000) check_reference(x, p->count, p->desc.eps, &s);
        free(x);
    }
}

static void run_backward(struct problem *p, struct worst *worst)
{
    const bnorm_status status = problem_run(p, BACKWARD);
    CHECK(status == BNORM_OK, "backward returned %s", bnorm_status_string(status));
    for (size_t c = 0; status == BNORM_OK && c < p->desc.features; c++) {
        double *x = column_before(&p->arrays[X], c), *dy = column_before(&p->arrays[DY], c);
        const struct gradients g =
            exact_gradients(x, dy, p->count, array_get(&p->arrays[MEAN], 0, c), array_get(&p->arrays[INVSTD], 0, c));
        check_backward_column(p, c, x, dy, &g, worst);
        free(x);
        free(dy);
    }
}

/* Backward takes the statistics that training saved; of one value there are none, and it gets others. */
static void run_all(const bnorm_desc *desc, const struct input *input, struct worst *worst)
{
    struct problem p = problem_make(desc, 0);
    problem_fill(&p, input);
    describe_problem(&p, input);
    problem_fill_saved_statistics(&p);
    run_training(&p, worst);
    run_and_check(&p, INFERENCE, worst);
    run_backward(&p, worst);
    problem_free(&p);
}

/* ---- the ladder -------------------------------------------------------------------------------------------------- */

struct shape {
    size_t batch, features, spatial;
};

/* M of 1, 2, 3, 7, 64, 1000 and a million, for each way that sums go: narrow matrices in lanes, wide ones in columns,
 * short runs folded, long ones and those of few rows along, large images in parts. */
struct group {
    const char *name;
    bnorm_layout layout;
    struct shape shapes[10];
};

static const struct group groups[] = {
    {"last, 5 columns",
     BNORM_CHANNELS_LAST,
     {{1, 5, 1}, {2, 5, 1}, {3, 5, 1}, {7, 5, 1}, {64, 5, 1}, {1000, 5, 1}, {50, 5, 49}, {1000000, 5, 1}}},
    {"last, 65 columns",
     BNORM_CHANNELS_LAST,
     {{1, 65, 1}, {2, 65, 1}, {3, 65, 1}, {7, 65, 1}, {64, 65, 1}, {1000, 65, 1}, {1000000 / 13, 65, 1}}},
    {"first, S = 1",
     BNORM_CHANNELS_FIRST,
     {{1, 5, 1}, {2, 5, 1}, {3, 5, 1}, {7, 5, 1}, {64, 5, 1}, {1000, 5, 1}, {1000, 65, 1}, {1000000, 5, 1}}},
    {"first, S to 49",
     BNORM_CHANNELS_FIRST,
     {{1, 5, 2}, {1, 5, 3}, {1, 5, 7}, {1, 5, 49}, {7, 5, 7}, {7, 5, 49}, {20, 5, 49}, {20, 65, 49}, {20408, 5, 49}}},
    {"first, S = 64", BNORM_CHANNELS_FIRST, {{1, 5, 64}, {2, 5, 64}, {7, 5, 64}, {16, 5, 64}, {15625, 5, 64}}},
    {"first, S over 64",
     BNORM_CHANNELS_FIRST,
     {{1, 5, 65}, {3, 5, 100}, {1, 5, 1000}, {5, 5, 196}, {3, 5, 4096}, {2, 5, 4097}, {80, 5, 12544}, {1, 5, 1000000}}},
};

static double largest_of(enum pattern pattern) { return pattern == OUTLIER_FIRST || pattern == OUTLIER_LAST ? 1e4 : 2; }

/* All ratios side by side: each column must choose its own way. */
static void climb(bnorm_desc d, int pattern, struct worst *worst)
{
    const struct input input = {.pattern = (enum pattern)pattern, .ratio = pattern % RATIOS};
    run_all(&d, &input, worst);
}

/* A million values of a feature take seconds: all patterns in the first group, elsewhere random values and another. */
static void climb_all(bnorm_desc d, int group, struct worst *worst)
{
    const bool large = d.batch * d.spatial > 1000, every = !large || group == 0;
    for (int pattern = 0; pattern < PATTERNS; pattern++)
        if (every || pattern == RANDOM || pattern == group) climb(d, pattern, worst);
}

/* The least and the largest magnitudes that are promised, whatever the ratio; eps does not hide the variance. */
static void climb_at_both_ends(bnorm_desc d, struct worst *worst)
{
    static const double least[TYPES] = {1e-30, 0x1p-500, 1e-30, 0x1p-10}, largest[TYPES] = {1e30, 0x1p500, 1e30, 60000};
    d.features = d.features < 8 ? 2 : 17;
    d.eps = d.batch * d.spatial > 1 ? 0 : d.eps;
    for (int pattern = 0; pattern < PATTERNS; pattern++)
        for (int ratio = 0; ratio < RATIOS; ratio++) {
            const double up = largest[d.dtype] / (ratios[ratio] + largest_of((enum pattern)pattern));
            const double low = fmin(least[d.dtype], up); /* half has no room for both */
            struct input input = {.pattern = (enum pattern)pattern, .ratio = ratio, .one_ratio = true, .scale = low};
            run_all(&d, &input, worst);
            input.scale = up;
            run_all(&d, &input, worst);
        }
}

static void print_row(const char *what, bnorm_dtype type, const struct worst *w)
{
    static const struct {
        enum operation operation;
        enum array_name name;
    } outputs[] = {{TRAINING, MEAN},  {TRAINING, INVSTD},       {TRAINING, Y},
                   {INFERENCE, Y},    {BACKWARD, DX},           {BACKWARD, DGAMMA},
                   {BACKWARD, DBETA}, {TRAINING, RUNNING_MEAN}, {TRAINING, RUNNING_VAR}};
    printf("%-5s%-17s", type_name(type), what);
    for (size_t i = 0; i < LENGTH(outputs); i++) printf("%9.3f", w->of[outputs[i].operation][outputs[i].name].share);
    printf("  |");
    for (size_t i = 0; i < LENGTH(outputs); i++) printf("%6.2f", w->of[outputs[i].operation][outputs[i].name].k);
    printf("\n");
    fflush(stdout);
}

static void print_head(void)
{
    static const char *const names[] = {"mean", "invstd", "y", "y inf.", "dx", "dgamma", "dbeta", "r. mean", "r. var"};
    printf("worst error as a share of its bound, and the least k that would do (0: the other terms do without)\n%22s",
           "");
    for (size_t i = 0; i < LENGTH(names); i++) printf("%9s", names[i]);
    printf("  |");
    static const char *const brief[] = {"mean", "invst", "y", "yinf", "dx", "dgam", "dbet", "rmea", "rvar"};
    for (size_t i = 0; i < LENGTH(brief); i++) printf("%6s", brief[i]);
    printf("\n");
}

static void climb_group(bnorm_dtype type, int group)
{
    const struct group *g = &groups[group];
    struct worst worst = {0};
    bool any = false;
    for (size_t s = 0; s < LENGTH(g->shapes) && g->shapes[s].batch > 0; s++) {
        const struct shape shape = g->shapes[s];
        const bnorm_desc d = bnorm_image(type, g->layout, shape.batch, shape.features, shape.spatial);
        if (shape.batch * shape.spatial > most) continue;
        if (shape.batch * shape.spatial <= 1000) climb_at_both_ends(d, &worst);
        climb_all(d, group, &worst);
        any = true;
    }
    if (any) print_row(g->name, type, &worst);
}

/* ---- to the bit -------------------------------------------------------------------------------------------------- */

/* Column c holds centre +- step, as many of each, in an order that leaves the blocks uneven; dy small integers. */
static double centre_of(size_t c) { return 3 * (double)c - 4; }
static double step_of(size_t c) { return (double)(1 << c % 3); }

static double sign_of(size_t c, size_t m, size_t count)
{
    const size_t half = count / 2, partner = m < half ? m : m - half;
    return (random_bits(test_seed() + c, partner) & 1) == (m < half) ? 1 : -1;
}

static void fill_exactly(struct problem *p)
{
    for (size_t c = 0; c < p->desc.features; c++) {
        for (size_t m = 0; m < p->count; m++) {
            array_put(&p->arrays[X], m, c, centre_of(c) + step_of(c) * sign_of(c, m, p->count));
            array_put(&p->arrays[DY], m, c, (double)(random_bits(test_seed() + 99 + c, m) % 16) - 8);
        }
        array_put(&p->arrays[GAMMA], 0, c, c % 2 ? -2 : 0.5);
        array_put(&p->arrays[BETA], 0, c, (double)c / 2);
        array_put(&p->arrays[RUNNING_MEAN], 0, c, (double)c - 1);
        array_put(&p->arrays[RUNNING_VAR], 0, c, 4);
        array_put(&p->arrays[MEAN], 0, c, centre_of(c));
        array_put(&p->arrays[INVSTD], 0, c, 1 / step_of(c));
    }
}

static void must_be(const struct array *a, size_t row, size_t column, wide exact, const char *what)
{
    const double got = array_get(a, row, column), expected = type_round(a->type, (double)exact);
    CHECK((wide)(double)exact == exact, "%s is not a double", what);
    CHECK(got == expected, "%s[%zu][%zu] is %.17g, exactly %.17g", what, row, column, got, expected);
}

/* Any M: inference, and the sums of backward. Backward gets the centre for the mean. */
static void check_given_statistics(struct problem *p)
{
    CHECK(problem_run(p, INFERENCE) == BNORM_OK && problem_run(p, BACKWARD) == BNORM_OK, "status");
    for (size_t c = 0; c < p->desc.features; c++) {
        double *x = column_before(&p->arrays[X], c), *dy = column_before(&p->arrays[DY], c);
        const double gamma = array_get(&p->arrays[GAMMA], 0, c), beta = array_get(&p->arrays[BETA], 0, c);
        const double running_mean = array_get(&p->arrays[RUNNING_MEAN], 0, c);
        const struct gradients g = exact_gradients(x, dy, p->count, centre_of(c), 1 / step_of(c));
        must_be(&p->arrays[DBETA], 0, c, g.dbeta, "dbeta");
        must_be(&p->arrays[DGAMMA], 0, c, g.dgamma, "dgamma");
        for (size_t m = 0; m < p->count; m++)
            must_be(&p->arrays[Y], m, c, (wide)(x[m] - running_mean) / 2 * gamma + beta, "inference's y");
        free(x);
        free(dy);
    }
}

/* M a power of two, and so every block: the mean of each is exact. */
static void check_own_statistics(struct problem *p)
{
    p->desc.update_rate = 0.5;
    p->desc.biased_running_var = true;
    CHECK(problem_run(p, TRAINING) == BNORM_OK && problem_run(p, BACKWARD) == BNORM_OK, "status");
    for (size_t c = 0; c < p->desc.features; c++) {
        double *x = column_before(&p->arrays[X], c), *dy = column_before(&p->arrays[DY], c);
        const double centre = centre_of(c), step = step_of(c);
        const wide gamma = array_get(&p->arrays[GAMMA], 0, c), beta = array_get(&p->arrays[BETA], 0, c);
        const struct gradients g = exact_gradients(x, dy, p->count, centre, 1 / step);
        must_be(&p->arrays[MEAN], 0, c, centre, "mean");
        must_be(&p->arrays[INVSTD], 0, c, 1 / step, "invstd");
        must_be(&p->arrays[RUNNING_MEAN], 0, c, ((double)c - 1 + centre) / 2, "running_mean");
        must_be(&p->arrays[RUNNING_VAR], 0, c, (4 + step * step) / 2, "running_var");
        for (size_t m = 0; m < p->count; m++) {
            const wide xhat = (x[m] - centre) / step;
            must_be(&p->arrays[Y], m, c, xhat * gamma + beta, "y");
            must_be(&p->arrays[DX], m, c, gamma / step * (dy[m] - g.dbeta / p->count - xhat * g.dgamma / p->count),
                    "dx");
        }
        free(x);
        free(dy);
    }
}

static void check_to_the_bit(bnorm_dtype type)
{
    static const struct shape any[] = {{1, 5, 1},     {2, 5, 1},       {3, 5, 1},      {7, 5, 1},
                                       {64, 5, 1},    {1000, 5, 1},    {1000, 65, 1},  {7, 3, 49},
                                       {3, 3, 12544}, {1000000, 3, 1}, {1, 3, 1000000}};
    static const struct shape powers[] = {{2, 5, 1},   {64, 5, 1},  {1024, 5, 1}, {4096, 65, 1}, {1 << 20, 3, 1},
                                          {64, 5, 16}, {64, 3, 64}, {2, 3, 4096}, {512, 3, 2048}};
    size_t problems = 0;
    for (int l = 0; l < LAYOUTS; l++)
        for (size_t s = 0; s < LENGTH(any) + LENGTH(powers); s++) {
            const bool own = s >= LENGTH(any);
            const struct shape shape = own ? powers[s - LENGTH(any)] : any[s];
            if (shape.batch * shape.spatial > most) continue;
            bnorm_desc d = bnorm_image(type, all_layouts[l], shape.batch, shape.features, shape.spatial);
            d.eps = 0;
            describe("to the bit: %zu x %zu x %zu %s, channels %s", d.batch, d.features, d.spatial, type_name(type),
                     layout_name(d.layout));
            struct problem p = problem_make(&d, 0);
            fill_exactly(&p);
            if (own)
                check_own_statistics(&p);
            else
                check_given_statistics(&p);
            problem_free(&p);
            problems++;
        }
    printf("%-5sto the bit: %zu problems\n", type_name(type), problems);
}

/* ---- against the order of summation ------------------------------------------------------------------------------ */

/* How a sum of one block is taken, and how far it may err: README.md. A lane, or a column of a run, adds up
 * fours of values, of a long run sixteen of these, then sums of as many, and what is left one by one. Lanes fold in
 * halves, the columns of a run every 16th in pairs and then as lanes. */
static const struct order {
    const char *name;
    struct shape shape; /* of one block */
    size_t inner;       /* lanes, or the columns of a run */
    double sum, mean;   /* the proven k */
} orders[] = {
    {"columns", {63 * 64 + 1, 1, 1}, 64, 26, 28},
    {"short runs", {63, 2, 63}, 63, 25, 27},
    {"long runs", {2, 1, 1536}, 16, 24, 26},
    {"few rows", {4, 1, 64}, 16, 9, 11},
};

static const double proven_mean_f64 = 4.01; /* additions of doubles are kept whole, or nearly; .01 for what is left */

/* 1 stands at 0. What meets it on its way is 2^-53, each time: to the even 1 it is lost. */
static bool row_meets(size_t row, size_t rows, size_t rows_of_a_run)
{
    if (row >= 64 && row < rows / 4 * 4) return row % rows_of_a_run % 64 == 0;
    return row <= 2 || row % 4 == 0 || row >= rows / 4 * 4;
}

static double adverse(const struct order *o, size_t m, size_t count)
{
    const size_t within = m % o->inner, row = m / o->inner, rows = count / o->inner;
    if (m == 0) return 1;
    if (row == 0) return (within & (within - 1)) == 0 ? 0x1p-53 : 0;
    return within == 0 && row_meets(row, rows, o->shape.spatial / o->inner) ? 0x1p-53 : 0;
}

enum { BLOCK_MOST = 4096 };

/* The error in 2^-53 of sum(abs(terms)): of the mean, or of dbeta, in the first of columns that all hold these values.
 */
static double k_of_sum(bnorm_dtype type, enum operation operation, struct shape shape, const double *values)
{
    const bnorm_desc d = bnorm_image(type, BNORM_CHANNELS_FIRST, shape.batch, shape.features, shape.spatial);
    const bool mean = operation == TRAINING;
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.ratio = 0});
    problem_fill_saved_statistics(&p);
    exact sum = {0}, sum_abs = {0};
    for (size_t m = 0; m < p.count; m++) {
        for (size_t c = 0; c < d.features; c++) array_put(&p.arrays[mean ? X : DY], m, c, values[m]);
        const double value = array_get(&p.arrays[mean ? X : DY], m, 0);
        exact_add(&sum, value);
        exact_add(&sum_abs, fabs(value));
    }
    CHECK(problem_run(&p, operation) == BNORM_OK, "status");
    const wide got = array_get(&p.arrays[mean ? MEAN : DBETA], 0, 0), divisor = mean ? p.count : 1;
    const double k = (double)(wide_abs(got * divisor - exact_value(sum)) / exact_value(sum_abs)) * 0x1p53;
    problem_free(&p);
    return k;
}

static void check_order(bnorm_dtype type, enum operation operation, const struct order *o)
{
    double values[BLOCK_MOST] = {0};
    const size_t count = o->shape.batch * o->shape.spatial;
    for (size_t m = 0; m < count; m++) values[m] = adverse(o, m, count);
    describe("against the order: %s, %s", o->name, type_name(type));
    const double k = k_of_sum(type, operation, o->shape, values);
    const double proven = operation == BACKWARD ? o->sum : type == BNORM_F64 ? proven_mean_f64 : o->mean;
    printf("%-5sagainst the order, %s: k of %s is %.2f, proven %g\n", type_name(type), o->name,
           operation == TRAINING ? "the mean" : "dbeta", k, proven);
    CHECK(k <= proven, "k is %.3f, proven is %g", k, proven);
}

/* A part of a long run that is larger than the parts before it: what they hold must not be lost. */
static void check_parts_of_runs(void)
{
    const double e = 0x1p-53 * (1 + 0x1p-30);
    const double values[BLOCK_MOST] = {[0] = e, [1024] = e, [1088] = 1 + 0x1p-51, [1104] = e, [1120] = e};
    describe("parts of a long run");
    const double k = k_of_sum(BNORM_F64, TRAINING, (struct shape){1, 1, 2023}, values);
    printf("f64  parts of a long run: k of the mean is %.2f, proven %g\n", k, proven_mean_f64);
    CHECK(k <= proven_mean_f64, "k is %.3f", k);
}

/* A value that a chain of additions rounds the same way again and again, 12 of 48 times by a whole unit; one of another
 * size keeps the column from being constant. And one among zeros: a mean of the others' differences from the first mean
 * would be worse than that mean. */
static void check_usual_values(bnorm_dtype type, const struct order *o)
{
    double same[BLOCK_MOST], one[BLOCK_MOST] = {1e30};
    for (size_t m = 0; m < BLOCK_MOST; m++) same[m] = 1.2858923620442404;
    describe("usual values: %s, %s", o->name, type_name(type));
    const double dbeta = type == BNORM_F64 ? k_of_sum(type, BACKWARD, o->shape, same) : 0;
    same[0] = -1;
    const double mean = k_of_sum(type, TRAINING, o->shape, same), of_one = k_of_sum(type, TRAINING, o->shape, one);
    printf("%-5sone value again and again, %s: k of the mean is %.2f, of dbeta %.2f; one among zeros %.2f\n",
           type_name(type), o->name, mean, dbeta, of_one);
    CHECK(mean <= 8 && dbeta <= 8 && of_one <= 8, "k is %.3f, %.3f, %.3f", mean, dbeta, of_one);
}

/* One value far from the others, which are the same: every addition of their squares rounds the same way, and y of the
 * one shows it. */
static void check_one_far_off(const char *name, struct shape shape)
{
    struct worst worst = {0};
    const bnorm_desc d = bnorm_image(BNORM_F64, BNORM_CHANNELS_FIRST, shape.batch, shape.features, shape.spatial);
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.ratio = 0});
    describe("one far off: %s", name);
    for (size_t c = 0; c < d.features; c++)
        for (size_t m = 0; m < p.count; m++) {
            const bool far = m == (c % 2 ? 0 : p.count - 1);
            array_put(&p.arrays[X], m, c, (far ? 100 : 1) * random_uniform(test_seed() + far, c));
        }
    run_training(&p, &worst);
    printf("f64  one far off, %s: y at %.3f of its bound, k of invstd %.2f\n", name, worst.of[TRAINING][Y].share,
           worst.of[TRAINING][INVSTD].k);
    problem_free(&p);
}

/* ---- a short block before a long one ----------------------------------------------------------------------------- */

/* One value, then 4096: a merge must not start from the mean of the few, or what it takes off is nearly all of it. */
static void check_short_part_first(bnorm_dtype type)
{
    enum { COUNT = 4097 };
    const bnorm_desc d = bnorm_matrix(type, 0, 1);
    struct array x = array_make(type, COUNT, 1, 1, 1, 0);
    exact sum = {0}, sum_abs = {0};
    for (size_t m = 0; m < COUNT; m++) {
        array_put(&x, m, 0, m == 0 ? 1.1 : 0x1p-14 * random_uniform(test_seed(), m));
        exact_add(&sum, array_get(&x, m, 0));
        exact_add(&sum_abs, fabs(array_get(&x, m, 0)));
    }
    bnorm_moments *moments;
    double mean = NAN, invstd;
    describe("a part of one value before one of 4096, %s", type_name(type));
    CHECK(bnorm_moments_create(&moments, &d, 0) == BNORM_OK, "create");
    CHECK(bnorm_moments_accumulate(moments, 1, x.elements) == BNORM_OK, "accumulate");
    CHECK(bnorm_moments_accumulate(moments, COUNT - 1, x.elements + x.size) == BNORM_OK, "accumulate");
    CHECK(bnorm_moments_finish(moments, &mean, &invstd) == BNORM_OK, "finish");
    const wide value = exact_value(sum) / COUNT;
    const double k = (double)(wide_abs(mean - value) * COUNT / exact_value(sum_abs)) * 0x1p53;
    printf("%-5sa short part first: k of the mean is %.2f\n", type_name(type), k);
    CHECK(k <= 8, "k of the mean is %.3g", k);
    bnorm_moments_destroy(moments);
    array_free(&x);
}

/* The same with 2^40 values, which no test has memory for: the kernel by itself. */
static void check_merge_of_many(bnorm_dtype type)
{
    const double n = 0x1p40, one = 1.1e12, others = 0.7;
    const bn_kernels *const kernels = bn_kernels_in_use((int)type);
    const wide exactly = (one + (wide)n * others) / (1 + (wide)n);
    double mean = one, m2 = 0, other_mean = others, other_m2 = 0;
    describe("one value and 2^40, %s", type_name(type));
    kernels->merge_moments(1, 1, &mean, &m2, n, &other_mean, &other_m2);
    const double k = (double)(wide_abs(mean - exactly) / exactly) * 0x1p53;
    mean = others, other_mean = one, m2 = other_m2 = 0;
    kernels->merge_moments(1, n, &mean, &m2, 1, &other_mean, &other_m2);
    const double k_last = (double)(wide_abs(mean - exactly) / exactly) * 0x1p53;
    CHECK(k <= 1.01 && k_last <= 1.01, "k of the mean is %.3g, the one last %.3g", k, k_last);
}

/* ---- what this rests on ------------------------------------------------------------------------------------------ */

static void check_exact_sums(void)
{
    describe("exact sums");
    exact sum = {0};
    exact_add(&sum, 0x1p1000);
    exact_add(&sum, -0x1p-1074);
    exact_add_product(&sum, 1 + 0x1p-52, 1 + 0x1p-52);
    exact_add(&sum, -0x1p1000);
    exact_add(&sum, 0x1p-1074);
    CHECK(exact_value(sum) == 1 + 0x1p-51 + (wide)0x1p-104, "terms of 2^1000 come and go");
    sum = (exact){0};
    exact_add_product(&sum, -0x1p-1074, 0x1p-1074);
    CHECK(exact_value(sum) * 0x1p1000 * 0x1p1000 == -0x1p-148, "the least product");
    sum = (exact){0};
    for (int i = 0; i < 1000; i++) exact_add_product(&sum, -DBL_MAX, DBL_MAX);
    CHECK(exact_value(sum) == (wide)DBL_MAX * DBL_MAX * -1000, "the largest products");
    exact a = {0}, b = {0};
    exact_add(&a, 0x1p60);
    exact_add(&a, -1);
    exact_add(&b, -0x1p60);
    exact_add(&b, -1);
    CHECK(exact_value(exact_product(a, b)) == -((wide)0x1p120 - 1), "a product of sums");
    CHECK(exact_value(exact_difference(exact_product(a, b), exact_product(b, a))) == 0, "a difference of products");
}

static bool chosen(bnorm_dtype type, int count, char **names)
{
    bool any = false;
    for (int i = 0; i < count; i++) {
        if (names[i][0] == '-') continue;
        if (strcmp(names[i], type_name(type)) == 0) return true;
        any = true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--most=", 7) == 0) most = strtoull(argv[i] + 7, NULL, 10);
    check_exact_sums();
    print_head();
    for (int t = 0; t < TYPES; t++) {
        if (!chosen(all_types[t], argc - 1, argv + 1)) continue;
        for (int g = 0; g < (int)LENGTH(groups); g++) climb_group(all_types[t], g);
        check_to_the_bit(all_types[t]);
        check_short_part_first(all_types[t]);
        check_merge_of_many(all_types[t]);
        if (all_types[t] == BNORM_F64) check_parts_of_runs();
        for (size_t o = 0; o < LENGTH(orders) && t < 2; o++) {
            if (all_types[t] == BNORM_F64) check_order(all_types[t], BACKWARD, &orders[o]);
            check_order(all_types[t], TRAINING, &orders[o]);
            check_usual_values(all_types[t], &orders[o]);
            struct shape far = orders[o].shape;
            far.features = 256;
            if (all_types[t] == BNORM_F64) check_one_far_off(orders[o].name, far);
        }
    }
    if (most > 200000 && chosen(BNORM_F64, argc - 1, argv + 1))
        check_one_far_off("many blocks", (struct shape){200000, 64, 1});
    const int failures = check_failures();
    printf("%s, seed %llu: %d failures\n", bnorm_isa(), (unsigned long long)test_seed(), failures);
    return failures > 0;
}
