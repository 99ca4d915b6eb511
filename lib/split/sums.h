/* Sums of a part of a batch: a forest of nodes, of moments or of gradient sums, with the shape that they belong to.
 * sums.c makes, merges and folds them; bytes.c writes and reads them. */
#ifndef BN_SUMS_H
#define BN_SUMS_H

#include "bnorm/bnorm.h"
#include "split/forest.h"

typedef enum bn_sums_kind { BN_MOMENTS = 1, BN_GRADIENT_SUMS = 2 } bn_sums_kind; /* as in plain bytes */

typedef struct bn_sums {
    bnorm_desc desc; /* batch 0 */
    bn_sums_kind kind;
    const bn_kernels *kernels;
    bn_merge *merge;
    size_t param;            /* bytes of a parameter */
    size_t blocks_per_entry; /* as in the plan: of the forest's blocks, in one of bnorm_block_rows */
    size_t block_values;     /* of a feature, in a block of the forest, at most */
    bn_forest forest;
} bn_sums;

bnorm_status bn_sums_create(bn_sums **sums, const bnorm_desc *desc, size_t first_block, bn_sums_kind kind);
void bn_sums_destroy(bn_sums *sums);

/* Bytes of the sums of one node, and room for them, for the caller to free; NULL where there is none. */
size_t bn_sums_node_bytes(const bn_sums *sums);
double *bn_sums_new_node(const bn_sums *sums);

/* BNORM_OVERFLOW where so much more would not fit. */
bnorm_status bn_sums_fit(const bn_sums *sums, size_t blocks, size_t values);

/* Moves the nodes of `next`, which begin where sums end and which fit: nothing here can fail. */
void bn_sums_append(bn_sums *sums, bn_forest *next);

/* The next entries of the batch: b's x, or x, dy and mean. */
bnorm_status bn_sums_accumulate(bn_sums *sums, size_t batch, const bnorm_buffers *b);

/* Adds the sums of the blocks that follow; `next` stays as it is. */
bnorm_status bn_sums_merge(bn_sums *sums, const bn_sums *next);

/* What is made of some columns of the folded sums, in arrays of `to`. */
typedef void bn_use_of_sums(const bn_sums *sums, size_t column, size_t columns, const double *a, const double *b,
                            const bnorm_buffers *to);

/* For all features, a few at a time. There is a node at least. */
void bn_sums_use(const bn_sums *sums, bn_use_of_sums *use, const bnorm_buffers *to);

/* The folded sums of some features themselves, for a thread that rounds as bn_fpenv_enter says. There is a node. */
void bn_sums_fold(const bn_sums *sums, size_t column, size_t columns, double *a, double *b);

/* As bnorm_moments_serialise and its kin say. */
bnorm_status bn_sums_serialise(const bn_sums *sums, void *bytes, size_t *size);
bnorm_status bn_sums_deserialise(bn_sums *sums, const void *bytes, size_t size);
bnorm_status bn_sums_write_nodes(const bn_sums *sums, void *bytes, size_t *size);
bnorm_status bn_sums_read_nodes(bn_sums *sums, size_t next_block, const void *bytes, size_t *size);

#endif
