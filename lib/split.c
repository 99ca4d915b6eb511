/* Statistics that split and merge: the door of parts of a batch. bnorm_moments and bnorm_gradient_sums are the same
 * forest of nodes, with other sums in them. */
#include "check.h"
#include "forest.h"
#include "parallel/fpenv.h"

#include <stdlib.h>

enum { MOMENTS = 1, GRADIENT_SUMS = 2 };

typedef struct sums {
    bnorm_desc desc; /* batch 0 */
    uint32_t kind;
    const bn_kernels *kernels;
    bn_merge *merge;
    size_t param;    /* bytes of a parameter */
    size_t in_block; /* the forest's blocks in one of bnorm_block_rows: above 1 for large images */
    size_t most;     /* values of a feature in a block of the forest */
    bn_forest forest;
} sums;

struct bnorm_moments {
    sums s;
};

struct bnorm_gradient_sums {
    sums s;
};

/* ---- making and merging ---- */

static bnorm_status create(sums **out, const bnorm_desc *desc, size_t first_block, uint32_t kind)
{
    bnorm_desc d, one;
    if (!desc) return BNORM_NULL;
    d = *desc;
    d.batch = 0;
    const bnorm_status status = bn_check_description(&d, false, &one);
    if (status != BNORM_OK) return status;
    const bn_work none = bn_work_make(&one, NULL);
    if (first_block > bn_blocks_most / none.plan.blocks_per_entry) return BNORM_OVERFLOW;

    sums *const s = calloc(1, sizeof *s);
    if (!s) return BNORM_NO_MEMORY;
    s->desc = d;
    s->kind = kind;
    s->kernels = none.kernels;
    s->merge = kind == MOMENTS ? none.kernels->merge_moments : none.kernels->merge_sums;
    s->param = none.param;
    s->in_block = none.plan.blocks_per_entry;
    one.batch = none.plan.block_entries;
    const bn_plan full = bn_work_make(&one, NULL).plan;
    s->most = full.blocks > 0 ? bn_plan_values(&full, 1) : 0;
    s->forest = bn_forest_empty(first_block * s->in_block);
    *out = s;
    return BNORM_OK;
}

static void destroy(sums *s)
{
    if (!s) return;
    bn_forest_free(&s->forest);
    free(s);
}

/* Moves the nodes of `next`, which begin where s ends: nothing here can fail. */
static void append(sums *s, bn_forest *next)
{
    const bn_fpenv before = bn_fpenv_enter();
    for (int i = 0; i < next->count; i++) bn_forest_push(&s->forest, next->nodes[i], s->desc.features, s->merge);
    bn_fpenv_leave(before);
    next->count = 0;
}

/* BNORM_OVERFLOW where so much more would not fit. */
static bnorm_status room_for(const sums *s, size_t blocks, size_t values)
{
    if (blocks > bn_blocks_most - s->forest.last || values > PTRDIFF_MAX - s->forest.values) return BNORM_OVERFLOW;
    return BNORM_OK;
}

static double *new_sums(const sums *s) { return malloc(2 * s->desc.features * sizeof(double)); }

/* The node of blocks [from, to) of a part. */
static bnorm_status sum_node(const sums *s, const bn_work *part, size_t from, size_t to, bn_node *node)
{
    bn_work w = *part;
    w.plan = bn_plan_node(&part->plan, from, to);
    const size_t nodes = bn_node_bytes(&w.plan, w.value);
    void *const scratch = nodes > 0 ? malloc(bn_scratch_bytes(nodes)) : NULL;

    node->sums = new_sums(s);
    if (!node->sums || (nodes > 0 && !scratch)) {
        free(node->sums);
        free(scratch);
        return BNORM_NO_MEMORY;
    }
    w.nodes = nodes > 0 ? bn_scratch_aligned(scratch) : NULL;
    w.node = node->sums;
    if (s->kind == MOMENTS)
        bn_pass_moments(&w);
    else
        bn_pass_gradient_sums(&w);
    node->values = w.plan.values;
    free(scratch);
    return BNORM_OK;
}

static bnorm_status sum_part(const sums *s, const bn_work *part, bn_forest *f)
{
    const size_t end = f->first + part->plan.blocks;
    while (f->last < end) {
        bn_node node = {.first = f->last, .blocks = bn_forest_node(f->last, end)};
        const size_t from = node.first - f->first;
        const bnorm_status status = sum_node(s, part, from, from + node.blocks, &node);
        if (status != BNORM_OK) return status;
        bn_forest_push(f, node, s->desc.features, s->merge); /* two of these are never siblings */
    }
    return BNORM_OK;
}

static bnorm_status accumulate(sums *s, size_t batch, const bnorm_buffers *b)
{
    bnorm_desc d = s->desc, resolved;
    d.batch = batch;
    bnorm_status status = bn_check_description(&d, false, &resolved);
    if (status != BNORM_OK) return status;
    const bn_work part = bn_work_make(&resolved, b);
    status = room_for(s, part.plan.blocks, part.plan.values);
    if (status != BNORM_OK) return status;

    bn_forest f = bn_forest_empty(s->forest.last);
    status = sum_part(s, &part, &f);
    if (status == BNORM_OK) append(s, &f);
    bn_forest_free(&f);
    return status;
}

static bool same_shape(const bnorm_desc *a, const bnorm_desc *b)
{
    return a->dtype == b->dtype && a->layout == b->layout && a->features == b->features && a->spatial == b->spatial;
}

static bnorm_status copy_nodes(const sums *s, bn_forest *copy)
{
    *copy = bn_forest_empty(s->forest.first);
    for (; copy->count < s->forest.count; copy->count++) {
        bn_node *const node = &copy->nodes[copy->count];
        *node = s->forest.nodes[copy->count];
        node->sums = new_sums(s); /* NOLINT(clang-analyzer-unix.Malloc): merge frees them */
        if (!node->sums) return BNORM_NO_MEMORY;
        memcpy(node->sums, s->forest.nodes[copy->count].sums, 2 * s->desc.features * sizeof(double));
    }
    return BNORM_OK;
}

static bnorm_status merge(sums *s, const sums *next)
{
    if (!same_shape(&s->desc, &next->desc)) return BNORM_MISMATCH;
    if (s->forest.last != next->forest.first) return BNORM_NOT_ADJACENT;
    bnorm_status status = room_for(s, next->forest.last - next->forest.first, next->forest.values);
    if (status != BNORM_OK) return status;

    bn_forest copy;
    status = copy_nodes(next, &copy);
    if (status == BNORM_OK) append(s, &copy);
    bn_forest_free(&copy);
    return status;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static void fold(const sums *s, size_t column, size_t columns, double *a, double *b)
{
    bn_forest_fold(&s->forest, s->desc.features, column, columns, s->merge, a, b);
}

/* For all features. */
static void fold_all(const sums *s, double *a, double *b)
{
    const size_t features = s->desc.features;
    for (size_t column = 0; column < features; column += BN_FOLD_MOST)
        fold(s, column, least(BN_FOLD_MOST, features - column), a + column, b + column);
}

/* Two arrays that are written, and one that is read, or NULL; each of one element a feature. */
static bool share(const sums *s, size_t size, const void *a, const void *b, const void *read, size_t read_size)
{
    const size_t bytes = s->desc.features * size, read_bytes = s->desc.features * read_size;
    bn_arrays arrays = {.written = 2};
    bn_arrays_add(&arrays, a, 1, bytes, bytes);
    bn_arrays_add(&arrays, b, 1, bytes, bytes);
    bn_arrays_add(&arrays, read, 1, read_bytes, read_bytes);
    return bn_arrays_overlap(&arrays, -1);
}

/* ---- plain bytes ---- */

static const char magic[8] = {'b', 'n', 'o', 'r', 'm', 's', 'u', 'm'};
enum { BYTE_ORDER_MARK = 0x01020304, FORMAT = 1 };

/* As written: in the byte order of the machine, which the mark tells; followed by the nodes, each with its sums. */
typedef struct head {
    char magic[8];
    uint32_t order, format, kind, dtype, layout, nodes;
    uint64_t features, spatial, first, last, bytes;
} head;

typedef struct node_head {
    uint64_t first, blocks, values;
} node_head;

static size_t node_bytes(const sums *s) { return sizeof(node_head) + 2 * s->desc.features * sizeof(double); }

static bnorm_status serialise(const sums *s, char *bytes, size_t *size)
{
    const bn_forest *const f = &s->forest;
    const size_t needed = sizeof(head) + (size_t)f->count * node_bytes(s), room = *size;
    head h = {.order = BYTE_ORDER_MARK,
              .format = FORMAT,
              .kind = s->kind,
              .dtype = (uint32_t)s->desc.dtype,
              .layout = (uint32_t)s->desc.layout,
              .nodes = (uint32_t)f->count,
              .features = s->desc.features,
              .spatial = s->desc.spatial,
              .first = f->first,
              .last = f->last,
              .bytes = needed};

    if (bytes && room < needed) return BNORM_WORKSPACE;
    *size = needed;
    if (!bytes) return BNORM_OK;
    memcpy(h.magic, magic, sizeof magic);
    memcpy(bytes, &h, sizeof h);
    bytes += sizeof h;
    for (int i = 0; i < f->count; i++, bytes += node_bytes(s)) {
        const node_head n = {f->nodes[i].first, f->nodes[i].blocks, f->nodes[i].values};
        memcpy(bytes, &n, sizeof n);
        memcpy(bytes + sizeof n, f->nodes[i].sums, node_bytes(s) - sizeof n);
    }
    return BNORM_OK;
}

/* Whether the head is one of ours, and the length what it says. */
static bool head_holds(const head *h, size_t size)
{
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->order != BYTE_ORDER_MARK || h->format != FORMAT) return false;
    if (h->kind != MOMENTS && h->kind != GRADIENT_SUMS) return false;
    if (h->dtype > BNORM_F16 || h->layout > BNORM_CHANNELS_FIRST || h->nodes > BN_FOREST_MOST) return false;
    if (h->bytes != size || h->features == 0 || h->features > SIZE_MAX / 4 / BN_FOREST_MOST / sizeof(double))
        return false;
    return size == sizeof *h + h->nodes * (sizeof(node_head) + 2 * h->features * sizeof(double));
}

/* Whether a node can follow those of f. */
static bool node_holds(const sums *s, const bn_forest *f, const bn_node *n, size_t last)
{
    if (n->first != f->last || n->blocks == 0 || (n->blocks & (n->blocks - 1)) != 0 || n->first % n->blocks != 0)
        return false;
    if (n->blocks > last - n->first || n->values < n->blocks) return false;
    if (s->most == 0 || n->values > PTRDIFF_MAX - f->values || (n->values - 1) / s->most >= n->blocks) return false;
    return f->count == 0 || !bn_forest_siblings(&f->nodes[f->count - 1], n);
}

static bool no_variance_below_0(const sums *s, const double *m2)
{
    bool holds = true;
    for (size_t j = 0; s->kind == MOMENTS && j < s->desc.features; j++) holds &= !(m2[j] < 0);
    return holds;
}

static bnorm_status read_nodes(const sums *s, const head *h, const char *bytes, bn_forest *f)
{
    if (h->first > h->last || h->last > bn_blocks_most) return BNORM_CORRUPT;
    if (h->first % s->in_block != 0 || h->last % s->in_block != 0) return BNORM_CORRUPT;
    *f = bn_forest_empty(h->first);
    for (uint32_t i = 0; i < h->nodes; i++, bytes += node_bytes(s)) {
        node_head n;
        memcpy(&n, bytes, sizeof n);
        bn_node node = {n.first, n.blocks, n.values, NULL};
        if (!node_holds(s, f, &node, h->last)) return BNORM_CORRUPT;
        node.sums = new_sums(s);
        if (!node.sums) return BNORM_NO_MEMORY;
        memcpy(node.sums, bytes + sizeof n, node_bytes(s) - sizeof n);
        bn_forest_push(f, node, s->desc.features, s->merge);
        if (!no_variance_below_0(s, node.sums + s->desc.features)) return BNORM_CORRUPT;
    }
    return f->last == h->last ? BNORM_OK : BNORM_CORRUPT;
}

static bnorm_status deserialise(sums *s, const char *bytes, size_t size)
{
    head h;
    if (size < sizeof h) return BNORM_CORRUPT;
    memcpy(&h, bytes, sizeof h);
    if (!head_holds(&h, size) || h.kind != s->kind) return BNORM_CORRUPT;
    const bnorm_desc d = {
        .dtype = (bnorm_dtype)h.dtype, .layout = (bnorm_layout)h.layout, .features = h.features, .spatial = h.spatial};
    if (!same_shape(&d, &s->desc)) return BNORM_MISMATCH;

    bn_forest f = bn_forest_empty(0);
    const bnorm_status status = read_nodes(s, &h, bytes + sizeof h, &f);
    if (status == BNORM_OK) {
        const bn_forest before = s->forest;
        s->forest = f;
        f = before;
    }
    bn_forest_free(&f);
    return status;
}

/* ---- moments ---- */

bnorm_status bnorm_moments_create(bnorm_moments **m, const bnorm_desc *desc, size_t first_block)
{
    sums *s;
    if (!m) return BNORM_NULL;
    const bnorm_status status = create(&s, desc, first_block, MOMENTS);
    if (status == BNORM_OK) *m = (bnorm_moments *)s;
    return status;
}

void bnorm_moments_destroy(bnorm_moments *m) { destroy((sums *)m); }

bnorm_status bnorm_moments_accumulate(bnorm_moments *m, size_t batch, const void *x)
{
    if (!m || (!x && batch != 0 && m->s.desc.spatial != 0)) return BNORM_NULL;
    return accumulate(&m->s, batch, &(bnorm_buffers){.x = x});
}

bnorm_status bnorm_moments_merge(bnorm_moments *m, const bnorm_moments *next)
{
    return m && next ? merge(&m->s, &next->s) : BNORM_NULL;
}

bnorm_status bnorm_moments_finish(const bnorm_moments *m, double *mean, double *invstd)
{
    if (!m) return BNORM_NULL;
    const sums *const s = &m->s;
    const size_t values = s->forest.values, features = s->desc.features;
    if (values == 0) return BNORM_OK;
    if (!mean || !invstd) return BNORM_NULL;
    if (values == 1) return BNORM_ONE_VALUE;
    if (share(s, sizeof(double), mean, invstd, NULL, 0)) return BNORM_OVERLAP;

    const bn_fpenv before = bn_fpenv_enter();
    fold_all(s, mean, invstd); /* M2 at first */
    s->kernels->invstd(features, (double)values, s->desc.eps, invstd, invstd);
    bn_fpenv_leave(before);
    return BNORM_OK;
}

bnorm_status bnorm_moments_commit(const bnorm_moments *m, void *running_mean, void *running_var)
{
    if (!m) return BNORM_NULL;
    const sums *const s = &m->s;
    const size_t values = s->forest.values, features = s->desc.features;
    const double divisor = (double)(s->desc.biased_running_var ? values : values - 1), rate = s->desc.update_rate;
    if (values == 0) return BNORM_OK;
    if (!running_mean || !running_var) return BNORM_NULL;
    if (values == 1) return BNORM_ONE_VALUE;
    if (share(s, s->param, running_mean, running_var, NULL, 0)) return BNORM_OVERLAP;
    if (!(rate > 0)) return BNORM_OK;

    const bn_fpenv before = bn_fpenv_enter();
    for (size_t column = 0; column < features; column += BN_FOLD_MOST) {
        const size_t columns = least(BN_FOLD_MOST, features - column);
        double mean[BN_FOLD_MOST], m2[BN_FOLD_MOST];
        fold(s, column, columns, mean, m2);
        s->kernels->update(columns, rate, divisor, mean, m2, (char *)running_mean + column * s->param,
                           (char *)running_var + column * s->param);
    }
    bn_fpenv_leave(before);
    return BNORM_OK;
}

bnorm_status bnorm_moments_serialise(const bnorm_moments *m, void *bytes, size_t *size)
{
    return m && size ? serialise(&m->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_moments_deserialise(bnorm_moments *m, const void *bytes, size_t size)
{
    return m && bytes ? deserialise(&m->s, bytes, size) : BNORM_NULL;
}

size_t bnorm_moments_count(const bnorm_moments *m) { return m ? m->s.forest.values : 0; }
size_t bnorm_moments_first_block(const bnorm_moments *m) { return m ? m->s.forest.first / m->s.in_block : 0; }
size_t bnorm_moments_next_block(const bnorm_moments *m) { return m ? m->s.forest.last / m->s.in_block : 0; }

/* ---- gradient sums ---- */

bnorm_status bnorm_gradient_sums_create(bnorm_gradient_sums **g, const bnorm_desc *desc, size_t first_block)
{
    sums *s;
    if (!g) return BNORM_NULL;
    const bnorm_status status = create(&s, desc, first_block, GRADIENT_SUMS);
    if (status == BNORM_OK) *g = (bnorm_gradient_sums *)s;
    return status;
}

void bnorm_gradient_sums_destroy(bnorm_gradient_sums *g) { destroy((sums *)g); }

bnorm_status bnorm_gradient_sums_accumulate(bnorm_gradient_sums *g, size_t batch, const void *x, const void *dy,
                                            const double *mean)
{
    if (!g) return BNORM_NULL;
    if ((!x || !dy || !mean) && batch != 0 && g->s.desc.spatial != 0) return BNORM_NULL;
    return accumulate(&g->s, batch, &(bnorm_buffers){.x = x, .dy = dy, .mean = (double *)mean});
}

bnorm_status bnorm_gradient_sums_merge(bnorm_gradient_sums *g, const bnorm_gradient_sums *next)
{
    return g && next ? merge(&g->s, &next->s) : BNORM_NULL;
}

static void *from_column(const sums *s, void *parameters, size_t column)
{
    return parameters ? (char *)parameters + column * s->param : NULL;
}

bnorm_status bnorm_gradient_sums_finish(const bnorm_gradient_sums *g, const double *invstd, void *dgamma, void *dbeta)
{
    if (!g) return BNORM_NULL;
    const sums *const s = &g->s;
    const size_t values = s->forest.values, features = s->desc.features;
    if (dgamma && !invstd && values > 0) return BNORM_NULL;
    if (share(s, s->param, dgamma, dbeta, invstd, sizeof(double))) return BNORM_OVERLAP;
    if (values == 0) {
        if (dgamma) memset(dgamma, 0, features * s->param);
        if (dbeta) memset(dbeta, 0, features * s->param);
        return BNORM_OK;
    }
    const bn_fpenv before = bn_fpenv_enter();
    for (size_t column = 0; column < features; column += BN_FOLD_MOST) {
        const size_t columns = least(BN_FOLD_MOST, features - column);
        double sum_dy[BN_FOLD_MOST], sum_dy_d[BN_FOLD_MOST];
        fold(s, column, columns, sum_dy, sum_dy_d);
        s->kernels->parameter_gradients(columns, invstd ? invstd + column : NULL, sum_dy, sum_dy_d,
                                        from_column(s, dgamma, column), from_column(s, dbeta, column));
    }
    bn_fpenv_leave(before);
    return BNORM_OK;
}

bnorm_status bnorm_gradient_sums_serialise(const bnorm_gradient_sums *g, void *bytes, size_t *size)
{
    return g && size ? serialise(&g->s, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_gradient_sums_deserialise(bnorm_gradient_sums *g, const void *bytes, size_t size)
{
    return g && bytes ? deserialise(&g->s, bytes, size) : BNORM_NULL;
}

size_t bnorm_gradient_sums_count(const bnorm_gradient_sums *g) { return g ? g->s.forest.values : 0; }
size_t bnorm_gradient_sums_first_block(const bnorm_gradient_sums *g)
{
    return g ? g->s.forest.first / g->s.in_block : 0;
}
size_t bnorm_gradient_sums_next_block(const bnorm_gradient_sums *g) { return g ? g->s.forest.last / g->s.in_block : 0; }

/* ---- the trips over elements ---- */

/* Whether what is written, of the shape of x, shares an element with another array; it may be `same` exactly. */
static bool written_shares(const bn_work *w, const void *written, size_t stride, const void *same, size_t same_stride,
                           const void *x)
{
    const bnorm_desc *const d = w->desc;
    const bnorm_buffers *const b = w->buffers;
    const size_t rows = w->plan.values > 0 ? w->plan.rows : 0, width = bn_row_values(d) * w->value;
    const size_t params = d->features * w->param, doubles = d->features * sizeof(double);
    bn_arrays a = {.written = 1};

    bn_arrays_add(&a, written, rows, stride * w->value, width);
    bn_arrays_add(&a, same, rows, same_stride * w->value, width);
    bn_arrays_add(&a, x, rows, d->x_stride * w->value, width);
    bn_arrays_add(&a, b->gamma, 1, params, params);
    bn_arrays_add(&a, b->beta, 1, params, params);
    bn_arrays_add(&a, b->mean, 1, doubles, doubles);
    bn_arrays_add(&a, b->invstd, 1, doubles, doubles);
    return bn_arrays_overlap(&a, 1);
}

bnorm_status bnorm_normalise(const bnorm_desc *desc, const bnorm_buffers *b)
{
    bnorm_desc d;
    if (!desc || !b) return BNORM_NULL;
    const bool empty = desc->batch == 0 || desc->spatial == 0;
    if (!empty && (!b->x || !b->y || !b->mean || !b->invstd)) return BNORM_NULL;
    const bnorm_status status = bn_check_description(desc, b->residual, &d);
    if (status != BNORM_OK) return status;
    const bn_work w = bn_work_make(&d, b);
    if (written_shares(&w, b->y, d.y_stride, b->x, d.x_stride, NULL)) return BNORM_OVERLAP;
    if (!empty) bn_pass_normalise(&w);
    return BNORM_OK;
}

bnorm_status bnorm_input_gradient(const bnorm_desc *desc, const bnorm_buffers *b, const bnorm_gradient_sums *total)
{
    bnorm_desc d;
    if (!desc || !b || !total) return BNORM_NULL;
    const bool empty = desc->batch == 0 || desc->spatial == 0;
    if (!empty && (!b->x || !b->dy || !b->dx || !b->mean || !b->invstd)) return BNORM_NULL;
    const bnorm_status status = bn_check_description(desc, b->dresidual, &d);
    if (status != BNORM_OK) return status;
    bn_work w = bn_work_make(&d, b);
    const sums *const s = &total->s;
    w.total = s->forest.values;
    if (written_shares(&w, b->dx, d.dx_stride, b->dy, d.dy_stride, b->x)) return BNORM_OVERLAP;
    if (!empty && b->y == b->x) return BNORM_X_OVERWRITTEN;
    if (!same_shape(&d, &s->desc) || w.plan.values > w.total) return BNORM_MISMATCH;
    if (empty) return BNORM_OK;

    w.node = new_sums(s);
    if (!w.node) return BNORM_NO_MEMORY;
    const bn_fpenv before = bn_fpenv_enter();
    fold_all(s, w.node, w.node + d.features);
    bn_fpenv_leave(before);
    bn_pass_input_gradient(&w);
    free(w.node);
    return BNORM_OK;
}
