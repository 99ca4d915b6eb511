#include "textbook.h"

#include "support/type.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One loop per type, and nothing clever. */
#define REAL float
#define RUN  run_f32
#include "textbook_loops.h"
#undef REAL
#undef RUN
#define REAL double
#define RUN  run_f64
#include "textbook_loops.h"

bool textbook_has(const work *w) { return type_size(w->dtype) > 2 && !w->shape.channels_first; }

void textbook_run(const work *w, double *scratch)
{
    if (w->dtype == BNORM_F64)
        run_f64(w, scratch);
    else
        run_f32(w, scratch);
}

/* ---- The judge --------------------------------------------------------------------------------------------------- */

static long double at(const work *w, const void *a, size_t i) { return type_get(w->dtype, a, i); }

static long double parameter(const work *w, const void *a, size_t j)
{
    return type_get(parameter_type(w->dtype), a, j);
}

/* Where column j of row i lies; a row is a pixel of an image. */
static size_t place(const work *w, size_t i, size_t j)
{
    const size_t pixels = w->shape.h * w->shape.w;
    return w->shape.channels_first ? (i / pixels * w->features + j) * pixels + i % pixels : i * w->features + j;
}

typedef struct column_sums {
    long double mean, invstd;        /* the ones that y or dx is made from */
    long double dy, dy_xhat;         /* sums over the column */
    long double abs_dy, abs_dy_xhat; /* sums of absolute values, which bounds are made from */
} column_sums;

/* The judge's threads share the columns out, then the rows: with many cores arrays are large. */
static void batch_statistics(const work *w, column_sums *columns, size_t from, size_t to)
{
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = from; j < to; j++) columns[j].mean += at(w, w->buffers.x, place(w, i, j));
    for (size_t j = from; j < to; j++) columns[j].mean /= (long double)w->rows;
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = from; j < to; j++) {
            const long double d = at(w, w->buffers.x, place(w, i, j)) - columns[j].mean;
            columns[j].invstd += d * d;
        }
    for (size_t j = from; j < to; j++)
        columns[j].invstd = 1 / sqrtl(columns[j].invstd / (long double)w->rows + (long double)w->desc.eps);
}

static void given_statistics(const work *w, column_sums *columns)
{
    for (size_t j = 0; j < w->features; j++) {
        column_sums *s = &columns[j];
        if (w->op == BACKWARD) {
            s->mean = w->buffers.mean[j];
            s->invstd = w->buffers.invstd[j];
        } else {
            s->mean = parameter(w, w->buffers.running_mean, j);
            s->invstd = 1 / sqrtl(parameter(w, w->buffers.running_var, j) + (long double)w->desc.eps);
        }
    }
}

static void gradient_sums(const work *w, column_sums *columns, size_t from, size_t to)
{
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = from; j < to; j++) {
            column_sums *s = &columns[j];
            const long double dy = at(w, w->buffers.dy, place(w, i, j));
            const long double product = dy * (at(w, w->buffers.x, place(w, i, j)) - s->mean) * s->invstd;
            s->dy += dy;
            s->abs_dy += fabsl(dy);
            s->dy_xhat += product;
            s->abs_dy_xhat += fabsl(product);
        }
}

/* Some 16 columns at a time: whole cache lines of a row. */
static void sum_columns(const work *w, column_sums *columns)
{
    enum { SLAB = 16 };
    const size_t slabs = (w->features + SLAB - 1) / SLAB;
#pragma omp parallel for schedule(dynamic)
    for (size_t k = 0; k < slabs; k++) {
        const size_t from = k * SLAB, to = from + SLAB < w->features ? from + SLAB : w->features;
        if (w->op == FORWARD) batch_statistics(w, columns, from, to);
        if (w->op == BACKWARD) gradient_sums(w, columns, from, to);
    }
}

/* What may be wrong, in units of what the value is made of. The judge's own sums are right to M * 2^-64, whence the
 * second term. */
static long double tolerance(const work *w, bool loose)
{
    if (loose) return 1e-3L;
    return 16 * (w->dtype == BNORM_F64 ? 0x1p-53L : 0x1p-24L) + (long double)w->rows * 0x1p-64L;
}

/* What an element of 16 bits may be wrong by beyond that: half an ulp, or half of the least subnormal number. */
static long double rounding(const work *w, long double value)
{
    switch (w->dtype) {
    case BNORM_BF16: return 0x1p-8L * fabsl(value) + 0x1p-134L;
    case BNORM_F16: return 0x1p-11L * fabsl(value) + 0x1p-25L;
    default: return 0;
    }
}

static bool near(const char *who, const char *what, size_t i, size_t j, long double is, long double want,
                 long double bound)
{
    if (fabsl(is - want) <= bound) return true; /* false for NaN */
    fprintf(stderr, "bnorm-bench: %s is wrong: %s[%zu][%zu] is %.9Lg, not %.9Lg (allowed error %.2Lg)\n", who, what, i,
            j, is, want, bound);
    return false;
}

static bool row_agrees(const work *w, const char *who, const column_sums *columns, long double unit, size_t i)
{
    for (size_t j = 0; j < w->features; j++) {
        const column_sums *s = &columns[j];
        const long double gamma = parameter(w, w->buffers.gamma, j);
        const long double xhat = (at(w, w->buffers.x, place(w, i, j)) - s->mean) * s->invstd;
        if (w->op == BACKWARD) {
            const long double m = (long double)w->rows, dy = at(w, w->buffers.dy, place(w, i, j));
            const long double want = gamma * s->invstd * (dy - s->dy / m - xhat * s->dy_xhat / m);
            const long double made_of =
                fabsl(gamma * s->invstd) * (fabsl(dy) + (s->abs_dy + fabsl(xhat) * s->abs_dy_xhat) / m);
            const long double bound = unit * made_of + rounding(w, fabsl(want) + unit * made_of);
            if (!near(who, "dx", i, j, at(w, w->buffers.dx, place(w, i, j)), want, bound)) return false;
        } else {
            const long double beta = parameter(w, w->buffers.beta, j);
            const long double want = gamma * xhat + beta;
            const long double made_of = fabsl(gamma) * (1 + fabsl(xhat)) + fabsl(beta);
            const long double bound = unit * made_of + rounding(w, fabsl(want) + unit * made_of);
            if (!near(who, "y", i, j, at(w, w->buffers.y, place(w, i, j)), want, bound)) return false;
        }
    }
    return true;
}

static bool outputs_agree(const work *w, const char *who, const column_sums *columns, long double unit)
{
    bool good = true;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < w->rows; i++) {
        bool so_far;
#pragma omp atomic read
        so_far = good;
        if (so_far && !row_agrees(w, who, columns, unit, i)) {
#pragma omp atomic write
            good = false;
        }
    }
    return good;
}

static bool gradients_agree(const work *w, const char *who, const column_sums *columns, long double unit)
{
    for (size_t j = 0; j < w->features; j++) {
        const column_sums *s = &columns[j];
        if (!near(who, "dbeta", 0, j, parameter(w, w->buffers.dbeta, j), s->dy, unit * (fabsl(s->dy) + s->abs_dy)))
            return false;
        if (!near(who, "dgamma", 0, j, parameter(w, w->buffers.dgamma, j), s->dy_xhat,
                  unit * (fabsl(s->dy_xhat) + s->abs_dy_xhat)))
            return false;
    }
    return true;
}

bool textbook_agrees(const work *w, const char *who, bool loose)
{
    column_sums *columns = calloc(w->features, sizeof *columns);
    if (!columns) abort();
    if (w->op != FORWARD) given_statistics(w, columns);
    sum_columns(w, columns);
    const long double unit = tolerance(w, loose);
    bool good = outputs_agree(w, who, columns, unit);
    if (w->op == BACKWARD) good = good && gradients_agree(w, who, columns, unit);
    free(columns);
    return good;
}
