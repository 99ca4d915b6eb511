/* Sums as plain bytes. */
#include "split/sums.h"
#include "check.h"

static const char magic[8] = {'b', 'n', 'o', 'r', 'm', 's', 'u', 'm'};
enum { BYTE_ORDER_MARK = 0x01020304, FORMAT = 1 };

/* As written: in the byte order of the machine, which the mark tells. The nodes follow, of each its count and its sums:
 * which blocks it has follows from the range. */
typedef struct head {
    char magic[8];
    uint32_t order, format, kind, dtype, layout, nodes;
    uint64_t features, spatial, first, end, bytes;
} head;

static size_t node_bytes(const bn_sums *s) { return sizeof(uint64_t) + bn_sums_node_bytes(s); }

static head head_of(const bn_sums *s)
{
    const bn_forest *const f = &s->forest;
    head h = {.order = BYTE_ORDER_MARK,
              .format = FORMAT,
              .kind = (uint32_t)s->kind,
              .dtype = (uint32_t)s->desc.dtype,
              .layout = (uint32_t)s->desc.layout,
              .nodes = (uint32_t)f->count,
              .features = s->desc.features,
              .spatial = s->desc.spatial,
              .first = f->first,
              .end = f->end,
              .bytes = sizeof h + (size_t)f->count * node_bytes(s)};
    memcpy(h.magic, magic, sizeof magic);
    return h;
}

/* The nodes after so many bytes. */
static bnorm_status write_nodes_after(const bn_sums *s, size_t before, char *bytes, size_t *size)
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
        memcpy(bytes + sizeof values, f->nodes[i].sums, bn_sums_node_bytes(s));
    }
    return BNORM_OK;
}

bnorm_status bn_sums_serialise(const bn_sums *s, void *bytes, size_t *size)
{
    const bnorm_status status = write_nodes_after(s, sizeof(head), bytes, size);
    const head h = head_of(s);
    if (status == BNORM_OK && bytes) memcpy(bytes, &h, sizeof h);
    return status;
}

bnorm_status bn_sums_write_nodes(const bn_sums *s, void *bytes, size_t *size)
{
    return write_nodes_after(s, 0, bytes, size);
}

/* Values of a feature before a block, of entries that are several blocks: only the last of an entry may be short. */
static size_t values_before(const bn_sums *s, size_t block)
{
    return block / s->blocks_per_entry * s->desc.spatial + block % s->blocks_per_entry * s->block_values;
}

/* Whether the next node of f, of so many blocks, can have so many values: of entries that are several blocks all are
 * there, and at least every other is full; any other block has an entry at least. */
static bool count_holds(const bn_sums *s, const bn_forest *f, size_t blocks, uint64_t values)
{
    const size_t spatial = s->desc.spatial;
    if (s->block_values == 0 || values == 0 || (values - 1) / s->block_values >= blocks ||
        values > PTRDIFF_MAX - f->values)
        return false;
    if (s->blocks_per_entry > 1)
        return values / s->block_values >= blocks / 2 &&
               values == values_before(s, f->end + blocks) - values_before(s, f->end);
    return values % spatial == 0 && values / spatial >= blocks;
}

static bool no_variance_below_0(const bn_sums *s, const double *m2)
{
    bool holds = true;
    for (size_t j = 0; s->kind == BN_MOMENTS && j < s->desc.features; j++) holds &= !bn_below_0(m2[j]);
    return holds;
}

/* The nodes of the blocks from f->end on to `end`; *size becomes what they took. */
static bnorm_status read_forest(const bn_sums *s, bn_forest *f, size_t end, const char *bytes, size_t *size)
{
    size_t left = *size;
    for (; f->end < end; bytes += node_bytes(s), left -= node_bytes(s)) {
        bn_node node = {.first = f->end, .blocks = bn_forest_node(f->end, end)};
        uint64_t values;
        if (left < node_bytes(s)) return BNORM_CORRUPT;
        memcpy(&values, bytes, sizeof values);
        if (!count_holds(s, f, node.blocks, values)) return BNORM_CORRUPT;
        node.values = values;
        node.sums = bn_sums_new_node(s);
        if (!node.sums) return BNORM_NO_MEMORY;
        memcpy(node.sums, bytes + sizeof values, bn_sums_node_bytes(s));
        bn_forest_push(f, node, s->desc.features, s->merge); /* two of these are never siblings */
        if (!no_variance_below_0(s, node.sums + s->desc.features)) return BNORM_CORRUPT;
    }
    *size -= left;
    return BNORM_OK;
}

bnorm_status bn_sums_read_nodes(bn_sums *s, size_t next_block, const void *bytes, size_t *size)
{
    if (next_block > bn_blocks_most / s->blocks_per_entry) return BNORM_OVERFLOW;
    const size_t end = next_block * s->blocks_per_entry;
    if (end < s->forest.end) return BNORM_NOT_ADJACENT;
    bn_forest f = bn_forest_empty(s->forest.end);
    size_t taken = *size;
    bnorm_status status = read_forest(s, &f, end, bytes, &taken);
    if (status == BNORM_OK) status = bn_sums_fit(s, 0, f.values);
    if (status == BNORM_OK) {
        bn_sums_append(s, &f);
        *size = taken;
    }
    bn_forest_free(&f);
    return status;
}

static bool is_ours(const bn_sums *s, const head *h, size_t size)
{
    return memcmp(h->magic, magic, sizeof magic) == 0 && h->order == BYTE_ORDER_MARK && h->format == FORMAT &&
           h->kind == (uint32_t)s->kind && h->bytes == size;
}

static bool shape_is(const head *h, const bnorm_desc *d)
{
    return h->dtype == (uint32_t)d->dtype && h->layout == (uint32_t)d->layout && h->features == d->features &&
           h->spatial == d->spatial;
}

static bool range_holds(const bn_sums *s, const head *h)
{
    return h->first <= h->end && h->end <= bn_blocks_most && h->first % s->blocks_per_entry == 0 &&
           h->end % s->blocks_per_entry == 0;
}

bnorm_status bn_sums_deserialise(bn_sums *s, const void *bytes, size_t size)
{
    head h;
    if (size < sizeof h) return BNORM_CORRUPT;
    memcpy(&h, bytes, sizeof h);
    if (!is_ours(s, &h, size)) return BNORM_CORRUPT;
    if (!shape_is(&h, &s->desc)) return BNORM_MISMATCH;
    if (!range_holds(s, &h)) return BNORM_CORRUPT;

    bn_forest f = bn_forest_empty(h.first);
    size_t nodes = size - sizeof h;
    bnorm_status status = read_forest(s, &f, h.end, (const char *)bytes + sizeof h, &nodes);
    if (status == BNORM_OK && ((uint32_t)f.count != h.nodes || sizeof h + nodes != size)) status = BNORM_CORRUPT;
    if (status == BNORM_OK) {
        const bn_forest before = s->forest;
        s->forest = f;
        f = before;
    }
    bn_forest_free(&f);
    return status;
}
