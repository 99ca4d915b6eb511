/* bfloat16 and half: every pattern of their bits through the calls, where the exact result is known, so that there is
 * one right answer: the exact number, rounded once to nearest even. */
#include "support/bounds.h"
#include "support/check.h"
#include "support/reference.h"

#include <math.h>

enum { PATTERNS_OF_16 = 65536, SIXTEEN = 2 };

static const bnorm_dtype types[SIXTEEN] = {BNORM_BF16, BNORM_F16};

static double from_bits(bnorm_dtype type, unsigned bits)
{
    const uint16_t element = (uint16_t)bits;
    return type_get(type, &element, 0);
}

static unsigned to_bits(bnorm_dtype type, double value)
{
    uint16_t element = 0;
    type_put(type, &element, 0, value);
    return element;
}

/* The tests' own conversions, which all else here leans on. Decoding: bf16 is the upper half of a float; half is 2^-24
 * times an integer, each next to the one before at a distance that doubles every 1024. Encoding: each pattern returns
 * to itself, and the middle between neighbours goes to the even one, all that is to either side of it to the nearer. */
CASE(sixteen, conversions_of_the_tests)
{
    for (unsigned bits = 0; bits < PATTERNS_OF_16; bits++) {
        const uint32_t upper = (uint32_t)bits << 16;
        float f;
        memcpy(&f, &upper, sizeof f);
        const double value = from_bits(BNORM_BF16, bits);
        CHECK(value == f || (isnan(value) && isnan(f)), "bf16 0x%04x is %g", bits, value);
    }
    uint64_t units = 0; /* of 2^-24 */
    for (unsigned bits = 0; bits < 0x7c00; bits++) {
        CHECK(from_bits(BNORM_F16, bits) == (double)units * 0x1p-24, "half 0x%04x", bits);
        CHECK(from_bits(BNORM_F16, bits | 0x8000) == -(double)units * 0x1p-24, "half 0x%04x, negative", bits);
        units += UINT64_C(1) << (bits < 1024 ? 0 : bits / 1024 - 1);
    }
    CHECK(from_bits(BNORM_F16, 0x3c00) == 1 && from_bits(BNORM_F16, 0x7bff) == 65504, "1 and the largest half");
    CHECK(from_bits(BNORM_F16, 0x7c00) == HUGE_VAL && from_bits(BNORM_F16, 0xfc00) == -HUGE_VAL, "infinity");
    for (int t = 0; t < SIXTEEN; t++) {
        const unsigned infinity = types[t] == BNORM_BF16 ? 0x7f80 : 0x7c00;
        describe("%s", type_name(types[t]));
        for (unsigned bits = 0; bits <= infinity; bits++) {
            const double value = from_bits(types[t], bits);
            CHECK(to_bits(types[t], value) == bits && to_bits(types[t], -value) == (bits | 0x8000), "0x%04x", bits);
            if (bits == infinity) break;
            const bool last = bits + 1 == infinity;
            const double above = last ? ldexp(1, types[t] == BNORM_BF16 ? 128 : 16) : from_bits(types[t], bits + 1);
            const double middle = (value + above) / 2; /* exact in double */
            CHECK(to_bits(types[t], middle) == bits + bits % 2, "the middle above 0x%04x", bits);
            CHECK(to_bits(types[t], nextafter(middle, 0)) == bits, "below the middle above 0x%04x", bits);
            CHECK(to_bits(types[t], nextafter(middle, HUGE_VAL)) == bits + 1, "beyond the middle above 0x%04x", bits);
        }
        for (unsigned bits = infinity + 1; bits < 0x8000; bits++)
            CHECK(isnan(from_bits(types[t], bits)) && isnan(type_round(types[t], NAN)), "NaN 0x%04x", bits);
    }
}

static void put_bits(struct array *array, size_t row, size_t column, unsigned bits)
{
    const uint16_t element = (uint16_t)bits;
    memcpy(array->elements + array_index(array, row, column) * array->size, &element, sizeof element);
}

/* Whether a result is the exact number rounded once. It is judged where the float that is rounded must be that number:
 * where it is a float. Returns whether it was judged. */
static bool check_rounded(bnorm_dtype type, const char *what, unsigned bits, double got, wide exact)
{
    const double near = (double)exact;
    if (isnan(near)) {
        CHECK(isnan(got), "%s of 0x%04x is %g, not NaN", what, bits, got);
        return true;
    }
    if (!isinf(near) && (wide)(float)near != exact) return false;
    const double expected = type_round(type, near);
    CHECK(got == expected, "%s of 0x%04x is %.9g, exactly %.17g, rounded %.9g", what, bits, got, near, expected);
    return true;
}

/* Inference with mean 0, variance 1 and eps 0 is y = gamma x + beta. */
static void check_y_of_all(bnorm_desc d, double gamma, double beta, size_t shift, bool in_place)
{
    describe("%zu x %zu x %zu %s, channels %s, y = %g x + %g, %zu elements off%s", d.batch, d.features, d.spatial,
             type_name(d.dtype), layout_name(d.layout), gamma, beta, shift, in_place ? ", in place" : "");
    d.eps = 0;
    struct problem p = problem_make(&d, shift);
    if (in_place) problem_y_in_place(&p);
    for (size_t m = 0; m < p.count; m++)
        for (size_t c = 0; c < d.features; c++) put_bits(&p.arrays[X], m, c, (unsigned)(m * d.features + c));
    for (size_t c = 0; c < d.features; c++) {
        array_put(&p.arrays[GAMMA], 0, c, gamma);
        array_put(&p.arrays[BETA], 0, c, beta);
        array_put(&p.arrays[RUNNING_MEAN], 0, c, 0);
        array_put(&p.arrays[RUNNING_VAR], 0, c, 1);
    }
    CHECK(problem_run(&p, INFERENCE) == BNORM_OK, "status");
    size_t judged = 0;
    for (size_t m = 0; m < p.count; m++)
        for (size_t c = 0; c < d.features; c++) {
            const unsigned bits = (unsigned)(m * d.features + c);
            const wide exact = (wide)from_bits(d.dtype, bits) * gamma + beta;
            judged += check_rounded(d.dtype, "y", bits, array_get(&p.arrays[p.y], m, c), exact);
        }
    CHECK(judged > PATTERNS_OF_16 / 16, "only %zu results could be judged", judged);
    problem_free(&p);
}

/* gamma x alone: unchanged bits, halfway cases among the subnormals, overflow, factors beyond float's comfort. With
 * beta: halfway cases where x and beta are some binades apart, and a bit to either side of them; at the largest number,
 * where half an ulp more is infinite and a little less is not. */
CASE(sixteen, every_pattern_through_y)
{
    static const struct {
        double gamma, beta;
    } of[SIXTEEN][14] = {{{1, 0},
                          {2, 0},
                          {0x1p-3, 0},
                          {0x1p-9, 0},
                          {-0x1p-119, 0},
                          {0x1p110, 0},
                          {1.5, 0},
                          {1, 0x1p-8},
                          {1, 0x1p-8 + 0x1p-23},
                          {1, 0x1p-8 - 0x1p-24},
                          {1, 0x1p-134},
                          {0.5, 3 * 0x1p-134},
                          {1, 0x1p119},
                          {1, 0x1p119 - 0x1p104}},
                         {{1, 0},
                          {2, 0},
                          {0x1p-3, 0},
                          {0x1p-12, 0},
                          {-0x1p-20, 0},
                          {0x1p30, 0},
                          {1.5, 0},
                          {1, 0x1p-11},
                          {1, 0x1p-11 + 0x1p-23},
                          {1, 0x1p-11 - 0x1p-24},
                          {1, 0x1p-25},
                          {0.5, 3 * 0x1p-25},
                          {1, 16},
                          {1, 16 - 0x1p-8}}};
    static const size_t shapes[][3] = {{1, 65536, 1}, {16, 64, 64}, {1, 4, 16384}, {4096, 2, 8}};
    for (int t = 0; t < SIXTEEN; t++)
        for (size_t i = 0; i < 14; i++)
            for (size_t s = 0; s < 4; s++)
                for (int l = 0; l < LAYOUTS; l++) {
                    if (test_quick() && (i + s) % 4 != 0) continue;
                    const bnorm_desc d =
                        bnorm_image(types[t], all_layouts[l], shapes[s][0], shapes[s][1], shapes[s][2]);
                    check_y_of_all(d, of[t][i].gamma, of[t][i].beta, (i + s) % 4, (i + (size_t)l) % 2 == 1);
                }
}

/* dy of a feature is v, -v, over x that are equal and of xhat 1: its sums are 0, and dx = gamma dy. */
static void check_dx_of_all(bnorm_desc d, double gamma, size_t shift, bool in_place)
{
    describe("%zu x %zu x %zu %s, channels %s, dx = %g dy, %zu elements off%s", d.batch, d.features, d.spatial,
             type_name(d.dtype), layout_name(d.layout), gamma, shift, in_place ? ", in place" : "");
    struct problem p = problem_make(&d, shift);
    if (in_place) problem_dx_in_place(&p);
    for (size_t c = 0; c < d.features; c++) {
        for (size_t m = 0; m < 2; m++) {
            array_put(&p.arrays[X], m, c, 1);
            put_bits(&p.arrays[DY], m, c, (unsigned)c ^ (m ? 0x8000 : 0));
        }
        array_put(&p.arrays[GAMMA], 0, c, gamma);
        array_put(&p.arrays[MEAN], 0, c, 0);
        array_put(&p.arrays[INVSTD], 0, c, 1);
    }
    CHECK(problem_run(&p, BACKWARD) == BNORM_OK, "status");
    size_t judged = 0;
    for (size_t c = 0; c < d.features; c++) {
        const double dy = from_bits(d.dtype, (unsigned)c);
        const double finite = isfinite(dy) ? dy : NAN; /* Inf - Inf in the sums */
        for (size_t m = 0; m < 2; m++)
            judged += check_rounded(d.dtype, "dx", (unsigned)c, array_get(&p.arrays[p.dx], m, c),
                                    (wide)finite * gamma * (m ? -1 : 1));
        CHECK(isfinite(dy) ? array_get(&p.arrays[DBETA], 0, c) == 0 : isnan(array_get(&p.arrays[DBETA], 0, c)),
              "dbeta of 0x%04zx", c);
    }
    CHECK(judged > PATTERNS_OF_16 / 16, "only %zu results could be judged", judged);
    problem_free(&p);
}

CASE(sixteen, every_pattern_through_dx)
{
    static const double gammas[] = {1, 2, 0x1p-3, 0x1p-9, -0x1p-12, 1.5};
    for (int t = 0; t < SIXTEEN; t++)
        for (size_t g = 0; g < LENGTH(gammas); g++)
            for (int shape = 0; shape < 4; shape++) {
                if (test_quick() && (g + (size_t)shape) % 4 != 0) continue;
                const bnorm_desc d =
                    bnorm_image(types[t], all_layouts[shape / 2], shape % 2 ? 1 : 2, PATTERNS_OF_16, shape % 2 ? 2 : 1);
                check_dx_of_all(d, gammas[g], (g + (size_t)shape) % 4, g % 2 == 1);
            }
}

/* Statistics are wide: the square of a half need not be one. */
CASE(sixteen, variance_beyond_half)
{
    for (int l = 0; l < LAYOUTS; l++)
        for (int in_place = 0; in_place < 2; in_place++) {
            bnorm_desc d = bnorm_image(BNORM_F16, all_layouts[l], 8, 3, 25);
            d.update_rate = 1;
            d.biased_running_var = true;
            describe("channels %s, in place %d", layout_name(d.layout), in_place);
            struct problem p = problem_make(&d, 1);
            if (in_place) problem_y_in_place(&p);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            for (size_t m = 0; m < p.count; m++)
                for (size_t c = 0; c < 3; c++) array_put(&p.arrays[X], m, c, m % 2 ? 65504 : -65504);
            struct worst worst = {0};
            run_and_check(&p, TRAINING, &worst);
            for (size_t c = 0; c < 3; c++) {
                CHECK(array_get(&p.arrays[MEAN], 0, c) == 0, "mean[%zu]", c);
                CHECK(array_get(&p.arrays[RUNNING_VAR], 0, c) == (float)(65504.0 * 65504.0), "running_var[%zu]", c);
            }
            problem_free(&p);
        }
}

/* y beyond the largest finite number: infinite, with its sign, and only there. */
CASE(sixteen, overflow)
{
    struct worst worst = {0};
    for (int t = 0; t < SIXTEEN; t++)
        for (int l = 0; l < LAYOUTS; l++) {
            const bnorm_desc d = bnorm_image(types[t], all_layouts[l], 10, 7, 13);
            const struct input input = {.pattern = RANDOM, .one_ratio = true};
            struct problem p = problem_make(&d, 3);
            problem_fill(&p, &input);
            describe_problem(&p, &input);
            for (size_t c = 0; c < d.features; c++)
                array_put(&p.arrays[GAMMA], 0, c, largest_finite(types[t]) * (0.55 + 0.06 * (double)c));
            run_and_check(&p, TRAINING, &worst);
            size_t infinite = 0, finite = 0;
            for (size_t m = 0; m < p.count; m++)
                for (size_t c = 0; c < d.features; c++)
                    *(isinf(array_get(&p.arrays[Y], m, c)) ? &infinite : &finite) += 1;
            CHECK(infinite > 0 && finite > 0, "%zu infinite, %zu finite", infinite, finite);
            run_and_check(&p, BACKWARD, &worst);
            problem_free(&p);
        }
}

/* A NaN among the parameters, all of whose lower bits are set, is still one after the rounding, which carries into the
 * upper bits. */
CASE(sixteen, parameters_of_nan)
{
    static const enum array_name parameters[] = {GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR};
    static const uint32_t patterns[] = {0x7fffffff, 0xffffffff, 0x7f800001};
    for (int kind = 0; kind < SIXTEEN * LAYOUTS; kind++)
        for (size_t i = 0; i < LENGTH(parameters); i++)
            for (size_t n = 0; n < LENGTH(patterns); n++) {
                const bnorm_desc d = bnorm_image(types[kind % SIXTEEN], all_layouts[kind / SIXTEEN], 2, 3, 9);
                describe("%s, channels %s, parameter %zu, NaN %zu", type_name(d.dtype), layout_name(d.layout), i, n);
                struct problem p = problem_make(&d, 0);
                problem_fill(&p, &(struct input){.pattern = RANDOM});
                memcpy(p.arrays[parameters[i]].elements + sizeof *patterns, &patterns[n], sizeof *patterns);
                CHECK(problem_run(&p, INFERENCE) == BNORM_OK, "status");
                for (size_t m = 0; m < p.count; m++)
                    for (size_t c = 0; c < d.features; c++) {
                        const double y = array_get(&p.arrays[Y], m, c);
                        CHECK(!isnan(y) == (c != 1), "y[%zu][%zu] is %g", m, c, y);
                    }
                problem_free(&p);
            }
}

/* Given statistics of no batch (feature 1): what is left of the mean, times the scale, is beyond float, and with the
 * other sign than the rest. y is infinite then, with the sign of x - mean, not NaN. A beta near float's end (feature 2)
 * stays what it is. */
CASE(sixteen, given_mean_beyond_the_shift)
{
    static const size_t pixels[] = {1, 9, 99};
    const double mean = 0x1p120 - 0x1p90; /* as a float 2^120 */
    for (int kind = 0; kind < SIXTEEN * LAYOUTS; kind++)
        for (size_t i = 0; i < LENGTH(pixels); i++) {
            const bnorm_desc d = bnorm_image(types[kind % SIXTEEN], all_layouts[kind / SIXTEEN], 20, 3, pixels[i]);
            describe("%s, channels %s, spatial %zu", type_name(d.dtype), layout_name(d.layout), d.spatial);
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            const double above = d.dtype == BNORM_BF16 ? 0x1p120 : HUGE_VAL; /* half has no other */
            for (size_t m = 0; m < p.count; m++) array_put(&p.arrays[X], m, 1, m % 2 ? above : 1);
            for (size_t c = 0; c < d.features; c++) {
                array_put(&p.arrays[GAMMA], 0, c, 1);
                array_put(&p.arrays[BETA], 0, c, c == 2 ? 3e38 : 0);
                p.buffers.mean[c] = c == 1 ? mean : 0;
                p.buffers.invstd[c] = c == 1 ? 0x1p90 : 1;
            }
            CHECK(bnorm_normalise(&d, &p.buffers) == BNORM_OK, "status");
            for (size_t m = 0; m < p.count; m++)
                for (size_t c = 0; c < d.features; c++) {
                    const double y = array_get(&p.arrays[Y], m, c);
                    const double wanted[] = {y, m % 2 ? HUGE_VAL : -HUGE_VAL, type_round(d.dtype, 3e38)};
                    CHECK(y == wanted[c], "y[%zu][%zu] is %g", m, c, y);
                }
            problem_free(&p);
        }
}
