#include "plan/plan.h"

static size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

static size_t at_least_power_of_two(size_t n)
{
    size_t p = 1;
    while (p < n) p *= 2;
    return p;
}

static void cut_into_blocks(bn_plan *p, size_t batch, size_t spatial)
{
    const size_t most = BN_CHAIN * p->lanes;

    p->entry_rows = spatial;
    p->block_entries = 1;
    p->blocks_per_entry = 1;
    p->block_rows = spatial;
    if (spatial > most) {
        p->blocks_per_entry = divide_up(spatial, most);
        p->block_rows = divide_up(spatial, p->blocks_per_entry); /* even blocks: none is a remnant of a few rows */
        p->blocks_per_entry = divide_up(spatial, p->block_rows);
        p->blocks = batch * p->blocks_per_entry;
        return;
    }
    while (p->block_rows * 2 <= most && spatial > 0) {
        p->block_entries *= 2;
        p->block_rows *= 2;
    }
    p->blocks = spatial > 0 ? divide_up(batch, p->block_entries) : 0;
}

bn_plan bn_plan_make(size_t batch, size_t features, size_t spatial)
{
    bn_plan p = {.rows = batch * spatial, .columns = features, .lanes = 1};

    while (p.lanes * features < BN_WIDE) p.lanes *= 2;
    cut_into_blocks(&p, batch, spatial);

    const size_t by_size = p.block_rows > 0 ? divide_up(BN_CHUNK_ROWS, p.block_rows) : 1;
    const size_t by_number = divide_up(p.blocks, BN_CHUNKS);
    p.chunk_blocks = at_least_power_of_two(by_size > by_number ? by_size : by_number);
    p.chunks = divide_up(p.blocks, p.chunk_blocks);
    return p;
}

size_t bn_plan_row(const bn_plan *p, size_t block)
{
    const size_t entry = block / p->blocks_per_entry * p->block_entries;
    const size_t row = entry * p->entry_rows + block % p->blocks_per_entry * p->block_rows;
    return row < p->rows ? row : p->rows;
}

size_t bn_plan_left(size_t blocks) { return at_least_power_of_two(blocks) / 2; }
