#include "split/sums.h"
#include "check.h"
#include "integers.h"
#include "parallel/fpenv.h"

#include <stdlib.h>

bnorm_status bn_sums_create(bn_sums **out, const bnorm_desc *desc, size_t first_block, bn_sums_kind kind)
{
    bn_work none;
    if (!desc) return BNORM_NULL;
    bnorm_desc d = *desc;
    d.batch = 0;
    const bnorm_status status = bn_work_make(&d, false, NULL, &none);
    if (status != BNORM_OK && status <= BNORM_OVERFLOW) return status; /* later ones come after first_block's */
    if (first_block > bn_blocks_most / none.plan.blocks_per_entry) return BNORM_OVERFLOW;
    if (status != BNORM_OK) return status;

    bn_sums *const s = calloc(1, sizeof *s);
    if (!s) return BNORM_NO_MEMORY;
    s->desc = d;
    s->kind = kind;
    s->kernels = none.kernels;
    s->merge = kind == BN_MOMENTS ? none.kernels->merge_moments : none.kernels->merge_sums;
    s->param = none.param;
    s->blocks_per_entry = none.plan.blocks_per_entry;
    s->block_values = none.plan.block_rows * none.plan.block_run;
    s->forest = bn_forest_empty(first_block * s->blocks_per_entry);
    *out = s;
    return BNORM_OK;
}

void bn_sums_destroy(bn_sums *s)
{
    if (!s) return;
    bn_forest_free(&s->forest);
    free(s);
}

void bn_sums_append(bn_sums *s, bn_forest *next)
{
    const bn_fpenv before = bn_fpenv_enter();
    for (int i = 0; i < next->count; i++) bn_forest_push(&s->forest, next->nodes[i], s->desc.features, s->merge);
    bn_fpenv_leave(before);
    next->count = 0;
}

bnorm_status bn_sums_fit(const bn_sums *s, size_t blocks, size_t values)
{
    if (blocks > bn_blocks_most - s->forest.end || values > PTRDIFF_MAX - s->forest.values) return BNORM_OVERFLOW;
    return BNORM_OK;
}

size_t bn_sums_node_bytes(const bn_sums *s) { return 2 * s->desc.features * sizeof(double); }

double *bn_sums_new_node(const bn_sums *s) { return malloc(bn_sums_node_bytes(s)); }

/* The node of blocks [from, to) of a part. */
static bnorm_status sum_node(const bn_sums *s, const bn_work *part, size_t from, size_t to, bn_node *node)
{
    bn_work w = *part;
    w.plan = bn_plan_node(&part->plan, from, to);
    const size_t nodes = bn_schedule_nodes(&w.plan);
    void *const scratch = nodes > 0 ? malloc(bn_scratch_bytes(nodes)) : NULL;

    node->sums = bn_sums_new_node(s);
    if (!node->sums || (nodes > 0 && !scratch)) {
        free(node->sums);
        free(scratch);
        return BNORM_NO_MEMORY;
    }
    w.nodes = nodes > 0 ? bn_scratch_aligned(scratch) : NULL;
    w.node = node->sums;
    if (s->kind == BN_MOMENTS)
        bn_pass_moments(&w);
    else
        bn_pass_gradient_sums(&w);
    node->values = w.plan.values;
    free(scratch);
    return BNORM_OK;
}

static bnorm_status sum_part(const bn_sums *s, const bn_work *part, bn_forest *f)
{
    const size_t end = f->first + part->plan.blocks;
    while (f->end < end) {
        bn_node node = {.first = f->end, .blocks = bn_forest_node(f->end, end)};
        const size_t from = node.first - f->first;
        const bnorm_status status = sum_node(s, part, from, from + node.blocks, &node);
        if (status != BNORM_OK) return status;
        bn_forest_push(f, node, s->desc.features, s->merge); /* two of these are never siblings */
    }
    return BNORM_OK;
}

bnorm_status bn_sums_accumulate(bn_sums *s, size_t batch, const bnorm_buffers *b)
{
    bn_work part;
    bnorm_desc d = s->desc;
    d.batch = batch;
    bnorm_status status = bn_work_make(&d, false, b, &part);
    if (status != BNORM_OK) return status;
    status = bn_sums_fit(s, part.plan.blocks, part.plan.values);
    if (status != BNORM_OK) return status;

    bn_forest f = bn_forest_empty(s->forest.end);
    status = sum_part(s, &part, &f);
    if (status == BNORM_OK) bn_sums_append(s, &f);
    bn_forest_free(&f);
    return status;
}

static bnorm_status copy_nodes(const bn_sums *s, bn_forest *copy)
{
    *copy = bn_forest_empty(s->forest.first);
    for (; copy->count < s->forest.count; copy->count++) {
        bn_node *const node = &copy->nodes[copy->count];
        *node = s->forest.nodes[copy->count];
        node->sums = bn_sums_new_node(s); /* NOLINT(clang-analyzer-unix.Malloc): merge frees them */
        if (!node->sums) return BNORM_NO_MEMORY;
        memcpy(node->sums, s->forest.nodes[copy->count].sums, bn_sums_node_bytes(s));
    }
    return BNORM_OK;
}

bnorm_status bn_sums_merge(bn_sums *s, const bn_sums *next)
{
    if (!bn_same_shape(&s->desc, &next->desc)) return BNORM_MISMATCH;
    if (s->forest.end != next->forest.first) return BNORM_NOT_ADJACENT;
    bnorm_status status = bn_sums_fit(s, next->forest.end - next->forest.first, next->forest.values);
    if (status != BNORM_OK) return status;

    bn_forest copy;
    status = copy_nodes(next, &copy);
    if (status == BNORM_OK) bn_sums_append(s, &copy);
    bn_forest_free(&copy);
    return status;
}

void bn_sums_fold(const bn_sums *s, size_t column, size_t columns, double *a, double *b)
{
    for (size_t c = 0, some; c < columns; c += some) {
        some = least(BN_FOLD_MOST, columns - c);
        bn_forest_fold(&s->forest, s->desc.features, column + c, some, s->merge, a + c, b + c);
    }
}

void bn_sums_use(const bn_sums *s, bn_use_of_sums *use, const bnorm_buffers *to)
{
    const bn_fpenv before = bn_fpenv_enter();
    for (size_t column = 0, columns; column < s->desc.features; column += columns) {
        double a[BN_FOLD_MOST], b[BN_FOLD_MOST];
        columns = least(BN_FOLD_MOST, s->desc.features - column);
        bn_sums_fold(s, column, columns, a, b);
        use(s, column, columns, a, b, to);
    }
    bn_fpenv_leave(before);
}
