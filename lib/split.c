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
    if (status != BNORM_OK && status <= BNORM_OVERFLOW) return status; /* later ones come after first_block's */
    const bn_work none = bn_work_make(&one, NULL);
    if (first_block > bn_blocks_most / none.plan.blocks_per_entry) return BNORM_OVERFLOW;
    if (status != BNORM_OK) return status;

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

/* What is made of some columns of the folded sums, in arrays of `to`. */
typedef void fold_use(const sums *s, size_t column, size_t columns, const double *a, const double *b,
                      const bnorm_buffers *to);

/* For all features, a few at a time. */
static void fold(const sums *s, fold_use *use, const bnorm_buffers *to)
{
    const size_t features = s->desc.features;
    const bn_fpenv before = bn_fpenv_enter();
    for (size_t column = 0; column < features; column += BN_FOLD_MOST) {
        const size_t columns = least(BN_FOLD_MOST, features - column);
        double a[BN_FOLD_MOST], b[BN_FOLD_MOST];
        bn_forest_fold(&s->forest, features, column, columns, s->merge, a, b);
        use(s, column, columns, a, b, to);
    }
    bn_fpenv_leave(before);
}

/* Where the parameter of a column is; NULL without parameters. */
static void *parameter(const sums *s, void *parameters, size_t column)
{
    return parameters ? (char *)parameters + column * s->param : NULL;
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

/* As written: in the byte order of the machine, which the mark tells. The nodes follow, of each its count and its sums:
 * which blocks it has follows from the range. */
typedef struct head {
    char magic[8];
    uint32_t order, format, kind, dtype, layout, nodes;
    uint64_t features, spatial, first, last, bytes;
} head;

static size_t sums_bytes(const sums *s) { return 2 * s->desc.features * sizeof(double); }
static size_t node_bytes(const sums *s) { return sizeof(uint64_t) + sums_bytes(s); }

static head head_of(const sums *s)
{
    const bn_forest *const f = &s->forest;
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
              .bytes = sizeof h + (size_t)f->count * node_bytes(s)};
    memcpy(h.magic, magic, sizeof magic);
    return h;
}

/* The nodes after so many bytes. */
static bnorm_status write_nodes_after(const sums *s, size_t before, char *bytes, size_t *size)
{
    const bn_forest *const f = &s->forest;
    const size_t needed = before + (size_t)f->count * node_bytes(s);
    if (bytes && *size < needed) return BNORM_WORKSPACE;
    *size = needed;
    if (!bytes) return BNORM_OK;
    bytes += before;
    for (int i = 0; i < f->count; i++, bytes += node_bytes(s)) {
        const uint64_t values = f->nodes[i].values;
        memcpy(bytes, &values, sizeof values);
        memcpy(bytes + sizeof values, f->nodes[i].sums, sums_bytes(s));
    }
    return BNORM_OK;
}

static bnorm_status serialise(const sums *s, char *bytes, size_t *size)
{
    const bnorm_status status = write_nodes_after(s, sizeof(head), bytes, size);
    const head h = head_of(s);
    if (status == BNORM_OK && bytes) memcpy(bytes, &h, sizeof h);
    return status;
}

/* Values of a feature before a block, of entries that are several blocks: only the last of an entry may be short. */
static size_t values_before(const sums *s, size_t block)
{
    return block / s->in_block * s->desc.spatial + block % s->in_block * s->most;
}

/* Whether the next node of f, of so many blocks, can have so many values: of entries that are several blocks all are
 * there, and at least every other is full; any other block has an entry at least. */
static bool count_holds(const sums *s, const bn_forest *f, size_t blocks, uint64_t values)
{
    const size_t spatial = s->desc.spatial;
    if (s->most == 0 || values == 0 || (values - 1) / s->most >= blocks || values > PTRDIFF_MAX - f->values)
        return false;
    if (s->in_block > 1)
        return values / s->most >= blocks / 2 &&
               values == values_before(s, f->last + blocks) - values_before(s, f->last);
    return values % spatial == 0 && values / spatial >= blocks;
}

static bool no_variance_below_0(const sums *s, const double *m2)
{
    bool holds = true;
    for (size_t j = 0; s->kind == MOMENTS && j < s->desc.features; j++) holds &= !(m2[j] < 0);
    return holds;
}

/* The nodes of the blocks from f->last on to `last`; *size becomes what they took. */
static bnorm_status read_forest(const sums *s, bn_forest *f, size_t last, const char *bytes, size_t *size)
{
    size_t left = *size;
    for (; f->last < last; bytes += node_bytes(s), left -= node_bytes(s)) {
        bn_node node = {.first = f->last, .blocks = bn_forest_node(f->last, last)};
        uint64_t values;
        if (left < node_bytes(s)) return BNORM_CORRUPT;
        memcpy(&values, bytes, sizeof values);
        if (!count_holds(s, f, node.blocks, values)) return BNORM_CORRUPT;
        node.values = values;
        node.sums = new_sums(s);
        if (!node.sums) return BNORM_NO_MEMORY;
        memcpy(node.sums, bytes + sizeof values, sums_bytes(s));
        bn_forest_push(f, node, s->desc.features, s->merge); /* two of these are never siblings */
        if (!no_variance_below_0(s, node.sums + s->desc.features)) return BNORM_CORRUPT;
    }
    *size -= left;
    return BNORM_OK;
}

static bnorm_status read_nodes(sums *s, size_t next_block, const char *bytes, size_t *size)
{
    if (next_block > bn_blocks_most / s->in_block) return BNORM_OVERFLOW;
    const size_t last = next_block * s->in_block;
    if (last < s->forest.last) return BNORM_NOT_ADJACENT;
    bn_forest f = bn_forest_empty(s->forest.last);
    size_t taken = *size;
    bnorm_status status = read_forest(s, &f, last, bytes, &taken);
    if (status == BNORM_OK) status = room_for(s, 0, f.values);
    if (status == BNORM_OK) {
        append(s, &f);
        *size = taken;
    }
    bn_forest_free(&f);
    return status;
}

static bool is_ours(const sums *s, const head *h, size_t size)
{
    return memcmp(h->magic, magic, sizeof magic) == 0 && h->order == BYTE_ORDER_MARK && h->format == FORMAT &&
           h->kind == s->kind && h->bytes == size;
}

static bool shape_is(const head *h, const bnorm_desc *d)
{
    return h->dtype == (uint32_t)d->dtype && h->layout == (uint32_t)d->layout && h->features == d->features &&
           h->spatial == d->spatial;
}

static bool range_holds(const sums *s, const head *h)
{
    return h->first <= h->last && h->last <= bn_blocks_most && h->first % s->in_block == 0 &&
           h->last % s->in_block == 0;
}

static bnorm_status deserialise(sums *s, const char *bytes, size_t size)
{
    head h;
    if (size < sizeof h) return BNORM_CORRUPT;
    memcpy(&h, bytes, sizeof h);
    if (!is_ours(s, &h, size)) return BNORM_CORRUPT;
    if (!shape_is(&h, &s->desc)) return BNORM_MISMATCH;
    if (!range_holds(s, &h)) return BNORM_CORRUPT;

    bn_forest f = bn_forest_empty(h.first);
    size_t nodes = size - sizeof h;
    bnorm_status status = read_forest(s, &f, h.last, bytes + sizeof h, &nodes);
    if (status == BNORM_OK && ((uint32_t)f.count != h.nodes || sizeof h + nodes != size)) status = BNORM_CORRUPT;
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

static void statistics(const sums *s, size_t column, size_t columns, const double *mean, const double *m2,
                       const bnorm_buffers *to)
{
    memcpy(to->mean + column, mean, columns * sizeof *mean);
    s->kernels->invstd(columns, (double)s->forest.values, s->desc.eps, m2, to->invstd + column);
}

bnorm_status bnorm_moments_finish(const bnorm_moments *m, double *mean, double *invstd)
{
    if (!m) return BNORM_NULL;
    const sums *const s = &m->s;
    if (s->forest.values == 0) return BNORM_OK;
    if (!mean || !invstd) return BNORM_NULL;
    if (s->forest.values == 1) return BNORM_ONE_VALUE;
    if (share(s, sizeof(double), mean, invstd, NULL, 0)) return BNORM_OVERLAP;
    fold(s, statistics, &(bnorm_buffers){.mean = mean, .invstd = invstd});
    return BNORM_OK;
}

static void update(const sums *s, size_t column, size_t columns, const double *mean, const double *m2,
                   const bnorm_buffers *to)
{
    const size_t values = s->forest.values;
    const double divisor = (double)(s->desc.biased_running_var ? values : values - 1);
    s->kernels->update(columns, s->desc.update_rate, divisor, mean, m2, parameter(s, to->running_mean, column),
                       parameter(s, to->running_var, column));
}

bnorm_status bnorm_moments_commit(const bnorm_moments *m, void *running_mean, void *running_var)
{
    if (!m) return BNORM_NULL;
    const sums *const s = &m->s;
    if (s->forest.values == 0) return BNORM_OK;
    if (!running_mean || !running_var) return BNORM_NULL;
    if (s->forest.values == 1) return BNORM_ONE_VALUE;
    if (share(s, s->param, running_mean, running_var, NULL, 0)) return BNORM_OVERLAP;
    if (s->desc.update_rate > 0)
        fold(s, update, &(bnorm_buffers){.running_mean = running_mean, .running_var = running_var});
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

bnorm_status bnorm_moments_write_nodes(const bnorm_moments *m, void *bytes, size_t *size)
{
    return m && size ? write_nodes_after(&m->s, 0, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_moments_read_nodes(bnorm_moments *m, size_t next_block, const void *bytes, size_t *size)
{
    return m && bytes && size ? read_nodes(&m->s, next_block, bytes, size) : BNORM_NULL;
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

static void parameter_gradients(const sums *s, size_t column, size_t columns, const double *sum_dy,
                                const double *sum_dy_d, const bnorm_buffers *to)
{
    s->kernels->parameter_gradients(columns, to->invstd ? to->invstd + column : NULL, sum_dy, sum_dy_d,
                                    parameter(s, to->dgamma, column), parameter(s, to->dbeta, column));
}

bnorm_status bnorm_gradient_sums_finish(const bnorm_gradient_sums *g, const double *invstd, void *dgamma, void *dbeta)
{
    if (!g) return BNORM_NULL;
    const sums *const s = &g->s;
    const size_t values = s->forest.values, bytes = s->desc.features * s->param;
    if (dgamma && !invstd && values > 0) return BNORM_NULL;
    if (share(s, s->param, dgamma, dbeta, dgamma ? invstd : NULL, sizeof(double))) return BNORM_OVERLAP;
    if (values > 0)
        fold(s, parameter_gradients, &(bnorm_buffers){.invstd = (double *)invstd, .dgamma = dgamma, .dbeta = dbeta});
    if (values == 0 && dgamma) memset(dgamma, 0, bytes);
    if (values == 0 && dbeta) memset(dbeta, 0, bytes);
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

bnorm_status bnorm_gradient_sums_write_nodes(const bnorm_gradient_sums *g, void *bytes, size_t *size)
{
    return g && size ? write_nodes_after(&g->s, 0, bytes, size) : BNORM_NULL;
}

bnorm_status bnorm_gradient_sums_read_nodes(bnorm_gradient_sums *g, size_t next_block, const void *bytes, size_t *size)
{
    return g && bytes && size ? read_nodes(&g->s, next_block, bytes, size) : BNORM_NULL;
}

size_t bnorm_gradient_sums_count(const bnorm_gradient_sums *g) { return g ? g->s.forest.values : 0; }
size_t bnorm_gradient_sums_first_block(const bnorm_gradient_sums *g)
{
    return g ? g->s.forest.first / g->s.in_block : 0;
}
size_t bnorm_gradient_sums_next_block(const bnorm_gradient_sums *g) { return g ? g->s.forest.last / g->s.in_block : 0; }

/* ---- the trips over elements ---- */

/* Whether what is written, of the shape of x, shares an element with what is read: `same`, which it may be exactly, or
 * another array. x or beta is NULL where `same` is x, or where beta is not read. */
static bool written_shares(const bn_work *w, const void *written, size_t stride, const void *same, size_t same_stride,
                           const void *x, const void *beta)
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
    bn_arrays_add(&a, beta, 1, params, params);
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
    if (written_shares(&w, b->y, d.y_stride, b->x, d.x_stride, NULL, b->beta)) return BNORM_OVERLAP;
    if (!empty) bn_pass_normalise(&w);
    return BNORM_OK;
}

/* The folded sums themselves. */
static void keep(const sums *s, size_t column, size_t columns, const double *a, const double *b,
                 const bnorm_buffers *to)
{
    (void)s;
    memcpy(to->mean + column, a, columns * sizeof *a);
    memcpy(to->invstd + column, b, columns * sizeof *b);
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
    if (written_shares(&w, b->dx, d.dx_stride, b->dy, d.dy_stride, b->x, NULL)) return BNORM_OVERLAP;
    if (!empty && b->y == b->x) return BNORM_X_OVERWRITTEN;
    if (!same_shape(&d, &s->desc) || w.plan.values > w.total) return BNORM_MISMATCH;
    if (empty) return BNORM_OK;

    w.node = new_sums(s);
    if (!w.node) return BNORM_NO_MEMORY;
    fold(s, keep, &(bnorm_buffers){.mean = w.node, .invstd = w.node + d.features});
    bn_pass_input_gradient(&w);
    free(w.node);
    return BNORM_OK;
}
