#include "bounds.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>

/* The bounds, with u = 2^-53 (f64) or 2^-24 (all others, whose elements are computed in float), v = 2^-53, and k = 8
 * for what sums leave behind. The 8 of dx, and of y in 16 bits, is that k here.
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
 * error of the variance. Each column is summed about its mean as a double, which is off by up to v abs(mean); to std,
 * which the terms are as large as, that is v abs(mean) / std. Hence k v (1 + abs(mean) / std), with std = 1 / invstd.
 *
 * y       x - mean_high, - mean_low, * (gamma invstd), and that factor's own rounding: four roundings of gamma xhat; +
 * beta one more, of the sum, hence 5u (abs(gamma xhat) + abs(beta)). The error of the mean comes on top, times
 *         abs(gamma) invstd: k v abs(gamma) invstd mean abs(x). One least subnormal where y underflows. In inference
 *         the mean is given and has no error of its own, so that term is left out.
 *
 * y, 16-bit  low, what mean_high leaves of the mean, is part of the shift there: three roundings of gamma (xhat + low
 *         invstd), one of beta - gamma low invstd, one of the sum. As abs(low) <= u abs(mean), that is 5u (abs(gamma
 *         xhat) + abs(beta)) and 4u^2 abs(gamma mean) invstd. This and the mean's term are below u abs(gamma) each as
 *         long as |mean| / std is below 2^22, and together with the 5u below E = 8u (abs(gamma) (1 + abs(xhat)) +
 *         abs(beta)). Rounding that float f moves it by half an ulp of f. Where f lies in the binade above y, the power
 *         of two between them is a number of the type and within E of y, so half an ulp of y + E holds still. Half the
 *         distance of the subnormals where y is one. Beyond the largest finite number the ulp is that of its binade and
 *         infinity stands for the next number there, 2^128 or 2^16: IEEE's rule, that what lies half an ulp beyond the
 *         largest rounds to infinity.
 *
 * running two roundings of the type: of the two products' sum, and of what is stored, 2u (abs((1 - r) old) + abs(r
 * batch)), and a least subnormal where they underflow. On top r times the error of the batch's mean, or variance:
 *         relative, twice that of invstd. What exceeds the type is infinite.
 *
 * dbeta, dgamma  the last rounding, to the type: 1 ulp. The sum's error: k v sum abs(terms).
 *
 * dx      the factors and the three terms take at most eight roundings of the type, each relative to a term: 8u. The
 * two means of sums err by k u of the mean of the terms' absolute values. Half a least subnormal is the rounding to the
 *         type where dx underflows: no result can be without it.
 *
 * dx, 16-bit  the same with u = 2^-24 for the float, half a least subnormal of float included, and half an ulp of dx
 * for the last rounding, by the argument of y. */
static const double k = 8;
static const double v = 0x1p-53;

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

double ulp(bnorm_dtype type, double value)
{
    int exponent;
    frexp(fmin(fabs(value), largest_finite(type)), &exponent); /* value in [2^(exponent - 1), 2^exponent) */
    const double distance = ldexp(stored_roundoff(type), exponent);
    return value == 0 || distance < least_subnormal(type) ? least_subnormal(type) : distance;
}

/* fixed + k * unit; of doubles that underflow these may be less than a double can be. */
struct bound {
    wide fixed, unit;
};

/* The worst of one column: what is reported if it breaks its bound. */
struct seen {
    struct used used;
    double got, exact, bound;
    size_t row;
};

static void see(struct seen *seen, size_t row, double got, wide exact, struct bound b)
{
    const wide error = wide_abs(got - exact), bound = b.fixed + k * b.unit;
    double share = error == 0 ? 0 : (double)(error / bound);
    if (!(share >= 0)) share = HUGE_VAL; /* NaN */
    if (error > b.fixed) seen->used.k = fmax(seen->used.k, (double)((error - b.fixed) / b.unit));
    if (share < seen->used.share) return;
    seen->used.share = share;
    seen->got = got;
    seen->exact = (double)exact;
    seen->bound = (double)bound;
    seen->row = row;
}

/* Half an ulp of `exact` comes on top where the result is of 16 bits. Infinity stands for the number after the largest.
 */
static void see_element(struct seen *seen, bnorm_dtype type, size_t row, double got, wide exact, struct bound bound)
{
    if (is_sixteen(type)) {
        const double next = ldexp(1, type == BNORM_BF16 ? 128 : 16);
        if (isinf(got)) got = copysign(next, got);
        if (wide_abs(exact) > next) exact = exact < 0 ? -next : next;
        bound.fixed += 0.5 * ulp(type, (double)exact);
    }
    see(seen, row, got, exact, bound);
}

static void judge(const char *what, size_t column, const struct seen *seen, struct used *worst)
{
    worst->share = fmax(worst->share, seen->used.share);
    worst->k = fmax(worst->k, seen->used.k);
    CHECK(seen->used.share <= 1, "%s[%zu][%zu] is %.17g, exactly %.17g, %.3g of the bound %.3g", what, seen->row,
          column, seen->got, seen->exact, seen->used.share, seen->bound);
}

double *column_before(const struct array *array, size_t column)
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

static struct bound mean_bound(const struct statistics *s) { return (struct bound){0, v * (double)s->mean_abs}; }

static struct bound invstd_bound(bnorm_dtype type, const struct statistics *s)
{
    const double invstd = (double)s->invstd;
    if (type != BNORM_F64) return (struct bound){0x1p-30 * invstd, 0};
    return (struct bound){0, v * (1 + fabs((double)s->mean) * invstd) * invstd};
}

static void check_saved(const struct problem *p, size_t c, const struct statistics *s, struct worst *worst)
{
    struct seen seen = {0};
    if (p->buffers.mean) see(&seen, 0, array_get(&p->arrays[MEAN], 0, c), s->mean, mean_bound(s));
    judge("mean", c, &seen, &worst->of[TRAINING][MEAN]);
    seen = (struct seen){0};
    if (p->buffers.invstd)
        see(&seen, 0, array_get(&p->arrays[INVSTD], 0, c), s->invstd, invstd_bound(p->desc.dtype, s));
    judge("invstd", c, &seen, &worst->of[TRAINING][INVSTD]);
}

/* One running statistic; `off` is by how much the batch's own value may be. */
static void check_running(const struct problem *p, enum array_name name, size_t c, wide batch, struct bound off,
                          struct worst *worst)
{
    const struct array *a = &p->arrays[name];
    const double r = p->desc.update_rate, before = array_get_saved(a, 0, c);
    const double terms = fabs((1 - r) * before) + fabs(r * (double)batch);
    const double got = array_get(a, 0, c), roundings = 2 * unit_roundoff(a->type) * terms + least_subnormal(a->type);
    const wide exact = reference_running(before, batch, r);
    struct seen seen = {0};
    /* The variance of numbers beyond 1e19 is not a float. */
    if (exact <= (a->type == BNORM_F64 ? DBL_MAX : FLT_MAX))
        see(&seen, 0, got, exact, (struct bound){roundings + r * off.fixed, r * off.unit});
    else
        CHECK(got == HUGE_VAL, "a running statistic is %g, exactly %g", got, (double)exact);
    judge(name == RUNNING_MEAN ? "running_mean" : "running_var", c, &seen, &worst->of[TRAINING][name]);
}

static void check_running_statistics(const struct problem *p, size_t c, const struct statistics *s, struct worst *worst)
{
    if (!p->buffers.running_mean) return;
    wide factor = 1;
    if (!p->desc.biased_running_var) factor = (wide)p->count / (wide)(p->count - 1);
    /* Relative, the variance and eps err by twice what invstd does. */
    const struct bound off = invstd_bound(p->desc.dtype, s);
    const double twice = 2 * (double)(s->variance + p->desc.eps) * (double)factor;
    const double invstd = s->invstd == 0 ? 1 : (double)s->invstd;
    check_running(p, RUNNING_MEAN, c, s->mean, mean_bound(s), worst);
    check_running(p, RUNNING_VAR, c, factor * s->variance,
                  (struct bound){off.fixed / invstd * twice, off.unit / invstd * twice}, worst);
}

/* mean_abs: mean abs(x), where the mean is a sum; 0 where it is given. */
static void check_y(const struct problem *p, size_t c, const double *x, wide mean, wide invstd, wide mean_abs,
                    struct used *worst)
{
    const double gamma = gamma_of(p, c), beta = beta_of(p, c), u = unit_roundoff(p->desc.dtype);
    const bool sixteen = is_sixteen(p->desc.dtype);
    const double mean_error = v * fabs(gamma) * (double)invstd * (double)mean_abs;
    struct seen seen = {0};
    for (size_t m = 0; m < p->count; m++) {
        const wide exact = reference_y(x[m], mean, invstd, gamma, beta);
        const double terms = fabs((double)(exact - beta)) + fabs(beta); /* gamma xhat and beta */
        const struct bound bound = sixteen ? (struct bound){0, u * (terms + fabs(gamma))}
                                           : (struct bound){5 * u * terms + least_subnormal(p->desc.dtype), mean_error};
        see_element(&seen, p->desc.dtype, m, array_get(&p->arrays[p->y], m, c), exact, bound);
    }
    judge("y", c, &seen, worst);
}

void check_training_column(const struct problem *p, size_t c, const double *x, const struct statistics *s,
                           struct worst *worst)
{
    check_saved(p, c, s, worst);
    check_running_statistics(p, c, s, worst);
    check_y(p, c, x, s->mean, s->invstd, s->mean_abs, &worst->of[TRAINING][Y]);
}

static void training(const struct problem *p, size_t c, struct worst *worst)
{
    double *x = column_before(&p->arrays[X], c);
    const struct statistics s = reference_statistics(x, p->count, p->desc.eps);
    check_training_column(p, c, x, &s, worst);
    free(x);
}

static void inference(const struct problem *p, size_t c, struct worst *worst)
{
    double *x = column_before(&p->arrays[X], c);
    const wide invstd = reference_invstd(array_get_saved(&p->arrays[RUNNING_VAR], 0, c), p->desc.eps);
    check_y(p, c, x, array_get_saved(&p->arrays[RUNNING_MEAN], 0, c), invstd, 0, &worst->of[INFERENCE][Y]);
    free(x);
}

/* dbeta or dgamma. */
static void check_sum(const struct problem *p, enum array_name name, size_t c, wide exact, wide sum_abs,
                      struct worst *worst)
{
    const struct array *a = &p->arrays[name];
    struct seen seen = {0};
    see(&seen, 0, array_get(a, 0, c), exact, (struct bound){ulp(a->type, (double)exact), v * (double)sum_abs});
    judge(name == DBETA ? "dbeta" : "dgamma", c, &seen, &worst->of[BACKWARD][name]);
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
        const double roundings = fabs(dy[m]) + mean_dy + xhat * mean_dy_xhat;
        const double sums = mean_abs_dy + xhat * mean_abs_dy_xhat; /* their factors, 8 and k, are the same */
        const struct bound bound = {least_subnormal(p->desc.dtype == BNORM_F64 ? BNORM_F64 : BNORM_F32) / (wide)2,
                                    (wide)u * factor * (roundings + sums)};
        see_element(&seen, p->desc.dtype, m, array_get(&p->arrays[p->dx], m, c),
                    reference_dx(x[m], dy[m], p->count, mean, invstd, gamma, g), bound);
    }
    judge("dx", c, &seen, &worst->of[BACKWARD][DX]);
}

void check_backward_column(const struct problem *p, size_t c, const double *x, const double *dy,
                           const struct gradients *g, struct worst *worst)
{
    const double mean = array_get_saved(&p->arrays[MEAN], 0, c), invstd = array_get_saved(&p->arrays[INVSTD], 0, c);
    if (p->buffers.dbeta) check_sum(p, DBETA, c, g->dbeta, g->sum_abs_dy, worst);
    if (p->buffers.dgamma) check_sum(p, DGAMMA, c, g->dgamma, g->sum_abs_dy_xhat, worst);
    check_dx(p, c, x, dy, mean, invstd, g, worst);
}

static void backward(const struct problem *p, size_t c, struct worst *worst)
{
    double *x = column_before(&p->arrays[X], c), *dy = column_before(&p->arrays[DY], c);
    const double mean = array_get_saved(&p->arrays[MEAN], 0, c), invstd = array_get_saved(&p->arrays[INVSTD], 0, c);
    const struct gradients g = reference_gradients(x, dy, p->count, mean, invstd);
    check_backward_column(p, c, x, dy, &g, worst);
    free(x);
    free(dy);
}

void check_column(const struct problem *p, enum operation operation, size_t c, struct worst *worst)
{
    if (operation == TRAINING) training(p, c, worst);
    if (operation == INFERENCE) inference(p, c, worst);
    if (operation == BACKWARD) backward(p, c, worst);
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
