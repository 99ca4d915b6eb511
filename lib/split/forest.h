/* What a part of a batch holds: the aligned nodes of the tree over the whole batch's blocks that cover [first, end).
 * Siblings combine as soon as both are there, so a range has one forest, whatever it was made of. */
#ifndef BN_FOREST_H
#define BN_FOREST_H

#include "kernels/kernels.h"

#include <stddef.h>
#include <stdint.h>

enum { BN_FOREST_MOST = 128 };                     /* nodes: two of each size */
static const size_t bn_blocks_most = SIZE_MAX / 4; /* in a batch */

typedef struct bn_node {
    size_t first, blocks; /* a power of two, which divides first */
    size_t values;        /* of a feature */
    double *sums;         /* [2][columns], from malloc */
} bn_node;

typedef struct bn_forest {
    size_t first, end, values;
    int count;
    bn_node nodes[BN_FOREST_MOST]; /* from left to right */
} bn_forest;

bn_forest bn_forest_empty(size_t first);
void bn_forest_free(bn_forest *forest);

/* The largest aligned node that begins with block `first` and ends at `end` at most; in blocks. */
size_t bn_forest_node(size_t first, size_t end);

/* Takes over a node that begins at forest->end. */
void bn_forest_push(bn_forest *forest, bn_node node, size_t columns, bn_merge *merge);

/* The sums of all nodes, folded from the right as in the tree of a whole batch; for columns [column, column + columns)
 * of all. There is a node at least. */
enum { BN_FOLD_MOST = 256 }; /* columns at a time */
void bn_forest_fold(const bn_forest *forest, size_t all, size_t column, size_t columns, bn_merge *merge, double *a,
                    double *b);

#endif
