/* The door: every argument is checked here, once, and nothing is written before all of it is in order. */
#include "bnorm/bnorm.h"
#include "check.h"
#include "integers.h"
#include "isa/select.h"

#include <stdlib.h>

typedef enum call { TRAINING, INFERENCE, BACKWARD } call;

/* ---- pointers ---- */

static bool pair(const void *a, const void *b) { return !a == !b; }

/* What an empty part of a batch cannot do without: the statistics of the whole. */
static bool statistics_missing(call call, const bnorm_buffers *b)
{
    switch (call) {
    case TRAINING: return !pair(b->mean, b->invstd) || !pair(b->running_mean, b->running_var);
    case INFERENCE: return !b->running_mean || !b->running_var;
    case BACKWARD: return !b->mean || !b->invstd;
    }
    return true;
}

static bool pointers_missing(call call, const bnorm_buffers *b)
{
    return !b->x || !(call == BACKWARD ? b->dy : b->y) || statistics_missing(call, b);
}

/* ---- overlap ---- */

static bool arrays_overlap(call call, const bn_work *w, size_t scratch)
{
    const bnorm_desc *const d = &w->desc;
    const bnorm_buffers *const b = w->buffers;
    const size_t rows = w->plan.rows, size = w->plan.value, width = bn_row_values(d) * size;
    const size_t params = d->features * w->param, doubles = d->features * sizeof(double);
    const size_t used = least(b->workspace_size, scratch);
    bn_arrays a;

    a.count = 0; /* clearing the rest would show in the smallest calls */
    if (call == TRAINING || call == INFERENCE) bn_arrays_add(&a, b->y, rows, d->y_stride * size, width);
    if (call == TRAINING) {
        bn_arrays_add(&a, b->mean, 1, doubles, doubles);
        bn_arrays_add(&a, b->invstd, 1, doubles, doubles);
        bn_arrays_add(&a, b->running_mean, 1, params, params);
        bn_arrays_add(&a, b->running_var, 1, params, params);
    }
    if (call == BACKWARD) {
        bn_arrays_add(&a, b->dx, rows, d->dx_stride * size, width);
        bn_arrays_add(&a, b->dgamma, 1, params, params);
        bn_arrays_add(&a, b->dbeta, 1, params, params);
    }
    bn_arrays_add(&a, b->workspace, 1, used, used);
    a.written = a.count;
    bn_arrays_add(&a, b->x, rows, d->x_stride * size, width);
    bn_arrays_add(&a, b->gamma, 1, params, params);
    if (call == BACKWARD) {
        bn_arrays_add(&a, b->mean, 1, doubles, doubles);
        bn_arrays_add(&a, b->invstd, 1, doubles, doubles);
        bn_arrays_add(&a, b->dy, rows, d->dy_stride * size, width);
        return bn_arrays_overlap(&a, a.count - 1);
    }
    bn_arrays_add(&a, b->beta, 1, params, params);
    if (call == INFERENCE) {
        bn_arrays_add(&a, b->running_mean, 1, params, params);
        bn_arrays_add(&a, b->running_var, 1, params, params);
    }
    return bn_arrays_overlap(&a, a.written);
}

/* ---- the calls ---- */

static void (*const passes[])(const bn_work *) = {
    [TRAINING] = bn_pass_training, [INFERENCE] = bn_pass_inference, [BACKWARD] = bn_pass_backward};

/* An empty batch: the sums of nothing are 0, and there are no statistics. */
static void pass_empty(call call, const bn_work *w)
{
    if (call != BACKWARD) return;
    if (w->buffers->dgamma) memset(w->buffers->dgamma, 0, w->desc.features * w->param);
    if (w->buffers->dbeta) memset(w->buffers->dbeta, 0, w->desc.features * w->param);
}

/* Everything that can be wrong with a call. part: it is a part of a batch, which may have one value or none beside
 * statistics that are the whole batch's; it needs no workspace. */
static bnorm_status check(call call, bool part, const bnorm_desc *desc, const bnorm_buffers *b, bn_work *w)
{
    if (!desc || !b) return BNORM_NULL;
    const bool empty = bn_is_empty(desc);
    if (!empty && pointers_missing(call, b)) return BNORM_NULL;
    if (empty && part && statistics_missing(call, b)) return BNORM_NULL;

    const bool unsupported = call == BACKWARD ? b->dresidual : b->residual;
    const bnorm_status s = bn_work_make(desc, unsupported, b, w);
    if (s != BNORM_OK) return s;

    const size_t scratch = part || !b->workspace ? 0 : bn_scratch_bytes(bn_schedule_room_most(&w->plan));
    if (!part && call == TRAINING && w->plan.values == 1) return BNORM_ONE_VALUE;
    if (arrays_overlap(call, w, scratch)) return BNORM_OVERLAP;
    if (call == BACKWARD && w->plan.values > 0 && b->y == b->x) return BNORM_X_OVERWRITTEN;
    if (b->workspace_size < scratch) return BNORM_WORKSPACE;
    return BNORM_OK;
}

static bnorm_status run(call call, const bnorm_desc *desc, const bnorm_buffers *b)
{
    bn_work w;
    const bnorm_status s = check(call, false, desc, b, &w);
    if (s != BNORM_OK) return s;
    if (w.plan.values == 0) {
        pass_empty(call, &w);
        return BNORM_OK;
    }

    const size_t room = bn_schedule_room(&w.plan);
    void *own = NULL;
    if (room > 0 && !b->workspace && call != INFERENCE) { /* which can do without */
        own = malloc(bn_scratch_bytes(room));
        if (!own) return BNORM_NO_MEMORY;
    }
    void *const scratch = own ? own : b->workspace;
    if (scratch) w.nodes = bn_scratch_aligned(scratch);
    passes[call](&w);
    free(own);
    return BNORM_OK;
}

bnorm_status bnorm_forward_training(const bnorm_desc *desc, const bnorm_buffers *b) { return run(TRAINING, desc, b); }
bnorm_status bnorm_forward_inference(const bnorm_desc *desc, const bnorm_buffers *b) { return run(INFERENCE, desc, b); }
bnorm_status bnorm_backward(const bnorm_desc *desc, const bnorm_buffers *b) { return run(BACKWARD, desc, b); }

static bnorm_status check_part(call call, const bnorm_desc *desc, const bnorm_buffers *b)
{
    bn_work w;
    return check(call, true, desc, b, &w);
}

bnorm_status bnorm_check_training_part(const bnorm_desc *desc, const bnorm_buffers *b)
{
    return check_part(TRAINING, desc, b);
}

bnorm_status bnorm_check_backward_part(const bnorm_desc *desc, const bnorm_buffers *b)
{
    return check_part(BACKWARD, desc, b);
}

/* ---- sizes and text ---- */

bnorm_status bnorm_workspace_size(const bnorm_desc *desc, size_t *bytes)
{
    bn_work w;
    if (!desc || !bytes) return BNORM_NULL;
    const bnorm_status s = bn_work_make(desc, false, NULL, &w);
    if (s != BNORM_OK) return s;
    *bytes = bn_scratch_bytes(bn_schedule_room_most(&w.plan));
    return BNORM_OK;
}

bnorm_status bnorm_block_rows(const bnorm_desc *desc, size_t *rows)
{
    bn_work w;
    if (!desc || !rows) return BNORM_NULL;
    const bnorm_status s = bn_work_make(desc, false, NULL, &w);
    if (s == BNORM_OK) *rows = w.plan.block_entries;
    return s;
}

#define NAME(status) [status] = #status
static const char *const names[] = {
    NAME(BNORM_OK),         NAME(BNORM_NULL),        NAME(BNORM_UNKNOWN_ABI),     NAME(BNORM_UNKNOWN_ISA),
    NAME(BNORM_BAD_ENUM),   NAME(BNORM_UNSUPPORTED), NAME(BNORM_NO_FEATURES),     NAME(BNORM_OVERFLOW),
    NAME(BNORM_BAD_STRIDE), NAME(BNORM_BAD_EPS),     NAME(BNORM_BAD_UPDATE_RATE), NAME(BNORM_BAD_THREADS),
    NAME(BNORM_ONE_VALUE),  NAME(BNORM_OVERLAP),     NAME(BNORM_X_OVERWRITTEN),   NAME(BNORM_WORKSPACE),
    NAME(BNORM_NO_MEMORY),  NAME(BNORM_MISMATCH),    NAME(BNORM_NOT_ADJACENT),    NAME(BNORM_CORRUPT),
    NAME(BNORM_MPI)};
#undef NAME

const char *bnorm_status_string(bnorm_status status)
{
    return (size_t)status < sizeof names / sizeof *names ? names[status] : "unknown status";
}

const char *bnorm_version(void) { return BN_VERSION; }

const char *bnorm_isa(void)
{
    const char *const isa = bn_isa_in_use();
    return isa ? isa : "unknown";
}
