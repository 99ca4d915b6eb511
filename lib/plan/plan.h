/* The plan: how a shape is cut into blocks, and the tree over them. It decides the bits of every sum, so it comes from
 * the shape alone: it knows no thread count, no CPU and no stride.
 *
 *     row     the values of all features at one pixel of one batch entry; M = N * S rows, C columns
 *     lanes   a narrow matrix is summed as one of `lanes` rows side by side: row r of a block goes to lane r % lanes
 *     block   consecutive rows whose sums are taken in one go; a chain of additions in it is at most BN_CHAIN long
 *     tree    block sums are merged pairwise, the left part of a node being the largest power of two of blocks
 *     chunk   an aligned node of the tree: the least work that one thread does alone, so that only chunks are stored */
#ifndef BN_PLAN_H
#define BN_PLAN_H

#include <stddef.h>

enum {
    BN_CHAIN = 64,       /* rows of a lane in a block: the proven error of a sum is 64 + 2 log2(blocks) units */
    BN_WIDE = 64,        /* columns from which a row fills the vectors by itself */
    BN_CHUNK_ROWS = 128, /* a stored node costs 16 bytes a column: 3.1 % of 128 rows of float */
    BN_CHUNKS = 512      /* merging chunks must stay cheap beside reading them */
};

typedef struct bn_plan {
    size_t rows, columns;
    size_t lanes;            /* a power of two; 1 for wide matrices */
    size_t entry_rows;       /* S */
    size_t block_entries;    /* batch entries in a block, a power of two */
    size_t blocks_per_entry; /* above 1 where one entry (a large image) is several blocks */
    size_t block_rows;       /* rows of a block that is not cut short by the end of the entry or the batch */
    size_t blocks;
    size_t chunk_blocks; /* a power of two */
    size_t chunks;
} bn_plan;

/* For batch * spatial and features within range (checked at the door); features at least 1. */
bn_plan bn_plan_make(size_t batch, size_t features, size_t spatial);

/* The first row of a block; of block number `blocks`, the number of rows. */
size_t bn_plan_row(const bn_plan *plan, size_t block);

/* Blocks of the left part of a node of two or more blocks: the largest power of two below their number. */
size_t bn_plan_left(size_t blocks);

#endif
