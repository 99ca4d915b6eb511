/* The door: every argument is checked here, once, and nothing is written before all of it is in order. */
#include "bnorm/bnorm.h"
#include "isa/select.h"
#include "overlap.h"
#include "passes/passes.h"

#include <math.h>
#include <stdlib.h>

enum { WORKSPACE_ALIGNMENT = 64 };

typedef enum call { TRAINING, INFERENCE, BACKWARD } call;

static const size_t value_bytes[] = {[BNORM_F32] = 4, [BNORM_F64] = 8, [BNORM_BF16] = 2, [BNORM_F16] = 2};

static size_t param_bytes(bnorm_dtype t) { return t == BNORM_F64 ? sizeof(double) : sizeof(float); }

/* ---- pointers ---- */

static bool pair(const void *a, const void *b) { return !a == !b; }

static bool pointers_missing(call call, const bnorm_buffers *b)
{
    if (!b->x) return true;
    switch (call) {
    case TRAINING: return !b->y || !pair(b->mean, b->invstd) || !pair(b->running_mean, b->running_var);
    case INFERENCE: return !b->y || !b->running_mean || !b->running_var;
    case BACKWARD: return !b->dy || !b->mean || !b->invstd;
    }
    return true;
}

/* ---- description ---- */

static bool product(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > PTRDIFF_MAX / b) return false;
    *out = a * b;
    return true;
}

/* Rows: pixels channels last, images channels first. Values of a row, side by side. Both fit, see overflows. */
static size_t rows_of(const bnorm_desc *d)
{
    return d->layout == BNORM_CHANNELS_FIRST ? d->batch : d->batch * d->spatial;
}
static size_t row_values(const bnorm_desc *d)
{
    return d->layout == BNORM_CHANNELS_FIRST ? d->features * d->spatial : d->features;
}

/* Strides of 0 become what they stand for. */
static bnorm_desc resolved(const bnorm_desc *d)
{
    bnorm_desc r = *d;
    if (r.x_stride == 0) r.x_stride = row_values(d);
    if (r.y_stride == 0) r.y_stride = row_values(d);
    if (r.dx_stride == 0) r.dx_stride = r.x_stride;
    if (r.dy_stride == 0) r.dy_stride = r.y_stride;
    if (r.residual_stride == 0) r.residual_stride = r.y_stride;
    if (r.dresidual_stride == 0) r.dresidual_stride = r.y_stride;
    return r;
}

/* The six strides of a resolved description. */
static void strides_of(const bnorm_desc *r, size_t strides[6])
{
    const size_t all[6] = {r->x_stride,  r->y_stride,        r->dx_stride,
                           r->dy_stride, r->residual_stride, r->dresidual_stride};
    memcpy(strides, all, sizeof all);
}

static bool overflows(const bnorm_desc *d)
{
    size_t bytes;
    return !product(d->features, sizeof(double), &bytes) || !product(d->batch, d->spatial, &bytes) ||
           !product(d->features, d->spatial, &bytes);
}

/* Of a resolved description. */
static bool arrays_overflow(const bnorm_desc *r)
{
    size_t bytes, strides[6];

    strides_of(r, strides);
    for (int i = 0; i < 6; i++) {
        const size_t step = strides[i] > row_values(r) ? strides[i] : row_values(r);
        if (!product(rows_of(r), step, &bytes) || !product(bytes, value_bytes[r->dtype], &bytes)) return true;
    }
    return false;
}

static bool bad_stride(const bnorm_desc *r)
{
    size_t strides[6];
    strides_of(r, strides);
    for (int i = 0; i < 6; i++)
        if (strides[i] < row_values(r)) return true;
    return false;
}

static bool in_range(int value, int last) { return value >= 0 && value <= last; }

static bnorm_status check_description(const bnorm_desc *d, bool unsupported_arrays, bnorm_desc *r)
{
    if (d->abi != BNORM_ABI) return BNORM_UNKNOWN_ABI;
    if (!bn_isa_in_use()) return BNORM_UNKNOWN_ISA;
    if (!in_range((int)d->dtype, BNORM_F16) || !in_range((int)d->layout, BNORM_CHANNELS_FIRST) ||
        !in_range((int)d->activation, BNORM_LEAKY_RELU))
        return BNORM_BAD_ENUM;
    if (d->activation != BNORM_IDENTITY || unsupported_arrays) return BNORM_UNSUPPORTED;
    if (d->features == 0) return BNORM_NO_FEATURES;
    if (overflows(d)) return BNORM_OVERFLOW;
    *r = resolved(d);
    if (arrays_overflow(r)) return BNORM_OVERFLOW;
    if (bad_stride(r)) return BNORM_BAD_STRIDE;
    if (!(d->eps >= 0 && isfinite(d->eps))) return BNORM_BAD_EPS;
    if (!(d->update_rate >= 0 && d->update_rate <= 1)) return BNORM_BAD_UPDATE_RATE;
    if (d->threads < 0) return BNORM_BAD_THREADS;
    return BNORM_OK;
}

static bn_plan plan_of(const bnorm_desc *d)
{
    return bn_plan_make(d->layout == BNORM_CHANNELS_FIRST, d->batch, d->features, d->spatial, value_bytes[d->dtype]);
}

/* ---- overlap ---- */

enum { ARRAYS_MOST = 9 }; /* inference: 2 written, 5 read; training 6 and 3; backward 4 and 5 */

typedef struct arrays {
    bn_span spans[ARRAYS_MOST];
    int count, written; /* the written ones come first */
} arrays;

static void add(arrays *a, const void *start, size_t rows, size_t stride, size_t width)
{
    a->spans[a->count++] = (bn_span){start, rows, stride, width};
}

/* Whether a written array shares an element with another one. The first may be array number `same`, exactly. */
static bool overlap(const arrays *a, int same)
{
    for (int i = 0; i < a->written; i++)
        for (int j = i + 1; j < a->count; j++) {
            if (i == 0 && j == same && bn_spans_equal(a->spans[i], a->spans[j])) continue;
            if (bn_spans_share(a->spans[i], a->spans[j])) return true;
        }
    return false;
}

static bool arrays_overlap(call call, const bn_work *w, size_t scratch)
{
    const bnorm_desc *const d = w->desc;
    const bnorm_buffers *const b = w->buffers;
    const size_t rows = w->plan.values > 0 ? w->plan.rows : 0, size = w->value, width = row_values(d) * size;
    const size_t params = d->features * w->param, doubles = d->features * sizeof(double);
    const size_t used = b->workspace_size < scratch ? b->workspace_size : scratch;
    arrays a = {.count = 0};

    if (call == TRAINING || call == INFERENCE) add(&a, b->y, rows, d->y_stride * size, width);
    if (call == TRAINING) {
        add(&a, b->mean, 1, doubles, doubles);
        add(&a, b->invstd, 1, doubles, doubles);
        add(&a, b->running_mean, 1, params, params);
        add(&a, b->running_var, 1, params, params);
    }
    if (call == BACKWARD) {
        add(&a, b->dx, rows, d->dx_stride * size, width);
        add(&a, b->dgamma, 1, params, params);
        add(&a, b->dbeta, 1, params, params);
    }
    add(&a, b->workspace, 1, used, used);
    a.written = a.count;
    add(&a, b->x, rows, d->x_stride * size, width);
    add(&a, b->gamma, 1, params, params);
    if (call == BACKWARD) {
        add(&a, b->mean, 1, doubles, doubles);
        add(&a, b->invstd, 1, doubles, doubles);
        add(&a, b->dy, rows, d->dy_stride * size, width);
        return overlap(&a, a.count - 1);
    }
    add(&a, b->beta, 1, params, params);
    if (call == INFERENCE) {
        add(&a, b->running_mean, 1, params, params);
        add(&a, b->running_var, 1, params, params);
    }
    return overlap(&a, a.written);
}

/* ---- the calls ---- */

static size_t workspace_bytes(size_t nodes) { return nodes + WORKSPACE_ALIGNMENT; }

static double *aligned(void *p)
{
    return (double *)(((uintptr_t)p + WORKSPACE_ALIGNMENT - 1) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT);
}

static void pass(call call, const bn_work *w)
{
    switch (call) {
    case TRAINING: bn_pass_training(w); return;
    case INFERENCE: bn_pass_inference(w); return;
    case BACKWARD: bn_pass_backward(w); return;
    }
}

/* An empty batch: the sums of nothing are 0, and there are no statistics. */
static void pass_empty(call call, const bn_work *w)
{
    if (call != BACKWARD) return;
    if (w->buffers->dgamma) memset(w->buffers->dgamma, 0, w->desc->features * w->param);
    if (w->buffers->dbeta) memset(w->buffers->dbeta, 0, w->desc->features * w->param);
}

static bnorm_status run(call call, const bnorm_desc *desc, const bnorm_buffers *b)
{
    if (!desc || !b) return BNORM_NULL;
    if (desc->batch != 0 && desc->spatial != 0 && pointers_missing(call, b)) return BNORM_NULL;

    bnorm_desc d;
    const bool unsupported = call == BACKWARD ? b->dresidual : b->residual;
    const bnorm_status s = check_description(desc, unsupported, &d);
    if (s != BNORM_OK) return s;

    bn_work w = {.desc = &d,
                 .buffers = b,
                 .kernels = bn_kernels_in_use(d.dtype),
                 .plan = plan_of(&d),
                 .value = value_bytes[d.dtype],
                 .param = param_bytes(d.dtype)};
    const size_t nodes = bn_node_bytes(&w.plan, w.value), scratch = workspace_bytes(nodes);

    if (call == TRAINING && w.plan.values == 1) return BNORM_ONE_VALUE;
    if (arrays_overlap(call, &w, scratch)) return BNORM_OVERLAP;
    if (call == BACKWARD && w.plan.values > 0 && b->y == b->x) return BNORM_X_OVERWRITTEN;
    if (b->workspace && b->workspace_size < scratch) return BNORM_WORKSPACE;
    if (w.plan.values == 0) {
        pass_empty(call, &w);
        return BNORM_OK;
    }

    void *const own = nodes > 0 && !b->workspace ? malloc(scratch) : NULL;
    if (nodes > 0) {
        if (!own && !b->workspace) return BNORM_NO_MEMORY;
        w.nodes = aligned(own ? own : b->workspace);
    }
    pass(call, &w);
    free(own);
    return BNORM_OK;
}

bnorm_status bnorm_forward_training(const bnorm_desc *desc, const bnorm_buffers *b) { return run(TRAINING, desc, b); }
bnorm_status bnorm_forward_inference(const bnorm_desc *desc, const bnorm_buffers *b) { return run(INFERENCE, desc, b); }
bnorm_status bnorm_backward(const bnorm_desc *desc, const bnorm_buffers *b) { return run(BACKWARD, desc, b); }

/* ---- sizes and text ---- */

bnorm_status bnorm_workspace_size(const bnorm_desc *desc, size_t *bytes)
{
    bnorm_desc d;
    if (!desc || !bytes) return BNORM_NULL;
    const bnorm_status s = check_description(desc, false, &d);
    if (s != BNORM_OK) return s;
    const bn_plan p = plan_of(&d);
    *bytes = workspace_bytes(bn_node_bytes(&p, value_bytes[d.dtype]));
    return BNORM_OK;
}

bnorm_status bnorm_block_rows(const bnorm_desc *desc, size_t *rows)
{
    bnorm_desc d;
    if (!desc || !rows) return BNORM_NULL;
    const bnorm_status s = check_description(desc, false, &d);
    if (s != BNORM_OK) return s;
    *rows = plan_of(&d).block_entries;
    return BNORM_OK;
}

#define NAME(status) [status] = #status
static const char *const names[] = {
    NAME(BNORM_OK),         NAME(BNORM_NULL),        NAME(BNORM_UNKNOWN_ABI),     NAME(BNORM_UNKNOWN_ISA),
    NAME(BNORM_BAD_ENUM),   NAME(BNORM_UNSUPPORTED), NAME(BNORM_NO_FEATURES),     NAME(BNORM_OVERFLOW),
    NAME(BNORM_BAD_STRIDE), NAME(BNORM_BAD_EPS),     NAME(BNORM_BAD_UPDATE_RATE), NAME(BNORM_BAD_THREADS),
    NAME(BNORM_ONE_VALUE),  NAME(BNORM_OVERLAP),     NAME(BNORM_X_OVERWRITTEN),   NAME(BNORM_WORKSPACE),
    NAME(BNORM_NO_MEMORY)};
#undef NAME

const char *bnorm_status_string(bnorm_status status)
{
    return in_range((int)status, BNORM_NO_MEMORY) ? names[status] : "unknown status";
}

const char *bnorm_version(void) { return BN_VERSION; }

const char *bnorm_isa(void)
{
    const char *const isa = bn_isa_in_use();
    return isa ? isa : "unknown";
}
