#include "passes/schedule.h"
#include "isa/cache.h"
#include "kernels/kernels.h"
#include "parallel/parallel.h"

enum {
    RESIDENT_BYTES = 384 << 10, /* of a strip's arrays: leaves room in an L2 of 512 KB and more */
    RESIDENT_ROWS = 512,        /* more leave strips so narrow that they are read at the pace of single lines */
    RESIDENT_ROW = 16 << 10,    /* bytes of a row from which on threads can own columns: see threads_worth */
    THREAD_BYTES = 320 << 10,   /* to read and write before a thread has paid: 2 threads may lose at 512 KB */
    TASKS_PER_THREAD = 4,       /* so that the largest share is at most a fifth above the mean */
    LINE = 16                   /* columns; a cache line of floats, which no two threads should write */
};

bool bn_schedule_resident(const bn_plan *p, size_t value)
{
    return p->chunks <= 1 || (p->rows * value <= RESIDENT_ROWS * sizeof(float) && p->columns * value >= RESIDENT_ROW);
}

/* Small work does not even ask how many threads there are. Threads that own columns get a page of each row at least:
 * the hardware's prefetcher runs past the end of a shorter piece into lines that another thread is writing (200 x 512
 * on 2 threads took 3 times as long as on 1). */
static int threads_worth(const bn_plan *p, size_t value, size_t bytes, bool resident, int asked)
{
    size_t worth = bytes / THREAD_BYTES;
    if (resident && worth > p->columns * value / BN_STRIP_BYTES) worth = p->columns * value / BN_STRIP_BYTES;
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
static size_t widest_strip(const bn_plan *p, size_t value, bool resident, size_t blocks)
{
    const size_t nodes = levels(blocks) + resident; /* which keep their own node there too */
    size_t most = BN_STRIP_BYTES / value;

    if (nodes > 0) most = least(most, BN_SCRATCH / (2 * nodes));
    if (resident) most = least(most, RESIDENT_BYTES / (p->rows * value + 1));
    return most < LINE ? LINE : most / LINE * LINE;
}

/* As many chunks to a node as leave enough tasks: what threads hand each other costs more than what they sum. */
static size_t chunks_to_a_node(const bn_plan *p, size_t value, size_t threads)
{
    const size_t narrow = least(p->columns, BN_STRIP_BYTES / value);
    size_t group = 1;

    while (p->chunks / (2 * group) >= TASKS_PER_THREAD * threads &&
           levels(2 * group * p->chunk_blocks) * 2 * narrow <= BN_SCRATCH)
        group *= 2;
    return group;
}

bn_schedule bn_schedule_make(const bn_plan *p, size_t value, int arrays, bool in_place, int asked)
{
    const size_t bytes = p->rows * p->columns * value * (size_t)arrays;
    const bool resident = bn_schedule_resident(p, value);
    bn_schedule s = {.threads = threads_worth(p, value, bytes, resident, asked),
                     .resident = resident,
                     .stream = !in_place && beyond_cache(bytes),
                     .strip = p->columns};
    const size_t threads = (size_t)s.threads;

    s.group = chunks_to_a_node(p, value, threads);
    const size_t nodes = divide_up(p->chunks, s.group);
    if (p->lanes > 1) {
        s.threads = (int)least(threads, nodes);
        return s;
    }
    size_t strips =
        divide_up(p->columns, widest_strip(p, value, resident, resident ? p->blocks : s.group * p->chunk_blocks));
    if (resident)
        strips = round_up(strips, threads);
    else if (threads > 1 && nodes * strips < TASKS_PER_THREAD * threads)
        strips = divide_up(TASKS_PER_THREAD * threads, nodes);
    s.strip = round_up(divide_up(p->columns, strips), LINE);
    s.threads = (int)least(threads, divide_up(p->columns, s.strip) * (resident ? 1 : nodes));
    return s;
}
