#include "plan/plan.h"
#include "integers.h"
#include "kernels/kernels.h" /* how runs are summed */

_Static_assert(2 * (int)BN_WIDE <= (int)BN_LANES_MOST, "lanes are doubled below the former");
_Static_assert((int)BN_LONG_BLOCK <= 4 * (int)BN_STEPS * (int)BN_STEP, "four sums of runs, see sums.h");

static size_t at_least_power_of_two(size_t n) { return n > 1 ? (size_t)1 << (64 - __builtin_clzll(n - 1)) : 1; }

/* Values of a feature in a block, at most. */
static size_t most_in_block(const bn_plan *p)
{
    if (p->run > BN_SHORT_RUN) return BN_LONG_BLOCK;
    return least(BN_CHAIN * p->lanes, BN_CHAIN * BN_SHORT_RUN / p->run) * p->run;
}

/* A block of several entries, or several even blocks to an entry. The last of n has at most n rows less than the
 * others, or 16 n values of a run; it is a remnant of a few only where there are dozens. */
static void cut_into_blocks(bn_plan *p, size_t batch, size_t spatial)
{
    p->block_entries = 1;
    p->blocks_per_entry = 1;
    p->block_rows = p->entry_rows;
    p->block_run = p->run;
    if (spatial == 0) return;

    const size_t most = most_in_block(p);
    if (spatial > most) {
        const size_t even = divide_up(spatial, divide_up(spatial, most));
        if (p->run == 1)
            p->block_rows = even;
        else
            p->block_run = round_up(even, BN_LANES);
        p->blocks_per_entry = divide_up(spatial, p->block_rows * p->block_run);
        p->blocks = batch * p->blocks_per_entry;
        return;
    }
    const size_t entry = p->run > BN_SHORT_RUN ? round_up(spatial, BN_STEP) : spatial;
    for (size_t values = entry; values * 2 <= most; values *= 2) {
        p->block_entries *= 2;
        p->block_rows *= 2;
    }
    p->blocks = divide_up(batch, p->block_entries);
}

size_t bn_plan_room(const bn_plan *p) { return BN_ROOM + p->values * p->columns * p->value / 25; }

/* Blocks whose values are worth a node. */
static size_t worth_a_node(const bn_plan *p)
{
    const size_t in_chunk = BN_CHUNK_BYTES / least(p->value, sizeof(float));
    const size_t in_block = p->block_rows * p->block_run;
    return in_block > 0 ? at_least_power_of_two(divide_up(in_chunk, in_block)) : 1;
}

/* Two blocks of few features become a chunk each, so that two threads can share them. No bit changes by it. */
static bool is_two_halves(const bn_plan *p)
{
    return p->blocks == 2 && p->columns <= BN_TWO_CHUNKS && p->columns * p->values >= BN_WORTH &&
           3 * p->block_rows * p->block_run <= 2 * p->values;
}

bn_plan bn_plan_make(bool channels_first, size_t batch, size_t features, size_t spatial, size_t value)
{
    bn_plan p = {.columns = features, .values = batch * spatial, .value = value, .lanes = 1};

    p.entry_rows = channels_first ? 1 : spatial;
    p.rows = batch * p.entry_rows;
    p.run = channels_first ? spatial : 1;
    while (p.run > 0 && p.lanes * features * p.run < BN_WIDE) p.lanes *= 2;
    cut_into_blocks(&p, batch, spatial);

    const size_t by_size = is_two_halves(&p) ? 1 : worth_a_node(&p);
    const size_t by_number = at_least_power_of_two(divide_up(p.blocks, BN_CHUNKS));
    p.chunk_blocks = larger(by_size, by_number);
    p.chunks = divide_up(p.blocks, p.chunk_blocks);
    while (p.chunks > 1 && 2 * sizeof(double) * features * p.chunks > bn_plan_room(&p)) { /* until all fit */
        p.chunk_blocks *= 2;
        p.chunks = divide_up(p.blocks, p.chunk_blocks);
    }
    return p;
}

size_t bn_plan_chunks_most(const bn_plan *p)
{
    if (p->blocks <= 1) return p->blocks; /* small calls do without the divisions */
    const size_t by_size = divide_up(p->blocks, worth_a_node(p)), halves = p->columns <= BN_TWO_CHUNKS ? 2 : 1;
    return least(larger(by_size, halves), BN_CHUNKS);
}

bn_plan bn_plan_node(const bn_plan *whole, size_t from, size_t to)
{
    bn_plan p = *whole;
    p.first += from;
    p.values = bn_plan_values_before(whole, to) - bn_plan_values_before(whole, from);
    p.blocks = to - from;
    p.chunks = divide_up(p.blocks, p.chunk_blocks);
    return p;
}

bool bn_plan_whole_runs(const bn_plan *p) { return p->block_run >= p->run; }

/* Where a part of a batch entry begins; of the part after the last, where the next entry does, or, of the last entry,
 * where all end. */
static size_t first_row(const bn_plan *p, size_t entry, size_t part)
{
    const size_t rows = bn_plan_whole_runs(p) ? least(part * p->block_rows, p->block_entries * p->entry_rows) : 0;
    return least(entry * p->entry_rows + rows, p->rows);
}

bn_block bn_plan_block(const bn_plan *p, size_t block)
{
    const size_t number = p->first + block, several = number / p->blocks_per_entry;
    const size_t entry = several * p->block_entries, part = number - several * p->blocks_per_entry;
    bn_block b = {.row = first_row(p, entry, part), .rows = 1, .from = 0, .run = p->run};

    if (bn_plan_whole_runs(p)) {
        b.rows = first_row(p, entry, part + 1) - b.row;
    } else {
        b.from = part * p->block_run;
        b.run = least(p->block_run, p->run - b.from);
    }
    return b;
}

size_t bn_plan_values_before(const bn_plan *p, size_t block)
{
    const bn_block b = bn_plan_block(p, block);
    return b.row * p->run + b.from;
}

size_t bn_plan_left(size_t blocks) { return at_least_power_of_two(blocks) / 2; }
