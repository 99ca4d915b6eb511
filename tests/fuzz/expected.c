#include "expected.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 large;

/* Products of three sizes do not fit 128 bits either; what is beyond PTRDIFF_MAX stays there. */
static large times(large a, large b)
{
    const large beyond = (large)1 << 64;
    const large product = (a < beyond ? a : beyond) * (b < beyond ? b : beyond - 1);
    return b != 0 && a >= beyond ? beyond : product;
}

static bool too_large(large bytes) { return bytes > PTRDIFF_MAX; }

/* ---- the description ---- */

static bool null_missing(const struct scene *s)
{
    static const enum array_name wanted[OPERATIONS][6] = {
        {X, Y, ARRAYS}, {X, Y, RUNNING_MEAN, RUNNING_VAR, ARRAYS}, {X, DY, MEAN, INVSTD, ARRAYS}};
    const bnorm_buffers *const b = &s->problem.buffers;
    if (s->asked.batch == 0 || s->asked.spatial == 0) return false;
    for (int i = 0; wanted[s->operation][i] != ARRAYS; i++)
        if (!pointer_of(b, wanted[s->operation][i])) return true;
    if (s->operation != TRAINING) return false;
    return (b->mean == NULL) != (b->invstd == NULL) || (b->running_mean == NULL) != (b->running_var == NULL);
}

struct strides {
    size_t all[6];
};

static struct strides strides_of(const bnorm_desc *d, size_t dense)
{
    const size_t x = d->x_stride ? d->x_stride : dense, y = d->y_stride ? d->y_stride : dense;
    return (struct strides){{x, y, d->dx_stride ? d->dx_stride : x, d->dy_stride ? d->dy_stride : y,
                             d->residual_stride ? d->residual_stride : y,
                             d->dresidual_stride ? d->dresidual_stride : y}};
}

/* bnorm.h: the size of an array in bytes; of a parameter, of a feature's values, of an image, of each array. */
static bool overflow(const bnorm_desc *d)
{
    const bool first = d->layout == BNORM_CHANNELS_FIRST;
    const large row = first ? times(d->features, d->spatial) : d->features;
    const large rows = first ? d->batch : times(d->batch, d->spatial);
    if (too_large(times(d->features, 8)) || too_large(times(d->batch, d->spatial)) ||
        too_large(times(d->features, d->spatial)))
        return true;
    const struct strides strides = strides_of(d, (size_t)row);
    for (int i = 0; i < 6; i++) {
        const large step = strides.all[i] > row ? strides.all[i] : row;
        if (too_large(times(times(rows, step), type_size(d->dtype)))) return true;
    }
    return false;
}

static bool bad_stride(const bnorm_desc *d)
{
    const struct strides strides = strides_of(d, dense_stride(d));
    for (int i = 0; i < 6; i++)
        if (strides.all[i] < dense_stride(d)) return true;
    return false;
}

static bool is_one_of(long value, long last) { return value >= 0 && value <= last; }

bnorm_status expected_before_arrays(const struct scene *s)
{
    const bnorm_desc *const d = &s->asked;
    const bnorm_buffers *const b = &s->problem.buffers;
    if (null_missing(s)) return BNORM_NULL;
    if (d->abi != BNORM_ABI) return BNORM_UNKNOWN_ABI;
    if (!is_one_of((long)d->dtype, 3) || !is_one_of((long)d->layout, 1) || !is_one_of((long)d->activation, 2))
        return BNORM_BAD_ENUM;
    if (d->activation != BNORM_IDENTITY || (s->operation == BACKWARD ? b->dresidual : b->residual))
        return BNORM_UNSUPPORTED;
    if (d->features == 0) return BNORM_NO_FEATURES;
    if (overflow(d)) return BNORM_OVERFLOW;
    if (bad_stride(d)) return BNORM_BAD_STRIDE;
    if (!(d->eps >= 0) || isinf(d->eps)) return BNORM_BAD_EPS;
    if (!(d->update_rate >= 0 && d->update_rate <= 1)) return BNORM_BAD_UPDATE_RATE;
    return d->threads < 0 ? BNORM_BAD_THREADS : BNORM_OK;
}

/* ---- the arrays: a bit for each whose element a byte is ---- */

enum { WRITTEN = 1 << ARRAYS };
static uint16_t owners[ARENA];

bool may_be_written(size_t byte) { return owners[byte] & WRITTEN; }

static void own(const struct array *a, enum array_name name, size_t bytes_of_row, bool written)
{
    const size_t start = (size_t)(a->elements - a->block);
    for (size_t group = 0; group < a->rows / a->run; group++)
        for (size_t i = 0; i < bytes_of_row; i++) {
            uint16_t *const owner = &owners[start + group * a->stride * a->size + i];
            *owner |= (uint16_t)(1 << name | (written ? WRITTEN : 0));
        }
}

/* The two arrays that may be written where another is read, exactly. */
static bool in_place(const struct scene *s, enum array_name name)
{
    const struct array *const arrays = s->problem.arrays;
    const enum array_name written = s->operation == BACKWARD ? DX : Y;
    if (name != (s->operation == BACKWARD ? DY : X) || !pointer_of(&s->problem.buffers, written)) return false;
    return arrays[name].elements == arrays[written].elements && arrays[name].stride == arrays[written].stride;
}

static bool shared(const struct scene *s)
{
    for (size_t i = 0; i < s->used; i++)
        if (owners[i] & WRITTEN && __builtin_popcount(owners[i] & (WRITTEN - 1)) > 1) return true;
    return false;
}

static bool overlap(const struct scene *s, size_t scratch)
{
    memset(owners, 0, s->used * sizeof *owners);
    for (int i = 0; i < ARRAYS; i++) {
        const enum array_name name = (enum array_name)i;
        const struct array *const a = &s->problem.arrays[i];
        if (!call_uses(s->operation, name) || !pointer_of(&s->problem.buffers, name) || in_place(s, name)) continue;
        size_t width = a->columns * a->run * a->size;
        if (name == WORKSPACE && width > scratch) width = scratch;
        own(a, name, width, call_writes(s->operation, name));
    }
    return shared(s);
}

bnorm_status expected_of_arrays(const struct scene *s)
{
    const bnorm_desc *const d = &s->problem.desc;
    const bnorm_buffers *const b = &s->problem.buffers;
    const bool empty = d->batch == 0 || d->spatial == 0;
    size_t scratch = 0;
    if (bnorm_workspace_size(d, &scratch) != BNORM_OK) abort();
    const bool sharing = overlap(s, scratch);
    if (s->operation == TRAINING && s->problem.count == 1) return BNORM_ONE_VALUE;
    if (sharing) return BNORM_OVERLAP;
    if (s->operation == BACKWARD && !empty && b->y == b->x) return BNORM_X_OVERWRITTEN;
    return b->workspace && b->workspace_size < scratch ? BNORM_WORKSPACE : BNORM_OK;
}
