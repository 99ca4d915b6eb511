/* Backward: gradient sums, then the input gradient. */
#include "passes/passes.h"

static void sums_of_block(const bn_work *w, size_t block, size_t column, size_t columns, double *sum_dy,
                          double *sum_dy_d)
{
    const bn_block b = bn_plan_block(&w->plan, block);
    const bn_tile tile = bn_tile_of(w, b, columns);
    const size_t x_stride = w->desc->x_stride, dy_stride = w->desc->dy_stride;

    w->kernels->gradient_sums(&tile, bn_at(w, w->buffers->x, b, x_stride, column), x_stride,
                              bn_at(w, w->buffers->dy, b, dy_stride, column), dy_stride, w->buffers->mean + column,
                              sum_dy, sum_dy_d);
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
    const size_t dense = w->plan.columns * w->plan.run;

    bn_describe_tile(w, columns, d->x_stride == dense && d->dy_stride == dense && d->dx_stride == dense, c);
    c->mean = b->mean + column;
    c->invstd = b->invstd + column;
    c->gamma = b->gamma ? (const char *)b->gamma + column * w->param : NULL;
    c->sum_dy = sum_dy;
    c->sum_dy_d = sum_dy_d;
    c->values = (double)w->plan.values;
    w->kernels->input_gradient_coefficients(c);
}

static void input_gradient(const bn_work *w, bn_block block, size_t column, const bn_coefficients *c, bool stream)
{
    const bnorm_desc *const d = w->desc;
    const bnorm_buffers *const b = w->buffers;
    w->kernels->input_gradient(c, bn_at(w, b->x, block, d->x_stride, column), d->x_stride,
                               bn_at(w, b->dy, block, d->dy_stride, column), d->dy_stride,
                               (void *)bn_at(w, b->dx, block, d->dx_stride, column), d->dx_stride, block.rows, stream);
}

void bn_pass_backward(const bn_work *w)
{
    const bnorm_buffers *const b = w->buffers;
    const bn_operation backward = {sums_of_block, w->kernels->merge_sums, finish, prepare,
                                   b->dx ? input_gradient : NULL};
    const bn_schedule s = bn_schedule_make(&w->plan, w->value, 3, b->dx == b->dy, w->desc->threads);
    bn_walk(w, &backward, &s);
}
