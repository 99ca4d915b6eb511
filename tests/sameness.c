/* The same bits, whatever changes around the values: threads, strides, alignment, in place, workspace, optional
 * outputs, surroundings, instruction set. */
#include "support/cache.h"
#include "support/check.h"
#include "support/control_word.h"
#include "support/variant.h"

#include "isa/select.h"
#include "parallel/parallel.h"
#include "plan/plan.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* What could be handed to different threads: chunks of rows by strips of 64 columns, or by features with their runs. */
static size_t tiles_of(const bnorm_desc *desc)
{
    const bn_plan plan = bn_plan_make(desc->layout == BNORM_CHANNELS_FIRST, desc->batch, desc->features, desc->spatial,
                                      type_size(desc->dtype));
    return plan.chunks * (plan.lanes > 1 ? 1 : plan.run > 1 ? desc->features : (desc->features + 63) / 64);
}

/* Of the calls since it was set: the smallest team that one had. */
static int smallest_team;

static void note_team(void (*body)(void *), void *argument)
{
    body(argument);
    if (bn_last_team() < smallest_team) smallest_team = bn_last_team();
}

static void describe_image(const bnorm_desc *d, const char *more, size_t number)
{
    describe("%zu x %zu x %zu %s, channels %s, %s %zu", d->batch, d->features, d->spatial, type_name(d->dtype),
             layout_name(d->layout), more, number);
}

static void check_threads(const bnorm_desc *d, const struct input *input)
{
    static const int threads[] = {2, 3, 5, 8, 16, 0};
    describe_image(d, "threads", 1);
    CHECK(tiles_of(d) >= 4, "the plan has %zu tiles", tiles_of(d));
    struct problem p = variant_prepare(d, input, &(struct variant){.threads = 1});
    const struct digests alone = variant_call(&p, &(struct variant){.threads = 1});
    for (size_t i = 0; i < LENGTH(threads); i++) {
        describe_image(d, "threads", (size_t)threads[i]);
        smallest_team = INT_MAX;
        const struct digests several = variant_call(&p, &(struct variant){.threads = threads[i], .around = note_team});
        check_same(&alone, &several, "more threads");
#ifdef _OPENMP
        CHECK(threads[i] != 2 || smallest_team == 2, "a call ran on %d threads", smallest_team);
#endif
    }
    problem_free(&p);
}

/* Tall, wide, neither: split by rows, by columns, by both. Each has at least 4 tiles and is worth a second thread. */
CASE(sameness, threads)
{
    static const size_t shapes[][3] = {{300000, 3, 1},  {40000, 16, 1}, {4099, 257, 1}, {100, 9001, 1},
                                       {1000, 1000, 1}, {8, 64, 784},   {65536, 7, 1}};
    for (int t = 0; t < (test_quick() ? 1 : TYPES); t++)
        for (size_t s = 0; s < (test_quick() ? 1 : LENGTH(shapes)); s++) {
            const bnorm_desc d =
                bnorm_image(all_types[t], BNORM_CHANNELS_LAST, shapes[s][0], shapes[s][1], shapes[s][2]);
            const struct input input = variant_input(all_types[t], s);
            check_threads(&d, &input);
        }
}

/* Split by images, by channels, within one image. */
CASE(sameness, threads_channels_first)
{
    static const size_t shapes[][3] = {{130, 100, 49}, {50000, 3, 7},  {8, 64, 784}, {3, 5, 50176},
                                       {1, 64, 12544}, {1, 1, 900000}, {700, 65, 16}};
    for (int t = 0; t < (test_quick() ? 1 : TYPES); t++)
        for (size_t s = 0; s < (test_quick() ? 1 : LENGTH(shapes)); s++) {
            const bnorm_desc d =
                bnorm_image(all_types[t], BNORM_CHANNELS_FIRST, shapes[s][0], shapes[s][1], shapes[s][2]);
            const struct input input = variant_input(all_types[t], s);
            check_threads(&d, &input);
        }
}

/* ---- strides, alignment, in place, workspace, optional outputs --------------------------------------------------- */

CASE(sameness, layouts_and_options)
{
    static const struct variant variants[] = {
        {.x_padding = 1},
        {.x_padding = 3, .y_padding = 5, .dx_padding = 7, .dy_padding = 9},
        {.x_padding = 61, .dy_padding = 1000},
        {.y_padding = 16, .dx_padding = 16},
        {.shift = 1},
        {.shift = 3},
        {.shift = 7, .x_padding = 2, .y_padding = 2},
        {.y_in_place = true, .dx_in_place = true},
        {.y_in_place = true,
         .dx_in_place = true,
         .shift = 5,
         .x_padding = 4,
         .y_padding = 4,
         .dx_padding = 1,
         .dy_padding = 1},
        {.workspace = true},
        {.workspace = true, .y_in_place = true, .threads = 2},
        {.without_optional = true},
        {.without_optional = true, .workspace = true, .threads = 3, .x_padding = 1},
    };
    static const size_t last[][3] = {{2, 1, 1},    {3, 5, 1},     {64, 16, 1},   {200, 3, 1},
                                     {129, 67, 1}, {5000, 3, 1},  {30, 1029, 1}, {4096, 64, 1},
                                     {3, 12, 100}, {70000, 1, 1}, {40, 79, 1},   {7, 95, 9}};
    static const size_t first[][3] = {{2, 1, 1},  {3, 5, 1},    {65, 17, 3},   {50, 3, 49},  {5, 64, 16}, {9, 5, 100},
                                      {2, 3, 63}, {50, 64, 49}, {3, 2, 12544}, {2000, 2, 7}, {7, 70, 8},  {3, 70, 32}};
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++)
            for (size_t s = 0; s < LENGTH(last); s++) {
                const size_t *const shape = l ? first[s] : last[s];
                if (test_quick() && shape[0] * shape[1] * shape[2] > QUICK_VALUES) continue;
                const bnorm_desc d = bnorm_image(all_types[t], all_layouts[l], shape[0], shape[1], shape[2]);
                const struct input input = variant_input(all_types[t], s);
                const struct digests plain = variant_run(&d, &input, &(struct variant){.threads = 1});
                for (size_t i = 0; i < LENGTH(variants); i++) {
                    describe_image(&d, "variant", i);
                    const struct digests other = variant_run(&d, &input, &variants[i]);
                    check_same(&plain, &other, "variant");
                }
            }
}

/* ---- caches ------------------------------------------------------------------------------------------------------ */

/* Some columns that go in double, in the range of the first thread alone: the others must hear of it. */
static void put_extreme_gammas(struct problem *p)
{
    const size_t columns[] = {0, 1, 7};
    for (size_t i = 0; i < LENGTH(columns); i++)
        array_put(&p->arrays[GAMMA], 0, columns[i], i % 2 ? 0x1p110 : 0x1p-110);
    problem_save(p); /* from which each call begins */
}

static struct digests digests_of(const bnorm_desc *d, const struct input *input, const struct variant *v, bool extreme)
{
    struct problem p = variant_prepare(d, input, v);
    if (extreme) put_extreme_gammas(&p);
    const struct digests found = variant_call(&p, v);
    problem_free(&p);
    return found;
}

/* How many shapes are walked so, by one thread unless said. */
struct ways {
    size_t whole, next; /* by whole rows, past the cache; with the next strip fetched */
    size_t kept;        /* by two threads: some of the output past the cache, some not */
};

/* Small caches: what stayed in them is streamed, other strips are cut, and pages are fetched several at once, or one by
 * one. And, whatever this machine has, a last cache of a few cores, in which all stays, and one in which what is read
 * stays, but what is written passes it by: of float, forward where an array has over 1.3 MB, backward over 0.9. Rows
 * wider than a strip are passed over as a whole, of inference only with a workspace. Of 37377 rows of 8 the last group
 * has 513: in IEEE half 4 times 128 go at once, and what is left is less than a cache line. Sums of 64 columns, and of
 * 8 in 8 lanes, stay in registers as Zen 5. */
static void check_caches(const bnorm_desc *d, const struct input *input, bool extreme, struct ways *ways)
{
    static const struct variant variants[] = {
        {.threads = 1, .workspace = true},
        {.threads = 2},
        {.threads = 3, .workspace = true, .x_padding = 3, .y_padding = 5, .dx_padding = 1},
        {.threads = 5, .workspace = true, .shift = 3},
        {.threads = 2, .workspace = true, .y_in_place = true, .dx_in_place = true}};
    static const struct {
        size_t bytes;
        bn_reading reading; /* NEON does without pages, whatever it is told */
        const char *name;
    } caches[] = {{1, BN_READS_PAGES, "small caches, pages"},
                  {(size_t)16 << 20, BN_READS_PLAINLY, "in cache"},
                  {(size_t)16 << 20, BN_READS_AS_ZEN5, "in cache, as Zen 5"},
                  {(size_t)1 << 19, BN_READS_AS_ZEN4, "small caches, as Zen 4"},
                  {(size_t)1 << 19, BN_READS_AS_ZEN5, "small caches, as Zen 5"},
                  {0, BN_READS_AS_ZEN5, "some of the output in cache"}, /* of 512 K values */
                  {1, BN_READS_PLAINLY, "small caches"},
                  {(size_t)9 << 19, BN_READS_PLAINLY, "inputs in cache"}};
    const struct digests plain = digests_of(d, input, &(struct variant){.threads = 1}, extreme);
    for (size_t c = 0; c < (test_quick() ? 2 : LENGTH(caches)); c++) {
        cache_pretend(caches[c].bytes ? caches[c].bytes : type_size(d->dtype) << 19, caches[c].reading);
        ways->whole += streams(d) && goes_by_whole_rows(d);
        ways->next += fetches_next(d);
        ways->kept += keeps_some(d);
        for (size_t i = 0; i < LENGTH(variants); i++) {
            describe_image(d, extreme ? "extreme, variant" : "variant", i);
            const struct digests other = digests_of(d, input, &variants[i], extreme);
            check_same(&plain, &other, caches[c].name);
        }
        cache_pretend(0, BN_READS_PLAINLY);
    }
}

/* A feature of 78 KB is more than fits the 64 KB of a core, but not more than is worth going by itself; 16 features
 * would be whole cache lines of a row. */
static void check_band(void)
{
    const bnorm_desc d = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 40, 20, 501);
    cache_pretend(1, BN_READS_PLAINLY);
    CHECK(band_of(&d) == 1, "%zu features in a band", band_of(&d));
    cache_pretend(0, BN_READS_PLAINLY);
}

/* Scratch has room for a node of 409 features, so 400 are one strip, though 384 would be whole lines. */
static void check_strip(void)
{
    const bnorm_desc d = bnorm_matrix(BNORM_BF16, 18000, 400);
    cache_pretend((size_t)16 << 20, BN_READS_PLAINLY);
    CHECK(strip_of(&d) >= 400, "strips of %zu features", strip_of(&d));
    cache_pretend(0, BN_READS_PLAINLY);
}

/* In whole lines of 16 features one thread would have 32 of 40. Of 24 features of 7 x 7, or of parts of the same ones,
 * threads would get in each other's way: they share out images, also where one has 64 of 86, and of one image features.
 * Of few rows they own columns where these are whole lines. */
static void check_owned(void)
{
#ifdef _OPENMP
    const bnorm_desc large = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 4, 40, 5625);
    const bnorm_desc narrow = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 384, 24, 49);
    const bnorm_desc uneven = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 86, 40, 49);
    const bnorm_desc one = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 1, 144, 5625);
    const bnorm_desc rows = bnorm_matrix(BNORM_F32, 100, 1040), odd = bnorm_matrix(BNORM_F32, 100, 1030);
    cache_pretend((size_t)16 << 20, BN_READS_PLAINLY);
    CHECK(owned_by_two(&large, true) == 20, "%zu features to a thread", owned_by_two(&large, true));
    CHECK(owned_by_two(&narrow, true) == 0, "%zu features to a thread", owned_by_two(&narrow, true));
    CHECK(owned_by_two(&uneven, true) == 0, "%zu features to a thread", owned_by_two(&uneven, true));
    CHECK(owned_by_two(&one, false) == 72, "%zu features to a thread", owned_by_two(&one, false));
    CHECK(owned_by_two(&rows, true) == 528, "%zu features to a thread", owned_by_two(&rows, true));
    CHECK(owned_by_two(&odd, true) == 0, "%zu features to a thread", owned_by_two(&odd, true));
    cache_pretend(0, BN_READS_PLAINLY);
#endif
}

/* Rows that are cut so that a strip stays in cache: of whole lines. Of more rows than leave room for two strips a
 * thread, and of 16 bits, they are not, unless they are few. */
static void check_cut(void)
{
#ifdef _OPENMP
    static const struct {
        bnorm_dtype type;
        size_t rows, features;
        bool cut;
    } matrices[] = {{BNORM_F32, 700, 8000, true},     {BNORM_F32, 700, 8077, false},  {BNORM_F32, 1100, 8000, false},
                    {BNORM_BF16, 1040, 16000, false}, {BNORM_BF16, 700, 24000, true}, {BNORM_BF16, 700, 24001, false}};
    cache_pretend((size_t)32 << 20, BN_READS_PLAINLY);
    for (size_t i = 0; i < LENGTH(matrices); i++) {
        const bnorm_desc d = bnorm_matrix(matrices[i].type, matrices[i].rows, matrices[i].features);
        CHECK((owned_by_two(&d, true) > 0) == matrices[i].cut, "%zu x %zu: %zu features", matrices[i].rows,
              matrices[i].features, owned_by_two(&d, true));
    }
    cache_pretend(0, BN_READS_PLAINLY);
#endif
}

/* Of arrays well beyond the cache; not where pieces of all images would share few sets of it, nor where several pages
 * are read at once. */
static void check_next(void)
{
    const bnorm_desc large = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 50, 512, 784);
    const bnorm_desc aligned = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 50, 512, 1024);
    cache_pretend((size_t)16 << 20, BN_READS_AS_ZEN4);
    CHECK(fetches_next(&large) && !fetches_next(&aligned), "28 x 28: %d, 32 x 32: %d", fetches_next(&large),
          fetches_next(&aligned));
    cache_pretend((size_t)16 << 20, BN_READS_AS_ZEN5);
    CHECK(fetches_next(&large), "the next strip is not fetched as Zen 5");
    cache_pretend((size_t)16 << 20, BN_READS_PAGES);
    CHECK(!fetches_next(&large), "the next strip is fetched where pages are read");
    cache_pretend(0, BN_READS_PLAINLY);
}

CASE(sameness, caches)
{
    check_band();
    check_strip();
    check_owned();
    check_cut();
    check_next();
    static const size_t last[][2] = {{299, 1056}, {530, 1061}, {100, 4500}, {37377, 8}, {5021, 64}, {2100, 129}};
    static const size_t first[][3] = {{40, 6, 1100}, {130, 8, 300}, {3, 2, 40000}, {600, 7, 49},
                                      {60, 30, 100}, {4, 9000, 16}, {4, 40, 1125}};
    struct ways ways = {0};
    for (int t = 0; t < (test_quick() ? 1 : TYPES); t++) {
        for (size_t s = 0; s < (test_quick() ? 1 : LENGTH(last)); s++) {
            const bnorm_desc d = bnorm_matrix(all_types[t], last[s][0], last[s][1]);
            const struct input input = variant_input(all_types[t], s);
            for (int extreme = 0; extreme < (s < 2 ? 2 : 1); extreme++) check_caches(&d, &input, extreme, &ways);
        }
        for (size_t s = 0; s < (test_quick() ? 1 : LENGTH(first)); s++) {
            const bnorm_desc d = bnorm_image(all_types[t], BNORM_CHANNELS_FIRST, first[s][0], first[s][1], first[s][2]);
            const struct input input = variant_input(all_types[t], s);
            check_caches(&d, &input, false, &ways);
        }
    }
    CHECK(ways.whole > 0, "no shape went by whole rows");
    CHECK(test_quick() || ways.next >= TYPES, "of %zu shapes the next strip was fetched", ways.next);
#ifdef _OPENMP
    CHECK(test_quick() || ways.kept >= TYPES, "of %zu shapes some of the output was kept", ways.kept);
#endif
}

/* Few short rows: columns are shared out for sums, rows for elements. */
CASE(sameness, crossed)
{
    static const size_t shapes[][2] = {{64, 1030}, {300, 300}, {200, 1400}, {100, 1000}, {460, 1360}};
    static const struct variant variants[] = {
        {.threads = 2},
        {.threads = 3, .workspace = true, .x_padding = 3, .y_padding = 5, .dx_padding = 1},
        {.threads = 5, .workspace = true, .shift = 3},
        {.threads = 16},
        {.threads = 2, .workspace = true, .y_in_place = true, .dx_in_place = true}};
    for (int t = 0; t < (test_quick() ? 1 : TYPES); t++) {
        size_t crossed = 0;
        for (size_t s = 0; s < (test_quick() ? 3 : LENGTH(shapes)); s++)
            for (int extreme = 0; extreme < 2; extreme++) {
                const bnorm_desc d = bnorm_matrix(all_types[t], shapes[s][0], shapes[s][1]);
                const struct input input = variant_input(all_types[t], s);
                const struct digests alone = digests_of(&d, &input, &(struct variant){.threads = 1}, extreme);
                crossed += crosses(&d);
                for (size_t i = 0; i < LENGTH(variants); i++) {
                    describe_image(&d, extreme ? "extreme, variant" : "variant", i);
                    const struct digests other = digests_of(&d, &input, &variants[i], extreme);
                    check_same(&alone, &other, "crossed");
                }
            }
#ifdef _OPENMP
        CHECK(crossed >= 4, "%s: %zu of the calls cross", type_name(all_types[t]), crossed);
#else
        (void)crossed;
#endif
    }
}

/* N images of S pixels and the matrix of N * S rows have the same values; bits may differ where blocks do. Here they
 * need not, so only one thing is asked: repeating a call repeats its bits. */
CASE(sameness, repeated_calls)
{
    for (int l = 0; l < LAYOUTS; l++) {
        const bnorm_desc d = bnorm_image(BNORM_F32, all_layouts[l], 16, 24, 196);
        const struct input input = variant_input(BNORM_F32, 0);
        const struct digests first = variant_run(&d, &input, &(struct variant){.threads = 2});
        for (int i = 0; i < 20; i++) {
            describe_image(&d, "call", (size_t)i);
            const struct digests again = variant_run(&d, &input, &(struct variant){.threads = 2 + i % 3});
            check_same(&first, &again, "repeated");
        }
    }
}

/* ---- surroundings ------------------------------------------------------------------------------------------------ */

CASE(sameness, control_word_of_the_caller)
{
    static const size_t shapes[][3] = {{2, 3, 1}, {200, 3, 1}, {67, 65, 1}, {20000, 16, 1}, {5, 3, 49}, {50, 64, 100}};
    /* Subnormal numbers of the type among the inputs and outputs. */
    static const double scales[TYPES] = {
        [BNORM_F32] = 1e-40, [BNORM_F64] = 0x1p-1060, [BNORM_BF16] = 1e-39, [BNORM_F16] = 0x1p-18};
    for (int t = 0; t < TYPES; t++)
        for (size_t s = 0; s < LENGTH(shapes); s++)
            for (int tiny = 0; tiny < 2; tiny++) {
                if (test_quick() && shapes[s][0] * shapes[s][1] * shapes[s][2] > QUICK_VALUES) continue;
                const bnorm_layout layout = shapes[s][2] > 1 ? BNORM_CHANNELS_FIRST : BNORM_CHANNELS_LAST;
                const bnorm_desc d = bnorm_image(all_types[t], layout, shapes[s][0], shapes[s][1], shapes[s][2]);
                const double scale = tiny ? scales[all_types[t]] : 1;
                const struct input input = {.scale = scale, .dy_scale = scale};
                struct problem p = variant_prepare(&d, &input, &(struct variant){.threads = 1});
                const struct digests plain = variant_call(&p, &(struct variant){.threads = 1});
                for (size_t i = 0; i < CONTROL_WORDS; i++)
                    for (int threads = 1; threads <= 2; threads++) {
                        describe("%zu x %zu x %zu %s, %s, %d threads, scale %g", d.batch, d.features, d.spatial,
                                 type_name(d.dtype), control_words[i].name, threads, input.scale);
                        const struct variant v = {.threads = threads, .around = control_words[i].around};
                        const struct digests other = variant_call(&p, &v);
                        check_same(&plain, &other, "control word");
                    }
                problem_free(&p);
            }
}

/* The nearest to 0: a caller's flushing makes 0 of them, and comparing them traps, as it does of a signalling NaN. */
static void check_smallest(void *problem)
{
    const uint64_t signalling_nan = 0x7ff0000000000001;
    struct problem p = *(struct problem *)problem;
    for (int o = 0; o < OPERATIONS; o++) {
        p.desc.eps = -0x1p-1074;
        CHECK(call(o, &p.desc, &p.buffers) == BNORM_BAD_EPS, "%s", operation_name(o));
        memcpy(&p.desc.eps, &signalling_nan, sizeof p.desc.eps);
        CHECK(call(o, &p.desc, &p.buffers) == BNORM_BAD_EPS, "%s, NaN", operation_name(o));
        p.desc.eps = p.desc.update_rate = 0x1p-1074;
        CHECK(call(o, &p.desc, &p.buffers) == BNORM_OK, "%s, above 0", operation_name(o));
        p.desc.eps = 0;
        p.desc.update_rate = -0x1p-1074;
        CHECK(call(o, &p.desc, &p.buffers) == BNORM_BAD_UPDATE_RATE, "%s", operation_name(o));
        p.desc.update_rate = -0.0;
        CHECK(call(o, &p.desc, &p.buffers) == BNORM_OK, "%s with -0", operation_name(o));
    }
}

struct commit {
    const bnorm_moments *m;
    double mean, var;
};

static void commit(void *argument)
{
    struct commit *const c = argument;
    CHECK(bnorm_moments_commit(c->m, &c->mean, &c->var) == BNORM_OK, "commit");
}

/* 0 leaves even a signalling NaN as it is. */
static void check_commit(surroundings *around, double rate)
{
    const double x[3] = {2, 4, 6};
    const uint64_t signalling = 0x7ff4000000000000;
    bnorm_desc d = bnorm_matrix(BNORM_F64, 0, 1);
    struct commit c = {0};
    bnorm_moments *m;
    uint64_t mean;

    d.update_rate = rate;
    if (bnorm_moments_create(&m, &d, 0) != BNORM_OK || bnorm_moments_accumulate(m, 3, x) != BNORM_OK) abort();
    if (rate == 0) memcpy(&c.mean, &signalling, sizeof signalling);
    c.m = m;
    around(commit, &c);
    memcpy(&mean, &c.mean, sizeof mean);
    CHECK(rate == 0 ? mean == signalling : c.mean == 4 * rate && c.var == 4 * rate, "rate %a: %a, %a", rate, c.mean,
          c.var);
    bnorm_moments_destroy(m);
}

struct serialised {
    bnorm_moments *m;
    unsigned char bad[128];
    size_t size;
};

static void check_corrupt(void *argument)
{
    const struct serialised *const s = argument;
    CHECK(bnorm_moments_deserialise(s->m, s->bad, s->size) == BNORM_CORRUPT, "a negative sum of squares");
}

/* Of one feature the sum of squares stands last. */
static void check_negative_subnormal(surroundings *around)
{
    const double x[3] = {2, 4, 6}, below_0 = -0x1p-1070;
    const bnorm_desc d = bnorm_matrix(BNORM_F64, 0, 1);
    struct serialised s = {.size = sizeof s.bad};
    unsigned char good[sizeof s.bad], held[sizeof s.bad];
    size_t size = sizeof held;

    if (bnorm_moments_create(&s.m, &d, 0) != BNORM_OK || bnorm_moments_accumulate(s.m, 3, x) != BNORM_OK ||
        bnorm_moments_serialise(s.m, good, &s.size) != BNORM_OK)
        abort();
    memcpy(s.bad, good, s.size);
    memcpy(s.bad + s.size - sizeof below_0, &below_0, sizeof below_0);
    around(check_corrupt, &s);
    CHECK(bnorm_moments_serialise(s.m, held, &size) == BNORM_OK && size == s.size && !memcmp(held, good, size),
          "it was changed");
    bnorm_moments_destroy(s.m);
}

struct parts {
    bnorm_moments *m;
    bnorm_gradient_sums *g;
    const struct problem *p;
};

static void accumulate_parts(void *argument)
{
    const struct parts *const a = argument;
    const size_t half = a->p->desc.batch / 2, values = half * a->p->desc.features;
    const float *const x = a->p->buffers.x, *const dy = a->p->buffers.dy;
    for (size_t i = 0; i < 2; i++)
        if (bnorm_moments_accumulate(a->m, half, x + i * values) != BNORM_OK ||
            bnorm_gradient_sums_accumulate(a->g, half, x + i * values, dy + i * values, a->p->buffers.mean) != BNORM_OK)
            abort();
}

/* Bytes of the moments, and then of the gradient sums, of two parts. */
static size_t bytes_of_parts(const struct problem *p, surroundings *around, unsigned char *bytes, size_t most)
{
    struct parts a = {.p = p};
    size_t size = most, more;
    if (bnorm_moments_create(&a.m, &p->desc, 0) != BNORM_OK ||
        bnorm_gradient_sums_create(&a.g, &p->desc, 0) != BNORM_OK)
        abort();
    if (around)
        around(accumulate_parts, &a);
    else
        accumulate_parts(&a);
    if (bnorm_moments_serialise(a.m, bytes, &size) != BNORM_OK) abort();
    more = most - size;
    if (bnorm_gradient_sums_serialise(a.g, bytes + size, &more) != BNORM_OK) abort();
    bnorm_moments_destroy(a.m);
    bnorm_gradient_sums_destroy(a.g);
    return size + more;
}

/* Where nodes are merged, no pass runs. */
CASE(sameness, merging_in_any_control_word)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 128, 16); /* two blocks, one node */
    struct problem p = problem_make(&d, 0);
    unsigned char expected[1024], got[1024];
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    const size_t size = bytes_of_parts(&p, NULL, expected, sizeof expected);
    for (int i = 0; i < CONTROL_WORDS; i++) {
        describe("%s", control_words[i].name);
        CHECK(bytes_of_parts(&p, control_words[i].around, got, sizeof got) == size && !memcmp(got, expected, size),
              "other bytes");
    }
    problem_free(&p);
}

CASE(sameness, smallest_numbers_in_any_control_word)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 20, 5);
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    for (int i = 0; i < CONTROL_WORDS; i++) {
        describe("%s", control_words[i].name);
        control_words[i].around(check_smallest, &p);
        check_commit(control_words[i].around, 0x1p-1060);
        check_commit(control_words[i].around, 0);
        check_negative_subnormal(control_words[i].around);
    }
    problem_free(&p);
}

#ifdef _OPENMP
/* Inside a parallel region of the caller's, on one of its threads and on all of them at once. */
static void nested(void (*body)(void *), void *argument)
{
#pragma omp parallel num_threads(3)
    {
#pragma omp single
        body(argument);
    }
}

CASE(sameness, nested_region)
{
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++) {
            const bnorm_desc d = bnorm_image(all_types[t], all_layouts[l], 800, 16, 50);
            describe_image(&d, "threads", 4);
            const struct input input = variant_input(all_types[t], 0);
            struct problem p = variant_prepare(&d, &input, &(struct variant){.threads = 1});
            const struct digests plain = variant_call(&p, &(struct variant){.threads = 1});
            const struct digests inside = variant_call(&p, &(struct variant){.threads = 4, .around = nested});
            check_same(&plain, &inside, "nested");
            problem_free(&p);
        }
}

CASE(sameness, calls_at_the_same_time)
{
    enum { CALLS = 6 };
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 4000, 33);
    struct problem p[CALLS];
    bnorm_status statuses[CALLS];
    for (int i = 0; i < CALLS; i++) {
        p[i] = problem_make(&d, 0);
        problem_fill(&p[i], &(struct input){.pattern = OUTLIER_FIRST, .ratio = 2});
    }
#pragma omp parallel for num_threads(CALLS) schedule(static, 1)
    for (int i = 0; i < CALLS; i++) {
        statuses[i] = bnorm_forward_training(&d, &p[i].buffers);
        if (statuses[i] == BNORM_OK) statuses[i] = bnorm_backward(&d, &p[i].buffers);
    }
    for (int i = 0; i < CALLS; i++) {
        CHECK(statuses[i] == BNORM_OK, "%s", bnorm_status_string(statuses[i]));
        for (int a = 0; a < WORKSPACE; a++)
            CHECK(array_digest(&p[i].arrays[a]) == array_digest(&p[0].arrays[a]), "call %d, array %d", i, a);
    }
    for (int i = 0; i < CALLS; i++) problem_free(&p[i]);
}
#endif

/* Several threads of the caller's own, each with a team. Where this case runs alone, they make the first calls of the
 * process. */
static void *train_and_back(void *problem)
{
    struct problem *const p = problem;
    for (int i = 0; i < 3; i++)
        if (bnorm_forward_training(&p->desc, &p->buffers) != BNORM_OK ||
            bnorm_backward(&p->desc, &p->buffers) != BNORM_OK)
            return p;
    return NULL;
}

CASE(sameness, pthreads_at_the_same_time)
{
    enum { CALLERS = 8 };
    bnorm_desc d = bnorm_matrix(BNORM_F32, 4000, 33);
    d.threads = 2;
    struct problem p[CALLERS];
    pthread_t callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        p[i] = problem_make(&d, 0);
        problem_fill(&p[i], &(struct input){.pattern = OUTLIER_FIRST, .ratio = 2});
    }
    int started = 0;
    while (started < CALLERS && pthread_create(&callers[started], NULL, train_and_back, &p[started]) == 0) started++;
    CHECK(started == CALLERS, "%d threads could be started", started);
    for (int i = 0; i < started; i++) {
        void *failed = NULL;
        CHECK(pthread_join(callers[i], &failed) == 0 && !failed, "call %d", i);
        for (int a = 0; a < WORKSPACE; a++)
            CHECK(array_digest(&p[i].arrays[a]) == array_digest(&p[0].arrays[a]), "call %d, array %d", i, a);
    }
    for (int i = 0; i < CALLERS; i++) problem_free(&p[i]);
}

/* ---- instruction sets -------------------------------------------------------------------------------------------- */

/* The choice is made once in a process: each set has a child of its own, which sends its numbers. */
struct answer {
    char isa[16];
    uint64_t digests[VARIANT_SETS];
    int failures;
};

static struct answer ask(const char *isa)
{
    struct answer answer = {.failures = -1};
    int ends[2];
    if (pipe(ends) != 0) return answer;
    const pid_t child = fork();
    if (child == 0) {
        setenv("BNORM_ISA", isa, 1);
        strncpy(answer.isa, bnorm_isa(), sizeof answer.isa - 1);
        for (int set = 0; set < VARIANT_SETS; set++) answer.digests[set] = variant_hash(set, !test_quick(), NULL);
        answer.failures = check_failures();
        _exit(write(ends[1], &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1);
    }
    close(ends[1]);
    int state = 1;
    const ssize_t got = read(ends[0], &answer, sizeof answer);
    close(ends[0]);
    waitpid(child, &state, 0);
    if (got != (ssize_t)sizeof answer || state != 0) answer.failures = -1;
    return answer;
}

CASE_BEFORE_BNORM(sameness, instruction_sets)
{
#if defined(__x86_64__)
    static const char *const sets[] = {"avx2", "avx512"};
#elif defined(__aarch64__)
    static const char *const sets[] = {"neon"};
#else
    static const char *const sets[] = {"generic"};
#endif
    const struct answer generic = ask("generic");
    CHECK(generic.failures == 0 && strcmp(generic.isa, "generic") == 0, "generic: %d failures, it is \"%s\"",
          generic.failures, generic.isa);
    for (size_t i = 0; i < LENGTH(sets); i++) {
        const struct answer answer = ask(sets[i]);
        CHECK(answer.failures == 0, "%s: %d failures", sets[i], answer.failures);
        for (int set = 0; set < VARIANT_SETS; set++)
            CHECK(answer.digests[set] == generic.digests[set], "%s gives other bits than generic in set %d", sets[i],
                  set);
        if (strcmp(answer.isa, sets[i]) != 0)
            note("skipped: instruction set %s is not %s; %s was used", sets[i],
                 bn_machine_has(sets[i]) ? "in this build" : "on this machine", answer.isa);
    }
}
