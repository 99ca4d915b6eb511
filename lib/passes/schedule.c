#include "passes/schedule.h"
#include "integers.h"
#include "isa/cache.h"
#include "parallel/parallel.h"

enum {
    RESIDENT_ROWS = 512,      /* more leave strips so narrow that they are read at the pace of single lines */
    CROSSED_ROWS = 512,       /* more leave enough blocks of rows to share out */
    RESIDENT_ROW = 16 << 10,  /* bytes of a row from which on few rows are resident: see few_long_rows */
    PIECE = 6 << 10,          /* bytes of a strip's row from which on the way to the next costs little: two threads of a
                                 Zen 3 read pieces of 3 KB at 0.8 of this pace, of 800 bytes at 0.6 */
    PIECE_LEAST = 1 << 10,    /* bytes of a strip's row below which none is cut */
    OWNED = 16 << 10,         /* bytes of an image's features that a thread owns: of fewer threads rather share out
                                 images, see worth_residing, */
    OWNED_LEAST = 8 << 10,    /* and of fewer than these strips keep to whole lines: one thread does as well as two */
    THREAD_VALUES = 48 << 10, /* values to read and write before a thread has paid: for 96 to 128 << 10 of them two take
                                 0.6 to 0.95 of the time of one (Xeon of family 6, model 207) */
    FEATURE_VALUES = 32,      /* values that take as long as what is done once a feature, 3 to 8 ns: with them 8 x 3000
                                 has two threads, which take 0.6 to 0.7 of the time of one (the same) */
    FEW_ROWS = 4,             /* not worth a factor a value, see bn_factor_a_value */
    ARRAYS_MOST = 3,          /* of the size of x that a call reads and writes */
    TASKS_PER_THREAD = 4,     /* so that threads have about as much to do each */
    NEAR = 1536,              /* bytes that elements with a factor each fetch ahead: 1048576 x 16 is 1.2 times as fast
                                 as with 6144, and a loop of this arithmetic alone was fastest from 1.5 to 2 KB (Zen
                                 3) */
    LAST_CACHE = 32 << 20,    /* bytes of the largest last cache that a few cores share */
    IN_MEMORY = 144 << 20     /* bytes that come from memory, whatever is said of the last cache: see is_in_memory */
};

_Static_assert((int)BN_WORTH *ARRAYS_MOST <= 2 * THREAD_VALUES,
               "there is room where three arrays are worth two threads");

static bool reads_pages(void) { return bn_reads() == BN_READS_PAGES; }
static bool is_like_zen4(void) { return bn_reads() >= BN_READS_AS_ZEN4; } /* a Zen 5 too */

/* Bytes of a value as it is computed with. */
static size_t computed_bytes(size_t value) { return value < sizeof(float) ? sizeof(float) : value; }
size_t bn_strip_values(size_t value) { return values_in(BN_STRIP_BYTES, computed_bytes(value)); }
size_t bn_table_values(size_t value) { return values_in(BN_TABLE_BYTES, computed_bytes(value)); }

/* Of few rows it takes longer to make them than is gained by them: without, images of 7 x 7 in bfloat16 are 2.1 times
 * as fast forward if it is one, 1.45 if they are four, inference of one 3.9 times; with AVX2 1.5, 1.0 and 2.1, but
 * eight in half take 1.2 times as long (Xeon of family 6, model 207). Of 4 x 4 in float, one is 1.3 times as fast, its
 * inference 1.9, four 1.15 to 1.3 (Zen 3); eight would be 1.1, but of 5 x 5 without AVX2 0.9. */
bool bn_factor_a_value(const bn_plan *p)
{
    const size_t run = p->run * p->value;
    return p->rows > FEW_ROWS ? run <= BN_TABLE_RUN : run < BN_TABLE_RUN / 2;
}

/* ---- room: what any walk of a shape may want, whatever the caches and the threads are ---- */

static bool in_lines(const bn_plan *p) { return p->columns * p->run * p->value % LINE == 0; } /* rows are whole ones */

/* Few rows, so long that threads can own columns. Of 16 bits twice as many, unless strips would share lines: of 700 to
 * 1000 such rows forward took 1.2 to 1.55 times as long so, backward 1.0 to 1.2 (Zen 5). */
static bool few_long_rows(const bn_plan *p)
{
    const size_t value = in_lines(p) ? p->value : computed_bytes(p->value);
    return p->run == 1 && p->rows * value <= RESIDENT_ROWS * sizeof(float) && p->columns * p->value >= RESIDENT_ROW;
}

/* Whether the shape, unless it is crossed, is walked by resident strips whatever the caches are. Those of this machine
 * may make others resident. */
static bool without_nodes(const bn_plan *p, size_t chunks) { return chunks <= 1 || few_long_rows(p); }

static size_t nodes_of(const bn_plan *p, size_t chunks)
{
    return without_nodes(p, chunks) ? 0 : chunks * 2 * sizeof(double) * p->columns;
}

/* A node and the tables of a matrix, from a cache line on. */
static size_t room_to_cross(const bn_plan *p)
{
    return 2 * sizeof(double) * p->columns + LINE + divide_up(p->columns, bn_strip_values(p->value)) * BN_SET_BYTES;
}

/* Where threads cross, a feature costs time instead of sharing it out: its factors go from one thread's cache to the
 * other's, as half of x does. Below, 24 to 50 rows of 1000 to 1536 features, two threads took 1.05 to 1.2 times as long
 * as one; just above they take 0.8 to 1.0 of the time (Xeon of family 6, model 207). */
static bool worth_crossing(const bn_plan *p, size_t arrays)
{
    return p->values * arrays * p->columns >= 2 * THREAD_VALUES + FEATURE_VALUES * p->columns;
}

/* Whether a matrix of so many rows or fewer may be crossed. */
static bool fewer_may_cross(const bn_plan *p)
{
    return p->run == 1 && p->lanes == 1 && p->columns * p->value < RESIDENT_ROW && worth_crossing(p, ARRAYS_MOST) &&
           room_to_cross(p) <= bn_plan_room(p);
}

/* Matrices whose rows are too few to be shared out for sums, and too short for threads to own columns: columns are
 * shared out for sums, and rows for elements. On two threads 64 x 1024 takes 0.7 to 0.9 of the time of one, 100 x 1000
 * 0.75 (Zen 3). */
static bool may_cross(const bn_plan *p) { return p->rows <= CROSSED_ROWS && fewer_may_cross(p); }

size_t bn_schedule_nodes(const bn_plan *p) { return nodes_of(p, p->chunks); }

size_t bn_schedule_room(const bn_plan *p)
{
    const size_t nodes = bn_schedule_nodes(p), crossed = may_cross(p) ? room_to_cross(p) : 0;
    return larger(nodes, crossed);
}

size_t bn_schedule_room_most(const bn_plan *p)
{
    const size_t nodes = nodes_of(p, bn_plan_chunks_most(p));
    const size_t crossed = fewer_may_cross(p) ? room_to_cross(p) : 0;
    return least(larger(nodes, crossed), bn_plan_room(p));
}

/* ---- threads ---- */

/* Inference of 96 to 160 << 10 values to read and write, which takes one thread of a Zen 5 1 to 3 us, took two 1.05 to
 * 1.6 times as long where they share no last cache; where they do, they would take 0.7 to 0.85 of the time. */
static size_t values_of_thread(bn_trips trips)
{
    enum { ZEN5_ELEMENTS = 80 << 10 };
    return !trips.sums && bn_reads() == BN_READS_AS_ZEN5 ? ZEN5_ELEMENTS : THREAD_VALUES;
}

/* Small work does not even ask how many threads there are. */
static size_t threads_worth(const bn_plan *p, bn_trips trips, int asked)
{
    const size_t arrays = trips.reads + trips.elements;
    const size_t worth = (p->values * arrays + FEATURE_VALUES) * p->columns / values_of_thread(trips);
    const size_t most = worth > 1 ? bn_threads_most(asked) : 1;
    return most > 1 ? least(worth, most) : 1;
}

/* Whether threads of which one has `most` rows share them out as evenly as can be. */
static bool evenly(size_t most, size_t threads, size_t rows) { return 10 * most * threads <= 11 * rows; }

/* The most blocks that one of these threads has, where they share out groups of so many chunks. */
static size_t blocks_of_one(const bn_plan *p, size_t group, size_t threads)
{
    return least(divide_up(divide_up(p->chunks, group), threads) * group * p->chunk_blocks, p->blocks);
}

static bool even_in_chunks(const bn_plan *p, size_t threads)
{
    return evenly(blocks_of_one(p, 1, threads) * p->block_rows, threads, p->rows);
}

/* The same of images, which may be one more block for some: no thread has more than a third above the mean. */
static bool images_in_chunks(const bn_plan *p, size_t threads)
{
    const size_t most = blocks_of_one(p, 1, threads);
    return 3 * (bn_plan_values_before(p, most) - bn_plan_values_before(p, 0)) * threads <= 4 * p->values;
}

static size_t divide_nearest(size_t a, size_t b) { return (a + b / 2) / b; }

size_t bn_first_task(size_t strips, size_t blocks, size_t blocks_of_group, size_t thread, size_t team)
{
    if (thread == 0) return 0; /* the ends apart, for small calls: divisions are slow */
    if (thread == team) return strips * divide_up(blocks, blocks_of_group);
    const size_t groups = blocks / blocks_of_group, of_last = blocks % blocks_of_group;
    /* both times team */
    const size_t due = strips * blocks * thread, full = strips * groups * blocks_of_group * team;
    if (due <= full) return divide_nearest(due, team * blocks_of_group);
    return strips * groups + divide_nearest(due - full, team * of_last);
}

/* Blocks in the tasks before this one, counted once for each strip. */
static size_t blocks_before(size_t strips, size_t blocks, size_t blocks_of_group, size_t task)
{
    const size_t done = least(task / strips * blocks_of_group, blocks);
    return strips * done + task % strips * least(blocks_of_group, blocks - done);
}

/* Whether no thread has to do more than a third above the mean. */
static bool shared_evenly(size_t strips, size_t blocks, size_t blocks_of_group, size_t threads)
{
    size_t most = 0;
    for (size_t t = 0, from = 0, to; t < threads; t++, from = to) {
        to = blocks_before(strips, blocks, blocks_of_group,
                           bn_first_task(strips, blocks, blocks_of_group, t + 1, threads));
        most = larger(most, to - from);
    }
    return 3 * most * threads <= 4 * strips * blocks;
}

/* ---- caches ---- */

static bool both(bn_trips trips) { return trips.sums && trips.elements; }

static bool is_of_socket(void) { return bn_last_level_cache() > LAST_CACHE; }

/* What is counted on of the last cache. Of one that dozens of cores share: 16 MB by one thread, 20 by two, 24 at most,
 * see is_streamed_out. */
static size_t last_cache(size_t threads)
{
    return is_of_socket() ? least(12 + 4 * threads, 24) << 20 : bn_last_level_cache();
}

/* So many sixteenths of the caches. What the threads' cores have of their own adds to the last one. */
static size_t of_caches(size_t sixteenths, size_t threads)
{
    return (last_cache(threads) + threads * bn_core_cache()) / 16 * sixteenths;
}

static bool exceeds(size_t bytes, size_t sixteenths, size_t threads) { return bytes > of_caches(sixteenths, threads); }

enum { ONE_TRIP = 10, TWO_TRIPS = 9, ONE_TRIP_ZEN4 = 14, TWO_TRIPS_ZEN4 = 12 }; /* sixteenths */

/* Whether stores that pass the cache by are slower than two threads' others, see is_streamed_out. */
static bool streams_slowly(bn_trips trips, const bn_schedule *s)
{
    return s->threads > 1 && s->order != BN_RESIDENT && trips.reads == 1 && is_like_zen4();
}

/* Stores that pass the cache by pay from about 9/16 of the caches on, for what is read is to stay for the second trip;
 * where there is one trip from 10/16. Of a cache of 32 MB, 20 MB took 0.64 to 0.92 of the time so, 16 MB longer (Zen
 * 3); of 48 MB, 14 to 17 MB 0.56 to 0.94, and with a reading of the output afterwards 0.76 to 1.03, 8 to 13 MB 0.83 to
 * 1.22 and 1.0 to 1.18 (Xeon of family 6, model 106). The 300 MB of a socket are not for one program: 16 MB take 0.6 of
 * the time where they are not counted on, with that reading 0.9 to 1.14 (model 207). A Zen 4 writes past its cache of
 * 32 MB at 28 GB/s, by one thread or two: on two 19 to 25 MB forward took 1.2 to 1.75 times as long so, 1.0 to 1.2
 * times where each thread has such a cache, inference of 21 to 30 MB 1.2 to 2.1 times; but 0.76 to 0.89 after another
 * has had the cache, and on one thread 0.7 to 1.0. Backward, and of strips of few long rows, it gains. */
static bool is_streamed_out(size_t bytes, bn_trips trips, const bn_schedule *s)
{
    const bool slow = streams_slowly(trips, s);
    if (both(trips)) return exceeds(bytes, slow ? TWO_TRIPS_ZEN4 : TWO_TRIPS, s->threads);
    return exceeds(bytes, slow ? ONE_TRIP_ZEN4 : ONE_TRIP, s->threads);
}

/* How many of BN_KEPT parts of what is streamed out stay after all: as much as there is room for beside x. A Zen 5
 * writes past its cache of 32 MB no faster by two threads that share it than by one: of 27 MB forward is 1.35 times as
 * fast so, of 33 MB 1.07 to 1.2, of 42 MB 1.0; where each thread has such a cache 1.14, 1.0 to 1.1, and 0.98. Backward
 * would be 0.8 to 1.0 there; one thread is 0.9 to 1.05. */
static size_t kept(size_t array, bn_trips trips, const bn_schedule *s)
{
    const size_t room = of_caches(TWO_TRIPS_ZEN4, s->threads);
    if (!both(trips) || !streams_slowly(trips, s) || bn_reads() != BN_READS_AS_ZEN5 || array >= room) return 0;
    return (room - array) * BN_KEPT / array;
}

/* Whether what is read does not stay in the last cache. What passes that by takes nothing of it, so only what is read
 * counts: not fetched ahead, calls of 19 MB to twice that, or in a backward pass to 28, are 1.0 to 1.4 times as fast.
 * After another has had the cache for itself they take 1.05 to 1.1 times as long (Zen 3). Of a socket's all counts. */
static bool exceeds_last(size_t array, bn_trips trips, size_t threads)
{
    const size_t arrays = trips.reads + (is_of_socket() ? trips.elements : 0);
    return exceeds(array * arrays, both(trips) ? TWO_TRIPS : ONE_TRIP, threads);
}

/* From the last cache pages come no faster together than one by one: of 48 MB calls of 16 to 40 MB took 0.82 to 1.14
 * times as long by pages, of 64 and 96 MB 0.84 to 0.99 (Xeon of family 6, model 106); of a socket's 480 MB 16 to 67 MB
 * 1.0 to 1.07, 160 to 410 MB 0.75 to 1.05 (model 167). */
static bool is_in_memory(size_t bytes) { return bytes > least(bn_last_level_cache(), IN_MEMORY); }

/* Of what sums read, or elements without any, but for what is close: see comes_by_itself. */
static bn_distance distance_of(size_t array, size_t bytes, bn_trips trips, size_t threads)
{
    if (!exceeds_last(array, trips, threads)) return BN_NEAR;
    return is_in_memory(bytes) && reads_pages() ? BN_PAGES : BN_FAR;
}

static bool is_far(const bn_schedule *s) { return s->distance >= BN_FAR; }

/* Whether what is summed comes as fast as it can be summed, so that to ask for it ahead only takes time: rows from what
 * the threads' cores have of their own, 1.02 to 1.13 times as fast then; of 2 to 10 MB in the last cache they would be
 * 0.6 to 1.05. Long runs, which the hardware follows, from a quarter of that cache too: backward of one image of 28 x
 * 28 to 56 x 56 is 1.07 to 1.17 times as fast (Zen 3; a socket's last cache is slower, and not measured). Parts of
 * images in two arrays, from memory too: backward of 56 x 56, which were two parts then, to 224 x 224 is 1.02 to 1.1
 * times as fast, of doubles 1.06 to 1.12, in cache 1.0 to 1.04, but whole runs, and one array, would take 1.05 to 1.15
 * times as long (Zen 3), and a Zen 4 by vectors of 32 bytes 1.05 to 1.4 times. */
static bool comes_by_itself(const bn_plan *p, bn_trips trips, size_t bytes, const bn_schedule *s)
{
    if (trips.reads > 1 && !bn_plan_whole_runs(p) && !reads_pages() && !is_like_zen4()) return true;
    if (is_far(s)) return false;
    const size_t own = s->threads * bn_core_cache();
    return bytes <= own || (p->run > BN_SHORT_RUN && !is_of_socket() && bytes <= bn_last_level_cache() / 4);
}

/* Bytes of one feature that are to stay in cache from the first trip to the second. */
static size_t feature_bytes(const bn_plan *p, size_t reads) { return p->values * p->value * reads; }

/* Features whose values fit half of a core's own cache, with room for what passes through: ResNet-50's images are 1.0
 * to 1.1 times as fast backwards as with three quarters (Xeon of family 6, model 207). Two far arrays have a
 * quarter, 1.0 to 1.05 times as fast; for one, and for what is near, that would be too little (model 167). */
static size_t features_in_own_cache(const bn_plan *p, size_t reads, bool far)
{
    return bn_core_cache() / (far ? 2 * reads : 2) / (feature_bytes(p, reads) + 1);
}

/* What of the last cache is for a thread's strips. */
static size_t cache_share(size_t threads) { return last_cache(threads) / 2 / threads; }

/* Or, where those are less than a piece, and its share of the last cache holds more, as many as make one. For what has
 * been fetched meanwhile shorter pieces do: with whole ones, of which two exceed the core's cache, backward of 14 x 14
 * and 28 x 28 would take up to 1.2 times as long (Zen 4). Of shorter runs than a piece the share has to hold two
 * strips, the next of which begins in lines of this one: 1 to 10 features of 900 to 14000 images took one thread 1.1 to
 * 2.1 times as long, two 1.15, where it holds one (Zen 5). */
static size_t features_in_cache(const bn_plan *p, size_t reads, const bn_schedule *s)
{
    const size_t run = p->run * p->value, bytes = s->fetch_next && p->run > 1 ? PIECE / 2 : PIECE;
    const size_t room = cache_share(s->threads) / (run < PIECE ? 2 : 1) / (feature_bytes(p, reads) + 1);
    return larger(features_in_own_cache(p, reads, is_far(s)), least(divide_up(bytes, run), room));
}

/* ---- the order ---- */

static bool is_power_of_two(size_t n) { return (n & (n - 1)) == 0; }

/* Whether of resident strips the next is fetched while elements are written. Reading and writing take turns else, and
 * neither is as fast as both at once: 80 MB were read in 2.3 ms by two threads, written past the cache in 2.8, and
 * copied in 3.3. Forward of 14 x 14 to 112 x 112 is 1.07 to 1.3 times as fast, backward 1.02 to 1.35, of 7 x 7 1.03 to
 * 1.15, matrices of 32 to 1024 rows 1.0 to 1.2 (Zen 4). Not
 *
 *     of arrays that together are less than twice the last cache, but for long runs     0.85 to 1.05
 *     where pieces of rows share few sets of the core's own cache                       0.87 to 0.95
 *     of short runs of 16 bits, whose arithmetic decides                                0.95 to 1.04
 *     where a thread's share of the last cache has no room for two strips of 3 KB or    0.88 to 0.99
 *     a feature in a row
 *
 * On Xeons it would be 0.72 to 1.16 (family 6, models 106, 167, 207). */
static bool fetches_next(const bn_plan *p, bn_trips trips, size_t bytes, size_t threads)
{
    const size_t run = p->run * p->value, caches = run >= PIECE_LEAST / 2 && p->value > 2 ? 1 : 2;
    const size_t room = cache_share(threads) / 4 * 3 / divide_up(PIECE / 2, run); /* for a feature */
    const bool busy = p->value == 2 && run < PIECE_LEAST;
    return both(trips) && bytes > caches * bn_last_level_cache() && is_like_zen4() &&
           !is_power_of_two(p->columns * p->run) && !busy && feature_bytes(p, trips.reads) <= room;
}

/* Pieces of rows whose size is a power of two share few sets of the core's cache. On 512 KB, 4 images of 49 pixels and
 * 512 channels, 800 KB of x and dy, are 1.7 times as fast backwards crossed as on one thread; 300 x 512, 1.2 MB,
 * take 1.15 times as long as by chunks (Zen 3). */
static bool pieces_stay(const bn_plan *p, size_t reads)
{
    return !is_power_of_two(p->columns) || p->rows * p->columns * p->value * reads <= 2 * bn_core_cache();
}

/* How many threads can own columns. Each gets a page of each row at least: the hardware's prefetcher runs past the end
 * of a shorter piece into lines that another thread is writing (200 x 512 on 2 threads took 3 times as long as on 1).
 * Or half a page, where rows are whole cache lines and each thread writes last lines first, see tail_of in walk.c: 32
 * to 64 images of 32 to 64 pixels in rows of 4 to 6 KB are 1.0 to 1.85 times as fast so as on one thread, 0.9 to 1.6
 * where cores share no last cache. Not in place, where the hardware takes what has been written while it is summed too,
 * and 32 x 1024 took one thread's time and twice that (Zen 4). */
static size_t owners_most(const bn_plan *p, bn_trips trips)
{
    const bool halves = in_lines(p) && both(trips) && !trips.in_place;
    return p->columns * p->run * p->value / (halves ? BN_STRIP_BYTES / 2 : BN_STRIP_BYTES);
}

static size_t owners(const bn_plan *p, bn_trips trips, size_t threads)
{
    return larger(least(threads, owners_most(p, trips)), 1);
}

/* Matrices of few rows that threads own rather than cross. That costs time for each row, other orders for each feature:
 * in whole lines 22 to 150 rows of 1024 to 1600 features are 1.0 to 1.8 times as fast so, 1.0 to 1.6 where cores share
 * no last cache; 200 x 960 or 256 x 512 would be 0.77, 480 x 3840 0.9 (Zen 4). */
static bool owns_columns(const bn_plan *p, bn_trips trips, size_t threads)
{
    enum { FEATURES_A_ROW = 8, ROWS = 256 };
    return threads > 1 && both(trips) && !trips.in_place && p->run == 1 && owners_most(p, trips) >= threads &&
           p->rows <= ROWS && p->columns >= FEATURES_A_ROW * p->rows && pieces_stay(p, trips.reads);
}

/* Not in place, where each thread would sum what the other has written: 90 x 700 to 400 x 1030 took 1.4 to 2.4 times as
 * long as otherwise, 1.8 to 5.7 times where cores share no last cache, and longer than on one thread (Zen 4). */
static bool is_crossed(const bn_plan *p, bn_trips trips, size_t threads)
{
    return threads > 1 && both(trips) && trips.room && !trips.in_place && may_cross(p) &&
           worth_crossing(p, trips.reads + trips.elements) && !even_in_chunks(p, threads) &&
           pieces_stay(p, trips.reads);
}

/* Without sums blocks do not matter, and the last may be shorter: of 50 images of 14 x 14, seven of them, one of two
 * threads had 32, and inference took 1.27 times as long. Not where columns, or parts, are shared out more evenly, nor
 * where rows are long or values few, as each thread makes all factors: 4 x 3000 took 1.45 times as long (Xeon of family
 * 6, model 167). */
static bool is_by_rows(const bn_plan *p, bn_trips trips, size_t threads)
{
    if (trips.sums || !bn_plan_whole_runs(p) || few_long_rows(p)) return false;
    return threads == 1 ||
           (evenly(divide_up(p->rows, threads), threads, p->rows) && p->values * p->columns >= BN_WORTH);
}

/* As far as the shape tells. */
static bn_order order_of(const bn_plan *p, bn_trips trips, size_t threads)
{
    const bool owned = owns_columns(p, trips, threads);
    if (!owned && is_crossed(p, trips, threads)) return BN_CROSSED;
    if (is_by_rows(p, trips, threads)) return BN_BY_ROWS;
    return owned || without_nodes(p, p->chunks) ? BN_RESIDENT : BN_STREAMED;
}

/* Without sums: threads own features of images that they cannot share out evenly. One image of 56 x 56 and more is
 * several blocks; with parts of each feature inference of it took two threads as long as one (Zen 3). */
static bool owns_rather(const bn_plan *p, size_t threads)
{
    return p->run > 1 && !evenly(divide_up(p->rows, threads), threads, p->rows) &&
           p->columns * p->run * p->value >= threads * OWNED &&
           evenly(divide_up(p->columns, threads), threads, p->columns);
}

/* Matrices whose rows are cut into strips of a page, so that what is summed need not come from memory again: 700 and
 * 1000 rows are 1.05 to 1.3 times as fast (Zen 3), on a Zen 5 600 to 2000 1.0 to 1.2 times forward, 1.15 to 1.7
 * backward. Not from a socket's last cache, from which they come no faster: forward training of 1024 x 4096 is 1.2
 * times as fast uncut. On a Zen 5 uncut are as many times as fast, on one thread or two, forward / backward
 *
 *     where the last cache has no room for two strips a thread                  1.0 to 1.18 / 1.0
 *     of rows that are not whole lines, whose edges are written twice           0.98 to 1.7 / 0.75 to 0.9
 *     of 16 bits, whose strips are half a page                                  1.07 to 2.1 / 1.0 to 1.6 */
static bool worth_cutting(const bn_plan *p, bn_trips trips, const bn_schedule *s)
{
    const bool pages = p->value >= sizeof(float);
    return is_far(s) && !is_of_socket() && pages && (in_lines(p) || trips.reads > 1) &&
           2 * BN_STRIP_BYTES * p->rows <= cache_share(s->threads);
}

/* What else is resident: two blocks, of whose nodes one thread has no use; and what stays in these caches. Channels
 * first a feature stays in the core's own cache, or in its share of the last one, unless there are so few that threads
 * would wait for each other longer than for memory. Threads whose features are next to each other's in short rows get
 * in each other's way as rows of a matrix do, see owners: 8 to 64 features of 7 x 7, 8 to 24 of 17 x 17 took two
 * threads as long as one, and are 1.2 to 3.5 times as fast with images shared out, near 32 KB of an image 0.95 to 1.9;
 * beyond, to 64 KB, they would be 0.8 to 1.4 (Zen 3; more than two threads not measured). Nor do threads own less than
 * a page, or half, of an image where images cannot be shared out evenly: 76 to 272 images of 2 x 2 to 7 x 7 in rows of
 * 1 to 8 KB took two threads that share no last cache 1.0 to 2.1 times as long, and others 0.95 to 1.15; in rows of 8
 * to 12 KB 0.7 to 1.4 and 0.58 to 1.03 (Zen 5). */
static bool worth_residing(const bn_plan *p, bn_trips trips, const bn_schedule *s)
{
    const size_t threads = s->threads, row = p->columns * p->run * p->value;
    if (threads == 1 && p->blocks <= 2) return true;
    if (!trips.sums) return owns_rather(p, threads);
    if (!trips.elements || p->lanes > 1) return false;
    if (p->run == 1) return worth_cutting(p, trips, s);
    const size_t fit = features_in_cache(p, trips.reads, s);
    if (fit < p->columns && fit * p->run * p->value < PIECE_LEAST) return false;
    if (threads > 1 && owners_most(p, trips) < threads) return false;
    if (threads > 1 && row < threads * OWNED && images_in_chunks(p, threads)) return false;
    return 2 * round_up(p->columns, threads) <= 3 * p->columns;
}

/* ---- strips ---- */

/* Nodes below the one of a task: the tree keeps one for each level. */
static size_t levels(size_t blocks)
{
    size_t n = 0;
    for (; blocks > 1; blocks = bn_plan_left(blocks)) n++;
    return n;
}

/* Features of the widest tile that the tables, and the room for sums of columns, allow. */
static size_t widest_tile(const bn_plan *p)
{
    return p->run > BN_SHORT_RUN ? BN_LONG_RUNS : bn_strip_values(p->value) / p->run;
}

/* As many chunks to a node as leave enough tasks, or, in cache, as many to each thread: what threads hand each other
 * costs more than what they sum. */
static size_t chunks_to_a_node(const bn_plan *p, const bn_schedule *s)
{
    const size_t narrow = least(p->columns, widest_tile(p));
    size_t group = 1;

    while (group < p->chunks && levels(2 * group * p->chunk_blocks) * 2 * narrow <= BN_SCRATCH &&
           (p->chunks / (2 * group) >= TASKS_PER_THREAD * s->threads ||
            (!is_far(s) && evenly(blocks_of_one(p, 2 * group, s->threads), s->threads, p->blocks))))
        group *= 2;
    return group;
}

/* Columns of the widest strip that scratch and, for resident ones, the cache allow; 0 is taken for 1. Where tables hold
 * one factor a feature a strip may be several tiles, unless tiles are tasks of their own: what is done once a feature
 * is a chain of operations, and the chains of many features overlap. With an eighth of the core's cache one to eight
 * images of 7 x 7 are 1.05 to 1.2 times as fast, inference of one 1.4; with half of it 50 of them take 1.05 times as
 * long (Xeon of family 6, model 207). Where what is read stays in the last cache of a few cores, no cache counts: in
 * longer pieces of rows, from there, 8 to 50 images of 7 x 7 to 17 x 17 are 1.0 to 1.2 times as fast as in pieces that
 * stay in the core's own (Zen 3). */
static size_t widest_strip(const bn_plan *p, bn_trips trips, const bn_schedule *s, size_t blocks)
{
    const bool resident = s->order == BN_RESIDENT, any = resident && p->run > 1 && !is_far(s) && !is_of_socket();
    const size_t nodes = levels(blocks) + resident; /* which keep their own node there too */
    size_t most = s->tile;

    if (!bn_factor_a_value(p)) {
        const size_t cached = features_in_own_cache(p, trips.reads, is_far(s)) / 4;
        if (!trips.sums || any)
            most = bn_strip_values(p->value);
        else if (resident)
            most = least(bn_strip_values(p->value), larger(most, cached));
    }
    if (trips.sums && nodes > 0) most = least(most, BN_SCRATCH / (2 * nodes));
    if (resident && !any) most = least(most, features_in_cache(p, trips.reads, s));
    return most;
}

/* Features at which a tile may begin, so that it begins with a cache line. */
static size_t features_to_a_line(const bn_plan *p, size_t most)
{
    const size_t n = times_to_line(p->run * p->value);
    return n <= most || p->run == 1 ? n : 1;
}

/* The largest multiple of step that is within `most`, or step. */
static size_t in_steps(size_t most, size_t step) { return larger(most - most % step, step); }

/* Half of a table is an odd number of lines. Where it was a power of two, all tables and their halves, where a dtype
 * has these, began in the same set of the first cache, and 8192 x 4096 in bfloat16 took 1.2 times as long backwards
 * (Zen 3). */
static size_t table_pitch(size_t columns, size_t value)
{
    const size_t line = LINE / sizeof(float), spare = bn_table_values(value) - bn_strip_values(value);
    return 2 * line * (divide_up(columns + spare, 2 * line) | 1);
}

/* Elements in the order of addresses: by strips a backward pass of 8192 x 4096 took 1.1 times as long (Zen 3), in cache
 * forward and inference of 1026 x 1280 1.11 and 1.23, of bfloat16 1.14 and 1.35 (Xeon of family 6, model 106). The
 * tables, in the room of nodes but for a page, are to stay in the core's own cache. */
static bool in_whole_rows(const bn_plan *p, size_t pitch)
{
    const size_t row = p->columns * computed_bytes(p->value), tables = BN_TABLES * pitch * computed_bytes(p->value);
    return p->run == 1 && row > BN_STRIP_BYTES && tables <= bn_core_cache() / 2 &&
           tables + PAGE + 2 * sizeof(double) * p->columns <= bn_schedule_nodes(p);
}

/* In place and in cache each thread writes what it has summed, or what it sums in the next call has to come from
 * another thread: by whole rows, which are shared out otherwise, 400 x 1030 to 1000 x 2500 took 1.0 to 1.2 times as
 * long, 1.2 to 2.4 times where cores share no last cache (Zen 4). */
static bool wants_its_own(bn_trips trips, const bn_schedule *s) { return trips.sums && trips.in_place && !is_far(s); }

/* Blocks of a strip whose elements are passed over at once, from the last on, for what was read last is still in cache:
 * all, where a resident strip fits half of the core's own, else as many as have an eighth of it of x, but whole rows:
 * of 2 MB 112 x 112 forward is 1.15 times as fast so, streamed 224 x 224 1.04 to 1.2 (Xeon of family 6, model 167). A
 * Zen 5, which is on its way again sooner in longer steps, takes as many as have all of it: 16 to 1024 features
 * are 1.0 to 1.06 times as fast. */
static size_t blocks_at_once(const bn_plan *p, size_t reads, const bn_schedule *s)
{
    const size_t cache = bn_core_cache(), step = bn_reads() == BN_READS_AS_ZEN5 ? cache : cache / 8;
    if (s->order == BN_RESIDENT && feature_bytes(p, reads) * s->strip <= cache / 2) return p->blocks;
    const size_t of_row = bn_plan_whole_runs(p) ? 1 : p->blocks_per_entry;
    return round_up(divide_up(step, p->values * s->strip * p->value / p->blocks), of_row);
}

/* Columns that are streamed from end to end before the next: channels first and far, as many features as fit half of
 * what the threads' cores have of their own, or one where two thirds of it do. Features of 1 to 6 MB, of which two
 * threads hold 4, are 1.0 to 1.3 times as fast so as where all are streamed, larger ones would be 0.9 to 1.08 (Xeon of
 * family 6, model 167). */
static size_t columns_of_band(const bn_plan *p, bn_trips trips, const bn_schedule *s)
{
    const size_t caches = s->threads * bn_core_cache(), feature = feature_bytes(p, trips.reads);
    if (s->order != BN_STREAMED || p->run == 1 || !both(trips) || !is_far(s) || feature > caches / 2 * 3)
        return p->columns;
    const size_t fit = larger(caches / 2 / feature, 1);
    if (fit * p->run * p->value < PIECE_LEAST) return p->columns;
    return divide_up(p->columns, divide_up(p->columns, fit));
}

/* Crossed: as many strips to a set of tables, a power of two, as give each thread one, and scratch room for the sums of
 * one. */
static void cut_crosswise(const bn_plan *p, bn_schedule *s)
{
    const size_t table = bn_strip_values(p->value), sets = divide_up(p->columns, table), step = LINE / p->value;
    const size_t nodes = levels(p->blocks) + 1, most = BN_SCRATCH / (2 * nodes) / step * step;
    size_t in_set = 1;

    while (in_set < table / step && (sets * in_set < s->threads || divide_up(p->columns, sets * in_set) > most))
        in_set *= 2;
    s->strip = round_up(divide_up(p->columns, sets * in_set), step);
    s->set = s->strip * in_set;
    s->table_pitch = bn_table_values(p->value);
}

/* The most columns that a thread owns in such strips. */
static size_t most_owned(size_t columns, size_t strip, size_t threads)
{
    const size_t strips = divide_up(columns, strip);
    size_t most = 0;
    for (size_t t = 0; t < threads; t++) {
        const range mine = share(strips, t, threads);
        most = larger(most, least(mine.to * strip, columns) - mine.from * strip);
    }
    return most;
}

/* Columns of a strip that one thread owns: `even`, or a few more, so that each strip begins with a cache line. Long
 * runs rather begin within one than be shared out unevenly: of 40 features of 75 x 75 two threads had 32 and 8, and
 * took 1.4 times as long (Zen 3). */
static size_t owned_strip(const bn_plan *p, size_t even, size_t step, size_t threads)
{
    const size_t lines = round_up(even, step);
    if (lines == even || even * p->run * p->value < OWNED_LEAST) return lines;
    return evenly(most_owned(p->columns, lines, threads), threads, p->columns) ? lines : even;
}

/* The other orders. Streamed, threads are to have about as much each. */
static void cut(const bn_plan *p, bn_trips trips, bn_schedule *s)
{
    const bool resident = s->order == BN_RESIDENT, streamed = s->order == BN_STREAMED;
    const size_t blocks = resident ? p->blocks : larger(s->group * p->chunk_blocks, 1); /* so that clang-tidy sees it */
    const size_t tile = widest_tile(p);

    s->tile = in_steps(tile, features_to_a_line(p, tile));
    const size_t columns = columns_of_band(p, trips, s), most = widest_strip(p, trips, s, blocks);
    const size_t step = features_to_a_line(p, columns < p->columns ? least(most, columns) : most);
    const size_t widest = in_steps(p->columns <= most ? most + step : most, step); /* all need not be whole lines */
    const size_t strips = divide_up(columns, widest);
    const size_t even = divide_up(columns, resident ? round_up(strips, s->threads) : strips);
    s->strip = resident ? owned_strip(p, even, step, s->threads) : round_up(even, step);
    while (streamed && s->strip > step && s->strip * p->run * p->value > PIECE_LEAST &&
           !shared_evenly(divide_up(columns, s->strip), p->blocks, blocks, s->threads))
        s->strip = round_up(s->strip / 2, step);
    s->band = least(round_up(columns, s->strip), p->columns);
    s->table_pitch = table_pitch(p->columns, p->value);
    s->whole_rows =
        !resident && trips.room && trips.elements && !wants_its_own(trips, s) && in_whole_rows(p, s->table_pitch);
}

/* What far elements read is in some cache since the sums, where both go strip by strip, or band by band. From a last
 * cache that a few cores share images come fast enough: backward of 50 images of 7 x 7 to 19 x 19 is 1.02 to 1.09 times
 * as fast unfetched, forward 0.97 to 1.1; strips of a matrix would take 1.1 times as long (Zen 3). To a Zen 5 short
 * rows of two arrays come from memory as fast unasked: backward of 1 to 256 floats, or 512 values of 16 bits, is 1.0 to
 * 1.1 times as fast, by two threads that share a cache 0.97 to 1.02; of 1024 floats it would be 0.9. */
static bn_distance distance_again(const bn_plan *p, bn_trips trips, const bn_schedule *s)
{
    enum { SHORT_ROW = 1024 }; /* bytes */
    const bool cached = s->order == BN_RESIDENT || s->band < p->columns;
    const bool shorter = p->run == 1 && p->columns * p->value <= SHORT_ROW;

    if (!is_far(s)) return s->distance;
    if (shorter && trips.reads > 1 && bn_reads() == BN_READS_AS_ZEN5) return BN_NEAR;
    if (!cached) return s->distance;
    return p->run > 1 && trips.sums && !is_of_socket() ? BN_NEAR : BN_FAR;
}

/* The cache to fetch into. A Zen 4's is the second for what is streamed for sums; resident strips leap too often. A
 * Zen 5's is the first, of 48 KB: sums alone of rows are 1.02 to 1.1 times as fast so as with the second, of long runs
 * 1.0 to 1.6 where leaps are fetched alone, elements 1.0 to 1.2, most of rows of 4096; of the next strip too, 0.95 to
 * 1.3, which fills the first cache many times. */
static bn_into into_of(const bn_schedule *s)
{
    if (bn_reads() == BN_READS_AS_ZEN5) return BN_INTO_FIRST;
    return bn_reads() == BN_READS_AS_ZEN4 && s->order == BN_STREAMED ? BN_INTO_SECOND : BN_INTO_EITHER;
}

/* A Zen 5 streams sums of two arrays 1.03 to 1.07 times as fast 4 KB ahead, of one 1.0 to 1.15 times 8 KB, as with 6;
 * to resident strips both are the same. */
static size_t sums_ahead(bn_trips trips, const bn_schedule *s)
{
    return s->into == BN_INTO_FIRST && s->order == BN_STREAMED ? ((size_t)8 << 10) / trips.reads : BN_AHEAD;
}

/* Twice as much of two arrays: 16 to 4096 features are 1.0 to 1.15 times as fast backwards so, of one array 0.96 to
 * 1.03 (Zen 4). */
static size_t elements_ahead(bn_trips trips, bn_distance distance)
{
    return distance >= BN_FAR && trips.reads > 1 && is_like_zen4() ? 2 * NEAR : NEAR;
}

/* How many threads have something to do. */
static size_t tasks(const bn_plan *p, const bn_schedule *s)
{
    const size_t groups = s->order == BN_RESIDENT ? 1 : divide_up(p->chunks, s->group); /* a strip has all rows there */
    return divide_up(s->band, s->strip) * groups;
}

/* ---- all of it ---- */

/* What depends on what, in order: the shape says how many threads are worth it, and the order as far as it can; threads
 * that own columns may be fewer; by the threads, whose caches count, arrays are near or far; by that, what was to be
 * streamed may reside; then columns are cut into bands and strips, and threads without any are left out; what is close,
 * and what elements fetch, follows from the rest. */

bn_schedule bn_schedule_make(const bn_plan *p, bn_trips trips, int asked)
{
    const size_t array = p->values * p->columns * p->value, arrays = trips.reads + trips.elements;
    const size_t bytes = array * arrays;
    const bool large = bytes > ((size_t)1 << 20); /* whatever the caches are */
    bn_schedule s = {.threads = threads_worth(p, trips, asked),
                     .strip = p->columns,
                     .tile = p->columns,
                     .set = p->columns,
                     .band = p->columns,
                     .at_once = p->blocks};

    s.order = order_of(p, trips, s.threads);
    if (s.order == BN_RESIDENT) s.threads = owners(p, trips, s.threads);
    s.stream = large && is_streamed_out(bytes, trips, &s) && !trips.in_place;
    s.distance = large ? distance_of(array, bytes, trips, s.threads) : BN_NEAR;
    s.fetch_next = is_far(&s) && fetches_next(p, trips, bytes, s.threads);
    if (s.order == BN_STREAMED && worth_residing(p, trips, &s)) s.order = BN_RESIDENT;
    s.fetch_next &= s.order == BN_RESIDENT;
    s.group = chunks_to_a_node(p, &s);
    if (s.order == BN_CROSSED)
        cut_crosswise(p, &s);
    else if (p->lanes == 1)
        cut(p, trips, &s);
    if (s.order == BN_RESIDENT || s.order == BN_STREAMED) {
        if (both(trips)) s.at_once = blocks_at_once(p, trips.reads, &s);
        s.threads = least(s.threads, tasks(p, &s));
    }
    if (s.stream && !s.whole_rows) s.kept = kept(array, trips, &s);
    s.distance_again = distance_again(p, trips, &s);
    s.into = large ? into_of(&s) : BN_INTO_EITHER;
    s.held = bn_reads() == BN_READS_AS_ZEN5;
    s.sums_ahead = sums_ahead(trips, &s);
    s.ahead = elements_ahead(trips, s.distance_again);
    if (comes_by_itself(p, trips, array * trips.reads, &s)) s.distance = BN_CLOSE;
    return s;
}
