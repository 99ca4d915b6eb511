/* Backward: gradient sums, then the input gradient. */
#include "passes/passes.h"

static void sums_of_block(const bn_work *w, bn_block block, size_t column, const bn_tile *tile, double *sum_dy,
                          double *sum_dy_d)
{
    const size_t x_stride = w->desc.x_stride, dy_stride = w->desc.dy_stride;

    w->kernels->gradient_sums(tile, bn_at(w, w->buffers->x, block, x_stride, column), x_stride,
                              bn_at(w, w->buffers->dy, block, dy_stride, column), dy_stride, w->buffers->mean + column,
                              sum_dy, sum_dy_d);
}

static void finish(const bn_work *w, size_t column, size_t columns, double *sum_dy, double *sum_dy_d)
{
    const bnorm_buffers *const b = w->buffers;
    w->kernels->parameter_gradients(columns, b->invstd + column, sum_dy, sum_dy_d,
                                    bn_from_column(b->dgamma, column, w->param),
                                    bn_from_column(b->dbeta, column, w->param));
}

static void gradient_coefficients(const bn_work *w, size_t column, size_t columns, const double *sum_dy,
                                  const double *sum_dy_d, bn_coefficients *c)
{
    const bnorm_buffers *const b = w->buffers;
    const bnorm_desc *const d = &w->desc;
    const size_t row = w->plan.columns * w->plan.run;
    const bool dense = d->x_stride == row && d->dy_stride == row && d->dx_stride == row;

    bn_describe_tile(w, columns, 2, dense, c);
    c->mean = b->mean + column;
    c->invstd = b->invstd + column;
    c->gamma = bn_from_column(b->gamma, column, w->param);
    c->sum_dy = sum_dy;
    c->sum_dy_d = sum_dy_d;
    c->values = (double)w->total;
}

static void input_gradient(const bn_work *w, bn_block block, size_t column, const bn_coefficients *c)
{
    const bnorm_desc *const d = &w->desc;
    const bnorm_buffers *const b = w->buffers;
    w->kernels->input_gradient(c, bn_at(w, b->x, block, d->x_stride, column), d->x_stride,
                               bn_at(w, b->dy, block, d->dy_stride, column), d->dy_stride,
                               (void *)bn_at(w, b->dx, block, d->dx_stride, column), d->dx_stride, block.rows);
}

void bn_pass_backward(const bn_work *w)
{
    const bn_operation whole = {.sums = sums_of_block,
                                .merge = w->kernels->merge_sums,
                                .finish = finish,
                                .coefficients = gradient_coefficients,
                                .make_factors = w->kernels->input_gradient_factors,
                                .elements = w->buffers->dx ? input_gradient : NULL,
                                .reads = 2,
                                .in = w->buffers->dy,
                                .out = w->buffers->dx};
    bn_walk(w, &whole);
}

void bn_pass_gradient_sums(const bn_work *w)
{
    const bn_operation sums = {
        .sums = sums_of_block, .merge = w->kernels->merge_sums, .finish = bn_keep_node, .reads = 2};
    bn_walk(w, &sums);
}

void bn_pass_input_gradient(const bn_work *w, bn_finish *load)
{
    const bn_operation gradient = {.finish = load,
                                   .coefficients = gradient_coefficients,
                                   .make_factors = w->kernels->input_gradient_factors,
                                   .elements = input_gradient,
                                   .reads = 2,
                                   .in = w->buffers->dy,
                                   .out = w->buffers->dx};
    bn_walk(w, &gradient);
}
