/* Workspace and allocation: too little of either is a status, and nothing has been written. */
#include "support/allocation.h"
#include "support/bounds.h"
#include "support/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Each has chunks enough to want nodes; those from QUICK on are large. */
enum { SHAPES = 7, QUICK = 3 };
static const struct {
    bnorm_layout layout;
    size_t batch, features, spatial;
} shapes[SHAPES] = {{BNORM_CHANNELS_LAST, 70000, 3, 1},  {BNORM_CHANNELS_FIRST, 700, 3, 100},
                    {BNORM_CHANNELS_LAST, 700, 3, 100},  {BNORM_CHANNELS_LAST, 3000, 700, 1},
                    {BNORM_CHANNELS_LAST, 5000, 100, 1}, {BNORM_CHANNELS_FIRST, 500, 100, 49},
                    {BNORM_CHANNELS_FIRST, 14, 5, 12544}};

static int shapes_here(void) { return test_quick() ? QUICK : SHAPES; }

static bnorm_desc shape_desc(bnorm_dtype type, int s, size_t divisor)
{
    const bnorm_desc d =
        bnorm_image(type, shapes[s].layout, shapes[s].batch / divisor, shapes[s].features, shapes[s].spatial);
    describe("%zu x %zu x %zu %s, channels %s", d.batch, d.features, d.spatial, type_name(type), layout_name(d.layout));
    return d;
}

/* The nth allocation of a call fails, for every n until none does. */
static void check_failing_allocations(struct problem *p, enum operation operation)
{
    problem_save(p);
    for (int n = 1; n < 1000; n++) {
        allocation_fail_from(n);
        const bnorm_status status = call(operation, &p->desc, &p->buffers);
        const int count = allocation_count();
        allocation_fail_from(0);
        if (count < n) { /* none was refused */
            CHECK(status == BNORM_OK, "%s returned %s", operation_name(operation), bnorm_status_string(status));
            CHECK(n > 1, "%s allocated nothing: the shape is too small for this test", operation_name(operation));
            return;
        }
        CHECK(status == BNORM_NO_MEMORY, "%s, allocation %d failed: %s", operation_name(operation), n,
              bnorm_status_string(status));
        problem_check_unchanged(p);
    }
    CHECK(false, "a thousand allocations and still no end");
}

CASE(memory, out_of_memory)
{
    for (int t = 0; t < TYPES; t++)
        for (int s = 0; s < shapes_here(); s++)
            for (int o = TRAINING; o < OPERATIONS; o++) {
                if (o == INFERENCE) continue; /* see inference_without_memory */
                const bnorm_desc d = shape_desc(all_types[t], s, 1);
                struct problem p = problem_make(&d, 0);
                problem_fill(&p, &(struct input){.pattern = RANDOM});
                if (o == BACKWARD) problem_fill_saved_statistics(&p);
                check_failing_allocations(&p, o);
                problem_free(&p);
            }
}

/* Inference sums nothing, and so allocates nothing. */
CASE(memory, inference_without_memory)
{
    for (int t = 0; t < TYPES; t++)
        for (int s = 0; s < shapes_here(); s++) {
            const bnorm_desc d = shape_desc(all_types[t], s, 1);
            struct problem p = problem_make(&d, 0);
            problem_fill(&p, &(struct input){.pattern = RANDOM});
            allocation_fail_from(1);
            const bnorm_status status = call(INFERENCE, &d, &p.buffers);
            const int count = allocation_count();
            allocation_fail_from(0);
            CHECK(status == BNORM_OK && count == 0, "%s, %d allocations", bnorm_status_string(status), count);
            problem_free(&p);
        }
}

/* With a workspace nothing is allocated; of one byte less, BNORM_WORKSPACE, at every alignment. */
CASE(memory, workspace)
{
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (int s = 0; s < shapes_here(); s++)
            for (size_t shift = 0; shift < 16; shift += 5)
                for (int o = 0; o < OPERATIONS; o++) {
                    const bnorm_desc d = shape_desc(all_types[t], s, 7);
                    size_t bytes = 0;
                    CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OK, "size");
                    struct problem p = problem_make(&d, 0);
                    problem_fill(&p, &(struct input){.pattern = RANDOM});
                    problem_fill_saved_statistics(&p);
                    problem_give_workspace(&p, bytes, shift);
                    problem_save(&p);
                    if (bytes > 0) {
                        p.buffers.workspace_size = bytes - 1;
                        const bnorm_status status = call(o, &d, &p.buffers);
                        CHECK(status == BNORM_WORKSPACE, "a byte too small: %s", bnorm_status_string(status));
                        problem_check_unchanged(&p);
                    }
                    p.buffers.workspace_size = bytes;
                    allocation_fail_from(1);
                    const bnorm_status status = problem_run(&p, o);
                    const int count = allocation_count();
                    allocation_fail_from(0);
                    CHECK(status == BNORM_OK && count == 0, "%s returned %s after %d allocations", operation_name(o),
                          bnorm_status_string(status), count);
                    if (shift == 0 && o == TRAINING && s == 0) check_training(&p, &worst);
                    problem_free(&p);
                }
}

/* Bytes that a call changed of the 256 KB behind the workspace. */
static size_t changed_behind(const bnorm_desc *d, enum operation o)
{
    enum { BEHIND = 256 << 10, MARK = 77 };
    size_t bytes = 0, changed = 0;
    CHECK(bnorm_workspace_size(d, &bytes) == BNORM_OK, "size");
    struct problem p = problem_make(d, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    problem_give_workspace(&p, bytes + BEHIND, 0);
    char *const behind = (char *)p.buffers.workspace + bytes;
    memset(behind, MARK, BEHIND);
    p.buffers.workspace_size = bytes;
    const bnorm_status status = call(o, d, &p.buffers);
    CHECK(status == BNORM_OK, "%s returned %s", operation_name(o), bnorm_status_string(status));
    for (size_t i = 0; i < BEHIND; i++) changed += behind[i] != MARK;
    problem_free(&p);
    return changed;
}

/* Around the rows and columns at which a walk changes, on one thread and on two: few long rows have no nodes. */
CASE(memory, behind_the_workspace)
{
    static const size_t rows[] = {9, 257, 513}, columns[] = {1030, 4096, 8192};
    for (int t = 0; t < TYPES; t++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
                for (int o = 0; o < OPERATIONS; o++)
                    for (int threads = 1; threads <= 2; threads++) {
                        bnorm_desc d = bnorm_matrix(all_types[t], rows[r], columns[c]);
                        if (columns[c] > 4096 && type_size(d.dtype) > 2) continue;
                        if (test_quick() && rows[r] * columns[c] > 100000) continue;
                        d.threads = threads;
                        describe("%zu x %zu %s", rows[r], columns[c], type_name(all_types[t]));
                        const size_t changed = changed_behind(&d, o);
                        CHECK(changed == 0, "%s on %d threads changed %zu bytes behind the workspace",
                              operation_name(o), threads, changed);
                    }
}

/* The size comes from the description alone, without its thread count, and is small beside x: 4 %, and 64 KB. */
CASE(memory, workspace_size)
{
    for (int t = 0; t < TYPES; t++)
        for (int s = 0; s < shapes_here(); s++) {
            bnorm_desc d = shape_desc(all_types[t], s, 1);
            size_t one = 1, many = 2;
            d.threads = 1;
            CHECK(bnorm_workspace_size(&d, &one) == BNORM_OK, "size");
            d.threads = 64;
            CHECK(bnorm_workspace_size(&d, &many) == BNORM_OK, "size");
            CHECK(one == many, "%zu bytes with 1 thread, %zu with 64", one, many);
        }
    for (int t = 0; t < TYPES; t++)
        for (size_t rows = 2; rows < 3000; rows += rows / 4 + 1)
            for (size_t features = 1; features < 10000; features += features / 100 + 1) {
                const bnorm_desc d = bnorm_matrix(all_types[t], rows, features);
                const size_t x = rows * features * type_size(all_types[t]);
                size_t bytes = SIZE_MAX;
                CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OK && bytes <= x / 25 + (64 << 10),
                      "%zu x %zu %s: %zu bytes", rows, features, type_name(all_types[t]), bytes);
            }
}

/* What is enough for a batch is enough for a smaller one: the last of an epoch. */
CASE(memory, workspace_size_of_smaller_batches)
{
    static const size_t features[] = {1, 3, 64, 125, 512, 1000, 1024, 1025, 4095, 4096, 8192},
                        pixels[] = {1, 2, 49, 64, 65, 3136, 5625};
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++)
            for (size_t f = 0; f < LENGTH(features); f++)
                for (size_t s = 0; s < LENGTH(pixels); s++) {
                    size_t before = 0;
                    for (size_t batch = 0; batch < 3000; batch += 1 + batch / 700) {
                        const bnorm_desc d = bnorm_image(all_types[t], all_layouts[l], batch, features[f], pixels[s]);
                        size_t bytes = 0;
                        const bnorm_status status = bnorm_workspace_size(&d, &bytes);
                        CHECK(status == BNORM_OK && bytes >= before,
                              "%zu x %zu x %zu %s, channels %s: %zu bytes, before %zu", batch, features[f], pixels[s],
                              type_name(all_types[t]), layout_name(all_layouts[l]), bytes, before);
                        before = bytes;
                    }
                }
}

/* ---- stack ------------------------------------------------------------------------------------------------------- */

/* Sanitizers give frames room of their own, and so does what counts lines (long/coverage). */
#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define FRAMES_ARE_LARGER
#endif
#elif defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define FRAMES_ARE_LARGER
#endif

enum { STACK = 512 << 10, PROMISED = 80 << 10, PAINT = 0xa5 };

struct deep {
    struct problem *problem; /* NULL: nothing is called */
    enum operation operation;
    bnorm_status status;
};

static void *call_on_a_thread(void *argument)
{
    struct deep *const d = argument;
    d->status = d->problem ? call(d->operation, &d->problem->desc, &d->problem->buffers) : BNORM_OK;
    return NULL;
}

/* Bytes of a painted stack that a thread has written to, counted from its top. */
static size_t stack_of(struct deep *d)
{
    unsigned char *const stack = aligned_alloc(4096, STACK);
    pthread_attr_t attributes;
    pthread_t thread;
    size_t untouched = 0;

    if (!stack) abort();
    memset(stack, PAINT, STACK);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, STACK);
    const int failed = pthread_create(&thread, &attributes, call_on_a_thread, d);
    CHECK(!failed, "no thread");
    if (!failed) pthread_join(thread, NULL);
    while (untouched < STACK && stack[untouched] == PAINT) untouched++;
    pthread_attr_destroy(&attributes);
    free(stack);
    return STACK - untouched;
}

/* The stack that the README promises to keep to. */
CASE(memory, stack)
{
#ifdef FRAMES_ARE_LARGER
    note("skipped: instrumented frames are larger");
#else
    const size_t empty = stack_of(&(struct deep){.problem = NULL});
    size_t most = 0;
    for (int t = 0; t < TYPES; t++)
        for (int s = 0; s < shapes_here(); s++)
            for (int o = TRAINING; o < OPERATIONS; o++) {
                bnorm_desc d = shape_desc(all_types[t], s, 7);
                d.threads = 1;
                struct problem p = problem_make(&d, 0);
                problem_fill(&p, &(struct input){.pattern = CANCELLING});
                problem_fill_saved_statistics(&p);
                struct deep deep = {.problem = &p, .operation = (enum operation)o};
                const size_t bytes = stack_of(&deep) - empty;
                CHECK(deep.status == BNORM_OK, "%s: %s", operation_name(o), bnorm_status_string(deep.status));
                CHECK(bytes < PROMISED, "%s takes %zu bytes of stack", operation_name(o), bytes);
                if (bytes > most) most = bytes;
                problem_free(&p);
            }
    note("at most %zu bytes of stack, of %d", most, (int)PROMISED);
#endif
}
