#include "passes/schedule.h"
#include "isa/cache.h"
#include "kernels/kernels.h"
#include "parallel/parallel.h"

enum {
    RESIDENT_BYTES = 384 << 10, /* of a strip's arrays: leaves room in an L2 of 512 KB and more */
    RESIDENT_ROWS = 512,        /* narrower strips than this leaves are read at the pace of single lines */
    THREAD_BYTES = 64 << 10,    /* read and written by a thread before its start has paid: some 3 microseconds */
    TASKS_PER_THREAD = 4,       /* so that the largest share is at most a fifth above the mean */
    LINE = 16                   /* columns; a cache line of floats, which no two threads should write */
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

static size_t least(size_t a, size_t b) { return a < b ? a : b; }
static size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
static size_t round_up(size_t a, size_t b) { return divide_up(a, b) * b; }

/* Nodes below the one of a task: the tree keeps one for each level. */
static size_t levels(size_t blocks)
{
    size_t n = 0;
    for (; blocks > 1; blocks = bn_plan_left(blocks)) n++;
    return n;
}

/* The widest tile that scratch, L1 and, for resident strips, L2 allow. */
static size_t widest_strip(const bn_plan *p, size_t value, bool resident)
{
    const size_t nodes = levels(resident ? p->blocks : p->chunk_blocks);
    size_t most = BN_STRIP_BYTES / value;

    if (nodes > 0) most = least(most, BN_SCRATCH / (2 * nodes));
    if (resident) most = least(most, RESIDENT_BYTES / (p->rows * value + 1));
    return most < LINE ? LINE : most / LINE * LINE;
}

bn_schedule bn_schedule_make(const bn_plan *p, size_t value, int arrays, bool in_place, int asked)
{
    const size_t bytes = p->rows * p->columns * value * (size_t)arrays;
    bn_schedule s = {.threads = threads_worth(bytes, asked),
                     .resident = bn_schedule_resident(p, value),
                     .stream = !in_place && beyond_cache(bytes),
                     .strip = p->columns};
    if (p->lanes > 1) return s;

    const size_t threads = (size_t)s.threads;
    size_t strips = divide_up(p->columns, widest_strip(p, value, s.resident));
    if (s.resident) strips = round_up(strips, threads);
    else if (threads > 1 && p->chunks * strips < TASKS_PER_THREAD * threads)
        strips = divide_up(TASKS_PER_THREAD * threads, p->chunks);
    s.strip = round_up(divide_up(p->columns, strips), LINE);
    return s;
}
