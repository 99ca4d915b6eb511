/* Fuzz target: serialised sums, of forward and of backward. The bytes are a forest of nodes in order, with some fields
 * changed, cut short or drawn out; or anything. Held against
 *
 * - a reading of bnorm.h's promise "everything is checked that can be", field by field: what must be accepted, what
 * not;
 * - refused: the object holds what it held. Accepted: its bytes are those again, the counts are theirs, it finishes
 * with the mean and sums of its nodes, and merges with what comes next into something that is accepted as well. */
#include "../support/check.h"
#include "../support/problem.h"
#include "bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- both kinds as one ---- */

struct sums {
    bnorm_moments *m;
    bnorm_gradient_sums *g;
};

enum { FEATURES_MOST = 3, PIXELS_MOST = 13000 };
static const double values[FEATURES_MOST * PIXELS_MOST], means[FEATURES_MOST]; /* x and dy: zeros of any type */

static void need(bnorm_status status, const char *what)
{
    CHECK(status == BNORM_OK, "%s: %s", what, bnorm_status_string(status));
}

static bnorm_status create(struct sums *s, const bnorm_desc *d, bool backward, size_t first)
{
    *s = (struct sums){NULL, NULL};
    return backward ? bnorm_gradient_sums_create(&s->g, d, first) : bnorm_moments_create(&s->m, d, first);
}

static void destroy(struct sums *s)
{
    bnorm_moments_destroy(s->m);
    bnorm_gradient_sums_destroy(s->g);
}

static bnorm_status accumulate(struct sums *s, size_t batch)
{
    return s->g ? bnorm_gradient_sums_accumulate(s->g, batch, values, values, means)
                : bnorm_moments_accumulate(s->m, batch, values);
}

static bnorm_status merge(struct sums *s, const struct sums *next)
{
    return s->g ? bnorm_gradient_sums_merge(s->g, next->g) : bnorm_moments_merge(s->m, next->m);
}

static bnorm_status serialise(const struct sums *s, void *bytes, size_t *size)
{
    return s->g ? bnorm_gradient_sums_serialise(s->g, bytes, size) : bnorm_moments_serialise(s->m, bytes, size);
}

static bnorm_status deserialise(struct sums *s, const void *bytes, size_t size)
{
    return s->g ? bnorm_gradient_sums_deserialise(s->g, bytes, size) : bnorm_moments_deserialise(s->m, bytes, size);
}

static bnorm_status write_nodes(const struct sums *s, void *bytes, size_t *size)
{
    return s->g ? bnorm_gradient_sums_write_nodes(s->g, bytes, size) : bnorm_moments_write_nodes(s->m, bytes, size);
}

static bnorm_status read_nodes(struct sums *s, size_t next, const void *bytes, size_t *size)
{
    return s->g ? bnorm_gradient_sums_read_nodes(s->g, next, bytes, size)
                : bnorm_moments_read_nodes(s->m, next, bytes, size);
}

static size_t count_of(const struct sums *s)
{
    return s->g ? bnorm_gradient_sums_count(s->g) : bnorm_moments_count(s->m);
}

static size_t first_block(const struct sums *s)
{
    return s->g ? bnorm_gradient_sums_first_block(s->g) : bnorm_moments_first_block(s->m);
}

static size_t next_block(const struct sums *s)
{
    return s->g ? bnorm_gradient_sums_next_block(s->g) : bnorm_moments_next_block(s->m);
}

/* ---- the format, as bnorm.h tells its lengths ---- */

struct head {
    char magic[8];
    uint32_t order, format, kind, dtype, layout, nodes;
    uint64_t features, spatial, first, last, bytes;
};

/* Of each node: the values of a feature, then two sums of each feature. Which blocks it has follows from the range. */
enum { NODES_MOST = 12, ROOM = sizeof(struct head) + NODES_MOST * (8 + 16 * FEATURES_MOST) + 64 };

struct text {
    unsigned char bytes[ROOM];
    size_t size;
};

static size_t node_size(size_t features) { return sizeof(uint64_t) + 16 * features; }

static struct head head_of(const struct text *t)
{
    struct head h;
    memcpy(&h, t->bytes, sizeof h);
    return h;
}

static uint64_t values_of(const struct text *t, size_t features, size_t i)
{
    uint64_t count;
    memcpy(&count, t->bytes + sizeof(struct head) + i * node_size(features), sizeof count);
    return count;
}

/* As few nodes as can be: the largest that is aligned and fits. */
static uint64_t blocks_of(uint64_t first, uint64_t last)
{
    uint64_t blocks = 1;
    while (first % (2 * blocks) == 0 && blocks * 2 <= last - first) blocks *= 2;
    return blocks;
}

/* Sum number `which` (0, 1) of a feature in node i. */
static double sum_of(const struct text *t, size_t features, size_t i, size_t which, size_t feature)
{
    double sum;
    const size_t at = sizeof(struct head) + i * node_size(features) + sizeof(uint64_t);
    memcpy(&sum, t->bytes + at + (which * features + feature) * sizeof sum, sizeof sum);
    return sum;
}

/* What a shape allows. */
struct limits {
    bnorm_desc desc;
    bool backward;
    uint64_t entry_blocks;  /* of the forest in one entry of the batch: above 1 for large images */
    uint64_t block_entries; /* entries in a block: above 1 for small ones */
    uint64_t full;          /* values of a feature in each block of an entry but the last */
};

/* ---- what must come ---- */

static bool head_is_ours(const struct limits *l, const struct text *t)
{
    if (t->size < sizeof(struct head)) return false;
    const struct head h = head_of(t);
    return memcmp(h.magic, "bnormsum", 8) == 0 && h.order == 0x01020304 && h.format == 1 &&
           h.kind == (l->backward ? 2 : 1) && h.bytes == t->size;
}

static bool is_shape(const struct limits *l, const struct head *h)
{
    return h->dtype == (uint32_t)l->desc.dtype && h->layout == (uint32_t)l->desc.layout &&
           h->features == l->desc.features && h->spatial == l->desc.spatial;
}

static bool range_holds(const struct limits *l, const struct head *h)
{
    return h->first <= h->last && h->last <= SIZE_MAX / 4 && h->first % l->entry_blocks == 0 &&
           h->last % l->entry_blocks == 0;
}

static unsigned __int128 values_before(const struct limits *l, uint64_t block)
{
    return (unsigned __int128)(block / l->entry_blocks) * l->desc.spatial + block % l->entry_blocks * l->full;
}

/* Large images are there with all their blocks; any other block has an entry at least. */
static bool count_holds(const struct limits *l, uint64_t first, uint64_t blocks, uint64_t count)
{
    const uint64_t spatial = l->desc.spatial;
    if (spatial == 0) return false;
    if (l->entry_blocks > 1) return values_before(l, first + blocks) - values_before(l, first) == count;
    return count % spatial == 0 && count / spatial >= blocks &&
           count / spatial <= (unsigned __int128)blocks * l->block_entries;
}

static bool negative_square(const struct limits *l, const struct text *t, size_t i)
{
    for (size_t c = 0; c < l->desc.features && !l->backward; c++)
        if (sum_of(t, l->desc.features, i, 1, c) < 0) return true;
    return false;
}

/* The nodes of a range that holds; *nodes becomes how many it wants. */
static bool nodes_hold(const struct limits *l, const struct text *t, size_t *nodes)
{
    const struct head h = head_of(t);
    const size_t size = node_size(l->desc.features), held = (t->size - sizeof h) / size;
    uint64_t total = 0;
    *nodes = 0;
    for (uint64_t at = h.first, blocks; at < h.last; at += blocks, ++*nodes) {
        blocks = blocks_of(at, h.last);
        if (*nodes == held || negative_square(l, t, *nodes)) return false;
        const uint64_t count = values_of(t, l->desc.features, *nodes);
        if (!count_holds(l, at, blocks, count) || count > PTRDIFF_MAX - total) return false;
        total += count;
    }
    return true;
}

static bnorm_status expected(const struct limits *l, const struct text *t)
{
    size_t nodes;
    if (!head_is_ours(l, t)) return BNORM_CORRUPT;
    const struct head h = head_of(t);
    if (!is_shape(l, &h)) return BNORM_MISMATCH;
    if (!range_holds(l, &h) || !nodes_hold(l, t, &nodes)) return BNORM_CORRUPT;
    return nodes == h.nodes && t->size == sizeof h + nodes * node_size(h.features) ? BNORM_OK : BNORM_CORRUPT;
}

/* ---- bytes ---- */

static uint64_t take_size(struct bytes *b)
{
    static const uint64_t sizes[] = {
        0, 1, 2, 3, 64, 4096, UINT64_MAX, SIZE_MAX / 4, INT64_MAX, (uint64_t)1 << 61, (uint64_t)1 << 32, 127};
    const unsigned how = take(b);
    return how < 128 ? how : sizes[how % (sizeof sizes / sizeof *sizes)];
}

static double take_sum(struct bytes *b)
{
    static const double sums[] = {0, 1, 3.25, 1e10, 1e-10, 1e100, NAN, INFINITY, 1e-320, -0.0, 0.1, 7};
    return PICK(b, sums);
}

static struct text sound_text(const struct limits *l, struct bytes *b)
{
    const size_t features = l->desc.features, entry = l->entry_blocks;
    const uint64_t first = take_size(b) % (SIZE_MAX / 8) / entry * entry;
    uint64_t last = first + (uint64_t)choose(b, 40) * entry;
    struct text t = {.size = sizeof(struct head)};
    struct head h = {.order = 0x01020304,
                     .format = 1,
                     .kind = l->backward ? 2 : 1,
                     .dtype = (uint32_t)l->desc.dtype,
                     .layout = (uint32_t)l->desc.layout,
                     .features = features,
                     .spatial = l->desc.spatial,
                     .first = first};
    memcpy(h.magic, "bnormsum", sizeof h.magic);
    if (l->desc.spatial == 0) last = first;
    for (uint64_t at = first; at < last && h.nodes < NODES_MOST; h.nodes++) {
        const uint64_t blocks = blocks_of(at, last);
        const uint64_t entries = l->block_entries - (l->block_entries > 1 ? choose(b, 2) : 0);
        const uint64_t count = l->entry_blocks > 1 ? (uint64_t)(values_before(l, at + blocks) - values_before(l, at))
                                                   : blocks * entries * l->desc.spatial;
        memcpy(t.bytes + t.size, &count, sizeof count);
        t.size += sizeof count;
        for (size_t i = 0; i < 2 * features; i++, t.size += sizeof(double)) {
            const double sum = take_sum(b), sign = i < features && take(b) % 2 ? -1 : 1, value = sign * sum;
            memcpy(t.bytes + t.size, &value, sizeof value);
        }
        at += blocks;
        h.last = at;
    }
    if (h.nodes == 0) h.last = first;
    h.bytes = t.size;
    memcpy(t.bytes, &h, sizeof h);
    return t;
}

static void change_word(struct text *t, size_t at, struct bytes *b)
{
    uint64_t word = 0;
    if (at + sizeof word > t->size) return;
    memcpy(&word, t->bytes + at, sizeof word);
    switch (choose(b, 4)) {
    case 0: word++; break;
    case 1: word--; break;
    case 2: word = take_size(b); break;
    default: word ^= (uint64_t)1 << choose(b, 64); break;
    }
    memcpy(t->bytes + at, &word, sizeof word);
}

/* A field of the head, of a node, a byte anywhere, the length; with the length that is told, or without. */
static void spoil(struct text *t, const struct limits *l, struct bytes *b)
{
    const size_t node = sizeof(struct head) + choose(b, NODES_MOST) * node_size(l->desc.features);
    switch (choose(b, 5)) {
    case 0: change_word(t, 8 * (size_t)choose(b, 9), b); return;
    case 1: change_word(t, node, b); return;
    case 2: change_word(t, node + 8 + 8 * (size_t)choose(b, 6), b); return;
    case 3: t->bytes[(take(b) << 8 | take(b)) % t->size] ^= (unsigned char)(1 << choose(b, 8)); return;
    default: break;
    }
    const size_t by = take(b) % 64;
    t->size = take(b) % 2 ? t->size - by % t->size : t->size + by;
    if (t->size > ROOM) t->size = ROOM;
    const uint64_t size = t->size;
    if (take(b) % 2 && t->size >= sizeof(struct head))
        memcpy(t->bytes + offsetof(struct head, bytes), &size, sizeof size);
}

static struct text anything(struct bytes *b)
{
    struct text t = {.size = 0};
    while (b->next < b->end && t.size < ROOM) t.bytes[t.size++] = (unsigned char)take(b);
    return t;
}

/* ---- what was accepted ---- */

static void check_bytes(const struct sums *s, const void *bytes, size_t size)
{
    size_t written = 0;
    need(serialise(s, NULL, &written), "size");
    CHECK(written == size, "%zu bytes instead of %zu", written, size);
    unsigned char *const again = malloc(written);
    written--;
    CHECK(serialise(s, again, &written) == BNORM_WORKSPACE, "a byte too few");
    written++;
    need(serialise(s, again, &written), "serialise");
    CHECK(written == size && memcmp(again, bytes, size) == 0, "other bytes");
    free(again);
}

/* Folding takes at most 128 merges of 4 roundings each: 128 * 4 * 2^-53 is 6e-14 of the terms. Only of nodes whose sums
 * neither overflow nor underflow on the way. */
static void check_first_sum(const struct limits *l, const struct text *t, size_t c, double got)
{
    const struct head h = head_of(t);
    long double sum = 0, size = 0, total = 0;
    for (size_t i = 0; i < h.nodes; i++) {
        const double a = sum_of(t, l->desc.features, i, 0, c), b = sum_of(t, l->desc.features, i, 1, c);
        const long double weight = l->backward ? 1 : (long double)values_of(t, l->desc.features, i);
        if (!isfinite(a) || fabs(a) > 1e30 || !isfinite(b) || fabs(b) > 1e200) return;
        sum += weight * a;
        size += weight * fabsl(a);
        total += weight;
    }
    const long double exact = l->backward ? sum : sum / total, terms = l->backward ? size : size / total;
    const bool is_float = l->backward && l->desc.dtype != BNORM_F64; /* dbeta: rounded, to a subnormal even */
    const long double single = is_float ? 0x1p-24L * fabsl(exact) + 0x1p-149L : 0;
    CHECK(fabsl(got - exact) <= 1e-12L * terms + single + 1e-300L, "sum %zu is %g, exactly %Lg", c, got, exact);
}

static void check_finish(const struct limits *l, const struct sums *s, const struct text *t)
{
    const size_t count = count_of(s), features = l->desc.features;
    double a[FEATURES_MOST], b[FEATURES_MOST], running_mean[FEATURES_MOST] = {0}, running_var[FEATURES_MOST] = {0};
    if (l->backward) {
        need(bnorm_gradient_sums_finish(s->g, means, a, b), "finish");
        for (size_t c = 0; c < features && count > 0; c++)
            check_first_sum(l, t, c, type_get(parameter_type(l->desc.dtype), b, c));
        return;
    }
    const bnorm_status one = count == 1 ? BNORM_ONE_VALUE : BNORM_OK;
    CHECK(bnorm_moments_finish(s->m, a, b) == one, "finish of %zu values", count);
    CHECK(bnorm_moments_commit(s->m, running_mean, running_var) == one, "commit of %zu values", count);
    for (size_t c = 0; c < features && count > 1; c++) {
        check_first_sum(l, t, c, a[c]);
        CHECK(!(b[c] < 0), "invstd is %g", b[c]);
    }
}

static void check_merge(const struct limits *l, struct sums *s)
{
    struct sums next, copy;
    size_t size = 0;
    if (create(&next, &l->desc, l->backward, next_block(s)) != BNORM_OK) return; /* too many blocks already */
    need(accumulate(&next, 1), "accumulate");
    const bnorm_status status = merge(s, &next);
    CHECK(status == BNORM_OK || (status == BNORM_OVERFLOW && next_block(s) > SIZE_MAX / 32) ||
              (status == BNORM_OVERFLOW && count_of(s) > PTRDIFF_MAX - PIXELS_MOST),
          "merge: %s", bnorm_status_string(status));
    const bool adjacent = next_block(s) == first_block(&next);
    if (l->desc.spatial > 0) CHECK(merge(s, &next) == (adjacent ? status : BNORM_NOT_ADJACENT), "merged again");
    destroy(&next);

    need(serialise(s, NULL, &size), "size");
    unsigned char *const bytes = malloc(size);
    need(serialise(s, bytes, &size), "serialise");
    need(create(&copy, &l->desc, l->backward, 0), "create");
    need(deserialise(&copy, bytes, size), "what was merged");
    check_bytes(&copy, bytes, size);
    destroy(&copy);
    free(bytes);
}

static void check_accepted(const struct limits *l, struct sums *s, const struct text *t)
{
    const struct head h = head_of(t);
    size_t total = 0;
    for (size_t i = 0; i < h.nodes; i++) total += values_of(t, l->desc.features, i);
    CHECK(count_of(s) == total, "%zu values instead of %zu", count_of(s), total);
    CHECK(first_block(s) == h.first / l->entry_blocks && next_block(s) == h.last / l->entry_blocks, "blocks");
    check_bytes(s, t->bytes, t->size);
    check_finish(l, s, t);
    check_merge(l, s);
}

/* ---- the target ---- */

/* Entries of large images are several blocks: how many, the bytes of one entry tell. */
static struct limits limits_of(struct bytes *b)
{
    static const uint16_t pixels[] = {1, 2, 49, 1, 300, 0, 5000, PIXELS_MOST};
    static const bnorm_dtype types[] = {BNORM_F32, BNORM_F64, BNORM_BF16, BNORM_F16};
    const unsigned how = take(b);
    const bnorm_layout layout = how & 1 ? BNORM_CHANNELS_FIRST : BNORM_CHANNELS_LAST;
    struct limits l = {.backward = how & 2, .entry_blocks = 1};
    l.desc = bnorm_image(types[how >> 2 & 3], layout, 0, 1 + choose(b, FEATURES_MOST), pixels[how >> 4 & 7]);
    size_t rows = 0, size = 0;
    need(bnorm_block_rows(&l.desc, &rows), "block rows");
    l.block_entries = rows;
    if (l.desc.spatial < 5000) return l;

    struct sums one;
    struct text t = {.size = 0};
    need(create(&one, &l.desc, l.backward, 0), "create");
    need(accumulate(&one, 1), "one entry");
    size = sizeof t.bytes;
    need(serialise(&one, t.bytes, &size), "serialise");
    l.entry_blocks = head_of(&t).last;
    const uint64_t even = (l.desc.spatial + l.entry_blocks - 1) / l.entry_blocks;
    l.full = layout == BNORM_CHANNELS_FIRST ? (even + 15) / 16 * 16 : even; /* sixteen lanes */
    destroy(&one);
    return l;
}

/* The nodes alone, read into sums that begin where they do: accepted or not by the same rules, but that more may
 * follow. */
static void check_nodes(const struct limits *l, const struct text *t)
{
    const struct head h = head_of(t);
    size_t nodes, written = 0;
    struct sums s;
    if (t->size < sizeof h || !range_holds(l, &h)) return;
    const bnorm_status expect = nodes_hold(l, t, &nodes) ? BNORM_OK : BNORM_CORRUPT;
    need(create(&s, &l->desc, l->backward, h.first / l->entry_blocks), "create");
    size_t size = t->size - sizeof h;
    unsigned char *const exact = malloc(size + (size == 0));
    memcpy(exact, t->bytes + sizeof h, size);
    const size_t next = h.last / l->entry_blocks;
    const bnorm_status status = read_nodes(&s, next, exact, &size);
    CHECK(status == expect, "nodes: %s; it should be %s", bnorm_status_string(status), bnorm_status_string(expect));
    need(write_nodes(&s, NULL, &written), "size");
    if (status != BNORM_OK) {
        CHECK(size == t->size - sizeof h && written == 0 && count_of(&s) == 0, "refused nodes were kept");
    } else {
        unsigned char *const again = malloc(written + (written == 0));
        need(write_nodes(&s, again, &written), "write nodes");
        CHECK(size == nodes * node_size(l->desc.features) && written == size && memcmp(again, exact, size) == 0,
              "other nodes");
        CHECK(next_block(&s) == next, "next block");
        free(again);
    }
    free(exact);
    destroy(&s);
}

static struct bytes input;

static void one_text(void)
{
    struct bytes b = input;
    const struct limits l = limits_of(&b);
    const unsigned how = take(&b);
    struct text t = how % 8 == 7 ? anything(&b) : sound_text(&l, &b);
    for (unsigned spoilt = how % 8 == 7 ? 0 : how / 8 % 3; spoilt > 0; spoilt--) spoil(&t, &l, &b);

    struct sums s;
    struct text before;
    need(create(&s, &l.desc, l.backward, how / 32 * (size_t)3), "create");
    if (how & 128) need(accumulate(&s, 1), "accumulate");
    before.size = sizeof before.bytes;
    need(serialise(&s, before.bytes, &before.size), "before");

    const bnorm_status expect = expected(&l, &t);
    unsigned char *const exact = malloc(t.size + (t.size == 0)); /* so that what lies behind is noticed */
    memcpy(exact, t.bytes, t.size);
    const bnorm_status status = deserialise(&s, exact, t.size);
    free(exact);
    CHECK(status == expect, "%s; it should be %s", bnorm_status_string(status), bnorm_status_string(expect));
    if (status != BNORM_OK)
        check_bytes(&s, before.bytes, before.size);
    else
        check_accepted(&l, &s, &t);
    destroy(&s);
    check_nodes(&l, &t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct test_case test = {.suite = "fuzz", .name = "moments", .body = one_text};
    input = (struct bytes){data, data + size};
    if (case_run(&test) != 0) abort();
    return 0;
}
