#include "passes/passes.h"
#include "integers.h"
#include "parallel/parallel.h"

#include <stdatomic.h>

typedef struct walk {
    const bn_work *work;
    const bn_operation *operation;
    const bn_schedule *schedule;
    size_t strips;        /* of all columns */
    char *tables;         /* that threads share, where rows are whole or crossed */
    atomic_bool *extreme; /* some factors of these are */
} walk;

static double *node_of(const bn_work *w, size_t chunk) { return w->nodes + chunk * 2 * w->plan.columns; }

/* The node of one block. Returns how many values of a feature that has. */
static double sum_block(const walk *k, size_t block, size_t column, size_t columns, double *a, double *b)
{
    const bn_plan *const p = &k->work->plan;
    const bn_block here = bn_plan_block(p, block);
    const size_t most = k->schedule->tile;
    bn_tile tile = {.rows = here.rows,
                    .run = here.run,
                    .pitch = p->run,
                    .from = here.from,
                    .lanes = p->lanes,
                    .row = here.row,
                    .rows_in_arrays = p->lanes > 1 ? SIZE_MAX : p->rows,
                    .distance = k->schedule->distance,
                    .into = k->schedule->into,
                    .ahead = k->schedule->sums_ahead,
                    .held = k->schedule->held};

    for (size_t c = 0; c < columns; c += most) {
        tile.columns = least(most, columns - c);
        k->operation->sums(k->work, here, column + c, &tile, a + c, b + c);
    }
    return (double)(here.rows * here.run);
}

/* The node of blocks [from, to): left part into a and b, right part into scratch, merged. Returns as sum_block does. */
static double reduce(const walk *k, size_t from, size_t to, size_t column, size_t columns, double *a, double *b,
                     double *scratch)
{
    if (to - from == 1) return sum_block(k, from, column, columns, a, b);
    const size_t middle = from + bn_plan_left(to - from);
    double *const other = scratch + 2 * columns;
    const double left = reduce(k, from, middle, column, columns, a, b, scratch);
    const double right = reduce(k, middle, to, column, columns, scratch, scratch + columns, other);
    k->operation->merge(columns, left, a, b, right, scratch, scratch + columns);
    return left + right;
}

/* Columns of the strip that begins there. */
static size_t columns_of_strip(const walk *k, size_t column)
{
    return least(k->schedule->strip, k->work->plan.columns - column);
}

/* How many of the blocks from b on make whole rows. */
static size_t blocks_of_whole_rows(const bn_plan *p, bn_block b, size_t blocks)
{
    if (bn_plan_whole_runs(p)) return blocks;
    return b.from > 0 ? 0 : blocks / p->blocks_per_entry * p->blocks_per_entry;
}

/* Blocks [from, to). Whole rows go in one. */
static void elements(const walk *k, size_t from, size_t to, size_t column, bn_coefficients *c)
{
    const bn_plan *const p = &k->work->plan;

    while (from < to) {
        bn_block b = bn_plan_block(p, from);
        const size_t whole = blocks_of_whole_rows(p, b, to - from);
        if (whole > 0) {
            b.rows = bn_plan_block(p, from + whole).row - b.row;
            b.run = p->run;
        }
        c->run = b.run;
        k->operation->elements(k->work, b, column, c);
        from += whole > 0 ? whole : 1;
    }
}

/* Where the last step of a range begins. Steps are counted from 0, so that blocks of whole rows stay together. */
static size_t last_step(size_t from, size_t to, size_t step) { return larger((to - 1) / step * step, from); }

/* After a first trip backwards, for what was read last may still be in cache; without one all in one go: 8192 x 4096 is
 * 1.1 times as fast in the order of addresses. What is to be kept comes last. */
static void elements_back(const walk *k, range blocks, size_t column, bn_coefficients *c)
{
    const size_t kept = blocks.from + fraction(blocks.to - blocks.from, k->schedule->kept, BN_KEPT);

    for (size_t end = blocks.to, start; end > blocks.from; end = start) {
        start = last_step(blocks.from, end, k->schedule->at_once);
        c->stream &= start >= kept;
        elements(k, start, end, column, c);
    }
}

/* Room for the tables of a strip, as they are computed with, two strips apart, from any line of a page on. */
enum { TABLES_BYTES = (BN_TABLES - 1) * 2 * BN_STRIP_BYTES + BN_TABLE_BYTES + PAGE - LINE };
_Static_assert((int)BN_STRIP_BYTES % (int)PAGE == 0, "so that all begin at the same place of a page");

typedef union strip_tables {
    _Alignas(LINE) float f32[TABLES_BYTES / sizeof(float)];
    double f64[TABLES_BYTES / sizeof(double)];
} strip_tables;

/* The address of what is written of a column first. */
static uintptr_t output_at(const walk *k, size_t column)
{
    return (uintptr_t)k->operation->out + column * k->work->plan.run * k->work->plan.value;
}

/* Values of a cache line before the one that begins with this column. */
static size_t place_in_line(const walk *k, size_t column)
{
    return values_in(output_at(k, column) % LINE, k->work->plan.value);
}

static void coefficients_of(const walk *k, size_t column, size_t columns, const double *a, const double *b,
                            bn_coefficients *c)
{
    k->operation->coefficients(k->work, column, columns, a, b, c);
    c->distance = k->schedule->distance_again;
    c->into = k->schedule->into;
    c->ahead = k->schedule->ahead;
    c->next = 0;
    c->tail = 0;
    c->stream = k->schedule->stream;
}

/* Factors in tables of this thread's own. Past the cache these all begin where the output does in its page: a load
 * waits for a store before it whose address is a multiple of 4 KB away. Where a table stood a line before the output,
 * inference of 50 x 14 x 14 x 1024 took twice as long, where they stood four lines apart, of IEEE half, 1.05 to 1.6
 * times. In cache it is not worth fresh lines of the stack (Xeon of family 6, model 106). Not halves of tables: the
 * ten of backward and its inputs would share the 8 ways of a first cache of 32 KB, and bfloat16 took 1.25 times as long
 * (Zen 3). Where some of the output is kept, the same tables serve both ways, one of which knows their pitch. */
static void make_own(const walk *k, size_t column, size_t columns, const double *a, const double *b, strip_tables *t,
                     bn_coefficients *c)
{
    const size_t table = bn_table_values(k->work->plan.value);
    const bool as_output = k->schedule->stream && k->schedule->kept == 0;

    coefficients_of(k, column, columns, a, b, c);
    c->factors = (char *)t + (as_output ? (output_at(k, column) / LINE * LINE - (uintptr_t)t) % PAGE : 0);
    c->half_pitch = table / 2;
    c->table_pitch = as_output ? 2 * bn_strip_values(k->work->plan.value) : table;
    c->place = c->factor_a_value ? place_in_line(k, column) : 0;
    if (c->place == 0 && !c->stream) c->shares_lines = false; /* within a strip, see worth_lines in elements.h */
    k->operation->make_factors(c);
}

/* By the tables among the nodes, which threads share: there only factors that are not extreme are used. Those of a
 * column stand at its place, and of the first ones once more after the last. */
static void prepare_shared(const walk *k, size_t column, size_t columns, size_t place, bn_coefficients *c)
{
    const double *const node = node_of(k->work, 0) + column;
    const size_t set = column / k->schedule->set, start = set * k->schedule->set;

    coefficients_of(k, column, columns, node, node + k->work->plan.columns, c);
    c->factors = k->tables + set * BN_SET_BYTES;
    c->table_pitch = k->schedule->table_pitch;
    c->half_pitch = c->table_pitch / 2;
    c->place = place - start + place_in_line(k, start);
    c->extreme = false;
    c->repeat = 1;                              /* they hold the factors of one row, */
    c->shares_lines &= k->schedule->whole_rows; /* and those of the first columns once more */
}

/* Each trip has a frame of its own: what one needs of the stack does not stand there beside what the other needs. */
#define APART __attribute__((noinline))

/* The last features of a thread's last strip, the smaller of half of it and 4 KB, which are passed over first, the last
 * line first, for the next columns are another thread's. Where lines are written in the order of addresses the hardware
 * fetches up to 64 more, past the end of each row: lines that the other has written, and is about to write again. Two
 * threads that wrote pieces of 16 KB in turn took four times as long as for 2 MB each in one piece, and 14 times where
 * they share no last cache; so 1.2 to 1.8 and 1.7 to 2.3 times. Forward of 8 to 128 images of 7 x 7 to 17 x 17 is 1.0
 * to 1.2 times as fast, backward 1.0 to 1.05, where cores share no last cache 1.1 to 2.1 and 1.0 to 1.3; matrices 1.0
 * to 1.1, and 1.03 to 1.3; parts of images, of which that is one feature, 1.0, and 1.01 to 1.1 (Zen 4). */
static size_t tail_of(const bn_plan *p, size_t columns)
{
    _Static_assert(2 * (int)BN_LONG_BLOCK >= (int)BN_STRIP_BYTES, "of an image that is several blocks one feature");
    const size_t feature = p->run * p->value, bytes = least(columns * feature / 2, BN_STRIP_BYTES);
    return least(divide_up(bytes, feature), columns - 1);
}

/* `more`: this thread's next strip follows. */
static APART void resident_elements(const walk *k, size_t column, size_t columns, bool more, const double *a,
                                    const double *b)
{
    bn_coefficients c;
    strip_tables t;
    make_own(k, column, columns, a, b, &t, &c);
    if (!more && k->schedule->threads > 1 && !c.stream && !c.extreme) {
        c.tail = tail_of(&k->work->plan, columns);
        c.columns -= c.tail;
    }
    if (more && k->schedule->fetch_next) {
        c.distance = BN_FAR;
        c.next = columns * k->work->plan.run;
    }
    elements_back(k, (range){0, k->work->plan.blocks}, column, &c);
}

/* Whether the node of these columns is made where it is to be kept: 4 x 1024 forward is 1.1 times as fast so (Xeon of
 * family 6, model 106). Not where another thread adds up many rows in the next columns of it, for each time the
 * hardware fetches past the end, see tail_of: 64 x 1024 forward is 1.05 to 1.15 times as fast, where cores share no
 * last cache 1.3, but of 8 rows 0.97 (Zen 4). */
static bool makes_kept_node(const walk *k, size_t column, bool more)
{
    enum { FEW = 16 };
    const double *const a = k->operation->keep_a, *const b = k->operation->keep_b;
    const bool alone = more || k->schedule->threads == 1 || k->work->plan.rows <= FEW;
    return a && alone && begins_line(a + column) && begins_line(b + column);
}

/* A strip from end to end: sums and elements while its rows are in cache. Its node begins with a cache line, so that
 * in strips of whole lines no vector lies across two: 8 x 4096 forward is 1.14 times as fast for it (Xeon of family 6,
 * model 207). `more`: this thread's next strip follows. */
static APART void resident_strip(const walk *k, size_t strip, bool more)
{
    const bn_work *const w = k->work;
    const size_t column = strip * k->schedule->strip, columns = columns_of_strip(k, column);
    const bool kept = makes_kept_node(k, column, more);
    _Alignas(64) double scratch[BN_SCRATCH];
    double *const a = kept ? k->operation->keep_a + column : scratch;
    double *const b = kept ? k->operation->keep_b + column : scratch + columns;

    if (k->operation->sums) reduce(k, 0, w->plan.blocks, column, columns, a, b, scratch + 2 * columns);
    k->operation->finish(w, column, columns, a, b);
    if (k->operation->elements) resident_elements(k, column, columns, more, a, b);
}

static void resident(const walk *k, size_t thread, size_t team)
{
    const range mine = share(k->strips, thread, team);
    for (size_t i = mine.from; i < mine.to; i++) resident_strip(k, i, i + 1 < mine.to);
}

static size_t first_chunk(const walk *k, size_t group) { return group * k->schedule->group; }

/* Of a chunk past the last, the number of blocks. */
static size_t first_block(const bn_plan *p, size_t chunk) { return least(chunk * p->chunk_blocks, p->blocks); }

/* The columns that a streamed walk takes from end to end before it takes the next, in strips, and the tasks among them
 * that are this thread's. */
typedef struct band {
    range columns;
    size_t strips;
    range tasks;
} band;

static size_t first_column(const walk *k, const band *b, size_t strip)
{
    return b->columns.from + strip * k->schedule->strip;
}

static APART void reduce_task(const walk *k, const band *b, size_t task)
{
    const bn_work *const w = k->work;
    const size_t group = task / b->strips, chunk = first_chunk(k, group);
    const size_t column = first_column(k, b, task % b->strips);
    const size_t columns = columns_of_strip(k, column);
    double *const node = node_of(w, chunk) + column;
    _Alignas(64) double scratch[BN_SCRATCH];

    reduce(k, first_block(&w->plan, chunk), first_block(&w->plan, first_chunk(k, group + 1)), column, columns, node,
           node + w->plan.columns, scratch);
}

static double values_between(const bn_plan *p, size_t from, size_t to)
{
    return (double)(bn_plan_values_before(p, to) - bn_plan_values_before(p, from));
}

/* Merges the chunks of some columns, level by level, into the first; neighbours are aligned nodes. */
static void merge_chunks(const walk *k, size_t column, size_t columns)
{
    const bn_work *const w = k->work;
    const bn_plan *const p = &w->plan;

    for (size_t step = k->schedule->group; step < p->chunks; step *= 2)
        for (size_t i = 0; i + step < p->chunks; i += 2 * step) {
            const size_t from = first_block(p, i), middle = first_block(p, i + step);
            const size_t to = first_block(p, i + 2 * step);
            double *const left = node_of(w, i) + column, *const right = node_of(w, i + step) + column;
            k->operation->merge(columns, values_between(p, from, middle), left, left + p->columns,
                                values_between(p, middle, to), right, right + p->columns);
        }
}

/* Factors of a strip from its node, or, without a first trip, from what finish makes: `finished` has room for that, a
 * and b of BN_STRIP columns each. */
static void factors_of_strip(const walk *k, size_t column, size_t columns, double *finished, strip_tables *t,
                             bn_coefficients *c)
{
    const bn_work *const w = k->work;
    const bool first_trip = k->operation->sums;
    double *const a = first_trip ? node_of(w, 0) + column : finished;
    double *const b = a + (first_trip ? w->plan.columns : BN_STRIP);

    if (!first_trip) k->operation->finish(w, column, columns, a, b);
    make_own(k, column, columns, a, b, t, c);
}

/* Elements of this thread's tasks, in the order of elements_back; where there is one strip, of all of them at once. */
static APART void elements_of_tasks(const walk *k, const band *b)
{
    const bn_plan *const p = &k->work->plan;
    const size_t tasks = b->tasks.to - b->tasks.from, together = b->strips == 1 ? tasks : 1;
    bn_coefficients c;
    strip_tables t;
    _Alignas(64) double finished[2 * BN_STRIP];

    for (size_t i = 0; i < tasks; i += together) {
        const size_t task = k->operation->sums ? b->tasks.to - i - together : b->tasks.from + i;
        const size_t group = task / b->strips, column = first_column(k, b, task % b->strips);
        const size_t from = first_block(p, first_chunk(k, group));
        const size_t to = first_block(p, first_chunk(k, group + together));
        factors_of_strip(k, column, columns_of_strip(k, column), finished, &t, &c);
        elements_back(k, (range){from, to}, column, &c);
    }
}

/* Whose the room for nodes is, from step to step. Of a streamed walk:
 *
 *     chunk's nodes    each thread writes those of its chunks
 *     ---- barrier ----
 *     node 0           each thread merges its columns of all nodes into it, and finishes them
 *     ---- barrier ---- from here on only node 0 is wanted; by rows the walk begins here, with the finishing
 *     tables           behind node 0, where the other nodes were: each thread makes the factors of its columns
 *     ---- barrier ----
 *     tables           read by all, of any column
 *
 * Crossed, a thread's columns are strips of all rows, so their node 0 and tables need no other thread before the last
 * barrier. Before that barrier whoever meets a factor that is extreme sets `extreme`, and after it all take tables of
 * their own. */

/* The tables of some columns, of which this thread has finished the node. */
static void share_factors(const walk *k, size_t column, size_t columns, size_t place)
{
    bn_coefficients c;

    prepare_shared(k, column, columns, place, &c);
    c.shares_lines = false; /* what follows the last column is made apart */
    k->operation->make_factors(&c);
    if (c.extreme) atomic_store(k->extreme, true);
}

/* Elements of rows [from, to) by the shared tables, in the order of elements_back. */
static void whole_rows(const walk *k, size_t from, size_t to)
{
    const bn_work *const w = k->work;
    const size_t step = k->schedule->at_once * w->plan.block_rows;
    bn_coefficients c;

    prepare_shared(k, 0, w->plan.columns, 0, &c);
    for (size_t end = to, start; end > from; end = start) {
        start = last_step(from, end, step);
        k->operation->elements(w, (bn_block){.row = start, .rows = end - start, .run = 1}, 0, &c);
    }
}

/* This thread's share of some columns, in whole lines of 8 doubles. */
static range columns_of_thread(range columns, size_t thread, size_t team)
{
    const range lines = share(divide_up(columns.to - columns.from, 8), thread, team);
    return (range){columns.from + lines.from * 8, least(columns.from + lines.to * 8, columns.to)};
}

/* What is done once a column, after the first trip if there is one. */
static void finish_columns(const walk *k, range columns)
{
    double *const node = node_of(k->work, 0) + columns.from;
    const size_t count = columns.to - columns.from;

    if (columns.from >= columns.to) return;
    if (k->operation->sums) merge_chunks(k, columns.from, count);
    k->operation->finish(k->work, columns.from, count, node, node + k->work->plan.columns);
}

/* Makes the factors of this thread's columns, which it has finished, and passes over its share of the rows. Not where
 * some factors are extreme: these want the tables of a strip. */
static bool by_shared_tables(const walk *k, range c, size_t thread, size_t team)
{
    const size_t again = least(c.to, LINE / k->work->plan.value); /* where a row is the next after itself */
    const range rows = share(k->work->plan.rows, thread, team);

    if (c.from < c.to) share_factors(k, c.from, c.to - c.from, c.from);
    if (c.from < again) share_factors(k, c.from, again - c.from, k->work->plan.columns + c.from);
    bn_barrier(team);
    if (atomic_load(k->extreme)) return false;
    whole_rows(k, rows.from, rows.to);
    return true;
}

static size_t first_task(const walk *k, size_t strips, size_t thread, size_t team)
{
    const bn_plan *const p = &k->work->plan;
    return bn_first_task(strips, p->blocks, k->schedule->group * p->chunk_blocks, thread, team);
}

/* Elements of some rows and columns, by the shared tables; each thread makes its own where there are none, or where
 * factors are extreme. */
static APART void elements_of_rows(const walk *k, size_t column, size_t columns, range rows)
{
    const bn_work *const w = k->work;
    bn_coefficients c;
    strip_tables t;
    _Alignas(64) double finished[2 * BN_STRIP];

    if (k->tables && !atomic_load(k->extreme))
        prepare_shared(k, column, columns, column, &c);
    else
        factors_of_strip(k, column, columns, finished, &t, &c);
    k->operation->elements(w, (bn_block){.row = rows.from, .rows = rows.to - rows.from, .run = w->plan.run}, column,
                           &c);
}

/* This thread's share of the rows, so many columns at a time. */
static void share_of_rows(const walk *k, size_t step, size_t thread, size_t team)
{
    const size_t columns = k->work->plan.columns;
    const range rows = share(k->work->plan.rows, thread, team);

    for (size_t column = 0; column < columns && rows.from < rows.to; column += step)
        elements_of_rows(k, column, least(step, columns - column), rows);
}

static void by_rows(const walk *k, size_t thread, size_t team)
{
    if (k->schedule->whole_rows) {
        const range columns = columns_of_thread((range){0, k->work->plan.columns}, thread, team);
        finish_columns(k, columns);
        if (by_shared_tables(k, columns, thread, team)) return;
    }
    share_of_rows(k, k->schedule->strip, thread, team);
}

/* Where rows are whole there is one band: the tables are where the nodes of all columns were. */
static void stream_band(const walk *k, const band *b, size_t thread, size_t team)
{
    const range columns = columns_of_thread(b->columns, thread, team);
    const bool sums = k->operation->sums, whole = k->schedule->whole_rows;

    if (sums) {
        for (size_t task = b->tasks.from; task < b->tasks.to; task++) reduce_task(k, b, task);
        bn_barrier(team);
    }
    if (sums || whole) finish_columns(k, columns);
    if (!k->operation->elements) return;
    if (sums) bn_barrier(team); /* nodes but the first are free from here on */
    if (whole && by_shared_tables(k, columns, thread, team)) return;
    elements_of_tasks(k, b);
}

static void streamed(const walk *k, size_t thread, size_t team)
{
    const size_t columns = k->work->plan.columns;

    for (size_t from = 0, to; from < columns; from = to) {
        to = least(from + k->schedule->band, columns);
        const size_t strips = divide_up(to - from, k->schedule->strip);
        const range tasks = {first_task(k, strips, thread, team), first_task(k, strips, thread + 1, team)};
        stream_band(k, &(band){{from, to}, strips, tasks}, thread, team);
    }
}

/* Sums of a strip, all rows of it, and its factors. Not made in the node itself: next to it another thread adds up, see
 * makes_kept_node. 100 x 1000 to 300 x 500 are 1.0 to 1.06 times as fast, where cores share no last cache 1.1 to 1.16
 * (Zen 4). */
static APART void crossed_sums(const walk *k, size_t strip)
{
    const bn_work *const w = k->work;
    const size_t column = strip * k->schedule->strip, columns = columns_of_strip(k, column);
    double *const node = node_of(w, 0) + column;
    _Alignas(64) double scratch[BN_SCRATCH];
    double *const a = scratch, *const b = scratch + columns;

    reduce(k, 0, w->plan.blocks, column, columns, a, b, scratch + 2 * columns);
    k->operation->finish(w, column, columns, a, b);
    memcpy(node, a, columns * sizeof *a);
    memcpy(node + w->plan.columns, b, columns * sizeof *b);
    share_factors(k, column, columns, column);
}

static void crossed(const walk *k, size_t thread, size_t team)
{
    const range mine = share(k->strips, thread, team);

    for (size_t i = mine.from; i < mine.to; i++) crossed_sums(k, i);
    bn_barrier(team);
    share_of_rows(k, k->schedule->set, thread, team);
}

/* After the first node: from the first cache line on, or from where `out` is in a page, see make_own. */
static char *tables_among(const bn_work *w, bool crossed, const void *out)
{
    char *const second = (char *)node_of(w, 1);
    return second + ((uintptr_t)out / LINE * LINE - (uintptr_t)second) % (crossed ? LINE : PAGE);
}

/* One fence a thread: with one after each call of the kernels 65536 x 64 forward took 1.05 times as long, 8192 x 4096
 * 1.02 (Xeon of family 6, model 167). */
static void walk_share(void *context, size_t thread, size_t team)
{
    const walk *const k = context;

    switch (k->schedule->order) {
    case BN_BY_ROWS: by_rows(k, thread, team); break;
    case BN_RESIDENT: resident(k, thread, team); break;
    case BN_CROSSED: crossed(k, thread, team); break;
    case BN_STREAMED: streamed(k, thread, team); break;
    }
    if (k->schedule->stream) k->work->kernels->fence();
}

void bn_walk(const bn_work *work, const bn_operation *operation)
{
    const bn_plan *const p = &work->plan;
    const bn_trips trips = {.sums = operation->sums,
                            .elements = operation->elements,
                            .reads = operation->reads,
                            .in_place = operation->in == operation->out,
                            .room = work->nodes};
    const bn_schedule s = bn_schedule_make(p, trips, work->desc.threads);
    atomic_bool extreme = false;
    const bool crosses = s.order == BN_CROSSED;
    walk k = {.work = work,
              .operation = operation,
              .schedule = &s,
              .strips = divide_up(p->columns, s.strip),
              .tables = s.whole_rows || crosses ? tables_among(work, crosses, operation->out) : NULL,
              .extreme = &extreme};
    bn_parallel(s.threads, walk_share, &k);
}

/* ---- what operations ask ---- */

const void *bn_at(const bn_work *w, const void *array, bn_block b, size_t stride, size_t column)
{
    return (const char *)array + (b.row * stride + column * w->plan.run + b.from) * w->plan.value;
}

/* Tables have room for a cache line before these rows, where `place` says so, and for one after: of 16 bits factors
 * take twice as much. */
_Static_assert((int)BN_TABLE_BYTES - (int)BN_STRIP_BYTES >= 2 * 2 * (int)LINE, "of a strip, and of both lines");

static size_t rows_side_by_side(const bn_work *w, size_t values, size_t reads)
{
    const size_t most = least(bn_strip_values(w->plan.value) / reads / values, w->plan.rows / 8);
    size_t lines = times_to_line(values * w->plan.value); /* or, of few rows, half a line, a quarter */

    while (lines > 1 && lines > most) lines /= 2;
    return larger(most - most % lines, 1);
}

void bn_describe_tile(const bn_work *w, size_t columns, size_t reads, bool dense, bn_coefficients *c)
{
    const size_t run = w->plan.run, values = columns * run;

    c->columns = columns;
    c->run = c->pitch = run;
    c->factor_a_value = bn_factor_a_value(&w->plan);
    c->shares_lines = c->factor_a_value && dense && columns == w->plan.columns;
    c->repeat = c->shares_lines ? rows_side_by_side(w, values, reads) : 1;
    c->shares_lines &= c->repeat * values * w->plan.value >= LINE; /* a line has the ends of one at most */
}

void bn_keep_node(const bn_work *w, size_t column, size_t columns, double *a, double *b)
{
    memcpy(w->node + column, a, columns * sizeof *a);
    memcpy(w->node + w->plan.columns + column, b, columns * sizeof *b);
}
