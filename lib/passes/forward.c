/* Forward: moments, then normalise; for inference normalise alone, from the running statistics. */
#include "passes/passes.h"

static void moments_of_block(const bn_work *w, bn_block block, size_t column, const bn_tile *tile, double *mean,
                             double *m2)
{
    const size_t stride = w->desc.x_stride;
    w->kernels->moments(tile, bn_at(w, w->buffers->x, block, stride, column), stride, mean, m2);
}

/* m2 becomes invstd. */
static void finish_training(const bn_work *w, size_t column, size_t columns, double *mean, double *m2)
{
    const bnorm_buffers *const b = w->buffers;
    const double values = (double)w->plan.values, rate = w->desc.update_rate;

    if (b->running_mean && rate > 0)
        w->kernels->update(columns, rate, w->desc.biased_running_var ? values : values - 1, mean, m2,
                           bn_from_column(b->running_mean, column, w->param),
                           bn_from_column(b->running_var, column, w->param));
    w->kernels->invstd(columns, values, w->desc.eps, m2);
    if (b->mean && mean != b->mean + column) {
        memcpy(b->mean + column, mean, columns * sizeof *mean);
        memcpy(b->invstd + column, m2, columns * sizeof *m2);
    }
}

static void load_running(const bn_work *w, size_t column, size_t columns, double *mean, double *invstd)
{
    w->kernels->running(columns, w->desc.eps, bn_from_column(w->buffers->running_mean, column, w->param),
                        bn_from_column(w->buffers->running_var, column, w->param), mean, invstd);
}

static void load_saved(const bn_work *w, size_t column, size_t columns, double *mean, double *invstd)
{
    memcpy(mean, w->buffers->mean + column, columns * sizeof *mean);
    memcpy(invstd, w->buffers->invstd + column, columns * sizeof *invstd);
}

static void normalise_coefficients(const bn_work *w, size_t column, size_t columns, const double *mean,
                                   const double *invstd, bn_coefficients *c)
{
    const bnorm_buffers *const b = w->buffers;
    const size_t row = w->plan.columns * w->plan.run;
    const bool dense = w->desc.x_stride == row && w->desc.y_stride == row;

    bn_describe_tile(w, columns, 1, dense, c);
    c->mean = mean;
    c->invstd = invstd;
    c->gamma = bn_from_column(b->gamma, column, w->param);
    c->beta = bn_from_column(b->beta, column, w->param);
}

static void normalise(const bn_work *w, bn_block block, size_t column, const bn_coefficients *c)
{
    const size_t x_stride = w->desc.x_stride, y_stride = w->desc.y_stride;
    w->kernels->normalise(c, bn_at(w, w->buffers->x, block, x_stride, column), x_stride,
                          (void *)bn_at(w, w->buffers->y, block, y_stride, column), y_stride, block.rows);
}

void bn_pass_training(const bn_work *w)
{
    const bn_operation training = {.sums = moments_of_block,
                                   .merge = w->kernels->merge_moments,
                                   .finish = finish_training,
                                   .coefficients = normalise_coefficients,
                                   .make_factors = w->kernels->normalise_factors,
                                   .elements = normalise,
                                   .reads = 1,
                                   .in = w->buffers->x,
                                   .out = w->buffers->y,
                                   .keep_a = w->buffers->mean,
                                   .keep_b = w->buffers->invstd};
    bn_walk(w, &training);
}

/* Elements alone, by statistics that `load` has. */
static void normalise_by(const bn_work *w, bn_finish *load)
{
    const bn_operation alone = {.finish = load,
                                .coefficients = normalise_coefficients,
                                .make_factors = w->kernels->normalise_factors,
                                .elements = normalise,
                                .reads = 1,
                                .in = w->buffers->x,
                                .out = w->buffers->y};
    bn_walk(w, &alone);
}

void bn_pass_inference(const bn_work *w) { normalise_by(w, load_running); }
void bn_pass_normalise(const bn_work *w) { normalise_by(w, load_saved); }

void bn_pass_moments(const bn_work *w)
{
    const bn_operation moments = {
        .sums = moments_of_block, .merge = w->kernels->merge_moments, .finish = bn_keep_node, .reads = 1};
    bn_walk(w, &moments);
}
