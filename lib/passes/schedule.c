#include "passes/schedule.h"
#include "isa/cache.h"
#include "kernels/kernels.h"
#include "parallel/parallel.h"

enum {
    RESIDENT_BYTES = 384 << 10, /* of a strip's arrays: leaves room in an L2 of 512 KB and more */
    RESIDENT_ROWS = 512,        /* narrower strips than this leaves are read at the pace of single lines */
    THREAD_BYTES = 64 << 10,    /* read and written by a thread before its start has paid: some 3 microseconds */
    TASKS_PER_THREAD = 4
};

bool bn_schedule_resident(const bn_plan *p, size_t value)
{
    return p->chunks <= 1 || (p->lanes == 1 && p->rows * value <= RESIDENT_ROWS * sizeof(float));
}

/* Small work does not even ask how many threads there are. */
static int threads_worth(size_t bytes, int asked)
{
    const size_t worth = bytes / THREAD_BYTES;
    if (worth < 2) return 1;
    const int most = bn_threads_most(asked);
    return worth < (size_t)most ? (int)worth : most;
}

/* Stores that pass the cache by won from 24 MB on and lost at 16 MB, in a cache of 32 MB on 2 cores. */
static bool beyond_cache(size_t bytes) { return bytes > ((size_t)1 << 20) && bytes > bn_last_level_cache() / 8 * 5; }

static size_t at_most_columns(size_t columns, size_t most)
{
    return columns <= most ? columns : most < 64 ? 64 : most / 64 * 64;
}

/* Nodes below the one of a task: the tree keeps one for each level. */
static size_t levels(size_t blocks)
{
    size_t n = 0;
    for (; blocks > 1; blocks = bn_plan_left(blocks)) n++;
    return n;
}

bn_schedule bn_schedule_make(const bn_plan *p, size_t value, int arrays, bool in_place, int asked)
{
    const size_t bytes = p->rows * p->columns * value;
    bn_schedule s = {.resident = bn_schedule_resident(p, value), .strip = p->columns};

    s.threads = threads_worth(bytes * (size_t)arrays, asked);
    s.stream = !in_place && beyond_cache(bytes * (size_t)arrays);
    if (p->lanes > 1) return s;

    const size_t nodes = levels(s.resident ? p->blocks : p->chunk_blocks);
    s.strip = at_most_columns(s.strip, BN_STRIP_BYTES / value);
    if (nodes > 0) s.strip = at_most_columns(s.strip, BN_SCRATCH / (2 * nodes));
    if (s.resident) s.strip = at_most_columns(s.strip, RESIDENT_BYTES / (p->rows * value + 1));
    const size_t rows_of_tasks = s.resident ? 1 : p->chunks;
    const size_t wanted = s.threads == 1 ? 1 : (size_t)s.threads * TASKS_PER_THREAD;
    if (rows_of_tasks < wanted) s.strip = at_most_columns(s.strip, p->columns * rows_of_tasks / wanted);
    return s;
}
