#include "split/forest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

bn_forest bn_forest_empty(size_t first) { return (bn_forest){.first = first, .end = first}; }

void bn_forest_free(bn_forest *f)
{
    for (int i = 0; i < f->count; i++) free(f->nodes[i].sums);
    f->count = 0;
}

size_t bn_forest_node(size_t first, size_t end)
{
    size_t blocks = 1;
    while (first % (2 * blocks) == 0 && end - first >= 2 * blocks) blocks *= 2;
    return blocks;
}

/* Whether two nodes are the halves of an aligned one. */
static bool siblings(const bn_node *left, const bn_node *right)
{
    return left->blocks == right->blocks && left->first % (2 * left->blocks) == 0;
}

static void combine(bn_node *left, const bn_node *right, size_t columns, bn_merge *merge)
{
    merge(columns, (double)left->values, left->sums, left->sums + columns, (double)right->values, right->sums,
          right->sums + columns);
    left->blocks *= 2;
    left->values += right->values;
    free(right->sums);
}

void bn_forest_push(bn_forest *f, bn_node node, size_t columns, bn_merge *merge)
{
    f->nodes[f->count++] = node;
    f->end = node.first + node.blocks;
    f->values += node.values;
    for (; f->count > 1 && siblings(&f->nodes[f->count - 2], &f->nodes[f->count - 1]); f->count--)
        combine(&f->nodes[f->count - 2], &f->nodes[f->count - 1], columns, merge);
}

void bn_forest_fold(const bn_forest *f, size_t all, size_t column, size_t columns, bn_merge *merge, double *a,
                    double *b)
{
    const size_t bytes = columns * sizeof(double);
    double left_a[BN_FOLD_MOST], left_b[BN_FOLD_MOST];
    int i = f->count - 1;
    size_t values = f->nodes[i].values;

    memcpy(a, f->nodes[i].sums + column, bytes);
    memcpy(b, f->nodes[i].sums + all + column, bytes);
    while (i-- > 0) {
        const bn_node *const left = &f->nodes[i];
        memcpy(left_a, left->sums + column, bytes);
        memcpy(left_b, left->sums + all + column, bytes);
        merge(columns, (double)left->values, left_a, left_b, (double)values, a, b);
        memcpy(a, left_a, bytes);
        memcpy(b, left_b, bytes);
        values += left->values;
    }
}
