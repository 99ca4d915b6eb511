/* The plan: how a shape is cut into blocks, and the tree over them. It decides the bits of every sum, so it comes from
 * the shape alone: it knows no thread count, no CPU and no stride.
 *
 *     row     channels last: the values of all features at one pixel, N * S rows. Channels first: one image, N rows
 *     run     the values of one feature side by side in a row: 1 channels last, S channels first
 *     lanes   a narrow matrix is summed as one of `lanes` rows side by side: row r of a block goes to lane r % lanes
 *     block   consecutive rows, or a part of each run of a large image, whose sums are taken in one go; a chain of
 *             additions in it is at most BN_CHAIN long
 *     tree    block sums are merged pairwise, the left part of a node being the largest power of two of blocks
 *     chunk   an aligned node of the tree: the least work that one thread does alone, so that only chunks are stored */
#ifndef BN_PLAN_H
#define BN_PLAN_H

#include <stdbool.h>
#include <stddef.h>

enum {
    BN_CHAIN = 64,        /* rows of a lane in a block: a sum errs by at most 29 + 2 log2(blocks) units */
    BN_WIDE = 64,         /* columns from which a row fills the vectors by itself */
    BN_LONG_BLOCK = 4096, /* values of a feature in a block of long runs, each counted in steps of BN_STEP */
    BN_CHUNK_BYTES = 512, /* of a feature, a double counted as 4: a stored node costs 16 bytes, 3.1 % of them */
    BN_WORTH = 32 << 10,  /* values of x from which on the plan leaves room for two threads to share them; with many
                             features a second would pay earlier */
    BN_TWO_CHUNKS = 1024, /* features, at most, with which two blocks are two chunks */
    BN_ROOM = 65472,      /* nodes may take so many bytes, and 1/25 of x; with what aligning them takes, 64 KB */
    BN_CHUNKS = 512       /* merging chunks must stay cheap beside reading them */
};

typedef struct bn_plan {
    size_t first; /* the number of its first block in the whole: above 0 in the plan of a node only */
    size_t rows, columns, run;
    size_t values;           /* M */
    size_t value;            /* bytes of one of x */
    size_t lanes;            /* a power of two; 1 where a row is wide */
    size_t entry_rows;       /* rows of a batch entry: S channels last, 1 channels first */
    size_t block_entries;    /* batch entries in a block, a power of two */
    size_t blocks_per_entry; /* above 1 where one entry (a large image) is several blocks */
    size_t block_rows;       /* rows of a block that is not cut short by the end of the entry or the batch */
    size_t block_run;        /* values of each run in it: all, but for large images channels first */
    size_t blocks;
    size_t chunk_blocks; /* a power of two */
    size_t chunks;
} bn_plan;

/* For batch * spatial and features within range (checked at the door); features at least 1. value: the size of one in
 * bytes. */
bn_plan bn_plan_make(bool channels_first, size_t batch, size_t features, size_t spatial, size_t value);

/* Bytes that nodes, or what else a walk needs, may have. */
size_t bn_plan_room(const bn_plan *plan);

/* Chunks of this batch, or of any smaller one, at most. */
size_t bn_plan_chunks_most(const bn_plan *plan);

/* The plan of an aligned node: blocks [from, to) of a plan, numbered from 0, where they stand in its arrays. Its rows
 * stay the whole's. */
bn_plan bn_plan_node(const bn_plan *plan, size_t from, size_t to);

/* Where a block stands: rows [row, row + rows), of each run the values [from, from + run). */
typedef struct bn_block {
    size_t row, rows, from, run;
} bn_block;

bn_block bn_plan_block(const bn_plan *plan, size_t block);

/* Whether rows of consecutive blocks are whole, so that they can be passed over as one. */
bool bn_plan_whole_runs(const bn_plan *plan);

/* Values of a feature before that block; of block number `blocks`, all. */
size_t bn_plan_values_before(const bn_plan *plan, size_t block);

/* Blocks of the left part of a node of two or more blocks: the largest power of two below their number. */
size_t bn_plan_left(size_t blocks);

#endif
