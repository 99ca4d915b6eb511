#include "cache.h"

#include "type.h"

#include "passes/schedule.h"
#include "plan/plan.h"

#include <stdatomic.h>

static atomic_size_t pretended;
static atomic_int pretended_reading;

void cache_pretend(size_t bytes, bn_reading reading)
{
    atomic_store(&pretended, bytes);
    atomic_store(&pretended_reading, (int)reading);
}

size_t __real_bn_last_level_cache(void);
size_t __wrap_bn_last_level_cache(void);
size_t __real_bn_core_cache(void);
size_t __wrap_bn_core_cache(void);
bn_reading __real_bn_reads(void);
bn_reading __wrap_bn_reads(void);

size_t __wrap_bn_last_level_cache(void)
{
    const size_t bytes = atomic_load(&pretended);
    return bytes ? bytes : __real_bn_last_level_cache();
}

size_t __wrap_bn_core_cache(void) { return atomic_load(&pretended) ? (size_t)64 << 10 : __real_bn_core_cache(); }

bn_reading __wrap_bn_reads(void)
{
    return atomic_load(&pretended) ? (bn_reading)atomic_load(&pretended_reading) : __real_bn_reads();
}

static bn_schedule schedule_of(const bnorm_desc *d, bool training, int threads)
{
    const size_t value = type_size(d->dtype);
    const bn_plan plan = bn_plan_make(d->layout == BNORM_CHANNELS_FIRST, d->batch, d->features, d->spatial, value);
    return bn_schedule_make(&plan, (bn_trips){training, true, .reads = 1, .room = true}, threads);
}

bool streams(const bnorm_desc *d)
{
    const bn_schedule s = schedule_of(d, true, 1);
    return s.stream && s.distance >= BN_FAR;
}

bool goes_by_whole_rows(const bnorm_desc *d) { return schedule_of(d, true, 1).whole_rows; }
size_t band_of(const bnorm_desc *d) { return schedule_of(d, true, 1).band; }
size_t strip_of(const bnorm_desc *d) { return schedule_of(d, true, 1).strip; }
bool fetches_next(const bnorm_desc *d) { return schedule_of(d, true, 1).fetch_next; }
bool keeps_some(const bnorm_desc *d) { return schedule_of(d, true, 2).kept > 0; }

size_t owned_by_two(const bnorm_desc *d, bool training)
{
    const bn_schedule s = schedule_of(d, training, 2);
    return s.order == BN_RESIDENT ? s.strip : 0;
}

bool crosses(const bnorm_desc *d) { return schedule_of(d, true, 2).order == BN_CROSSED; }
