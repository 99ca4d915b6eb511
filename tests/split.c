/* Statistics of parts, merged: parts that are whole blocks give the bits of the plain calls, others keep the bounds. An
 * entry of a batch is contiguous in both layouts, so a part of a dense array is a range of bytes. */
#include "support/allocation.h"
#include "support/bounds.h"
#include "support/check.h"
#include "support/random.h"

#include "parallel/parallel.h"

#include <stdlib.h>

/* ---- a batch and its parts --------------------------------------------------------------------------------------- */

struct results {
    void *y, *dx, *running_mean, *running_var, *dgamma, *dbeta;
    double *mean, *invstd;
};

struct batch {
    bnorm_desc desc;
    size_t entry, param; /* bytes of an entry and of a feature's parameter */
    size_t block;        /* entries */
    unsigned char *x, *dy;
    void *gamma, *beta;
    struct results r;
};

static void *room(size_t bytes)
{
    void *const p = calloc(bytes + 1, 1);
    if (!p) abort();
    return p;
}

static struct results results_make(const struct batch *b)
{
    const size_t c = b->desc.features, whole = b->desc.batch * b->entry;
    struct results r = {room(whole),        room(whole),        room(c * b->param),       room(c * b->param),
                        room(c * b->param), room(c * b->param), room(c * sizeof(double)), room(c * sizeof(double))};
    for (size_t i = 0; i < c; i++) {
        type_put(b->param == 8 ? BNORM_F64 : BNORM_F32, r.running_mean, i, 0.25 * (double)(i % 5));
        type_put(b->param == 8 ? BNORM_F64 : BNORM_F32, r.running_var, i, 1.5);
    }
    return r;
}

static void results_free(struct results *r)
{
    void *const all[] = {r->y, r->dx, r->running_mean, r->running_var, r->dgamma, r->dbeta, r->mean, r->invstd};
    for (size_t i = 0; i < LENGTH(all); i++) free(all[i]);
}

static struct batch batch_make(const bnorm_desc *desc)
{
    struct batch b = {.desc = *desc};
    const size_t c = desc->features, values = c * desc->spatial * desc->batch;
    b.entry = c * desc->spatial * type_size(desc->dtype);
    b.param = desc->dtype == BNORM_F64 ? 8 : 4;
    CHECK(bnorm_block_rows(desc, &b.block) == BNORM_OK, "block rows");
    b.x = room(desc->batch * b.entry);
    b.dy = room(desc->batch * b.entry);
    b.gamma = room(c * b.param);
    b.beta = room(c * b.param);
    for (size_t i = 0; i < values; i++) {
        type_put(desc->dtype, b.x, i, 0.5 + random_uniform(test_seed(), i));
        type_put(desc->dtype, b.dy, i, random_uniform(test_seed() + 1, i));
    }
    for (size_t i = 0; i < c; i++) {
        type_put(b.param == 8 ? BNORM_F64 : BNORM_F32, b.gamma, i, 1 + random_uniform(test_seed() + 2, i));
        type_put(b.param == 8 ? BNORM_F64 : BNORM_F32, b.beta, i, random_uniform(test_seed() + 3, i));
    }
    b.r = results_make(&b);
    return b;
}

static void batch_free(struct batch *b)
{
    results_free(&b->r);
    free(b->x);
    free(b->dy);
    free(b->gamma);
    free(b->beta);
}

static bnorm_buffers buffers_of(const struct batch *b, const struct results *r, size_t entry)
{
    const size_t at = entry * b->entry;
    return (bnorm_buffers){.x = b->x + at,
                           .dy = b->dy + at,
                           .gamma = b->gamma,
                           .beta = b->beta,
                           .y = (char *)r->y + at,
                           .dx = (char *)r->dx + at,
                           .dgamma = r->dgamma,
                           .dbeta = r->dbeta,
                           .running_mean = r->running_mean,
                           .running_var = r->running_var,
                           .mean = r->mean,
                           .invstd = r->invstd};
}

static void require(bnorm_status status, const char *what)
{
    CHECK(status == BNORM_OK, "%s: %s", what, bnorm_status_string(status));
}

static void run_plain(struct batch *b)
{
    const bnorm_buffers all = buffers_of(b, &b->r, 0);
    require(bnorm_forward_training(&b->desc, &all), "training");
    require(bnorm_backward(&b->desc, &all), "backward");
}

static bnorm_moments *moments_of(const struct batch *b, size_t block, size_t from, size_t to)
{
    bnorm_moments *m = NULL;
    require(bnorm_moments_create(&m, &b->desc, block), "create");
    require(bnorm_moments_accumulate(m, to - from, b->x + from * b->entry), "accumulate");
    return m;
}

static bnorm_gradient_sums *sums_of(const struct batch *b, size_t block, size_t from, size_t to, const double *mean)
{
    bnorm_gradient_sums *g = NULL;
    require(bnorm_gradient_sums_create(&g, &b->desc, block), "create");
    require(bnorm_gradient_sums_accumulate(g, to - from, b->x + from * b->entry, b->dy + from * b->entry, mean),
            "accumulate");
    return g;
}

/* Forward and backward by parts that end at the given entries: every other part is accumulated where the last ended,
 * the others are merged. */
static void run_parts(const struct batch *b, const size_t *ends, size_t parts, const struct results *r)
{
    bnorm_moments *const m = moments_of(b, 0, 0, 0);
    for (size_t i = 0, from = 0; i < parts; from = ends[i++]) {
        if (i % 2) {
            require(bnorm_moments_accumulate(m, ends[i] - from, b->x + from * b->entry), "accumulate");
            continue;
        }
        bnorm_moments *const next = moments_of(b, bnorm_moments_next_block(m), from, ends[i]);
        require(bnorm_moments_merge(m, next), "merge");
        bnorm_moments_destroy(next);
    }
    require(bnorm_moments_finish(m, r->mean, r->invstd), "finish");
    require(bnorm_moments_commit(m, r->running_mean, r->running_var), "commit");
    CHECK(bnorm_moments_count(m) == b->desc.batch * b->desc.spatial, "it holds %zu values", bnorm_moments_count(m));
    bnorm_moments_destroy(m);

    bnorm_gradient_sums *const g = sums_of(b, 0, 0, 0, NULL);
    for (size_t i = 0, from = 0; i < parts; from = ends[i++]) {
        bnorm_gradient_sums *const next = sums_of(b, bnorm_gradient_sums_next_block(g), from, ends[i], r->mean);
        require(bnorm_gradient_sums_merge(g, next), "merge");
        bnorm_gradient_sums_destroy(next);
    }
    CHECK(bnorm_gradient_sums_count(g) == b->desc.batch * b->desc.spatial, "it holds %zu values",
          bnorm_gradient_sums_count(g));
    require(bnorm_gradient_sums_finish(g, r->invstd, r->dgamma, r->dbeta), "finish");
    for (size_t i = 0, from = 0; i < parts; from = ends[i++]) {
        bnorm_desc d = b->desc;
        d.batch = ends[i] - from;
        const bnorm_buffers part = buffers_of(b, r, from);
        allocation_fail_from(1); /* neither allocates */
        require(bnorm_normalise(&d, &part), "normalise");
        require(bnorm_input_gradient(&d, &part, g), "input gradient");
        allocation_fail_from(0);
    }
    bnorm_gradient_sums_destroy(g);
}

static void check_same_results(const struct batch *b, const struct results *r)
{
    const size_t whole = b->desc.batch * b->entry, doubles = b->desc.features * 8, c = b->desc.features * b->param;
    CHECK(memcmp(r->mean, b->r.mean, doubles) == 0, "mean");
    CHECK(memcmp(r->invstd, b->r.invstd, doubles) == 0, "invstd");
    CHECK(memcmp(r->running_mean, b->r.running_mean, c) == 0, "running_mean");
    CHECK(memcmp(r->running_var, b->r.running_var, c) == 0, "running_var");
    CHECK(memcmp(r->dgamma, b->r.dgamma, c) == 0, "dgamma");
    CHECK(memcmp(r->dbeta, b->r.dbeta, c) == 0, "dbeta");
    CHECK(memcmp(r->y, b->r.y, whole) == 0, "y");
    CHECK(memcmp(r->dx, b->r.dx, whole) == 0, "dx");
}

/* ---- the bits of the whole batch ----------------------------------------------------------------------------------
 */

enum { BLOCKS = 9 };

/* Narrow, wide, images of which many make a block, and images of many blocks. */
static const bnorm_desc *shapes(size_t *count)
{
    static bnorm_desc all[8];
    *count = LENGTH(all);
    all[0] = bnorm_matrix(BNORM_F32, 0, 5);
    all[1] = bnorm_matrix(BNORM_F64, 0, 70);
    all[2] = bnorm_image(BNORM_F32, BNORM_CHANNELS_LAST, 0, 3, 7);
    all[3] = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 0, 3, 49);
    all[4] = bnorm_image(BNORM_F64, BNORM_CHANNELS_FIRST, 0, 2, 6000);
    all[5] = bnorm_image(BNORM_F32, BNORM_CHANNELS_LAST, 0, 20, 400);
    all[6] = bnorm_image(BNORM_BF16, BNORM_CHANNELS_FIRST, 0, 4, 300);
    all[7] = bnorm_matrix(BNORM_F16, 0, 33);
    return all;
}

/* A batch of nine blocks, the last of them short where a block has more than one entry. */
static struct batch nine_blocks(bnorm_desc d)
{
    size_t block = 1;
    CHECK(bnorm_block_rows(&d, &block) == BNORM_OK, "block rows");
    d.batch = (BLOCKS - 1) * block + (block + 2) / 3;
    return batch_make(&d);
}

static void describe_shape(const struct batch *b, const char *what, unsigned number)
{
    const bnorm_desc *const d = &b->desc;
    describe("%zu x %zu x %zu %s, channels %s, %s %#x", d->batch, d->features, d->spatial, type_name(d->dtype),
             d->layout == BNORM_CHANNELS_FIRST ? "first" : "last", what, number);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

CASE(split, every_split_at_block_borders)
{
    size_t count;
    const bnorm_desc *const all = shapes(&count);
    for (size_t s = 0; s < count; s++) {
        struct batch b = nine_blocks(all[s]);
        run_plain(&b);
        for (unsigned cuts = 0; cuts < 1u << (BLOCKS - 1); cuts += test_quick() ? 37 : 1) {
            size_t ends[BLOCKS], parts = 0;
            for (unsigned i = 0; i < BLOCKS; i++)
                if (i == BLOCKS - 1 || cuts >> i & 1) ends[parts++] = least((i + 1) * b.block, b.desc.batch);
            describe_shape(&b, "cuts", cuts);
            struct results r = results_make(&b);
            run_parts(&b, ends, parts, &r);
            check_same_results(&b, &r);
            results_free(&r);
        }
        batch_free(&b);
    }
}

/* Both kinds of one range of blocks. */
struct piece {
    bnorm_moments *m;
    bnorm_gradient_sums *g;
};

static struct piece merged(const struct batch *b, const struct piece *left, const struct piece *right)
{
    struct piece p = {NULL, NULL};
    require(bnorm_moments_create(&p.m, &b->desc, bnorm_moments_first_block(left->m)), "create");
    require(bnorm_gradient_sums_create(&p.g, &b->desc, bnorm_moments_first_block(left->m)), "create");
    require(bnorm_moments_merge(p.m, left->m), "copy");
    require(bnorm_moments_merge(p.m, right->m), "merge");
    require(bnorm_gradient_sums_merge(p.g, left->g), "copy");
    require(bnorm_gradient_sums_merge(p.g, right->g), "merge");
    return p;
}

static void piece_destroy(struct piece *p)
{
    bnorm_moments_destroy(p->m);
    bnorm_gradient_sums_destroy(p->g);
}

static void check_whole(const struct batch *b, const struct piece *p)
{
    const size_t c = b->desc.features, doubles = c * sizeof(double), params = c * b->param;
    double *const mean = room(2 * doubles), *const invstd = mean + c;
    unsigned char *const dgamma = room(2 * params), *const dbeta = dgamma + params;
    require(bnorm_moments_finish(p->m, mean, invstd), "finish");
    require(bnorm_gradient_sums_finish(p->g, invstd, dgamma, dbeta), "finish");
    CHECK(memcmp(mean, b->r.mean, doubles) == 0, "mean");
    CHECK(memcmp(invstd, b->r.invstd, doubles) == 0, "invstd");
    CHECK(memcmp(dgamma, b->r.dgamma, params) == 0, "dgamma");
    CHECK(memcmp(dbeta, b->r.dbeta, params) == 0, "dbeta");
    free(mean);
    free(dgamma);
}

/* Merges two neighbours, whichever, and goes on with the rest. Returns how many orders there were. */
static size_t merge_in_every_order(const struct batch *b, const struct piece *pieces, size_t count)
{
    struct piece fewer[BLOCKS];
    size_t orders = 0;
    if (count == 1) {
        check_whole(b, pieces);
        return 1;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        memcpy(fewer, pieces, i * sizeof *fewer);
        memcpy(fewer + i, pieces + i + 1, (count - i - 1) * sizeof *fewer);
        fewer[i] = merged(b, &pieces[i], &pieces[i + 1]);
        orders += merge_in_every_order(b, fewer, count - 1);
        piece_destroy(&fewer[i]);
    }
    return orders;
}

/* Every split into pieces, and every order in which they can be merged. */
static size_t merge_every_split(const struct batch *b)
{
    size_t orders = 0;
    for (unsigned cuts = 0; cuts < 1u << (BLOCKS - 1); cuts++) {
        struct piece pieces[BLOCKS];
        size_t parts = 0, from = 0;
        if (test_quick() && __builtin_popcount(cuts) > 4) continue;
        describe_shape(b, "cuts", cuts);
        for (unsigned i = 0; i < BLOCKS; i++) {
            const size_t end = least((i + 1) * b->block, b->desc.batch);
            if (i < BLOCKS - 1 && !(cuts >> i & 1)) continue;
            pieces[parts].m = moments_of(b, from / b->block, from, end);
            pieces[parts++].g = sums_of(b, from / b->block, from, end, b->r.mean);
            from = end;
        }
        orders += merge_in_every_order(b, pieces, parts);
        for (size_t i = 0; i < parts; i++) piece_destroy(&pieces[i]);
    }
    return orders;
}

/* With k cuts, of the 8 that there can be, k! orders: 109601 in all, 1 + 8 + 56 + 336 + 1680 with 4 at most. */
CASE(split, every_order_of_merging)
{
    const bnorm_desc all[] = {bnorm_matrix(BNORM_F64, 0, 64), bnorm_image(BNORM_F16, BNORM_CHANNELS_FIRST, 0, 3, 49),
                              bnorm_image(BNORM_BF16, BNORM_CHANNELS_LAST, 0, 2, 30)};
    for (size_t s = 0; s < LENGTH(all); s++) {
        struct batch b = nine_blocks(all[s]);
        run_plain(&b);
        const size_t orders = merge_every_split(&b), expected = test_quick() ? 2081 : 109601;
        CHECK(orders == expected, "%zu orders", orders);
        batch_free(&b);
    }
}

/* Of the largest node that the batch begins with: each node is a call of its own on a team. */
static void check_team(const struct batch *b)
{
#ifdef _OPENMP
    size_t blocks = 1;
    while (2 * blocks * b->block <= b->desc.batch) blocks *= 2;
    bnorm_moments_destroy(moments_of(b, 0, 0, blocks * b->block));
    CHECK(b->desc.threads != 2 || bn_last_team() == 2, "%d threads", bn_last_team());
#else
    (void)b;
#endif
}

/* Large enough for several threads, and not at its beginning aligned. */
CASE(split, threads)
{
    static const size_t widths[] = {3, 100, 2000};
    for (size_t s = 0; s < (test_quick() ? 1 : LENGTH(widths)); s++) {
        bnorm_desc d = bnorm_matrix(BNORM_F32, 4000000 / widths[s] / (test_quick() ? 10 : 1), widths[s]);
        d.threads = 1;
        struct batch b = batch_make(&d);
        run_plain(&b);
        const size_t cut = (b.desc.batch / 3 / b.block | 1) * b.block, ends[] = {cut, d.batch};
        for (b.desc.threads = 1; b.desc.threads <= 4; b.desc.threads++) {
            describe_shape(&b, "threads", (unsigned)b.desc.threads);
            check_team(&b);
            struct results r = results_make(&b);
            run_parts(&b, ends, 2, &r);
            check_same_results(&b, &r);
            results_free(&r);
        }
        batch_free(&b);
    }
}

/* ---- any other parts ----------------------------------------------------------------------------------------------
 */

/* Into the arrays of a problem, which the bounds are checked on; dense. */
static void check_parts_in_bounds(const bnorm_desc *d, int ratio, const size_t *ends, size_t parts)
{
    struct problem p = problem_make(d, 0);
    struct worst worst = {0};
    problem_fill(&p, &(struct input){.pattern = RANDOM, .ratio = ratio});
    problem_save(&p);
    struct batch b = {.desc = *d, .x = p.arrays[X].elements, .dy = p.arrays[DY].elements};
    b.entry = d->features * d->spatial * type_size(d->dtype);
    b.param = p.arrays[GAMMA].size;
    b.gamma = p.arrays[GAMMA].elements;
    b.beta = p.arrays[BETA].elements;
    const struct results r = {p.arrays[Y].elements,
                              p.arrays[DX].elements,
                              p.arrays[RUNNING_MEAN].elements,
                              p.arrays[RUNNING_VAR].elements,
                              p.arrays[DGAMMA].elements,
                              p.arrays[DBETA].elements,
                              (double *)(void *)p.arrays[MEAN].elements,
                              (double *)(void *)p.arrays[INVSTD].elements};
    run_parts(&b, ends, parts, &r);
    check_training(&p, &worst);
    array_save(&p.arrays[MEAN]);
    array_save(&p.arrays[INVSTD]);
    check_backward(&p, &worst);
    problem_free(&p);
}

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

CASE(split, random_parts_keep_the_bounds)
{
    static const bnorm_dtype types[] = {BNORM_F32, BNORM_F64, BNORM_BF16, BNORM_F16};
    static const size_t sizes[][3] = {{1000, 7, 1}, {500, 65, 1}, {37, 3, 50}, {5000, 1, 1}, {9, 2, 4000}};
    uint64_t number = 0;
    for (int t = 0; t < 4; t++)
        for (size_t s = 0; s < LENGTH(sizes); s++)
            for (int trial = 0; trial < (test_quick() ? 1 : 8); trial++) {
                const bnorm_desc d = bnorm_image(types[t], trial % 2 ? BNORM_CHANNELS_FIRST : BNORM_CHANNELS_LAST,
                                                 sizes[s][0], sizes[s][1], sizes[s][2]);
                size_t ends[40], parts = 1 + (size_t)(random_bits(test_seed() + 9, number++) % LENGTH(ends));
                for (size_t i = 0; i < parts; i++)
                    ends[i] = (size_t)(random_bits(test_seed() + 9, number++) % (d.batch + 1));
                ends[parts - 1] = d.batch;
                qsort(ends, parts, sizeof *ends, by_size);
                describe("%zu x %zu x %zu %s, %zu parts, trial %d", d.batch, d.features, d.spatial, type_name(types[t]),
                         parts, trial);
                check_parts_in_bounds(&d, trial, ends, parts);
            }
}

CASE(split, one_row_empty_and_unequal_parts)
{
    static const size_t all[][6] = {{0, 0, 1, 1, 600, 600},
                                    {1, 2, 3, 4, 5, 600},
                                    {599, 599, 600, 600, 600, 600},
                                    {0, 0, 0, 0, 0, 600},
                                    {64, 65, 128, 192, 193, 600}};
    const bnorm_desc descs[] = {bnorm_matrix(BNORM_F32, 600, 64),
                                bnorm_matrix(BNORM_F64, 600, 5),
                                bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 600, 3, 7),
                                bnorm_image(BNORM_F64, BNORM_CHANNELS_LAST, 600, 2, 4),
                                bnorm_image(BNORM_BF16, BNORM_CHANNELS_FIRST, 600, 2, 5),
                                bnorm_matrix(BNORM_F16, 600, 33)};
    for (size_t i = 0; i < LENGTH(all); i++)
        for (size_t j = 0; j < LENGTH(descs); j++) {
            describe("list %zu, description %zu", i, j);
            check_parts_in_bounds(&descs[j], (int)i, all[i], 6);
        }
}

/* ---- plain bytes, and what nothing changes ------------------------------------------------------------------------
 */

struct bytes {
    size_t size;
    unsigned char *at;
};

static struct bytes bytes_of(const bnorm_moments *m)
{
    struct bytes b = {0, NULL};
    require(bnorm_moments_serialise(m, NULL, &b.size), "the size");
    b.at = room(b.size);
    require(bnorm_moments_serialise(m, b.at, &b.size), "serialise");
    return b;
}

static bool holds(const bnorm_moments *m, const struct bytes *before)
{
    struct bytes now = bytes_of(m);
    const bool same = now.size == before->size && memcmp(now.at, before->at, now.size) == 0;
    free(now.at);
    return same;
}

static bool sums_hold(const bnorm_gradient_sums *g, const bnorm_gradient_sums *other)
{
    size_t size = 0, other_size = 0;
    require(bnorm_gradient_sums_serialise(g, NULL, &size), "size");
    require(bnorm_gradient_sums_serialise(other, NULL, &other_size), "size");
    unsigned char *const both = room(size + other_size);
    require(bnorm_gradient_sums_serialise(g, both, &size), "serialise");
    require(bnorm_gradient_sums_serialise(other, both + size, &other_size), "serialise");
    const bool same = size == other_size && memcmp(both, both + size, size) == 0;
    free(both);
    return same;
}

static void check_moments_and_empty_ones(const struct batch *b)
{
    bnorm_moments *const m = moments_of(b, 3, 0, 5 * b->block), *const before = moments_of(b, 3, 0, 0);
    bnorm_moments *const after = moments_of(b, 8, 0, 0);
    struct bytes bytes = bytes_of(m);
    require(bnorm_moments_merge(m, after), "merge");
    require(bnorm_moments_accumulate(m, 0, NULL), "accumulate nothing");
    CHECK(holds(m, &bytes), "something changed");
    require(bnorm_moments_merge(before, m), "merge");
    CHECK(holds(before, &bytes), "merging into an empty one is not copying");
    CHECK(bnorm_moments_first_block(m) == 3 && bnorm_moments_next_block(m) == 8, "the range");
    CHECK(bnorm_moments_count(m) == 5 * b->block * b->desc.spatial, "%zu values", bnorm_moments_count(m));
    free(bytes.at);
    bnorm_moments_destroy(m);
    bnorm_moments_destroy(before);
    bnorm_moments_destroy(after);
}

static void check_sums_and_empty_ones(const struct batch *b)
{
    bnorm_gradient_sums *const g = sums_of(b, 3, 0, 5 * b->block, b->r.mean);
    bnorm_gradient_sums *const same = sums_of(b, 3, 0, 5 * b->block, b->r.mean), *const before =
                                                                                     sums_of(b, 3, 0, 0, NULL);
    bnorm_gradient_sums *const after = sums_of(b, 8, 0, 0, NULL);
    require(bnorm_gradient_sums_merge(g, after), "merge");
    require(bnorm_gradient_sums_accumulate(g, 0, NULL, NULL, NULL), "accumulate nothing");
    CHECK(sums_hold(g, same), "something changed");
    require(bnorm_gradient_sums_merge(before, g), "merge");
    CHECK(sums_hold(before, same), "merging into an empty one is not copying");
    CHECK(bnorm_gradient_sums_first_block(g) == 3 && bnorm_gradient_sums_next_block(g) == 8, "the range");
    bnorm_gradient_sums_destroy(g);
    bnorm_gradient_sums_destroy(same);
    bnorm_gradient_sums_destroy(before);
    bnorm_gradient_sums_destroy(after);
}

CASE(split, merging_an_empty_one_changes_no_bit)
{
    size_t count;
    const bnorm_desc *const all = shapes(&count);
    for (size_t s = 0; s < count; s++) {
        struct batch b = nine_blocks(all[s]);
        describe_shape(&b, "shape", (unsigned)s);
        run_plain(&b);
        check_moments_and_empty_ones(&b);
        check_sums_and_empty_ones(&b);
        batch_free(&b);
    }
}

/* A range of n blocks is at most 2 log2(n) nodes (1 for one), wherever it begins. */
CASE(split, nodes_are_few)
{
    struct batch b = nine_blocks(bnorm_matrix(BNORM_F32, 0, 1));
    for (size_t first = 0; first < 40; first++) {
        bnorm_moments *m = NULL;
        require(bnorm_moments_create(&m, &b.desc, first), "create");
        for (size_t n = 1, most = 1; n <= 300; n++) {
            size_t size = 0;
            require(bnorm_moments_accumulate(m, 1, b.x), "accumulate");
            require(bnorm_moments_serialise(m, NULL, &size), "size");
            while ((size_t)1 << (most / 2 + 1) <= n) most += 2;
            describe("blocks %zu to %zu", first, first + n);
            CHECK((size - 72) / 24 <= most, "%zu nodes, at most %zu", (size - 72) / 24, most);
        }
        bnorm_moments_destroy(m);
    }
    batch_free(&b);
}

CASE(split, bytes_there_and_back)
{
    size_t count;
    const bnorm_desc *const all = shapes(&count);
    for (size_t s = 0; s < count; s++) {
        struct batch b = nine_blocks(all[s]);
        describe_shape(&b, "shape", (unsigned)s);
        run_plain(&b);
        bnorm_moments *const m = moments_of(&b, 5, 0, b.desc.batch), *const other = moments_of(&b, 0, 0, b.block);
        struct bytes bytes = bytes_of(m), shifted = {bytes.size, room(bytes.size + 1)};
        CHECK(bytes.size <= 72 + 8 * (8 + 16 * b.desc.features) * 20, "%zu bytes", bytes.size);
        memcpy(shifted.at + 1, bytes.at, bytes.size);
        require(bnorm_moments_deserialise(other, shifted.at + 1, bytes.size), "deserialise");
        CHECK(holds(other, &bytes), "other bytes");
        CHECK(bnorm_moments_first_block(other) == 5 && bnorm_moments_next_block(other) == 5 + BLOCKS, "range");
        size_t less = bytes.size - 1;
        CHECK(bnorm_moments_serialise(m, shifted.at, &less) == BNORM_WORKSPACE && less == bytes.size - 1, "too few");

        bnorm_gradient_sums *const g = sums_of(&b, 0, 0, b.desc.batch, b.r.mean), *const h = sums_of(&b, 7, 0, 0, NULL);
        struct results r = results_make(&b);
        size_t size = 0;
        require(bnorm_gradient_sums_serialise(g, NULL, &size), "size");
        unsigned char *const sums = room(size);
        require(bnorm_gradient_sums_serialise(g, sums, &size), "serialise");
        require(bnorm_gradient_sums_deserialise(h, sums, size), "deserialise");
        require(bnorm_gradient_sums_finish(h, b.r.invstd, r.dgamma, r.dbeta), "finish");
        CHECK(memcmp(r.dgamma, b.r.dgamma, b.desc.features * b.param) == 0, "dgamma");
        CHECK(bnorm_moments_deserialise(other, sums, size) == BNORM_CORRUPT, "the other kind");
        CHECK(bnorm_gradient_sums_deserialise(h, bytes.at, bytes.size) == BNORM_CORRUPT, "the other kind");
        free(sums);
        results_free(&r);
        bnorm_gradient_sums_destroy(g);
        bnorm_gradient_sums_destroy(h);
        free(bytes.at);
        free(shifted.at);
        bnorm_moments_destroy(m);
        bnorm_moments_destroy(other);
        batch_free(&b);
    }
}

/* Without the head: two ranges side by side in one message, the second of them read into what has the first. */
CASE(split, nodes_there_and_back)
{
    size_t count;
    const bnorm_desc *const all = shapes(&count);
    for (size_t s = 0; s < count; s++) {
        struct batch b = nine_blocks(all[s]);
        const size_t node = 8 + 16 * b.desc.features, cut = 3 * b.block;
        describe_shape(&b, "shape", (unsigned)s);
        run_plain(&b);
        bnorm_moments *const left = moments_of(&b, 0, 0, cut), *const right = moments_of(&b, 3, cut, b.desc.batch);
        bnorm_moments *const both = moments_of(&b, 0, 0, 0), *const expected = moments_of(&b, 0, 0, b.desc.batch);
        size_t size = 0, right_size = 0, read = 0;
        require(bnorm_moments_write_nodes(left, NULL, &size), "size");
        require(bnorm_moments_write_nodes(right, NULL, &right_size), "size");
        unsigned char *const bytes = room(size + right_size);
        require(bnorm_moments_write_nodes(left, bytes, &size), "left");
        require(bnorm_moments_write_nodes(right, bytes + size, &right_size), "right");
        CHECK(size % node == 0 && right_size % node == 0, "%zu and %zu bytes, nodes of %zu", size, right_size, node);

        read = size + right_size;
        require(bnorm_moments_read_nodes(both, 3, bytes, &read), "left");
        CHECK(read == size, "%zu bytes read of %zu", read, size);
        struct bytes before = bytes_of(both), whole = bytes_of(expected);
        for (read = 0; read < right_size; read += 8) {
            size_t less = read;
            CHECK(bnorm_moments_read_nodes(both, BLOCKS, bytes + size, &less) == BNORM_CORRUPT && less == read,
                  "%zu bytes are enough", read);
        }
        read = size;
        CHECK(bnorm_moments_read_nodes(both, 2, bytes, &read) == BNORM_NOT_ADJACENT, "behind");
        CHECK(bnorm_moments_read_nodes(both, SIZE_MAX, bytes, &read) == BNORM_OVERFLOW, "beyond");
        CHECK(bnorm_moments_read_nodes(both, BLOCKS, NULL, &read) == BNORM_NULL, "NULL");
        CHECK(holds(both, &before) && read == size, "something was changed");
        read = 0;
        require(bnorm_moments_read_nodes(both, 3, bytes, &read), "no blocks, no bytes");
        read = right_size;
        require(bnorm_moments_read_nodes(both, BLOCKS, bytes + size, &read), "right");
        CHECK(holds(both, &whole) && read == right_size, "other sums than of the whole");
        read = right_size - 1;
        CHECK(bnorm_moments_write_nodes(right, bytes, &read) == BNORM_WORKSPACE, "too few");
        free(bytes);
        free(before.at);
        free(whole.at);
        bnorm_moments_destroy(left);
        bnorm_moments_destroy(right);
        bnorm_moments_destroy(both);
        bnorm_moments_destroy(expected);
        batch_free(&b);
    }
}

/* Where things are in the bytes. */
enum {
    AT_ORDER = 8,
    AT_FORMAT = 12,
    AT_KIND = 16,
    AT_NODES = 28,
    AT_FEATURES = 32,
    AT_FIRST = 48,
    AT_LAST = 56,
    AT_BYTES = 64,
    AT_VALUES = 72, /* of the first node */
    AT_SUMS = 80
};

static void check_refused(bnorm_moments *m, const struct bytes *held, const void *bytes, size_t size, const char *what)
{
    const bnorm_status status = bnorm_moments_deserialise(m, bytes, size);
    CHECK(status == BNORM_CORRUPT || status == BNORM_MISMATCH, "%s: %s", what, bnorm_status_string(status));
    CHECK(holds(m, held), "%s: it was changed", what);
}

CASE(split, hostile_bytes_are_refused)
{
    struct batch b = nine_blocks(bnorm_matrix(BNORM_F32, 0, 6));
    bnorm_moments *const m = moments_of(&b, 0, 0, 2 * b.block), *const source = moments_of(&b, 1, 0, b.desc.batch);
    struct bytes held = bytes_of(m), good = bytes_of(source);
    unsigned char *const bad = room(good.size + 8);

    for (size_t size = 0; size < good.size; size++) { /* a copy of that size, so that tools see reads beyond */
        unsigned char *const cut = malloc(size + !size);
        if (!cut) abort();
        memcpy(cut, good.at, size);
        check_refused(m, &held, cut, size, "truncated");
        free(cut);
    }
    memcpy(bad, good.at, good.size);
    check_refused(m, &held, bad, good.size + 8, "longer");
    for (size_t at = 0; at < AT_SUMS; at++) { /* every bit of the head and of the first node's count */
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, good.at, good.size);
            bad[at] ^= (unsigned char)(1 << bit);
            describe("byte %zu, bit %d", at, bit);
            check_refused(m, &held, bad, good.size, "a flipped bit");
        }
    }
    static const uint64_t extreme[] = {0,         1,         2, 3, 64, 127, 128, 129, UINT32_MAX, (uint64_t)1 << 62,
                                       INT64_MAX, UINT64_MAX};
    static const size_t places[] = {AT_FEATURES, AT_FIRST, AT_LAST, AT_BYTES, AT_VALUES};
    for (size_t i = 0; i < LENGTH(extreme); i++)
        for (size_t j = 0; j < LENGTH(places); j++) {
            memcpy(bad, good.at, good.size);
            memcpy(bad + places[j], &extreme[i], 8);
            if (memcmp(bad, good.at, good.size) == 0) continue;
            if (places[j] == AT_VALUES && extreme[i] > 0 && extreme[i] < b.block) continue;
            describe("%#llx at %zu", (unsigned long long)extreme[i], places[j]);
            check_refused(m, &held, bad, good.size, "an extreme number");
        }
    memcpy(bad, good.at, good.size);
    ((unsigned char *)memcpy(bad + AT_ORDER, "\1\2\3\4", 4))[0] = good.at[AT_ORDER] == 1 ? 4 : 1;
    check_refused(m, &held, bad, good.size, "foreign byte order");
    memcpy(bad, good.at, good.size);
    const double below_0 = -1;
    memcpy(bad + AT_SUMS + 6 * sizeof(double), &below_0, sizeof below_0);
    check_refused(m, &held, bad, good.size, "a negative sum of squares");

    /* A range whose nodes are two, and the one node of another. */
    bnorm_moments *const two = moments_of(&b, 0, 0, 2 * b.block);
    struct bytes forged = bytes_of(two);
    const uint64_t one = 1, three = 3;
    memcpy(forged.at + AT_FIRST, &one, 8);
    memcpy(forged.at + AT_LAST, &three, 8);
    check_refused(m, &held, forged.at, forged.size, "a range of more nodes");
    free(forged.at);
    bnorm_moments_destroy(two);

    require(bnorm_moments_deserialise(m, good.at, good.size), "what is good");
    free(bad);
    free(good.at);
    free(held.at);
    bnorm_moments_destroy(m);
    bnorm_moments_destroy(source);
    batch_free(&b);
}

/* Counts of a node that its blocks cannot have, beside one that they can. */
static void check_counts(const bnorm_desc *d, const uint64_t *wrong, size_t count)
{
    struct batch b = batch_make(d);
    bnorm_moments *const m = moments_of(&b, 0, 0, d->batch);
    struct bytes good = bytes_of(m);
    describe("%zu x %zu x %zu, channels %s", d->batch, d->features, d->spatial, layout_name(d->layout));
    require(bnorm_moments_deserialise(m, good.at, good.size), "what is good");
    for (size_t i = 0; i < count; i++) {
        struct bytes bad = bytes_of(m);
        memcpy(bad.at + AT_VALUES, &wrong[i], sizeof wrong[i]);
        check_refused(m, &good, bad.at, bad.size, "a count");
        free(bad.at);
    }
    free(good.at);
    bnorm_moments_destroy(m);
    batch_free(&b);
}

CASE(split, impossible_counts_are_refused)
{
    static const uint64_t short_runs[] = {1, 48, 50, 7 * 49 + 1}, long_runs[] = {3, 4999, 5001, 10000, 2500};
    static const uint64_t several[] = {49, 129 * 49, 50 * 49 + 1}; /* fewer images than blocks; more than they hold */
    for (int l = 0; l < LAYOUTS; l++) {
        const bnorm_desc small = bnorm_image(BNORM_F32, all_layouts[l], 1, 2, 49);
        const bnorm_desc large = bnorm_image(BNORM_F32, all_layouts[l], 1, 2, 5000);
        check_counts(&small, short_runs, LENGTH(short_runs));
        check_counts(&large, long_runs, LENGTH(long_runs));
        const bnorm_desc many = bnorm_image(BNORM_F32, all_layouts[l], 128, 2, 49);
        check_counts(&many, several, LENGTH(several));
    }
}

/* 2^59 images of 5000 pixels are 2^62 values, but for 2^64 that a size cannot tell. */
CASE(split, counts_beyond_a_size_are_refused)
{
    const bnorm_desc d = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 1, 2, 5000);
    const uint64_t last = (uint64_t)1 << 60, values = (uint64_t)1 << 62;
    struct batch b = batch_make(&d);
    bnorm_moments *const m = moments_of(&b, 0, 0, 1);
    struct bytes good = bytes_of(m), bad = bytes_of(m);
    CHECK((last >> 1) * 5000 == values, "another size");
    memcpy(bad.at + AT_LAST, &last, sizeof last);
    memcpy(bad.at + AT_VALUES, &values, sizeof values);
    check_refused(m, &good, bad.at, bad.size, "a count");
    free(good.at);
    free(bad.at);
    bnorm_moments_destroy(m);
    batch_free(&b);
}

/* One node of 2^50 blocks of 4096 rows of one feature, after so many others like it. */
static struct bytes huge_node(const struct bytes *of, uint64_t others)
{
    struct bytes huge = {of->size, room(of->size)};
    const uint64_t blocks = (uint64_t)1 << 50, values = blocks * 4096, first = others * blocks, last = first + blocks;
    memcpy(huge.at, of->at, of->size);
    memcpy(huge.at + AT_FIRST, &first, sizeof first);
    memcpy(huge.at + AT_LAST, &last, sizeof last);
    memcpy(huge.at + AT_VALUES, &values, sizeof values);
    return huge;
}

CASE(split, counts_that_add_up_beyond_a_size_are_refused)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 1, 1);
    struct batch b = batch_make(&d);
    bnorm_moments *const m = moments_of(&b, 0, 0, 1), *const next = moments_of(&b, 0, 0, 1);
    struct bytes of = bytes_of(m), left = huge_node(&of, 0), right = huge_node(&of, 1);
    size_t size = right.size - AT_VALUES;
    CHECK(b.block == 4096, "another block");
    require(bnorm_moments_deserialise(m, left.at, left.size), "the first half");
    require(bnorm_moments_deserialise(next, right.at, right.size), "the second");
    CHECK(bnorm_moments_count(m) == (size_t)1 << 62, "another count");
    CHECK(bnorm_moments_merge(m, next) == BNORM_OVERFLOW, "merged");
    CHECK(bnorm_moments_read_nodes(m, bnorm_moments_next_block(next), right.at + AT_VALUES, &size) == BNORM_OVERFLOW,
          "read");
    CHECK(holds(m, &left), "something was changed");
    free(of.at);
    free(left.at);
    free(right.at);
    bnorm_moments_destroy(m);
    bnorm_moments_destroy(next);
    batch_free(&b);
}

/* ---- statuses -----------------------------------------------------------------------------------------------------
 */

#define IS(expected, expression)                                                                                       \
    do {                                                                                                               \
        const bnorm_status got_ = (expression);                                                                        \
        CHECK(got_ == (expected), "got %s, expected %s", bnorm_status_string(got_), #expected);                        \
    } while (0)

CASE(split, few_values)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 2);
    const float x[] = {1, 2, 3, 5};
    double mean[2] = {7, 7}, invstd[2] = {7, 7};
    float rm[2] = {7, 7}, rv[2] = {7, 7}, dgamma[2] = {7, 7}, dbeta[2] = {7, 7};
    bnorm_moments *m = NULL;
    bnorm_gradient_sums *g = NULL;
    IS(BNORM_OK, bnorm_moments_create(&m, &d, 0));
    IS(BNORM_OK, bnorm_gradient_sums_create(&g, &d, 0));
    IS(BNORM_OK, bnorm_moments_finish(m, mean, invstd));
    IS(BNORM_OK, bnorm_moments_finish(m, NULL, NULL));
    IS(BNORM_OK, bnorm_moments_commit(m, rm, rv));
    IS(BNORM_OK, bnorm_gradient_sums_finish(g, NULL, dgamma, dbeta));
    CHECK(dgamma[1] == 0 && dbeta[1] == 0, "the sums of nothing");
    IS(BNORM_OK, bnorm_moments_accumulate(m, 1, x));
    IS(BNORM_ONE_VALUE, bnorm_moments_finish(m, mean, invstd));
    IS(BNORM_ONE_VALUE, bnorm_moments_commit(m, rm, rv));
    CHECK(mean[0] == 7 && invstd[1] == 7 && rm[0] == 7 && rv[1] == 7, "something was written");
    IS(BNORM_OK, bnorm_moments_accumulate(m, 1, x + 2));
    IS(BNORM_OK, bnorm_moments_finish(m, mean, invstd));
    IS(BNORM_OK, bnorm_moments_commit(m, rm, rv));
    CHECK(mean[0] == 2 && mean[1] == 3.5 && bnorm_moments_count(m) == 2, "mean %g %g", mean[0], mean[1]);
    bnorm_moments_destroy(m);
    bnorm_gradient_sums_destroy(g);
    bnorm_moments_destroy(NULL);
    bnorm_gradient_sums_destroy(NULL);
}

CASE(split, statuses)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 4, 2), wide = bnorm_matrix(BNORM_F32, 4, 3);
    bnorm_desc bad = d;
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 9}, y[8];
    double mean[2] = {1, 1}, invstd[2] = {1, 1};
    bnorm_moments *m = NULL, *n = NULL, *w = NULL;
    bnorm_gradient_sums *g = NULL, *h = NULL;
    bad.eps = -1;
    IS(BNORM_BAD_EPS, bnorm_moments_create(&m, &bad, 0));
    IS(BNORM_OVERFLOW, bnorm_moments_create(&m, &bad, SIZE_MAX));
    IS(BNORM_OVERFLOW, bnorm_gradient_sums_create(&g, &bad, SIZE_MAX));
    IS(BNORM_BAD_EPS, bnorm_normalise(&bad, &(bnorm_buffers){.x = x, .y = y, .mean = mean, .invstd = invstd}));
    IS(BNORM_NULL, bnorm_moments_create(NULL, &d, 0));
    IS(BNORM_NULL, bnorm_moments_create(&m, NULL, 0));
    IS(BNORM_OVERFLOW, bnorm_moments_create(&m, &d, SIZE_MAX));
    CHECK(!m, "written on an error");
    IS(BNORM_OK, bnorm_moments_create(&m, &d, 0));
    IS(BNORM_OK, bnorm_moments_create(&n, &d, 1));
    IS(BNORM_OK, bnorm_moments_create(&w, &wide, 0));
    IS(BNORM_NULL, bnorm_moments_accumulate(NULL, 4, x));
    IS(BNORM_NULL, bnorm_moments_accumulate(m, 4, NULL));
    IS(BNORM_OVERFLOW, bnorm_moments_accumulate(m, SIZE_MAX / 2, x));
    IS(BNORM_NULL, bnorm_moments_merge(m, NULL));
    IS(BNORM_MISMATCH, bnorm_moments_merge(m, w));
    IS(BNORM_NOT_ADJACENT, bnorm_moments_merge(m, n));
    IS(BNORM_OK, bnorm_moments_accumulate(m, 4, x));
    IS(BNORM_OK, bnorm_moments_merge(m, n));
    IS(BNORM_NOT_ADJACENT, bnorm_moments_merge(n, m));
    IS(BNORM_NULL, bnorm_moments_finish(m, mean, NULL));
    IS(BNORM_OVERLAP, bnorm_moments_finish(m, mean, mean));
    IS(BNORM_OVERLAP, bnorm_moments_commit(m, x, x + 1));
    IS(BNORM_NULL, bnorm_moments_commit(m, x, NULL));
    IS(BNORM_NULL, bnorm_moments_serialise(m, x, NULL));
    IS(BNORM_NULL, bnorm_moments_deserialise(m, NULL, 8));

    IS(BNORM_OK, bnorm_gradient_sums_create(&g, &d, 0));
    IS(BNORM_OK, bnorm_gradient_sums_create(&h, &wide, 0));
    IS(BNORM_NULL, bnorm_gradient_sums_accumulate(g, 4, x, x, NULL));
    IS(BNORM_MISMATCH, bnorm_gradient_sums_merge(g, h));
    const bnorm_buffers b = {.x = x, .dy = x, .dx = y, .y = y, .mean = mean, .invstd = invstd};
    IS(BNORM_MISMATCH, bnorm_input_gradient(&d, &b, g)); /* more than it holds */
    IS(BNORM_OK, bnorm_gradient_sums_accumulate(g, 4, x, x, mean));
    IS(BNORM_OK, bnorm_input_gradient(&d, &b, g));
    IS(BNORM_NULL, bnorm_input_gradient(&d, &b, NULL));
    IS(BNORM_MISMATCH, bnorm_input_gradient(&d, &b, h));
    IS(BNORM_NULL, bnorm_gradient_sums_finish(g, NULL, x, NULL));
    IS(BNORM_OVERLAP, bnorm_gradient_sums_finish(g, invstd, x, x + 1));
    IS(BNORM_OVERLAP, bnorm_gradient_sums_finish(g, invstd, x, invstd));
    double unused[2] = {1, 1};
    IS(BNORM_OK, bnorm_gradient_sums_finish(g, unused, NULL, unused));
    bnorm_buffers c = b;
    c.dx = x + 1;
    IS(BNORM_OVERLAP, bnorm_input_gradient(&d, &c, g));
    c.dx = mean;
    IS(BNORM_OVERLAP, bnorm_input_gradient(&d, &c, g));
    c.dx = y;
    c.beta = y; /* which it does not read */
    IS(BNORM_OK, bnorm_input_gradient(&d, &c, g));
    c.gamma = y;
    IS(BNORM_OVERLAP, bnorm_input_gradient(&d, &c, g));
    c = b;
    c.y = x;
    IS(BNORM_X_OVERWRITTEN, bnorm_input_gradient(&d, &c, g));
    IS(BNORM_X_OVERWRITTEN, bnorm_input_gradient(&d, &c, h)); /* the first of two */
    IS(BNORM_OK, bnorm_normalise(&d, &c));
    c.y = x + 1;
    IS(BNORM_OVERLAP, bnorm_normalise(&d, &c));
    c.y = invstd;
    IS(BNORM_OVERLAP, bnorm_normalise(&d, &c));
    c.y = y;
    c.beta = y;
    IS(BNORM_OVERLAP, bnorm_normalise(&d, &c));
    c.y = NULL;
    IS(BNORM_NULL, bnorm_normalise(&d, &c));
    bnorm_desc empty = d;
    empty.batch = 0;
    IS(BNORM_OK, bnorm_normalise(&empty, &(bnorm_buffers){.x = NULL}));
    IS(BNORM_OK, bnorm_input_gradient(&empty, &(bnorm_buffers){.x = NULL}, g));
    bnorm_moments_destroy(m);
    bnorm_moments_destroy(n);
    bnorm_moments_destroy(w);
    bnorm_gradient_sums_destroy(g);
    bnorm_gradient_sums_destroy(h);
}

CASE(split, what_is_wrong_with_a_part)
{
    const bnorm_desc one = bnorm_matrix(BNORM_F32, 1, 2), none = bnorm_matrix(BNORM_F32, 0, 2);
    float x[2] = {1, 2}, y[2] = {3, 4}, running[2];
    double mean[2] = {1, 1}, invstd[2] = {1, 1};
    const bnorm_buffers b = {.x = x, .dy = x, .y = y, .mean = mean, .invstd = invstd};
    IS(BNORM_OK, bnorm_check_training_part(&one, &b));
    IS(BNORM_OK, bnorm_check_backward_part(&one, &b));
    IS(BNORM_OK, bnorm_check_training_part(&none, &(bnorm_buffers){.x = NULL}));
    IS(BNORM_NULL, bnorm_check_training_part(&one, &(bnorm_buffers){.x = x}));
    IS(BNORM_NULL, bnorm_check_training_part(&none, &(bnorm_buffers){.running_mean = running}));
    IS(BNORM_NULL, bnorm_check_backward_part(&none, &(bnorm_buffers){.mean = mean}));
    IS(BNORM_OK, bnorm_check_backward_part(&none, &(bnorm_buffers){.mean = mean, .invstd = invstd}));
    IS(BNORM_OVERLAP, bnorm_check_training_part(&one, &(bnorm_buffers){.x = x, .y = y, .gamma = y}));
    CHECK(x[0] == 1 && y[0] == 3 && mean[0] == 1, "something was written");
}

CASE(split, out_of_memory)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 40000, 100);
    struct batch b = batch_make(&d);
    bnorm_moments *const next = moments_of(&b, 1, 0, 1000);
    struct bytes next_bytes = bytes_of(next);
    int refused = 0;
    for (int step = 0; step < 4; step++)
        for (int n = 1;; n++) {
            bnorm_moments *const m = moments_of(&b, 0, 0, 1), *created = NULL;
            struct bytes before = bytes_of(m);
            bnorm_status status = BNORM_OK;
            allocation_fail_from(n);
            if (step == 0) status = bnorm_moments_create(&created, &b.desc, 0);
            if (step == 1) status = bnorm_moments_accumulate(m, b.desc.batch, b.x);
            if (step == 2) status = bnorm_moments_merge(m, next);
            if (step == 3) status = bnorm_moments_deserialise(m, next_bytes.at, next_bytes.size);
            const int count = allocation_count();
            allocation_fail_from(0);
            const bool unchanged = holds(m, &before);
            bnorm_moments_destroy(m);
            bnorm_moments_destroy(created);
            free(before.at);
            describe("step %d, allocation %d", step, n);
            if (count < n) {
                IS(BNORM_OK, status);
                break;
            }
            IS(BNORM_NO_MEMORY, status);
            CHECK(unchanged && !created, "something was changed");
            refused++;
        }
    CHECK(refused > 10, "only %d allocations", refused);
    free(next_bytes.at);
    bnorm_moments_destroy(next);
    batch_free(&b);
}
