/* Every array of a call against a page that may not be touched, at its end and at its beginning: what reads or writes
 * one byte too many ends the process. Between the array and the page there may be a gap, so that arrays end and begin
 * at every place in a cache line; what stands in it must stay. The results are those of arrays without guards. */
#include "support/cache.h"
#include "support/check.h"
#include "support/problem.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 64 };
enum side { END, BEGINNING, SIDES };

/* ---- memory between two guards ----------------------------------------------------------------------------------- */

struct slot {
    unsigned char *first, *end; /* what may be touched: whole pages */
    unsigned char *at;          /* the array */
};

static struct slot slot_make(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + LINE + page - 1) / page * page;
    unsigned char *const map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, room, PROT_READ | PROT_WRITE) != 0) abort();
    return (struct slot){map + page, map + page + room, map + page};
}

static void slot_free(struct slot *s)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(s->first - page, (size_t)(s->end - s->first) + 2 * page);
}

enum { STAIN = 0xa5 };

/* `bytes` of room, `gap` bytes away from the guard. */
static void slot_place(struct slot *s, enum side side, size_t gap, const void *contents, size_t bytes)
{
    s->at = side == END ? s->end - gap - bytes : s->first + gap;
    memset(side == END ? s->end - gap : s->first, STAIN, gap);
    if (contents) memcpy(s->at, contents, bytes);
}

static bool gap_is_whole(const struct slot *s, enum side side, size_t gap)
{
    const unsigned char *const stains = side == END ? s->end - gap : s->first;
    bool whole = true;
    for (size_t i = 0; i < gap; i++) whole &= stains[i] == STAIN;
    return whole;
}

/* ---- calls: the three, and the same by way of parts -------------------------------------------------------------- */

enum { BY_PARTS = OPERATIONS }; /* added to an operation */

static bnorm_status first_error(bnorm_status a, bnorm_status b) { return a != BNORM_OK ? a : b; }

/* The sums travel as bytes, which have guards too. */
static bnorm_status training_by_parts(const bnorm_desc *d, const bnorm_buffers *b, struct slot *bytes, enum side side,
                                      size_t gap)
{
    bnorm_moments *m = NULL, *received = NULL;
    size_t size = 0;
    bnorm_status s = bnorm_moments_create(&m, d, 0);
    s = first_error(s, bnorm_moments_accumulate(m, d->batch, b->x));
    s = first_error(s, bnorm_moments_serialise(m, NULL, &size));
    slot_place(bytes, side, gap, NULL, size);
    s = first_error(s, bnorm_moments_serialise(m, bytes->at, &size));
    s = first_error(s, bnorm_moments_create(&received, d, 0));
    s = first_error(s, bnorm_moments_deserialise(received, bytes->at, size));
    s = first_error(s, bnorm_moments_finish(received, b->mean, b->invstd));
    s = first_error(s, bnorm_moments_commit(received, b->running_mean, b->running_var));
    s = first_error(s, bnorm_normalise(d, b));
    bnorm_moments_destroy(m);
    bnorm_moments_destroy(received);
    return s;
}

static bnorm_status backward_by_parts(const bnorm_desc *d, const bnorm_buffers *b, struct slot *bytes, enum side side,
                                      size_t gap)
{
    bnorm_gradient_sums *g = NULL, *received = NULL;
    size_t size = 0;
    bnorm_status s = bnorm_gradient_sums_create(&g, d, 0);
    s = first_error(s, bnorm_gradient_sums_accumulate(g, d->batch, b->x, b->dy, b->mean));
    s = first_error(s, bnorm_gradient_sums_serialise(g, NULL, &size));
    slot_place(bytes, side, gap, NULL, size);
    s = first_error(s, bnorm_gradient_sums_serialise(g, bytes->at, &size));
    s = first_error(s, bnorm_gradient_sums_create(&received, d, 0));
    s = first_error(s, bnorm_gradient_sums_deserialise(received, bytes->at, size));
    s = first_error(s, bnorm_input_gradient(d, b, received));
    s = first_error(s, bnorm_gradient_sums_finish(received, b->invstd, b->dgamma, b->dbeta));
    bnorm_gradient_sums_destroy(g);
    bnorm_gradient_sums_destroy(received);
    return s;
}

/* ---- one shape --------------------------------------------------------------------------------------------------- */

/* What is under way, where the parent of a child that dies finds it. */
struct progress {
    bnorm_desc desc;
    int operation;
    enum side side;
    size_t gap;
    bool in_place;
    unsigned long calls, streamed;
    char isa[16], report[256]; /* of what failed, the beginning */
};

static struct progress *now;

/* Any values will do: what is summed is compared with itself. */
static void fill(struct array *a, double mean)
{
    enum { FRESH = 1000 };
    const size_t n = a->rows ? (a->rows / a->run - 1) * a->stride + a->columns * a->run : 0;
    for (size_t i = 0; i < n && i < FRESH; i++)
        type_put(a->type, a->elements, i, mean + random_uniform(test_seed() + (uint64_t)a->rows, i));
    for (size_t done = FRESH; done < n; done *= 2)
        memcpy(a->elements + done * a->size, a->elements, (n - done < done ? n - done : done) * a->size);
}

static struct problem filled(const bnorm_desc *d)
{
    struct problem p = problem_make(d, 0);
    const size_t kind = d->features + d->spatial;
    size_t bytes = 0;
    for (int i = 0; i < WORKSPACE; i++) fill(&p.arrays[i], i == RUNNING_VAR || i == INVSTD ? 2 : 1);
    if (kind % 3 == 0) fill(&p.arrays[X], 100);                                  /* is summed twice */
    if (kind % 5 == 0) array_put(&p.arrays[GAMMA], 0, d->features - 1, 0x1p110); /* goes in double */
    CHECK(bnorm_workspace_size(d, &bytes) == BNORM_OK, "workspace size");
    problem_give_workspace(&p, bytes, 0);
    return p;
}

/* Bytes from the first element to the last. */
static size_t span(const struct array *a)
{
    return ((a->rows / a->run - 1) * a->stride + a->columns * a->run) * a->size;
}

enum { BYTES = ARRAYS, SLOTS };

/* As many bytes of a gap as make `units` elements of this array. */
static size_t gap_of(const struct problem *p, int array, size_t units)
{
    return array == BYTES ? units : units * p->arrays[array].size % LINE;
}

static void place_all(struct slot *slots, struct problem *p, enum side side, size_t units)
{
    for (int i = 0; i < ARRAYS; i++) {
        const struct array *const a = &p->arrays[i];
        slot_place(&slots[i], side, gap_of(p, i, units), a->saved + (a->elements - a->block), span(a));
    }
}

static bnorm_buffers buffers_in(const struct slot *s, const struct problem *p)
{
    return (bnorm_buffers){.x = s[X].at,
                           .dy = s[DY].at,
                           .gamma = s[GAMMA].at,
                           .beta = s[BETA].at,
                           .y = s[p->y].at,
                           .dx = s[p->dx].at,
                           .dgamma = s[DGAMMA].at,
                           .dbeta = s[DBETA].at,
                           .running_mean = s[RUNNING_MEAN].at,
                           .running_var = s[RUNNING_VAR].at,
                           .mean = (double *)(void *)s[MEAN].at,
                           .invstd = (double *)(void *)s[INVSTD].at,
                           .workspace = s[WORKSPACE].at,
                           .workspace_size = p->buffers.workspace_size};
}

static void check_slots(const struct slot *slots, const struct problem *p, enum side side, size_t units)
{
    for (int i = 0; i < SLOTS; i++) {
        CHECK(gap_is_whole(&slots[i], side, gap_of(p, i, units)), "array %d: written beyond", i);
        if (i == WORKSPACE || i == BYTES) continue;
        CHECK(memcmp(slots[i].at, p->arrays[i].elements, span(&p->arrays[i])) == 0, "array %d has other bits", i);
    }
}

/* The arrays of the problem have what the call is to leave, and what it is to find in their saved copies. */
static void check_place(struct slot *slots, struct problem *p, int operation, enum side side, size_t units)
{
    now->operation = operation;
    now->side = side;
    now->gap = units;
    place_all(slots, p, side, units);
    slot_place(&slots[BYTES], side, gap_of(p, BYTES, units), NULL, 0);
    const bnorm_buffers b = buffers_in(slots, p);
    bnorm_status status;
    if (operation == BY_PARTS + TRAINING)
        status = training_by_parts(&p->desc, &b, &slots[BYTES], side, units);
    else if (operation == BY_PARTS + BACKWARD)
        status = backward_by_parts(&p->desc, &b, &slots[BYTES], side, units);
    else
        status = call((enum operation)operation, &p->desc, &b);
    describe("%s %zu x %zu x %zu, channels %s, call %d, %s, %zu elements away", type_name(p->desc.dtype), p->desc.batch,
             p->desc.features, p->desc.spatial, layout_name(p->desc.layout), operation,
             side == END ? "end" : "beginning", units);
    CHECK(status == BNORM_OK, "%s", bnorm_status_string(status));
    check_slots(slots, p, side, units);
    now->calls++;
}

/* Gaps in elements: none, and one that wanders with the shape; or each. */
static void check_places(struct slot *slots, struct problem *p, int operation, bool each)
{
    const size_t in_line = LINE / type_size(p->desc.dtype);
    const size_t other = 1 + (p->desc.features * 7 + p->desc.spatial * 5 + p->desc.batch) % (in_line - 1);
    for (int side = 0; side < SIDES; side++)
        for (size_t gap = 0; gap < in_line; gap += each ? 1 : gap == 0 ? other : in_line)
            check_place(slots, p, operation, (enum side)side, gap);
}

static void check_shape(struct slot *slots, const bnorm_desc *d, bool in_place, bool each)
{
    struct problem p = filled(d);
    now->desc = *d;
    now->in_place = in_place;
    now->streamed += !in_place && streams(d);
    if (in_place) {
        problem_y_in_place(&p);
        problem_dx_in_place(&p);
    }
    for (int o = TRAINING; o < OPERATIONS; o++) {
        if (o == TRAINING && p.count == 1) continue;
        if (o == BACKWARD) { /* which refuses a y that is x */
            p.y = Y;
            p.buffers.y = p.arrays[Y].elements;
        }
        const bnorm_status status = problem_run(&p, (enum operation)o);
        CHECK(status == BNORM_OK, "%s: %s", operation_name(o), bnorm_status_string(status));
        check_places(slots, &p, o, each);
        if (o != INFERENCE) check_places(slots, &p, o + BY_PARTS, each);
    }
    problem_free(&p);
}

/* ---- all shapes, in a child for each instruction set ------------------------------------------------------------- */

static bool longer(void) { return getenv("BNORM_TEST_LONG") != NULL; }

static bnorm_desc padded(bnorm_desc d, size_t padding, bool in_place)
{
    d.x_stride = d.dy_stride = dense_stride(&d) + padding;
    d.y_stride = d.dx_stride = d.x_stride + (in_place ? 0 : padding);
    return d;
}

/* Every length of a row or of a run up to 70: beyond the 64 that the kernels and the plan take as one, by a vector's
 * tail. Few rows, some, more than a block. */
static void check_tails(struct slot *slots, bnorm_dtype type, bnorm_layout layout)
{
    static const size_t batches[] = {1, 2, 3, 16, 67, 130};
    const bool first = layout == BNORM_CHANNELS_FIRST;
    const size_t count = longer() ? LENGTH(batches) : 3;
    for (size_t tail = 1; tail <= 70; tail += test_quick() ? 3 : 1)
        for (size_t i = 0; i < count + 1; i++) {
            const size_t batch = i < count ? batches[i] : 1 + tail * 29 % 71;
            const bnorm_desc d = bnorm_image(type, layout, batch, first ? 1 + tail % 5 : tail, first ? tail : 1);
            const bnorm_desc apart = padded(d, 1 + tail % 5, false), same = padded(d, 1 + tail % 3, true);
            check_shape(slots, &d, false, longer());
            if (longer() || tail % 2) check_shape(slots, &apart, false, longer());
            if (longer() || !(tail % 2)) check_shape(slots, &same, true, longer());
        }
}

/* Where other loops end: rows side by side, tables of runs, blocks of long runs, strips, nodes. */
static void check_ends(struct slot *slots, bnorm_dtype type, bnorm_layout layout)
{
    static const size_t last[][3] = {{5000, 3, 1}, {9, 1029, 1}, {3, 12, 100}, {300, 130, 1}, {2, 4099, 1}};
    static const size_t first[][3] = {{65, 17, 3}, {9, 5, 100}, {2, 3, 785}, {1, 2, 4097}, {1, 2, 6209}};
    for (size_t i = 0; i < LENGTH(last); i++) {
        const size_t *const s = layout == BNORM_CHANNELS_FIRST ? first[i] : last[i];
        const bnorm_desc d = bnorm_image(type, layout, s[0], s[1], s[2]);
        check_shape(slots, &d, false, longer());
        check_shape(slots, &d, true, longer());
    }
}

/* Above 1 MB, and above the cache that the library is made to see. */
static void check_streamed(struct slot *slots, bnorm_dtype type, bnorm_layout layout)
{
    const bool first = layout == BNORM_CHANNELS_FIRST;
    const size_t values = (size_t)560 * 1024 / type_size(type), step = longer() ? 1 : 23;
    const unsigned long before = now->streamed;
    unsigned long shapes = 0;
    for (size_t tail = 1 + (size_t)type; tail <= 70; tail += step, shapes++) {
        cache_pretend(1, (bn_reading)((shapes + shapes / READINGS) % READINGS));
        const size_t features = first ? 3 : tail;
        bnorm_desc d = bnorm_image(type, layout, values / tail / (first ? 3 : 1) + 1, features, first ? tail : 1);
        d.threads = 1 + (int)(shapes / 2 % 2);
        if (shapes % 2) d = padded(d, 1, false); /* so that rows are not taken side by side */
        check_shape(slots, &d, false, longer() && tail % 16 == 3);
    }
    /* long runs, of which a tile takes parts; rows that are wider than a tile */
    const size_t wide = type == BNORM_F64 ? 513 : 1029, rows = type == BNORM_F64 ? 513 : 1028 / type_size(type) + 1;
    const bnorm_desc d = first ? bnorm_image(type, layout, 1, 5, values / 5 + 1) : bnorm_matrix(type, rows, wide);
    cache_pretend(1, BN_READS_PAGES);
    CHECK(first || goes_by_whole_rows(&d), "%zu rows of %zu values are cut into strips", rows, wide);
    for (int reading = 0; reading < READINGS; reading++, shapes++) {
        cache_pretend(1, (bn_reading)reading);
        check_shape(slots, &d, false, longer());
    }
    cache_pretend(1, BN_READS_PAGES);
    check_shape(slots, &d, true, longer()); /* by ordinary stores */
    if (!first && type_size(type) == 2) {   /* less than a cache line is left of several rows at once, see sameness */
        const bnorm_desc narrow = bnorm_matrix(type, 37377, 8);
        check_shape(slots, &narrow, false, false);
        shapes++;
    }
    cache_pretend((size_t)16 << 20, BN_READS_PLAINLY); /* in cache */
    check_shape(slots, &d, false, longer());
    CHECK(first || goes_by_whole_rows(&d), "%zu rows of %zu values are cut into strips in cache", rows, wide);
    cache_pretend(0, BN_READS_PLAINLY);
    CHECK(now->streamed == before + shapes, "%lu of %lu shapes are streamed", now->streamed - before, shapes);
}

static void check_all(void)
{
    struct slot slots[SLOTS];
    for (int i = 0; i < SLOTS; i++) slots[i] = slot_make((size_t)5 << 19);
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++) {
            check_tails(slots, all_types[t], all_layouts[l]);
            check_ends(slots, all_types[t], all_layouts[l]);
            if (!test_quick()) check_streamed(slots, all_types[t], all_layouts[l]);
        }
    for (int i = 0; i < SLOTS; i++) slot_free(&slots[i]);
}

static void check_in_child(const char *isa)
{
    memset(now, 0, sizeof *now);
    const pid_t child = fork();
    if (child == 0) {
        setenv("BNORM_ISA", isa, 1);
        strncpy(now->isa, bnorm_isa(), sizeof now->isa - 1);
        check_all();
        snprintf(now->report, sizeof now->report, "%s", check_report());
        _exit(check_failures() ? 1 : 0);
    }
    int state = 1;
    waitpid(child, &state, 0);
    describe("BNORM_ISA=%s", isa);
    CHECK(!WIFSIGNALED(state),
          "signal %d, on %s, after %lu calls, in call %d of %s %zu x %zu x %zu, channels %s, x_stride %zu, %s%zu "
          "elements from the guard at the %s",
          WTERMSIG(state), now->isa, now->calls, now->operation, type_name(now->desc.dtype), now->desc.batch,
          now->desc.features, now->desc.spatial, layout_name(now->desc.layout), now->desc.x_stride,
          now->in_place ? "in place, " : "", now->gap, now->side == END ? "end" : "beginning");
    CHECK(WIFSIGNALED(state) || state == 0, "on %s: %s", now->isa, now->report);
    note("%s: %lu calls, %lu shapes streamed", now->isa, now->calls, now->streamed);
}

CASE_BEFORE_BNORM(guards, every_array)
{
#if defined(__x86_64__)
    static const char *const sets[] = {"generic", "avx2", "avx512"};
#elif defined(__aarch64__)
    static const char *const sets[] = {"generic", "neon"};
#else
    static const char *const sets[] = {"generic"};
#endif
    now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (now == MAP_FAILED) abort();
    for (size_t i = 0; i < LENGTH(sets); i++) check_in_child(sets[i]);
    munmap(now, sizeof *now);
}
