/* The door of parts of a batch: moments, gradient sums, and the trips over elements apart from them. */
#include "check.h"
#include "split/sums.h"

struct bnorm_moments {
    bn_sums s;
};

struct bnorm_gradient_sums {
    bn_sums s;
};

/* Two arrays that are written, and one that is read, or NULL; each of one element a feature. */
static bool outputs_share(const bn_sums *s, size_t size, const void *a, const void *b, const double *read)
{
    const size_t bytes = s->desc.features * size, read_bytes = s->desc.features * sizeof *read;
    bn_arrays arrays = {.written = 2};
    bn_arrays_add(&arrays, a, 1, bytes, bytes);
    bn_arrays_add(&arrays, b, 1, bytes, bytes);
    bn_arrays_add(&arrays, read, 1, read_bytes, read_bytes);
    return bn_arrays_overlap(&arrays, -1);
}

/* ---- moments ---- */

bnorm_status bnorm_moments_create(bnorm_moments **m, const bnorm_desc *desc, size_t first_block)
{
    bn_sums *s;
    if (!m) return BNORM_NULL;
    const bnorm_status status = bn_sums_create(&s, desc, first_block, BN_MOMENTS);
    if (status == BNORM_OK) *m = (bnorm_moments *)s;
    return status;
}

void bnorm_moments_destroy(bnorm_moments *m) { bn_sums_destroy((bn_sums *)m); }

bnorm_status bnorm_moments_accumulate(bnorm_moments *m, size_t batch, const void *x)
{
    if (!m || (!x && batch != 0 && m->s.desc.spatial != 0)) return BNORM_NULL;
    return bn_sums_accumulate(&m->s, batch, &(bnorm_buffers){.x = x});
}

bnorm_status bnorm_moments_merge(bnorm_moments *m, const bnorm_moments *next)
{
    return m && next ? bn_sums_merge(&m->s, &next->s) : BNORM_NULL;
}

static void statistics(const bn_sums *s, size_t column, size_t columns, const double *mean, const double *m2,
                       const bnorm_buffers *to)
{
    memcpy(to->mean + column, mean, columns * sizeof *mean);
    memcpy(to->invstd + column, m2, columns * sizeof *m2);
    s->kernels->invstd(columns, (double)s->forest.values, s->desc.eps, to->invstd + column);
}

bnorm_status bnorm_moments_finish(const bnorm_moments *m, double *mean, double *invstd)
{
    if (!m) return BNORM_NULL;
    const bn_sums *const s = &m->s;
    if (s->forest.values == 0) return BNORM_OK;
    if (!mean || !invstd) return BNORM_NULL;
    if (s->forest.values == 1) return BNORM_ONE_VALUE;
    if (outputs_share(s, sizeof(double), mean, invstd, NULL)) return BNORM_OVERLAP;
    bn_sums_use(s, statistics, &(bnorm_buffers){.mean = mean, .invstd = invstd});
    return BNORM_OK;
}

static void update(const bn_sums *s, size_t column, size_t columns, const double *mean, const double *m2,
                   const bnorm_buffers *to)
{
    const size_t values = s->forest.values;
    const double divisor = (double)(s->desc.biased_running_var ? values : values - 1);
    if (s->desc.update_rate == 0) return; /* asked here, where no control word makes 0 of more */
    s->kernels->update(columns, s->desc.update_rate, divisor, mean, m2,
                       bn_from_column(to->running_mean, column, s->param),
                       bn_from_column(to->running_var, column, s->param));
}

bnorm_status bnorm_moments_commit(const bnorm_moments *m, void *running_mean, void *running_var)
{
    if (!m) return BNORM_NULL;
    const bn_sums *const s = &m->s;
    if (s->forest.values == 0) return BNORM_OK;
    if (!running_mean || !running_var) return BNORM_NULL;
    if (s->forest.values == 1) return BNORM_ONE_VALUE;
    if (outputs_share(s, s->param, running_mean, running_var, NULL)) return BNORM_OVERLAP;
    bn_sums_use(s, update, &(bnorm_buffers){.running_mean = running_mean, .running_var = running_var});
    return BNORM_OK;
}

bnorm_status bnorm_moments_serialise(const bnorm_moments *m, void *bytes, size_t *size)
{
    return m && size ? bn_sums_serialise(&m->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_moments_deserialise(bnorm_moments *m, const void *bytes, size_t size)
{
    return m && bytes ? bn_sums_deserialise(&m->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_moments_write_nodes(const bnorm_moments *m, void *bytes, size_t *size)
{
    return m && size ? bn_sums_write_nodes(&m->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_moments_read_nodes(bnorm_moments *m, size_t next_block, const void *bytes, size_t *size)
{
    return m && bytes && size ? bn_sums_read_nodes(&m->s, next_block, bytes, size) : BNORM_NULL;
}

size_t bnorm_moments_count(const bnorm_moments *m) { return m ? m->s.forest.values : 0; }
size_t bnorm_moments_first_block(const bnorm_moments *m) { return m ? m->s.forest.first / m->s.blocks_per_entry : 0; }
size_t bnorm_moments_next_block(const bnorm_moments *m) { return m ? m->s.forest.end / m->s.blocks_per_entry : 0; }

/* ---- gradient sums ---- */

bnorm_status bnorm_gradient_sums_create(bnorm_gradient_sums **g, const bnorm_desc *desc, size_t first_block)
{
    bn_sums *s;
    if (!g) return BNORM_NULL;
    const bnorm_status status = bn_sums_create(&s, desc, first_block, BN_GRADIENT_SUMS);
    if (status == BNORM_OK) *g = (bnorm_gradient_sums *)s;
    return status;
}

void bnorm_gradient_sums_destroy(bnorm_gradient_sums *g) { bn_sums_destroy((bn_sums *)g); }

bnorm_status bnorm_gradient_sums_accumulate(bnorm_gradient_sums *g, size_t batch, const void *x, const void *dy,
                                            const double *mean)
{
    if (!g) return BNORM_NULL;
    if ((!x || !dy || !mean) && batch != 0 && g->s.desc.spatial != 0) return BNORM_NULL;
    return bn_sums_accumulate(&g->s, batch, &(bnorm_buffers){.x = x, .dy = dy, .mean = (double *)mean});
}

bnorm_status bnorm_gradient_sums_merge(bnorm_gradient_sums *g, const bnorm_gradient_sums *next)
{
    return g && next ? bn_sums_merge(&g->s, &next->s) : BNORM_NULL;
}

static void parameter_gradients(const bn_sums *s, size_t column, size_t columns, const double *sum_dy,
                                const double *sum_dy_d, const bnorm_buffers *to)
{
    s->kernels->parameter_gradients(columns, to->invstd ? to->invstd + column : NULL, sum_dy, sum_dy_d,
                                    bn_from_column(to->dgamma, column, s->param),
                                    bn_from_column(to->dbeta, column, s->param));
}

bnorm_status bnorm_gradient_sums_finish(const bnorm_gradient_sums *g, const double *invstd, void *dgamma, void *dbeta)
{
    if (!g) return BNORM_NULL;
    const bn_sums *const s = &g->s;
    const size_t values = s->forest.values, bytes = s->desc.features * s->param;
    if (dgamma && !invstd && values > 0) return BNORM_NULL;
    if (outputs_share(s, s->param, dgamma, dbeta, dgamma ? invstd : NULL)) return BNORM_OVERLAP;
    if (values > 0)
        bn_sums_use(s, parameter_gradients,
                    &(bnorm_buffers){.invstd = (double *)invstd, .dgamma = dgamma, .dbeta = dbeta});
    if (values == 0 && dgamma) memset(dgamma, 0, bytes);
    if (values == 0 && dbeta) memset(dbeta, 0, bytes);
    return BNORM_OK;
}

bnorm_status bnorm_gradient_sums_serialise(const bnorm_gradient_sums *g, void *bytes, size_t *size)
{
    return g && size ? bn_sums_serialise(&g->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_gradient_sums_deserialise(bnorm_gradient_sums *g, const void *bytes, size_t size)
{
    return g && bytes ? bn_sums_deserialise(&g->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_gradient_sums_write_nodes(const bnorm_gradient_sums *g, void *bytes, size_t *size)
{
    return g && size ? bn_sums_write_nodes(&g->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_gradient_sums_read_nodes(bnorm_gradient_sums *g, size_t next_block, const void *bytes, size_t *size)
{
    return g && bytes && size ? bn_sums_read_nodes(&g->s, next_block, bytes, size) : BNORM_NULL;
}

size_t bnorm_gradient_sums_count(const bnorm_gradient_sums *g) { return g ? g->s.forest.values : 0; }
size_t bnorm_gradient_sums_first_block(const bnorm_gradient_sums *g)
{
    return g ? g->s.forest.first / g->s.blocks_per_entry : 0;
}
size_t bnorm_gradient_sums_next_block(const bnorm_gradient_sums *g)
{
    return g ? g->s.forest.end / g->s.blocks_per_entry : 0;
}

/* ---- the trips over elements ---- */

/* Whether y, or of a gradient dx, shares an element with what is read; it may be x, or dy, exactly. */
static bool written_shares(const bn_work *w, bool gradient)
{
    const bnorm_desc *const d = &w->desc;
    const bnorm_buffers *const b = w->buffers;
    const size_t rows = w->plan.rows, size = w->plan.value, width = bn_row_values(d) * size;
    const size_t params = d->features * w->param, doubles = d->features * sizeof(double);
    bn_arrays a = {.written = 1};

    if (gradient) {
        bn_arrays_add(&a, b->dx, rows, d->dx_stride * size, width);
        bn_arrays_add(&a, b->dy, rows, d->dy_stride * size, width);
        bn_arrays_add(&a, b->x, rows, d->x_stride * size, width);
    } else {
        bn_arrays_add(&a, b->y, rows, d->y_stride * size, width);
        bn_arrays_add(&a, b->x, rows, d->x_stride * size, width);
        bn_arrays_add(&a, b->beta, 1, params, params);
    }
    bn_arrays_add(&a, b->gamma, 1, params, params);
    bn_arrays_add(&a, b->mean, 1, doubles, doubles);
    bn_arrays_add(&a, b->invstd, 1, doubles, doubles);
    return bn_arrays_overlap(&a, 1);
}

bnorm_status bnorm_normalise(const bnorm_desc *desc, const bnorm_buffers *b)
{
    bn_work w;
    if (!desc || !b) return BNORM_NULL;
    const bool empty = bn_is_empty(desc);
    if (!empty && (!b->x || !b->y || !b->mean || !b->invstd)) return BNORM_NULL;
    const bnorm_status status = bn_work_make(desc, b->residual, b, &w);
    if (status != BNORM_OK) return status;
    if (written_shares(&w, false)) return BNORM_OVERLAP;
    if (!empty) bn_pass_normalise(&w);
    return BNORM_OK;
}

static void load_sums(const bn_work *w, size_t column, size_t columns, double *sum_dy, double *sum_dy_d)
{
    bn_sums_fold(w->sums, column, columns, sum_dy, sum_dy_d);
}

bnorm_status bnorm_input_gradient(const bnorm_desc *desc, const bnorm_buffers *b, const bnorm_gradient_sums *total)
{
    bn_work w;
    if (!desc || !b || !total) return BNORM_NULL;
    const bool empty = bn_is_empty(desc);
    if (!empty && (!b->x || !b->dy || !b->dx || !b->mean || !b->invstd)) return BNORM_NULL;
    const bnorm_status status = bn_work_make(desc, b->dresidual, b, &w);
    if (status != BNORM_OK) return status;
    const bn_sums *const s = &total->s;
    w.total = s->forest.values;
    w.sums = s;
    if (written_shares(&w, true)) return BNORM_OVERLAP;
    if (!empty && b->y == b->x) return BNORM_X_OVERWRITTEN;
    if (!bn_same_shape(desc, &s->desc) || w.plan.values > w.total) return BNORM_MISMATCH;
    if (!empty) bn_pass_input_gradient(&w, load_sums);
    return BNORM_OK;
}
