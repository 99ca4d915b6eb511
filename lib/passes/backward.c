/* Backward: gradient sums, then the input gradient. */
#include "passes/passes.h"

static void sums_of_block(const bn_work *w, size_t block, size_t column, size_t columns, double *sum_dy,
                          double *sum_dy_d)
{
    const size_t row = bn_plan_row(&w->plan, block), rows = bn_plan_row(&w->plan, block + 1) - row;
    const size_t x_stride = w->desc->x_stride, dy_stride = w->desc->dy_stride;
    w->kernels->gradient_sums(bn_at(w, w->buffers->x, row, x_stride, column), x_stride,
                              bn_at(w, w->buffers->dy, row, dy_stride, column), dy_stride, rows, columns, w->plan.lanes,
                              w->buffers->mean + column, sum_dy, sum_dy_d);
}

static void *from_column(const bn_work *w, void *parameters, size_t column)
{
    return parameters ? (char *)parameters + column * w->param : NULL;
}

static void finish(const bn_work *w, size_t column, size_t columns, double *sum_dy, double *sum_dy_d)
{
    const bnorm_buffers *const b = w->buffers;
    w->kernels->parameter_gradients(columns, b->invstd + column, sum_dy, sum_dy_d, from_column(w, b->dgamma, column),
                                    from_column(w, b->dbeta, column));
}

static void prepare(const bn_work *w, size_t column, size_t columns, const double *sum_dy, const double *sum_dy_d,
                    bn_coefficients *c)
{
    const bnorm_buffers *const b = w->buffers;
    const bnorm_desc *const d = w->desc;
    const size_t dense = w->plan.columns;

    c->columns = columns;
    c->repeat =
        d->x_stride == dense && d->dy_stride == dense && d->dx_stride == dense ? bn_rows_side_by_side(w, columns) : 1;
    c->mean = b->mean + column;
    c->invstd = b->invstd + column;
    c->gamma = b->gamma ? (const char *)b->gamma + column * w->param : NULL;
    c->sum_dy = sum_dy;
    c->sum_dy_d = sum_dy_d;
    c->rows = (double)w->plan.rows;
    w->kernels->input_gradient_coefficients(c);
}

static void input_gradient(const bn_work *w, size_t row, size_t rows, size_t column, bn_coefficients *c, bool stream)
{
    const bnorm_desc *const d = w->desc;
    const bnorm_buffers *const b = w->buffers;
    const size_t repeat = c->repeat, rest = rows % repeat;

    w->kernels->input_gradient(c, bn_at(w, b->x, row, d->x_stride, column), repeat * d->x_stride,
                               bn_at(w, b->dy, row, d->dy_stride, column), repeat * d->dy_stride,
                               (void *)bn_at(w, b->dx, row, d->dx_stride, column), repeat * d->dx_stride, rows / repeat,
                               stream);
    if (rest == 0) return;
    row += rows - rest;
    c->repeat = rest;
    w->kernels->input_gradient(c, bn_at(w, b->x, row, d->x_stride, column), 0,
                               bn_at(w, b->dy, row, d->dy_stride, column), 0,
                               (void *)bn_at(w, b->dx, row, d->dx_stride, column), 0, 1, stream);
    c->repeat = repeat;
}

void bn_pass_backward(const bn_work *w)
{
    const bnorm_buffers *const b = w->buffers;
    const bn_operation backward = {sums_of_block, w->kernels->merge_sums, finish, prepare,
                                   b->dx ? input_gradient : NULL};
    const bn_schedule s = bn_schedule_make(&w->plan, w->value, 3, b->dx == b->dy, w->desc->threads);
    bn_walk(w, &backward, &s);
}
