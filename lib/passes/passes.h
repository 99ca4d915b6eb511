/* Trips over memory. An operation reduces its input to a node of two doubles a column (first trip), finishes the node,
 * and passes over the elements (second trip). walk.c walks, schedule.c says in which order and on how many
 * threads; neither changes a bit. */
#ifndef BN_PASSES_H
#define BN_PASSES_H

#include "bnorm/bnorm.h"
#include "kernels/kernels.h"
#include "passes/schedule.h"
#include "plan/plan.h"

/* One call, checked. */
typedef struct bn_work {
    bnorm_desc desc; /* strides resolved, 0 nowhere */
    const bnorm_buffers *buffers;
    const bn_kernels *kernels;
    bn_plan plan;
    size_t param;  /* bytes of a parameter */
    double *nodes; /* of chunks: [chunks][2][columns]; tables among them, or after the first */
    size_t total;  /* M of the whole batch, of which the arrays may be a part */
    double *node;  /* [2][columns]: where the node of a part goes */

    const struct bn_sums *sums; /* for an input gradient: the whole batch's, for its `load` */
} bn_work;

/* Where a tile begins in x, y, dx or dy. */
const void *bn_at(const bn_work *work, const void *array, bn_block block, size_t stride, size_t column);

/* Of gamma, beta, running statistics, dgamma or dbeta what belongs to the columns from one on; NULL stays NULL. */
static inline void *bn_from_column(const void *parameters, size_t column, size_t param)
{
    return parameters ? (char *)parameters + column * param : NULL;
}

/* What an element pass over some columns needs to know of its tile: columns, run, pitch, factor_a_value, shares_lines
 * and repeat. dense: in all its arrays rows follow each other; it reads `reads` of them. Rows of a dense matrix that is
 * all in the strip are taken side by side, as many as make whole cache lines and as a table has room for; with two
 * arrays to read, as half of it has: 50 x 28 x 28 x 128 in bfloat16 is 1.04 times as fast so, while inference
 * gains 1.02 to 1.05 with all of it (Xeon of family 6, model 106). */
void bn_describe_tile(const bn_work *work, size_t columns, size_t reads, bool dense, bn_coefficients *c);

/* Writes the results that are one a column; a and b are the node of the whole batch and may be changed. Where there is
 * no first trip it makes the node. */
typedef void bn_finish(const bn_work *work, size_t column, size_t columns, double *a, double *b);

typedef struct bn_operation {
    /* The first trip: the node of one block for columns [column, column + tile->columns). NULL where there is none. */
    void (*sums)(const bn_work *work, bn_block block, size_t column, const bn_tile *tile, double *a, double *b);
    /* bn_kernels' merge_moments or merge_sums. */
    bn_merge *merge;
    bn_finish *finish;
    /* Coefficients for elements, from the finished node, but for the factors. */
    void (*coefficients)(const bn_work *work, size_t column, size_t columns, const double *a, const double *b,
                         bn_coefficients *c);
    bn_make_factors *make_factors;
    /* The element pass over a block, or over several where their rows are whole. NULL where nothing is to be written.
     */
    void (*elements)(const bn_work *work, bn_block block, size_t column, const bn_coefficients *c);
    size_t reads;            /* arrays of the size of x that are read */
    const void *in, *out;    /* the array that may be written in place, and what is written */
    double *keep_a, *keep_b; /* where finish leaves a and b, one a column, or both NULL; they may be made there */
} bn_operation;

void bn_walk(const bn_work *work, const bn_operation *operation);

/* The three calls. */
void bn_pass_training(const bn_work *work);
void bn_pass_inference(const bn_work *work);
void bn_pass_backward(const bn_work *work);

/* Their trips apart, for parts of a batch. The first two want the plan of an aligned node, and write work->node. */
void bn_pass_moments(const bn_work *work);
void bn_pass_gradient_sums(const bn_work *work);
void bn_pass_normalise(const bn_work *work);
void bn_pass_input_gradient(const bn_work *work, bn_finish *load); /* load makes the node, of the whole batch */

/* finish: keeps the node of some columns in work->node. */
bn_finish bn_keep_node;

#endif
