/* Forward: moments, then normalise; for inference normalise alone, from the running statistics. */
#include "passes/passes.h"

static void moments_of_block(const bn_work *w, size_t block, size_t column, size_t columns, double *mean, double *m2)
{
    const size_t row = bn_plan_row(&w->plan, block), rows = bn_plan_row(&w->plan, block + 1) - row;
    const size_t stride = w->desc->x_stride;
    w->kernels->moments(bn_at(w, w->buffers->x, row, stride, column), stride, rows, columns, w->plan.lanes, mean, m2);
}

/* m2 becomes invstd. */
static void finish_training(const bn_work *w, size_t column, size_t columns, double *mean, double *m2)
{
    const bnorm_buffers *const b = w->buffers;
    const double rows = (double)w->plan.rows, rate = w->desc->update_rate;

    if (b->running_mean && rate > 0)
        w->kernels->update(columns, rate, w->desc->biased_running_var ? rows : rows - 1, mean, m2,
                           (char *)b->running_mean + column * w->param, (char *)b->running_var + column * w->param);
    w->kernels->invstd(columns, rows, w->desc->eps, m2, m2);
    if (b->mean) {
        memcpy(b->mean + column, mean, columns * sizeof *mean);
        memcpy(b->invstd + column, m2, columns * sizeof *m2);
    }
}

static void load_running(const bn_work *w, size_t column, size_t columns, double *mean, double *invstd)
{
    w->kernels->running(columns, w->desc->eps, (const char *)w->buffers->running_mean + column * w->param,
                        (const char *)w->buffers->running_var + column * w->param, mean, invstd);
}

static void prepare(const bn_work *w, size_t column, size_t columns, const double *mean, const double *invstd,
                    bn_coefficients *c)
{
    const bnorm_buffers *const b = w->buffers;
    const bool dense = w->desc->x_stride == w->plan.columns && w->desc->y_stride == w->plan.columns;

    c->columns = columns;
    c->repeat = dense ? bn_rows_side_by_side(w, columns) : 1;
    c->mean = mean;
    c->invstd = invstd;
    c->gamma = b->gamma ? (const char *)b->gamma + column * w->param : NULL;
    c->beta = b->beta ? (const char *)b->beta + column * w->param : NULL;
    w->kernels->normalise_coefficients(c);
}

static void normalise(const bn_work *w, size_t row, size_t rows, size_t column, bn_coefficients *c, bool stream)
{
    const size_t x_stride = w->desc->x_stride, y_stride = w->desc->y_stride, repeat = c->repeat, rest = rows % repeat;

    w->kernels->normalise(c, bn_at(w, w->buffers->x, row, x_stride, column), repeat * x_stride,
                          (void *)bn_at(w, w->buffers->y, row, y_stride, column), repeat * y_stride, rows / repeat,
                          stream);
    if (rest == 0) return;
    row += rows - rest;
    c->repeat = rest;
    w->kernels->normalise(c, bn_at(w, w->buffers->x, row, x_stride, column), 0,
                          (void *)bn_at(w, w->buffers->y, row, y_stride, column), 0, 1, stream);
    c->repeat = repeat;
}

static void forward(const bn_work *w, const bn_operation *operation)
{
    const bn_schedule s = bn_schedule_make(&w->plan, w->value, 2, w->buffers->y == w->buffers->x, w->desc->threads);
    bn_walk(w, operation, &s);
}

void bn_pass_training(const bn_work *w)
{
    const bn_operation training = {moments_of_block, w->kernels->merge_moments, finish_training, prepare, normalise};
    forward(w, &training);
}

void bn_pass_inference(const bn_work *w)
{
    const bn_operation inference = {NULL, NULL, load_running, prepare, normalise};
    forward(w, &inference);
}
