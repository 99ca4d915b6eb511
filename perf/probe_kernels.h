/* The memory probes' loops. Include after defining
 *
 *     KERNELS              the name of the table to define
 *     NAME                 its instruction set, a string
 *     WIDTH                bytes in a vector: 16, 32 or 64
 *     STREAM(place, value) stores a vector past the cache
 *     STREAM_END()         orders such stores before what follows
 *
 * Lines are 64 bytes; all pointers are 64-byte aligned. Each loop takes 8 vectors a turn: more loads in flight than a
 * core can have misses, and a sum's additions do not wait for each other. */
#include "probes.h"

typedef float vector __attribute__((vector_size(WIDTH), may_alias));
enum { STEP = 8, PER_LINE = 64 / WIDTH };

/* `rest` handles what is not a whole step. */
#define EACH_STEP(lines, body, rest)                                                                                   \
    do {                                                                                                               \
        const size_t vectors = (lines)*PER_LINE;                                                                       \
        size_t i = 0;                                                                                                  \
        for (; i + STEP <= vectors; i += STEP)                                                                         \
            for (size_t k = 0; k < STEP; k++) body;                                                                    \
        for (; i < vectors; i++) rest;                                                                                 \
    } while (0)

/* Keeps the compiler from dropping a sum that nobody reads. */
static void use(const vector *sum)
{
    volatile vector kept;
    kept = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    (void)kept;
}

static void read_one(const void *from, size_t lines)
{
    const vector *a = from;
    vector sum[STEP] = {0};
    EACH_STEP(lines, sum[k] += a[i + k], sum[0] += a[i]);
    use(sum);
}

static void read_two(const void *from, const void *and_from, size_t lines)
{
    const vector *a = from, *b = and_from;
    vector sum[STEP] = {0};
    EACH_STEP(lines, sum[k] += a[i + k] + b[i + k], sum[0] += a[i] + b[i]);
    use(sum);
}

static void copy(void *to, const void *from, size_t lines)
{
    const vector *a = from;
    vector *y = to;
    EACH_STEP(lines, y[i + k] = a[i + k], y[i] = a[i]);
}

static void copy_stream(void *to, const void *from, size_t lines)
{
    const vector *a = from;
    vector *y = to;
    EACH_STEP(lines, STREAM(y + i + k, a[i + k]), STREAM(y + i, a[i]));
    STREAM_END();
}

/* Not zeros: a Zen 4 streams those at 90 GB/s, and anything else at 27. */
static void write_stream(void *to, size_t lines)
{
    vector *y = to;
    const vector value = (vector){0} + 1.25f;
    EACH_STEP(lines, STREAM(y + i + k, value), STREAM(y + i, value));
    STREAM_END();
}

static void triad(void *to, const void *from, const void *and_from, size_t lines)
{
    const vector *a = from, *b = and_from;
    vector *y = to;
    EACH_STEP(lines, y[i + k] = a[i + k] + b[i + k], y[i] = a[i] + b[i]);
}

static void triad_stream(void *to, const void *from, const void *and_from, size_t lines)
{
    const vector *a = from, *b = and_from;
    vector *y = to;
    EACH_STEP(lines, STREAM(y + i + k, a[i + k] + b[i + k]), STREAM(y + i, a[i] + b[i]));
    STREAM_END();
}

const probe_kernels KERNELS = {NAME, read_one, read_two, copy, copy_stream, write_stream, triad, triad_stream};
