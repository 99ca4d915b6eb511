#include "bounds.h"

#include "check.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>

/* The bounds, with u = 2^-53 (f64) or 2^-24 (all others, whose elements are computed in float), v = 2^-53, and k = 8
 * for what sums leave behind.
 *
 * Sums. A block is summed in double around a pivot of its own, in lanes that are folded in a fixed order, and the
 * blocks are merged in a tree. If no term of a block takes part in more than L additions on its way to the block's sum,
 * a sum differs from the exact one by at most (L + t log2 blocks) v sum abs(terms) to first order, t roundings for
 * each merge (N. Higham, "Accuracy and stability of numerical algorithms", 2nd edition, section 4.2). That is the worst
 * case, all roundings in one direction; they are not, and what is seen is about its square root. k = 8 is what is
 * tested. It is small enough that a plain sum over the batch fails on the long columns.
 *
 * mean    k v mean abs(x): the sum's error, divided by M.
 *
 * invstd  f32 and 16-bit: 2^-30, 64 times finer than the elements, so that it disappears in y. f64: half the relative
 * error of the variance. A column with |mean| up to 32 standard deviations is summed as it is and cancels; others are
 * summed about a pivot. Hence k v (1 + abs(mean) / std), with std = 1 / invstd.
 *
 * y       x - mean_high, - mean_low, * (gamma invstd), and that factor's own rounding: four roundings of gamma xhat; +
 * beta one more, of the sum, hence 5u (abs(gamma xhat) + abs(beta)). The error of the mean comes on top, times
 *         abs(gamma) invstd: k v abs(gamma) invstd mean abs(x). One least subnormal where y underflows. In inference
 *         the mean is given and has no error of its own, so that term is left out.
 *
 * y, 16-bit  the float before the last rounding errs by 5u (abs(gamma xhat) + abs(beta)) + the mean's term, as above; k
 *         v mean abs(x) invstd is below 3u as long as |mean| / std is below 2^27. Together less than E = 8u (abs(gamma)
 *         (1 + abs(xhat)) + abs(beta)). Rounding that float f moves it by half an ulp of f. Where f lies in the binade
 *         above y, the power of two between them is a number of the type and within E of y, so half an ulp of y + E
 *         holds still. Half the distance of the subnormals where y is one. Beyond the largest finite number the ulp is
 *         that of its binade and infinity stands for the next number there, 2^128 or 2^16: IEEE's rule, that what lies
 *         half an ulp beyond the largest rounds to infinity.
 *
 * running two roundings of the type: of the two products' sum, and of what is stored, 2u (abs((1 - r) old) + abs(r
 * batch)). On top r times the error of the batch's mean, or variance: relative, twice that of invstd.
 *
 * dbeta, dgamma  the last rounding, to the type: 1 ulp. The sum's error: k v sum abs(terms).
 *
 * dx      the factors and the three terms take at most eight roundings of the type, each relative to a term: 8u. The
 * two means of sums err by k u of the mean of the terms' absolute values. Half a least subnormal is the rounding to the
 *         type where dx underflows: no result can be without it, so the table does not list it.
 *
 * dx, 16-bit  the same with u = 2^-24 for the float, half a least subnormal of float included, and half an ulp of dx
 * for the last rounding, by the argument of y. */
static double k = 8;
static const double v = 0x1p-53;

void bounds_of_sums(double new_k) { k = new_k; }

double unit_roundoff(bnorm_dtype type) { return type == BNORM_F64 ? 0x1p-53 : 0x1p-24; }

double stored_roundoff(bnorm_dtype type)
{
    static const double of[TYPES] = {
        [BNORM_F32] = 0x1p-24, [BNORM_F64] = v, [BNORM_BF16] = 0x1p-8, [BNORM_F16] = 0x1p-11};
    return of[type];
}

double least_subnormal(bnorm_dtype type)
{
    static const double of[TYPES] = {
        [BNORM_F32] = 0x1p-149, [BNORM_F64] = 0x1p-1074, [BNORM_BF16] = 0x1p-133, [BNORM_F16] = 0x1p-24};
    return of[type];
}

double largest_finite(bnorm_dtype type)
{
    static const double of[TYPES] = {
        [BNORM_F32] = FLT_MAX, [BNORM_F64] = DBL_MAX, [BNORM_BF16] = 0x1.fep127, [BNORM_F16] = 65504};
    return of[type];
}

static bool is_sixteen(bnorm_dtype type) { return type_size(type) == 2; }

/* The distance between numbers of the type at `value`. */
static double ulp(bnorm_dtype type, double value)
{
    int exponent;
    frexp(fmin(fabs(value), largest_finite(type)), &exponent); /* value in [2^(exponent - 1), 2^exponent) */
    const double distance = ldexp(stored_roundoff(type), exponent);
    return value == 0 || distance < least_subnormal(type) ? least_subnormal(type) : distance;
}

/* The worst of one column: what is reported if it breaks its bound. */
struct seen {
    double share, got, exact, bound;
    size_t row;
};

static void see(struct seen *seen, size_t row, double got, wide exact, double bound)
{
    const double error = (double)wide_abs(got - exact);
    double share = error <= bound ? (bound > 0 ? error / bound : 0) : error / bound;
    if (!(share >= 0)) share = HUGE_VAL; /* NaN */
    if (share < seen->share) return;
    *seen = (struct seen){share, got, (double)exact, bound, row};
}

/* Half an ulp of `exact` comes on top where the result is of 16 bits. Infinity stands for the number after the largest.
 */
static void see_element(struct seen *seen, bnorm_dtype type, size_t row, double got, wide exact, double bound)
{
    if (!is_sixteen(type)) {
        see(seen, row, got, exact, bound);
        return;
    }
    const double next = ldexp(1, type == BNORM_BF16 ? 128 : 16);
    if (isinf(got)) got = copysign(next, got);
    if (wide_abs(exact) > next) exact = exact < 0 ? -next : next;
    see(seen, row, got, exact, bound + 0.5 * ulp(type, (double)exact));
}

static void judge(const char *what, size_t column, const struct seen *seen, double *worst)
{
    if (seen->share > *worst) *worst = seen->share;
    CHECK(seen->share <= 1, "%s[%zu][%zu] is %.17g, exactly %.17g, %.3g of the bound %.3g", what, seen->row, column,
          seen->got, seen->exact, seen->share, seen->bound);
}

static double *take_column(const struct array *array, size_t column)
{
    double *values = calloc(array->rows + 1, sizeof *values);
    if (!values) abort();
    for (size_t m = 0; m < array->rows; m++) values[m] = array_get_saved(array, m, column);
    return values;
}

static double gamma_of(const struct problem *p, size_t c)
{
    return p->buffers.gamma ? array_get_saved(&p->arrays[GAMMA], 0, c) : 1;
}

static double beta_of(const struct problem *p, size_t c)
{
    return p->buffers.beta ? array_get_saved(&p->arrays[BETA], 0, c) : 0;
}

static double invstd_bound(bnorm_dtype type, const struct statistics *s)
{
    const double invstd = (double)s->invstd;
    if (type != BNORM_F64) return 0x1p-30 * invstd;
    return k * v * (1 + fabs((double)s->mean) * invstd) * invstd;
}

static void check_saved(const struct problem *p, size_t c, const struct statistics *s, struct worst *worst)
{
    struct seen seen = {0};
    if (p->buffers.mean) see(&seen, 0, array_get(&p->arrays[MEAN], 0, c), s->mean, k * v * (double)s->mean_abs);
    judge("mean", c, &seen, &worst->mean);
    seen = (struct seen){0};
    if (p->buffers.invstd)
        see(&seen, 0, array_get(&p->arrays[INVSTD], 0, c), s->invstd, invstd_bound(p->desc.dtype, s));
    judge("invstd", c, &seen, &worst->invstd);
}

/* One running statistic; `batch_error` is what the batch's own value may be off by. */
static void check_running(const struct problem *p, enum array_name name, size_t c, wide batch, double batch_error,
                          struct worst *worst)
{
    const struct array *a = &p->arrays[name];
    const double r = p->desc.update_rate, before = array_get_saved(a, 0, c);
    const double terms = fabs((1 - r) * before) + fabs(r * (double)batch);
    const double got = array_get(a, 0, c), bound = 2 * unit_roundoff(a->type) * terms + r * batch_error;
    const wide exact = reference_running(before, batch, r);
    struct seen seen = {0};
    /* The variance of numbers beyond 1e19 is not a float. */
    if (exact <= (a->type == BNORM_F64 ? DBL_MAX : FLT_MAX))
        see(&seen, 0, got, exact, bound + least_subnormal(a->type));
    else
        CHECK(got == HUGE_VAL, "a running statistic is %g, exactly %g", got, (double)exact);
    judge(name == RUNNING_MEAN ? "running_mean" : "running_var", c, &seen, &worst->running);
}

static void check_running_statistics(const struct problem *p, size_t c, const struct statistics *s, struct worst *worst)
{
    if (!p->buffers.running_mean) return;
    wide factor = 1;
    if (!p->desc.biased_running_var) factor = (wide)p->count / (wide)(p->count - 1);
    const double sum = (double)(s->variance + p->desc.eps);
    const double relative = s->invstd == 0 ? 0 : invstd_bound(p->desc.dtype, s) / (double)s->invstd;
    check_running(p, RUNNING_MEAN, c, s->mean, k * v * (double)s->mean_abs, worst);
    check_running(p, RUNNING_VAR, c, factor * s->variance, 2 * relative * sum * (double)factor, worst);
}

static void check_y(const struct problem *p, size_t c, const double *x, wide mean, wide invstd, double mean_error,
                    struct worst *worst)
{
    const double gamma = gamma_of(p, c), beta = beta_of(p, c), u = unit_roundoff(p->desc.dtype);
    const bool sixteen = is_sixteen(p->desc.dtype);
    const double roundings = (sixteen ? 8 : 5) * u;
    const double fixed =
        sixteen ? roundings * (fabs(beta) + fabs(gamma))
                : roundings * fabs(beta) + fabs(gamma) * (double)invstd * mean_error + least_subnormal(p->desc.dtype);
    struct seen seen = {0};
    for (size_t m = 0; m < p->count; m++) {
        const wide exact = reference_y(x[m], mean, invstd, gamma, beta);
        const double scaled = fabs((double)(exact - beta)); /* gamma xhat */
        see_element(&seen, p->desc.dtype, m, array_get(&p->arrays[p->y], m, c), exact, roundings * scaled + fixed);
    }
    judge("y", c, &seen, &worst->y);
}

void check_parts_column(const struct problem *p, size_t c, struct worst *worst)
{
    double *x = take_column(&p->arrays[X], c);
    const struct statistics s = reference_statistics(x, p->count, p->desc.eps);
    check_saved(p, c, &s, worst);
    check_running_statistics(p, c, &s, worst);
    check_y(p, c, x, array_get(&p->arrays[MEAN], 0, c), array_get(&p->arrays[INVSTD], 0, c), 0, worst);
    free(x);
}

static void check_training_column(const struct problem *p, size_t c, struct worst *worst)
{
    double *x = take_column(&p->arrays[X], c);
    const struct statistics s = reference_statistics(x, p->count, p->desc.eps);
    check_saved(p, c, &s, worst);
    check_running_statistics(p, c, &s, worst);
    check_y(p, c, x, s.mean, s.invstd, k * v * (double)s.mean_abs, worst);
    free(x);
}

static void check_inference_column(const struct problem *p, size_t c, struct worst *worst)
{
    double *x = take_column(&p->arrays[X], c);
    const wide invstd = reference_invstd(array_get_saved(&p->arrays[RUNNING_VAR], 0, c), p->desc.eps);
    check_y(p, c, x, array_get_saved(&p->arrays[RUNNING_MEAN], 0, c), invstd, 0, worst);
    free(x);
}

static void check_sums(const struct problem *p, size_t c, const struct gradients *g, struct worst *worst)
{
    const bnorm_dtype type = p->arrays[DBETA].type;
    struct seen seen = {0};
    if (p->buffers.dbeta)
        see(&seen, 0, array_get(&p->arrays[DBETA], 0, c), g->dbeta,
            ulp(type, (double)g->dbeta) + k * v * (double)g->sum_abs_dy);
    judge("dbeta", c, &seen, &worst->dbeta);
    seen = (struct seen){0};
    if (p->buffers.dgamma)
        see(&seen, 0, array_get(&p->arrays[DGAMMA], 0, c), g->dgamma,
            ulp(type, (double)g->dgamma) + k * v * (double)g->sum_abs_dy_xhat);
    judge("dgamma", c, &seen, &worst->dgamma);
}

static void check_dx(const struct problem *p, size_t c, const double *x, const double *dy, wide mean, wide invstd,
                     const struct gradients *g, struct worst *worst)
{
    if (!p->buffers.dx) return;
    const double gamma = gamma_of(p, c), u = unit_roundoff(p->desc.dtype), count = (double)p->count;
    const double factor = fabs(gamma * (double)invstd);
    const double mean_dy = fabs((double)g->dbeta) / count, mean_dy_xhat = fabs((double)g->dgamma) / count;
    const double mean_abs_dy = (double)g->sum_abs_dy / count, mean_abs_dy_xhat = (double)g->sum_abs_dy_xhat / count;
    struct seen seen = {0};
    for (size_t m = 0; m < p->count; m++) {
        const double xhat = fabs((double)((x[m] - mean) * invstd));
        const double bound = 8 * u * factor * (fabs(dy[m]) + mean_dy + xhat * mean_dy_xhat) +
                             k * u * factor * (mean_abs_dy + xhat * mean_abs_dy_xhat) +
                             0.5 * least_subnormal(p->desc.dtype == BNORM_F64 ? BNORM_F64 : BNORM_F32);
        see_element(&seen, p->desc.dtype, m, array_get(&p->arrays[p->dx], m, c),
                    reference_dx(x[m], dy[m], p->count, mean, invstd, gamma, g), bound);
    }
    judge("dx", c, &seen, &worst->dx);
}

static void check_backward_column(const struct problem *p, size_t c, struct worst *worst)
{
    double *x = take_column(&p->arrays[X], c), *dy = take_column(&p->arrays[DY], c);
    const double mean = array_get_saved(&p->arrays[MEAN], 0, c), invstd = array_get_saved(&p->arrays[INVSTD], 0, c);
    const struct gradients g = reference_gradients(x, dy, p->count, mean, invstd);
    check_sums(p, c, &g, worst);
    check_dx(p, c, x, dy, mean, invstd, &g, worst);
    free(x);
    free(dy);
}

void check_column(const struct problem *p, enum operation operation, size_t c, struct worst *worst)
{
    if (operation == TRAINING) check_training_column(p, c, worst);
    if (operation == INFERENCE) check_inference_column(p, c, worst);
    if (operation == BACKWARD) check_backward_column(p, c, worst);
}

static void check_columns(const struct problem *p, enum operation operation, struct worst *worst)
{
    for (size_t c = 0; c < p->desc.features; c++) check_column(p, operation, c, worst);
}

void check_training(const struct problem *p, struct worst *worst) { check_columns(p, TRAINING, worst); }
void check_inference(const struct problem *p, struct worst *worst) { check_columns(p, INFERENCE, worst); }
void check_backward(const struct problem *p, struct worst *worst) { check_columns(p, BACKWARD, worst); }

void run_and_check(struct problem *p, enum operation operation, struct worst *worst)
{
    const bnorm_status status = problem_run(p, operation);
    CHECK(status == BNORM_OK, "%s returned %s", operation_name(operation), bnorm_status_string(status));
    if (status == BNORM_OK) check_columns(p, operation, worst);
}

void check_all_calls(const bnorm_desc *desc, const struct input *input, struct worst *worst)
{
    struct problem p = problem_make(desc, 0);
    problem_fill(&p, input);
    describe_problem(&p, input);
    if (p.count > 1)
        run_and_check(&p, TRAINING, worst);
    else
        problem_fill_saved_statistics(&p);
    run_and_check(&p, INFERENCE, worst);
    run_and_check(&p, BACKWARD, worst);
    problem_free(&p);
}
