/* Faults of the surroundings: memory runs out, the process forks, the caller's threads are many, sizes are absurd. The
 * status says so, nothing has been written, nothing hangs. */
#include "support/allocation.h"
#include "support/check.h"
#include "support/variant.h"

#include "parallel/parallel.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* ---- memory runs out --------------------------------------------------------------------------------------------- */

/* What calls work on. A matrix of 35 blocks, which want nodes; parts of them. */
struct world {
    struct problem p;
    bnorm_moments *m, *next_m;
    bnorm_gradient_sums *g, *next_g, *all_g;
    bnorm_layer *layer;
    unsigned char m_bytes[4096], g_bytes[4096]; /* of next_m and next_g */
    size_t m_size, g_size;
    bnorm_moments *new_m;
    bnorm_gradient_sums *new_g;
    bnorm_layer *new_layer;
};

enum { ROWS = 70000, FEATURES = 3, BEFORE = 1 << 14 }; /* rows of the part before: whole blocks */

static const double *mean_of(const struct world *w) { return w->p.buffers.mean; }
static const void *x_after(const struct world *w) { return (const float *)w->p.buffers.x + BEFORE * FEATURES; }
static const void *dy_after(const struct world *w) { return (const float *)w->p.buffers.dy + BEFORE * FEATURES; }

static bnorm_status training(struct world *w) { return bnorm_forward_training(&w->p.desc, &w->p.buffers); }
static bnorm_status backward(struct world *w) { return bnorm_backward(&w->p.desc, &w->p.buffers); }
static bnorm_status moments_create(struct world *w) { return bnorm_moments_create(&w->new_m, &w->p.desc, 0); }
static bnorm_status moments_accumulate(struct world *w)
{
    return bnorm_moments_accumulate(w->m, ROWS - BEFORE, x_after(w));
}
static bnorm_status moments_merge(struct world *w) { return bnorm_moments_merge(w->m, w->next_m); }
static bnorm_status moments_deserialise(struct world *w)
{
    return bnorm_moments_deserialise(w->m, w->m_bytes, w->m_size);
}
static bnorm_status gradient_create(struct world *w) { return bnorm_gradient_sums_create(&w->new_g, &w->p.desc, 0); }
static bnorm_status gradient_accumulate(struct world *w)
{
    return bnorm_gradient_sums_accumulate(w->g, ROWS - BEFORE, x_after(w), dy_after(w), mean_of(w));
}
static bnorm_status gradient_merge(struct world *w) { return bnorm_gradient_sums_merge(w->g, w->next_g); }
static bnorm_status gradient_deserialise(struct world *w)
{
    return bnorm_gradient_sums_deserialise(w->g, w->g_bytes, w->g_size);
}
static bnorm_status layer_create(struct world *w) { return bnorm_layer_create(&w->new_layer, &w->p.desc); }
static bnorm_status layer_training(struct world *w)
{
    return bnorm_layer_forward(w->layer, ROWS, w->p.buffers.x, w->p.buffers.y, true);
}
static bnorm_status layer_inference(struct world *w)
{
    return bnorm_layer_forward(w->layer, ROWS, w->p.buffers.x, w->p.buffers.y, false);
}
static bnorm_status layer_backward(struct world *w)
{
    return bnorm_layer_backward(w->layer, w->p.buffers.x, w->p.buffers.dy, w->p.buffers.dx);
}

static const struct step {
    const char *name;
    bnorm_status (*call)(struct world *);
} steps[] = {{"forward_training", training},
             {"backward", backward},
             {"moments_create", moments_create},
             {"moments_accumulate", moments_accumulate},
             {"moments_merge", moments_merge},
             {"moments_deserialise", moments_deserialise},
             {"gradient_sums_create", gradient_create},
             {"gradient_sums_accumulate", gradient_accumulate},
             {"gradient_sums_merge", gradient_merge},
             {"gradient_sums_deserialise", gradient_deserialise},
             {"layer_create", layer_create},
             {"layer_forward, training", layer_training},
             {"layer_backward", layer_backward}};

#define WELL(call) CHECK((call) == BNORM_OK, "%s", #call)

/* The objects afresh; the arrays stay. The layer has had a training forward, and no memory for a workspace. */
static void world_begin(struct world *w)
{
    const bnorm_desc *const d = &w->p.desc;
    const size_t block = BEFORE / 2048; /* blocks before the next part */
    WELL(bnorm_moments_create(&w->m, d, 0));
    WELL(bnorm_moments_create(&w->next_m, d, block));
    WELL(bnorm_gradient_sums_create(&w->g, d, 0));
    WELL(bnorm_gradient_sums_create(&w->next_g, d, block));
    WELL(bnorm_gradient_sums_create(&w->all_g, d, 0));
    WELL(bnorm_moments_accumulate(w->m, BEFORE, w->p.buffers.x));
    WELL(bnorm_moments_accumulate(w->next_m, ROWS - BEFORE, x_after(w)));
    WELL(bnorm_gradient_sums_accumulate(w->g, BEFORE, w->p.buffers.x, w->p.buffers.dy, mean_of(w)));
    WELL(bnorm_gradient_sums_accumulate(w->next_g, ROWS - BEFORE, x_after(w), dy_after(w), mean_of(w)));
    WELL(bnorm_gradient_sums_accumulate(w->all_g, ROWS, w->p.buffers.x, w->p.buffers.dy, mean_of(w)));
    w->m_size = w->g_size = sizeof w->m_bytes;
    WELL(bnorm_moments_serialise(w->next_m, w->m_bytes, &w->m_size));
    WELL(bnorm_gradient_sums_serialise(w->next_g, w->g_bytes, &w->g_size));
    WELL(bnorm_layer_create(&w->layer, d));
    allocation_fail_at(1);
    WELL(bnorm_layer_forward(w->layer, ROWS, w->p.buffers.x, w->p.buffers.y, true));
    CHECK(allocation_count() == 2, "%d allocations", allocation_count());
    allocation_fail_from(0);
    problem_save(&w->p);
}

static void world_end(struct world *w)
{
    bnorm_moments *const moments[] = {w->m, w->next_m, w->new_m};
    bnorm_gradient_sums *const sums[] = {w->g, w->next_g, w->all_g, w->new_g};
    for (size_t i = 0; i < LENGTH(moments); i++) bnorm_moments_destroy(moments[i]);
    for (size_t i = 0; i < LENGTH(sums); i++) bnorm_gradient_sums_destroy(sums[i]);
    bnorm_layer_destroy(w->layer);
    bnorm_layer_destroy(w->new_layer);
    w->new_m = NULL;
    w->new_g = NULL;
    w->new_layer = NULL;
}

static uint64_t hash(uint64_t h, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3; /* FNV-1a */
    return h;
}

/* Of all that the objects hold. */
static uint64_t state_of(const struct world *w)
{
    unsigned char bytes[4096];
    size_t size = sizeof bytes;
    uint64_t h = 0xcbf29ce484222325;
    WELL(bnorm_moments_serialise(w->m, bytes, &size));
    h = hash(h, bytes, size);
    size = sizeof bytes;
    WELL(bnorm_gradient_sums_serialise(w->g, bytes, &size));
    h = hash(h, bytes, size);
    void *const arrays[] = {bnorm_layer_gamma(w->layer),        bnorm_layer_beta(w->layer),
                            bnorm_layer_running_mean(w->layer), bnorm_layer_running_var(w->layer),
                            bnorm_layer_dgamma(w->layer),       bnorm_layer_dbeta(w->layer)};
    for (size_t i = 0; i < LENGTH(arrays); i++) h = hash(h, arrays[i], FEATURES * sizeof(float));
    return h;
}

/* With the nth allocation failing, and those after it or not. False where the call made fewer than n. */
static bool fails(struct world *w, const struct step *step, int n, bool all_after)
{
    describe("%s, allocation %d%s fails", step->name, n, all_after ? " and all after it" : "");
    world_begin(w);
    const uint64_t before = state_of(w);
    if (all_after)
        allocation_fail_from(n);
    else
        allocation_fail_at(n);
    const bnorm_status status = step->call(w);
    const int count = allocation_count(), kept = allocation_kept();
    allocation_fail_from(0);
    const bool failed = count >= n;

    if (status != BNORM_OK) {
        CHECK(status == BNORM_NO_MEMORY && failed, "%s", bnorm_status_string(status));
        CHECK(!w->new_m && !w->new_g && !w->new_layer, "something was made");
        CHECK(state_of(w) == before, "an object was changed");
        CHECK(kept <= 0, "%d pieces of memory are lost", kept);
        problem_check_unchanged(&w->p);
    }
    CHECK(status != BNORM_OK || !failed || !all_after, "%s", bnorm_status_string(status));
    world_end(w);
    return failed;
}

/* The nth allocation of every public call that makes any, for every n until none fails. */
CASE(faults, out_of_memory)
{
    static struct world w;
    const bnorm_desc d = bnorm_matrix(BNORM_F32, ROWS, FEATURES);
    w.p = problem_make(&d, 0);
    problem_fill(&w.p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&w.p);
    for (size_t i = 0; i < LENGTH(steps); i++)
        for (int all_after = 0; all_after < 2; all_after++) {
            int n = 1;
            while (n < 1000 && fails(&w, &steps[i], n, all_after)) n++;
            CHECK(n > 1 && n < 1000, "%s: %d allocations", steps[i].name, n - 1);
        }
    problem_free(&w.p);
}

/* These need no memory, so they cannot fail for want of it: a caller that has its sums can always finish. */
CASE(faults, without_memory)
{
    static struct world w;
    const bnorm_desc d = bnorm_matrix(BNORM_F32, ROWS, FEATURES);
    size_t size = 0;
    w.p = problem_make(&d, 0);
    const bnorm_buffers *const b = &w.p.buffers;
    problem_fill(&w.p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&w.p);
    world_begin(&w);
    allocation_fail_from(1);
    WELL(bnorm_workspace_size(&d, &size));
    WELL(bnorm_block_rows(&d, &size));
    WELL(bnorm_check_training_part(&d, b));
    WELL(bnorm_check_backward_part(&d, b));
    WELL(bnorm_moments_serialise(w.m, NULL, &size));
    WELL(bnorm_moments_serialise(w.m, w.m_bytes, &size));
    WELL(bnorm_moments_finish(w.m, b->mean, b->invstd));
    WELL(bnorm_moments_commit(w.m, b->running_mean, b->running_var));
    WELL(bnorm_normalise(&d, b));
    WELL(bnorm_forward_inference(&d, b));
    WELL(layer_inference(&w));
    WELL(bnorm_gradient_sums_serialise(w.g, NULL, &size));
    WELL(bnorm_gradient_sums_serialise(w.g, w.g_bytes, &size));
    WELL(bnorm_gradient_sums_finish(w.g, b->invstd, b->dgamma, b->dbeta));
    WELL(bnorm_input_gradient(&d, b, w.all_g));
    CHECK(allocation_count() == 0, "%d allocations", allocation_count());
    allocation_fail_from(0);
    world_end(&w);
    problem_free(&w.p);
}

/* ---- fork -------------------------------------------------------------------------------------------------------- */

/* Worth two threads, channels last and first; what they yield on one. */
enum { SHAPES = 2, PATIENCE = 20 /* seconds, some hundred times what is needed */ };

static bnorm_desc shape(int number)
{
    return number == 0 ? bnorm_matrix(BNORM_F32, 40000, 16) : bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 8, 64, 784);
}

static struct digests expected[SHAPES];

static struct digests digests_on(int number, int threads)
{
    const bnorm_desc d = shape(number);
    return variant_run(&d, &(struct input){.pattern = RANDOM}, &(struct variant){.threads = threads});
}

static void expect(void)
{
    for (int i = 0; i < SHAPES; i++) expected[i] = digests_on(i, 1);
}

static void check_calls(const char *what, int team)
{
    for (int i = 0; i < SHAPES; i++) {
        const struct digests found = digests_on(i, 2);
        check_same(&expected[i], &found, what);
#ifdef _OPENMP
        CHECK(bn_last_team() == team, "%s: a team of %d", what, bn_last_team());
#else
        (void)team;
#endif
    }
}

/* A child that runs the body, and is ended where it takes too long. */
static void check_in_child(const char *what, void (*body)(void))
{
    const pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE);
        body();
        _exit(check_failures() > 0);
    }
    int state = 1;
    waitpid(child, &state, 0);
    CHECK(!WIFSIGNALED(state), "%s: %s (signal %d)", what, WTERMSIG(state) == SIGALRM ? "it hangs" : "it crashed",
          WTERMSIG(state));
    CHECK(WIFSIGNALED(state) || state == 0, "%s: see the lines above", what);
}

static void call_in_child(void) { check_calls("in a child", 1); }

static void fork_again(void)
{
    check_calls("in a child", 1);
    check_in_child("a child's child", call_in_child);
}

CASE(faults, fork_after_a_parallel_call)
{
    expect();
    check_calls("before", 2);
    check_in_child("a child", fork_again);
    check_calls("the parent afterwards", 2);
}

/* CHECK is for the main thread: it waits meanwhile. */
static void *call_and_fork(void *unused)
{
    (void)unused;
    check_calls("in a thread", 2);
    check_in_child("a child of a thread", fork_again);
    check_calls("in a thread afterwards", 2);
    return NULL;
}

CASE(faults, fork_from_a_thread)
{
    pthread_t thread;
    expect();
    check_calls("before", 2);
    CHECK(pthread_create(&thread, NULL, call_and_fork, NULL) == 0 && pthread_join(thread, NULL) == 0, "a thread");
    check_calls("afterwards", 2);
}

/* ---- the caller's threads ---------------------------------------------------------------------------------------- */

#ifdef _OPENMP
CASE(faults, fork_in_a_region)
{
    expect();
    check_calls("before", 2);
#pragma omp parallel num_threads(3)
    {
#pragma omp single
        check_in_child("a child of a region", call_in_child);
    }
    check_calls("afterwards", 2);
}

enum { OUTER = 2, INNER = 3 };

/* Each thread of each inner region makes calls of its own, on itself alone; the regions' barriers still work. */
CASE(faults, regions_in_regions)
{
    const bnorm_desc d = shape(0);
    const struct input input = {.pattern = RANDOM};
    const int levels = omp_get_max_active_levels();
    struct problem p[OUTER][INNER + 1];
    bnorm_status status[OUTER][INNER];
    int teams[OUTER][INNER], reached = 0, inner_threads = 0;
    for (int i = 0; i < OUTER; i++)
        for (int j = 0; j < INNER; j++) {
            p[i][j] = problem_make(&d, 0);
            problem_fill(&p[i][j], &input);
        }
    omp_set_max_active_levels(3); /* one more than there are: a call could make a team */
#pragma omp parallel num_threads(OUTER)
    {
        const int i = omp_get_thread_num();
#pragma omp parallel num_threads(INNER)
        {
            const int j = omp_get_thread_num();
            status[i][j] = bnorm_forward_training(&d, &p[i][j].buffers);
            teams[i][j] = bn_last_team();
#pragma omp atomic
            reached++;
#pragma omp barrier
#pragma omp single
            {
#pragma omp atomic
                inner_threads += omp_get_num_threads();
            }
            const bnorm_status s = bnorm_backward(&d, &p[i][j].buffers);
            if (s != BNORM_OK) status[i][j] = s;
        }
    }
    omp_set_max_active_levels(levels);
    CHECK(inner_threads == OUTER * INNER && reached == inner_threads, "%d threads, %d calls", inner_threads, reached);
    for (int i = 0; i < OUTER; i++)
        for (int j = 0; j < INNER; j++) {
            CHECK(status[i][j] == BNORM_OK && teams[i][j] == 1, "%s, on %d threads", bnorm_status_string(status[i][j]),
                  teams[i][j]);
            for (int a = 0; a < WORKSPACE; a++)
                CHECK(array_digest(&p[i][j].arrays[a]) == array_digest(&p[0][0].arrays[a]), "array %d", a);
        }
    expect();
    CHECK(array_digest(&p[0][0].arrays[Y]) == expected[0].training_y, "not what a plain call yields");
    for (int i = 0; i < OUTER; i++)
        for (int j = 0; j < INNER; j++) problem_free(&p[i][j]);
}
#endif

/* More threads than can be. */
CASE(faults, as_many_threads_as_an_int_holds)
{
    expect();
    for (int i = 0; i < SHAPES; i++) {
        const struct digests found = digests_on(i, INT_MAX);
        check_same(&expected[i], &found, "INT_MAX threads");
    }
}

/* ---- a program of its own: loading, and no threads to be had ---- */

#ifdef LOADED
/* Threads that spin run code of the library's when it goes; those that sleep may not wake in time to show it. */
CASE(faults, loaded_by_another_program)
{
    const pid_t child = fork();
    if (child == 0) {
        setenv("OMP_WAIT_POLICY", "active", 1);
        execl(LOADED, LOADED, LIBRARY, (char *)NULL);
        _exit(127);
    }
    int state = 1;
    waitpid(child, &state, 0);
    CHECK(state == 0, "run %s %s: status %#x", LOADED, LIBRARY, (unsigned)state);
}
#endif

/* ---- sizes near SIZE_MAX ----------------------------------------------------------------------------------------- */

/* A product, and whether it is beyond PTRDIFF_MAX; 128 bits would wrap. */
struct size {
    size_t value;
    bool beyond;
};

static struct size times(struct size a, size_t b)
{
    if (a.value == 0 && !a.beyond) return a;
    if (b == 0) return (struct size){0, false};
    if (a.beyond || b > PTRDIFF_MAX || a.value > PTRDIFF_MAX / b) return (struct size){1, true};
    return (struct size){a.value * b, false};
}

/* What section 3 of the header says of sizes and strides alone. An empty batch has arrays of no bytes, but N * S, C * S
 * and what is one a feature count. */
static bnorm_status status_of_sizes(const bnorm_desc *d)
{
    const bool first = d->layout == BNORM_CHANNELS_FIRST;
    const struct size row = times((struct size){d->features, d->features > PTRDIFF_MAX}, first ? d->spatial : 1);
    const struct size rows = times((struct size){d->batch, d->batch > PTRDIFF_MAX}, first ? 1 : d->spatial);
    const size_t x = d->x_stride ? d->x_stride : row.value, y = d->y_stride ? d->y_stride : row.value;
    const size_t strides[] = {x, y, d->dx_stride ? d->dx_stride : x, d->dy_stride ? d->dy_stride : y};
    const struct size features = {d->features, d->features > PTRDIFF_MAX}, batch = {d->batch, d->batch > PTRDIFF_MAX};
    bool beyond = times(features, sizeof(double)).beyond || times(features, d->spatial).beyond;
    bool too_short = false;

    if (d->features == 0) return BNORM_NO_FEATURES;
    beyond |= times(batch, d->spatial).beyond || row.beyond;
    for (size_t i = 0; i < LENGTH(strides) && !beyond; i++) {
        const size_t step = strides[i] > row.value ? strides[i] : row.value;
        beyond |= times(times(rows, step), type_size(d->dtype)).beyond;
        too_short |= strides[i] < row.value;
    }
    return beyond ? BNORM_OVERFLOW : too_short ? BNORM_BAD_STRIDE : BNORM_OK;
}

/* Where it is an error, every call says so and writes nothing; where it is none, there are no such arrays: only what
 * does not read any is called. */
static void check_sizes(struct problem *p, const bnorm_desc *d)
{
    const bnorm_status wanted = status_of_sizes(d);
    bnorm_moments *m = NULL;
    size_t bytes = 77, rows = 77;
    describe("batch %#zx, features %#zx, spatial %#zx, strides %#zx %#zx %#zx %#zx, %s, channels %s", d->batch,
             d->features, d->spatial, d->x_stride, d->y_stride, d->dx_stride, d->dy_stride, type_name(d->dtype),
             layout_name(d->layout));
    bnorm_status s = bnorm_workspace_size(d, &bytes);
    CHECK(s == wanted && (s == BNORM_OK || bytes == 77), "workspace_size: %s, expected %s, %zu bytes",
          bnorm_status_string(s), bnorm_status_string(wanted), bytes);
    s = bnorm_block_rows(d, &rows);
    CHECK(s == wanted && (s == BNORM_OK ? rows > 0 : rows == 77), "block_rows: %s", bnorm_status_string(s));
    if (s != BNORM_OK) {
        for (int o = 0; o < OPERATIONS; o++) {
            s = call((enum operation)o, d, &p->buffers);
            CHECK(s == wanted, "%s: %s, expected %s", operation_name(o), bnorm_status_string(s),
                  bnorm_status_string(wanted));
        }
        s = bnorm_normalise(d, &p->buffers);
        CHECK(s == wanted, "normalise: %s", bnorm_status_string(s));
    } else { /* refused for mean and invstd, after y and x have been compared */
        const bnorm_buffers over = {
            .x = p->buffers.x, .y = p->arrays[Y].elements, .mean = p->buffers.mean, .invstd = p->buffers.mean};
        s = bnorm_check_training_part(d, &over);
        CHECK(s == BNORM_OVERLAP, "check: %s", bnorm_status_string(s));
    }
    bnorm_desc part = *d;
    part.batch = 0;
    allocation_fail_from(2); /* one allocation is small, another may be of any size */
    s = bnorm_moments_create(&m, &part, 0);
    if (s == BNORM_OK && wanted != BNORM_OK && d->batch > 0 && d->spatial > 0) {
        s = bnorm_moments_accumulate(m, d->batch, p->buffers.x);
        CHECK(s == wanted, "accumulate: %s, expected %s", bnorm_status_string(s), bnorm_status_string(wanted));
    }
    allocation_fail_from(0);
    bnorm_moments_destroy(m);
}

CASE(faults, sizes_near_the_largest)
{
    static const size_t sizes[] = {0,
                                   1,
                                   3,
                                   ((size_t)1 << 31) - 1,
                                   (size_t)1 << 31,
                                   ((size_t)1 << 32) + 1,
                                   (size_t)PTRDIFF_MAX / 24,
                                   PTRDIFF_MAX / 8,
                                   (size_t)PTRDIFF_MAX / 8 + 1,
                                   PTRDIFF_MAX - 1,
                                   PTRDIFF_MAX,
                                   (size_t)PTRDIFF_MAX + 1,
                                   SIZE_MAX / 3,
                                   SIZE_MAX - 1,
                                   SIZE_MAX};
    const bnorm_desc small = bnorm_matrix(BNORM_F64, 8, 4);
    struct problem p = problem_make(&small, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    problem_save(&p);
    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (size_t j = 0; j < LENGTH(sizes); j++)
            for (size_t k = 0; k < LENGTH(sizes); k++)
                for (int kind = 0; kind < TYPES * LAYOUTS; kind++) {
                    bnorm_desc d =
                        bnorm_image(all_types[kind % TYPES], all_layouts[kind / TYPES], sizes[i], sizes[j], sizes[k]);
                    check_sizes(&p, &d);
                    size_t *const strides[] = {&d.x_stride, &d.y_stride, &d.dx_stride, &d.dy_stride};
                    *strides[(i + j + k) % 4] = sizes[(7 * i + 5 * j + 3 * k) % LENGTH(sizes)];
                    check_sizes(&p, &d);
                }
    problem_check_unchanged(&p);
    problem_free(&p);
}

/* The number of a part's first block, its length, and the length of bytes. */
CASE(faults, parts_near_the_largest)
{
    const float x[6] = {1, 2, 3, 5, 8, 13};
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 3);
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, (size_t)PTRDIFF_MAX + 1, SIZE_MAX / 4 + 1};
    bnorm_moments *m = NULL, *last = NULL;
    unsigned char bytes[512];
    size_t size = sizeof bytes;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        describe("%#zx", sizes[i]);
        CHECK(bnorm_moments_create(&m, &d, sizes[i]) == BNORM_OVERFLOW && !m, "a first block");
    }
    const bnorm_desc large = bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 0, 2, 9216); /* an image is several blocks */
    CHECK(bnorm_moments_create(&m, &large, SIZE_MAX / 4) == BNORM_OVERFLOW && !m, "a first block of large images");
    WELL(bnorm_moments_create(&last, &d, SIZE_MAX / 4)); /* no block fits after it */
    CHECK(bnorm_moments_accumulate(last, 2, x) == BNORM_OVERFLOW, "beyond the last block");
    CHECK(bnorm_moments_count(last) == 0 && bnorm_moments_next_block(last) == SIZE_MAX / 4, "and it was changed");
    WELL(bnorm_moments_create(&m, &d, 0));
    WELL(bnorm_moments_accumulate(m, 2, x));
    WELL(bnorm_moments_serialise(m, bytes, &size));
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        describe("%#zx", sizes[i]);
        CHECK(bnorm_moments_accumulate(m, sizes[i], x) == BNORM_OVERFLOW, "a batch");
        CHECK(bnorm_moments_deserialise(m, bytes, sizes[i]) == BNORM_CORRUPT, "bytes");
    }
    CHECK(bnorm_moments_count(m) == 2, "the sums were changed");
    bnorm_moments_destroy(m);
    bnorm_moments_destroy(last);
}
