#include "problem.h"

#include "bounds.h"
#include "check.h"
#include "random.h"

#include <math.h>

const double ratios[RATIOS] = {0, 1, 1e2, 1e4, 1e6};

static const char *const array_names[ARRAYS] = {"x",    "dy",     "gamma",    "beta",         "y",
                                                "dx",   "dgamma", "dbeta",    "running_mean", "running_var",
                                                "mean", "invstd", "workspace"};
const char *const pattern_names[PATTERNS] = {"random", "constant",    "outlier first", "outlier last",
                                             "sorted", "alternating", "cancelling"};

bnorm_dtype parameter_type(bnorm_dtype type) { return type == BNORM_F64 ? BNORM_F64 : BNORM_F32; }

static void point(struct problem *p)
{
    struct array *a = p->arrays;
    p->buffers = (bnorm_buffers){.x = a[X].elements,
                                 .dy = a[DY].elements,
                                 .gamma = a[GAMMA].elements,
                                 .beta = a[BETA].elements,
                                 .y = a[Y].elements,
                                 .dx = a[DX].elements,
                                 .dgamma = a[DGAMMA].elements,
                                 .dbeta = a[DBETA].elements,
                                 .running_mean = a[RUNNING_MEAN].elements,
                                 .running_var = a[RUNNING_VAR].elements,
                                 .mean = (double *)(void *)a[MEAN].elements,
                                 .invstd = (double *)(void *)a[INVSTD].elements};
}

size_t dense_stride(const bnorm_desc *desc)
{
    return desc->features * (desc->layout == BNORM_CHANNELS_FIRST ? desc->spatial : 1);
}

struct problem problem_make(const bnorm_desc *desc, size_t shift)
{
    struct problem p = {.desc = *desc, .count = desc->batch * desc->spatial, .y = Y, .dx = DX};
    const size_t features = desc->features, dense = dense_stride(desc);
    const size_t run = desc->layout == BNORM_CHANNELS_FIRST && desc->spatial ? desc->spatial : 1;
    const size_t x = desc->x_stride ? desc->x_stride : dense, y = desc->y_stride ? desc->y_stride : dense;
    const size_t dx = desc->dx_stride ? desc->dx_stride : x, dy = desc->dy_stride ? desc->dy_stride : y;
    p.arrays[X] = array_make(desc->dtype, p.count, features, run, x, shift);
    p.arrays[Y] = array_make(desc->dtype, p.count, features, run, y, shift);
    p.arrays[DX] = array_make(desc->dtype, p.count, features, run, dx, shift);
    p.arrays[DY] = array_make(desc->dtype, p.count, features, run, dy, shift);
    static const enum array_name parameters[] = {GAMMA, BETA, DGAMMA, DBETA, RUNNING_MEAN, RUNNING_VAR};
    for (size_t i = 0; i < LENGTH(parameters); i++)
        p.arrays[parameters[i]] = array_make(parameter_type(desc->dtype), 1, features, 1, features, shift);
    p.arrays[MEAN] = array_make(BNORM_F64, 1, features, 1, features, shift);
    p.arrays[INVSTD] = array_make(BNORM_F64, 1, features, 1, features, shift);
    p.arrays[WORKSPACE] = array_make_bytes(0, 0);
    point(&p);
    return p;
}

void problem_free(struct problem *p)
{
    for (int i = 0; i < ARRAYS; i++) array_free(&p->arrays[i]);
}

/* In [-1, 1). Where it cancels, the second half takes back the first, but for a millionth. */
static double noise_of(uint64_t seed, size_t row, size_t count, size_t features, size_t column, bool cancels)
{
    const double own = random_uniform(seed, row * features + column);
    const size_t half = count / 2;
    if (!cancels || row < half || half == 0) return own;
    return 0x1p-20 * own - random_uniform(seed, (row - half) % half * features + column);
}

static double pattern_value(enum pattern pattern, double noise, size_t row, size_t count)
{
    switch (pattern) {
    case CONSTANT: return 0.1;
    case OUTLIER_FIRST: return row == 0 ? 1e4 : noise;
    case OUTLIER_LAST: return row + 1 == count ? 1e4 : noise;
    case SORTED: return 1.75 * (2.0 * (double)row / (double)count - 1);
    case ALTERNATING: return (row % 2 ? 1 : -1) + 0x1p-10 * noise;
    default: return noise;
    }
}

/* Columns take turns: NaN, infinities, what overflows, what may be flushed, signed zeros; and none. A column of x with
 * its turn comes with each of dy's. */
static void put_special_values(struct problem *p)
{
    const bnorm_dtype type = p->desc.dtype;
    const double values[] = {
        NAN, HUGE_VAL, -HUGE_VAL, largest_finite(type), -largest_finite(type), least_subnormal(type), 0, -0.0};
    const size_t turns = LENGTH(values) + 1, features = p->desc.features;
    for (size_t c = 0; c < features; c++)
        for (size_t m = 0; m < p->count; m++) {
            const uint64_t bits = random_bits(test_seed() + 6, m * features + c);
            const size_t of_x = c % turns, of_dy = (c + c / turns) % turns;
            if (bits % 7 == 0 && of_x > 0) array_put(&p->arrays[X], m, c, values[of_x - 1]);
            if (bits % 7 == 1 && of_dy > 0) array_put(&p->arrays[DY], m, c, values[of_dy - 1]);
        }
}

void problem_fill(struct problem *p, const struct input *input)
{
    const uint64_t seed = test_seed();
    const size_t features = p->desc.features;
    const double scale = input->scale != 0 ? input->scale : 1, dy_scale = input->dy_scale != 0 ? input->dy_scale : 1;
    for (size_t c = 0; c < features; c++) {
        const double wanted = ratios[((size_t)input->ratio + (input->one_ratio ? 0 : c)) % RATIOS];
        const double ratio = (p->desc.dtype == BNORM_F16 ? fmin(wanted, 3e4) : wanted) * (c % 3 == 1 ? -1 : 1);
        const bool cancels = input->pattern == CANCELLING;
        for (size_t m = 0; m < p->count; m++) {
            const double noise = 1.7320508 * noise_of(seed, m, p->count, features, c, cancels); /* variance 1 */
            const double dy = noise_of(seed + 1, m, p->count, features, c, cancels);
            array_put(&p->arrays[X], m, c, scale * (ratio + pattern_value(input->pattern, noise, m, p->count)));
            array_put(&p->arrays[DY], m, c, dy_scale * (dy + (cancels ? 0 : 0.125 * (double)(c % 4))));
        }
        array_put(&p->arrays[GAMMA], 0, c, c % 7 == 6 ? 0 : 1 + random_uniform(seed + 2, c) * (c % 2 ? 2 : 0.5));
        array_put(&p->arrays[BETA], 0, c, c % 5 == 4 ? 0 : random_uniform(seed + 3, c) * 3);
        array_put(&p->arrays[RUNNING_MEAN], 0, c, random_uniform(seed + 4, c));
        array_put(&p->arrays[RUNNING_VAR], 0, c, 1.5 + random_uniform(seed + 5, c));
    }
    if (input->special) put_special_values(p);
}

void problem_fill_saved_statistics(struct problem *p)
{
    for (size_t c = 0; c < p->desc.features; c++) {
        double mean = 0, variance = 0;
        for (size_t m = 0; m < p->count; m++) mean += array_get(&p->arrays[X], m, c) / (double)p->count;
        for (size_t m = 0; m < p->count; m++) {
            const double away = array_get(&p->arrays[X], m, c) - mean;
            variance += away * away / (double)p->count;
        }
        array_put(&p->arrays[MEAN], 0, c, mean);
        array_put(&p->arrays[INVSTD], 0, c, 1 / sqrt(variance + p->desc.eps + 1e-300));
    }
}

void problem_y_in_place(struct problem *p)
{
    p->y = X;
    p->buffers.y = p->arrays[X].elements;
}

void problem_dx_in_place(struct problem *p)
{
    p->dx = DY;
    p->buffers.dx = p->arrays[DY].elements;
}

void problem_give_workspace(struct problem *p, size_t bytes, size_t shift)
{
    array_free(&p->arrays[WORKSPACE]);
    p->arrays[WORKSPACE] = array_make_bytes(bytes, shift);
    p->buffers.workspace = p->arrays[WORKSPACE].elements;
    p->buffers.workspace_size = bytes;
}

void problem_save(struct problem *p)
{
    for (int i = 0; i < ARRAYS; i++) array_save(&p->arrays[i]);
}

void problem_restore(struct problem *p)
{
    for (int i = 0; i < ARRAYS; i++) array_restore(&p->arrays[i]);
}

void problem_check_unchanged(const struct problem *p)
{
    for (int i = 0; i < ARRAYS; i++) CHECK(array_unchanged(&p->arrays[i]), "%s was written", array_names[i]);
}

bnorm_status call(enum operation operation, const bnorm_desc *desc, const bnorm_buffers *buffers)
{
    if (operation == TRAINING) return bnorm_forward_training(desc, buffers);
    if (operation == INFERENCE) return bnorm_forward_inference(desc, buffers);
    return bnorm_backward(desc, buffers);
}

const char *operation_name(enum operation operation)
{
    static const char *const names[] = {"training", "inference", "backward"};
    return names[operation];
}

static bool may_write(const struct problem *p, enum operation operation, enum array_name name)
{
    const bnorm_buffers *b = &p->buffers;
    if (name == WORKSPACE) return true;
    if (operation == BACKWARD)
        return (name == p->dx && b->dx) || (name == DGAMMA && b->dgamma) || (name == DBETA && b->dbeta);
    if (name == p->y) return true;
    if (operation == INFERENCE) return false;
    return (name == MEAN && b->mean) || (name == INVSTD && b->invstd) || (name == RUNNING_MEAN && b->running_mean) ||
           (name == RUNNING_VAR && b->running_var);
}

bnorm_status problem_run(struct problem *p, enum operation operation)
{
    problem_save(p);
    const bnorm_status status = call(operation, &p->desc, &p->buffers);
    for (int i = 0; i < ARRAYS; i++) {
        if (status == BNORM_OK && may_write(p, operation, (enum array_name)i))
            CHECK(array_unchanged_outside(&p->arrays[i]), "%s: written beside the elements of %s",
                  operation_name(operation), array_names[i]);
        else
            CHECK(array_unchanged(&p->arrays[i]), "%s returned %s and wrote %s", operation_name(operation),
                  bnorm_status_string(status), array_names[i]);
    }
    return status;
}

void describe_problem(const struct problem *p, const struct input *input)
{
    const bnorm_desc *d = &p->desc;
    describe("%zu x %zu x %zu %s, channels %s, strides %zu %zu %zu %zu, eps %g, threads %d, %s, scale %g, ratio %g%s",
             d->batch, d->features, d->spatial, type_name(d->dtype), layout_name(d->layout), d->x_stride, d->y_stride,
             d->dx_stride, d->dy_stride, d->eps, d->threads, pattern_names[input->pattern], input->scale,
             ratios[input->ratio % RATIOS], input->one_ratio ? "" : " on");
}
