/* What the doors share: checks of a description, and what a call works with. */
#include "check.h"
#include "integers.h"
#include "isa/select.h"

#include <float.h>

static const size_t value_bytes[] = {[BNORM_F32] = 4, [BNORM_F64] = 8, [BNORM_BF16] = 2, [BNORM_F16] = 2};

static size_t param_bytes(bnorm_dtype t) { return t == BNORM_F64 ? sizeof(double) : sizeof(float); }

/* ---- description ---- */

static bool product(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out) && *out <= PTRDIFF_MAX;
}

/* Rows: pixels channels last, images channels first. Values of a row, side by side. Both fit, see counts_overflow. */
static size_t rows_of(const bnorm_desc *d)
{
    return d->layout == BNORM_CHANNELS_FIRST ? d->batch : d->batch * d->spatial;
}
size_t bn_row_values(const bnorm_desc *d)
{
    return d->layout == BNORM_CHANNELS_FIRST ? d->features * d->spatial : d->features;
}

/* Strides of 0 become what they stand for. */
static bnorm_desc resolved(const bnorm_desc *d)
{
    bnorm_desc r = *d;
    if (r.x_stride == 0) r.x_stride = bn_row_values(d);
    if (r.y_stride == 0) r.y_stride = bn_row_values(d);
    if (r.dx_stride == 0) r.dx_stride = r.x_stride;
    if (r.dy_stride == 0) r.dy_stride = r.y_stride;
    if (r.residual_stride == 0) r.residual_stride = r.y_stride;
    if (r.dresidual_stride == 0) r.dresidual_stride = r.y_stride;
    return r;
}

/* Of a resolved description. */
static size_t least_stride(const bnorm_desc *r)
{
    return least(least(least(r->x_stride, r->y_stride), least(r->dx_stride, r->dy_stride)),
                 least(r->residual_stride, r->dresidual_stride));
}
static size_t largest_stride(const bnorm_desc *r)
{
    return larger(larger(larger(r->x_stride, r->y_stride), larger(r->dx_stride, r->dy_stride)),
                  larger(r->residual_stride, r->dresidual_stride));
}

static bool counts_overflow(const bnorm_desc *d)
{
    size_t bytes;
    return !product(d->features, sizeof(double), &bytes) || !product(d->batch, d->spatial, &bytes) ||
           !product(d->features, d->spatial, &bytes);
}

/* Of a resolved description. */
static bool arrays_overflow(const bnorm_desc *r)
{
    const size_t step = larger(largest_stride(r), bn_row_values(r));
    size_t bytes;
    return !product(rows_of(r), step, &bytes) || !product(bytes, value_bytes[r->dtype], &bytes);
}

static const uint64_t minus_0 = (uint64_t)1 << 63, minus_infinity = (uint64_t)0xfff << 52;

bool bn_below_0(double v) { return bits_of(v) > minus_0 && bits_of(v) <= minus_infinity; }

/* 0 <= v <= most, by its bits too: a comparison may trap, of a subnormal number or of a signalling NaN. */
static bool within(double v, double most) { return bits_of(v) <= bits_of(most) || bits_of(v) == minus_0; }

static bool in_range(int value, int last) { return value >= 0 && value <= last; }

bool bn_same_shape(const bnorm_desc *a, const bnorm_desc *b)
{
    return a->dtype == b->dtype && a->layout == b->layout && a->features == b->features && a->spatial == b->spatial;
}

/* ---- work ---- */

/* All but the description, which is there already. */
static void make(bn_work *w, const bnorm_buffers *b)
{
    const bnorm_desc *const d = &w->desc;
    w->buffers = b;
    w->kernels = bn_kernels_in_use(d->dtype);
    w->param = param_bytes(d->dtype);
    w->plan = bn_plan_make(d->layout == BNORM_CHANNELS_FIRST, d->batch, d->features, d->spatial, value_bytes[d->dtype]);
    w->total = w->plan.values;
    w->nodes = w->node = NULL;
}

bnorm_status bn_work_make(const bnorm_desc *d, bool unsupported_arrays, const bnorm_buffers *b, bn_work *w)
{
    if (d->abi != BNORM_ABI) return BNORM_UNKNOWN_ABI;
    if (!bn_isa_in_use()) return BNORM_UNKNOWN_ISA;
    if (!in_range((int)d->dtype, BNORM_F16) || !in_range((int)d->layout, BNORM_CHANNELS_FIRST) ||
        !in_range((int)d->activation, BNORM_LEAKY_RELU))
        return BNORM_BAD_ENUM;
    if (d->activation != BNORM_IDENTITY || unsupported_arrays) return BNORM_UNSUPPORTED;
    if (d->features == 0) return BNORM_NO_FEATURES;
    if (counts_overflow(d)) return BNORM_OVERFLOW;
    w->desc = resolved(d);
    if (arrays_overflow(&w->desc)) return BNORM_OVERFLOW;
    make(w, b);
    if (least_stride(&w->desc) < bn_row_values(&w->desc)) return BNORM_BAD_STRIDE;
    if (!within(d->eps, DBL_MAX)) return BNORM_BAD_EPS;
    if (!within(d->update_rate, 1)) return BNORM_BAD_UPDATE_RATE;
    if (d->threads < 0) return BNORM_BAD_THREADS;
    return BNORM_OK;
}

size_t bn_scratch_bytes(size_t room) { return room + LINE; }

double *bn_scratch_aligned(void *p) { return line_from(p); }
