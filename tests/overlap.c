/* Which arrays may share memory: judged by elements, not by the range from first to last. */
#include "support/check.h"
#include "support/problem.h"
#include "support/random.h"

#include <stdlib.h>

enum { ROWS = 6, WIDTH = 16 }; /* one buffer of ROWS x WIDTH that slices are cut from */

/* Training on a slice of the buffer that starts at column `x`, into another that starts at `y`, both `features` wide.
 */
static bnorm_status slices(size_t x, size_t y, size_t features, size_t x_stride, size_t y_stride)
{
    float buffer[ROWS * WIDTH * 2], before[ROWS * WIDTH * 2];
    for (int i = 0; i < ROWS * WIDTH * 2; i++) buffer[i] = (float)(i * i % 31);
    memcpy(before, buffer, sizeof buffer);
    bnorm_desc d = bnorm_matrix(BNORM_F32, ROWS, features);
    d.x_stride = x_stride;
    d.y_stride = y_stride;
    const bnorm_buffers b = {.x = buffer + x, .y = buffer + y};
    const bnorm_status status = bnorm_forward_training(&d, &b);
    size_t wrong = 0;
    for (size_t i = 0; i < ROWS * WIDTH * 2; i++) {
        const size_t stride = y_stride ? y_stride : features;
        const bool in_y = status == BNORM_OK && i >= y && (i - y) / stride < ROWS && (i - y) % stride < features;
        wrong += !in_y && buffer[i] != before[i];
    }
    CHECK(wrong == 0, "%zu elements beside y were written", wrong);
    return status;
}

/* A DenseNet layer reads some columns of a buffer and writes others. */
CASE(overlap, disjoint_slices_with_equal_strides)
{
    CHECK(slices(0, 8, 8, WIDTH, WIDTH) == BNORM_OK, "side by side");
    CHECK(slices(8, 0, 8, WIDTH, WIDTH) == BNORM_OK, "the other way");
    CHECK(slices(0, 3, 3, WIDTH, WIDTH) == BNORM_OK, "with room to the right");
    CHECK(slices(0, 13, 3, WIDTH, WIDTH) == BNORM_OK, "up to the end");
    CHECK(slices(13, WIDTH, 3, WIDTH, WIDTH) == BNORM_OK, "y begins a row further down");
    CHECK(slices(14, WIDTH, 2, WIDTH, WIDTH) == BNORM_OK, "the same, narrower");
    CHECK(slices(2 * WIDTH, 5, 5, WIDTH, WIDTH) == BNORM_OK, "x begins two rows further down");
    CHECK(slices(0, ROWS * WIDTH, WIDTH, WIDTH, WIDTH) == BNORM_OK, "one after the other");
    CHECK(slices(0, ROWS * 5, 5, 0, 0) == BNORM_OK, "dense, touching");
}

CASE(overlap, slices_that_share_an_element)
{
    CHECK(slices(0, 7, 8, WIDTH, WIDTH) == BNORM_OVERLAP, "one column shared");
    CHECK(slices(7, 0, 8, WIDTH, WIDTH) == BNORM_OVERLAP, "the other way");
    CHECK(slices(0, 1, 8, WIDTH, WIDTH) == BNORM_OVERLAP, "all but one column shared");
    CHECK(slices(0, WIDTH, 8, WIDTH, WIDTH) == BNORM_OVERLAP, "a row further down");
    CHECK(slices(14, WIDTH, 4, WIDTH, WIDTH) == BNORM_OVERLAP, "x wraps into the next row, where y is");
    CHECK(slices(0, (ROWS - 1) * WIDTH, 4, WIDTH, WIDTH) == BNORM_OVERLAP, "the last row only");
    CHECK(slices(0, 1, 5, 0, 0) == BNORM_OVERLAP, "dense, one off");
    CHECK(slices(0, ROWS * 5 - 1, 5, 0, 0) == BNORM_OVERLAP, "dense, the last element only");
    CHECK(slices(0, 0, 5, WIDTH, WIDTH - 1) == BNORM_OVERLAP, "in place with other strides");
    CHECK(slices(0, 0, 5, WIDTH, WIDTH) == BNORM_OK, "in place");
    CHECK(slices(0, 0, 5, 0, 0) == BNORM_OK, "in place, dense");
    CHECK(slices(0, 0, 5, 0, 5) == BNORM_OK, "in place, equal strides, one by default");
}

/* By each pair of elements. */
CASE(overlap, unequal_strides)
{
    for (size_t y = 0; y < 40; y++)
        for (size_t stride = 3; stride < 12; stride++) {
            bool meet = false;
            for (size_t i = 0; i < ROWS * 3; i++)
                for (size_t j = 0; j < ROWS * 3; j++) meet |= i / 3 * 7 + i % 3 == y + j / 3 * stride + j % 3;
            if (y == 0 && stride == 7) continue; /* in place */
            const bnorm_status status = slices(0, y, 3, 7, stride);
            describe("x at stride 7, y at %zu with stride %zu", y, stride);
            CHECK((status == BNORM_OVERLAP) == meet, "they %s: %s", meet ? "share an element" : "share none",
                  bnorm_status_string(status));
            CHECK(meet || status == BNORM_OK, "%s", bnorm_status_string(status));
        }
}

static size_t drawn(uint64_t index, size_t below) { return (size_t)(random_bits(test_seed(), index) % below); }

/* Any places and strides, against each pair of rows. Nothing is there to be read. */
CASE(overlap, random_strides)
{
    char *const start = (char *)(uintptr_t)(1 << 20);
    size_t shared = 0;

    for (uint64_t i = 0, n = 0; i < 20000; i++) {
        const size_t rows = 1 + drawn(n++, 40), width = 1 + drawn(n++, 4), room = 1 + drawn(n++, 60);
        const size_t x_stride = width + drawn(n++, room), y_stride = width + drawn(n++, room);
        const size_t x = drawn(n++, 1200), y = drawn(n++, 1200); /* bytes; nothing need be aligned */
        bnorm_desc d = bnorm_matrix(BNORM_F32, rows, width);
        bool meet = false;

        if (x == y && x_stride == y_stride) continue; /* in place */
        d.x_stride = x_stride;
        d.y_stride = y_stride;
        for (size_t r = 0; r < rows; r++)
            for (size_t s = 0; s < rows; s++) {
                const size_t a = x + 4 * r * x_stride, b = y + 4 * s * y_stride;
                meet |= a < b + 4 * width && b < a + 4 * width;
            }
        shared += meet;
        describe("%zu x %zu, x at byte %zu with stride %zu, y at byte %zu with stride %zu", rows, width, x, x_stride, y,
                 y_stride);
        const bnorm_buffers buffers = {.x = start + x, .y = start + y};
        CHECK(bnorm_check_training_part(&d, &buffers) == (meet ? BNORM_OVERLAP : BNORM_OK), "%s",
              meet ? "they share an element" : "they share none");
    }
    CHECK(shared > 4000 && shared < 16000, "%zu of 20000 share an element", shared);
}

/* ---- slices of the channels of one buffer of images ---------------------------------------------------------------
 */

enum { IMAGES = 3, CHANNELS = 6, MOST_PIXELS = 17, MOST_VALUES = IMAGES * CHANNELS * MOST_PIXELS };

/* Training or, with `backward`, backward on channels [x, x + features) of a buffer, into channels [y, y + features) of
 * it. Where it succeeds, what is written must be what the same call writes elsewhere, and nothing else. */
static bnorm_status image_slices(bnorm_desc d, size_t x, size_t y, bool backward)
{
    const bool first = d.layout == BNORM_CHANNELS_FIRST;
    const size_t size = type_size(d.dtype), run = first ? d.spatial : 1, stride = CHANNELS * run;
    uint64_t memory[MOST_VALUES] = {0}, before[MOST_VALUES], elsewhere[MOST_VALUES]; /* room for any type */
    unsigned char *const bytes = (unsigned char *)memory;
    float gamma[CHANNELS], other_gamma[CHANNELS];
    double mean[CHANNELS] = {0}, invstd[CHANNELS] = {1, 1, 1, 1, 1, 1};
    d.x_stride = d.y_stride = d.dx_stride = d.dy_stride = stride;
    for (size_t i = 0; i < IMAGES * CHANNELS * d.spatial; i++) type_put(d.dtype, memory, i, (double)(i * i % 31));
    memcpy(before, memory, sizeof memory);
    memcpy(elsewhere, memory, sizeof memory);
    bnorm_buffers b = {.x = bytes + x * run * size, .mean = mean, .invstd = invstd};
    bnorm_buffers apart = b;
    apart.x = (unsigned char *)before + x * run * size;
    if (backward) {
        apart.dy = apart.x;
        b.x = apart.x;
        b.dy = bytes + x * run * size;
        b.dx = bytes + y * run * size;
        apart.dx = (unsigned char *)elsewhere + y * run * size;
        b.dgamma = d.dtype == BNORM_F64 ? NULL : gamma;
        apart.dgamma = d.dtype == BNORM_F64 ? NULL : other_gamma;
    } else {
        b.y = bytes + y * run * size;
        apart.y = (unsigned char *)elsewhere + y * run * size;
    }
    const enum operation o = backward ? BACKWARD : TRAINING;
    const bnorm_status status = call(o, &d, &b);
    CHECK(call(o, &d, &apart) == BNORM_OK, "apart");
    const void *const expected = status == BNORM_OK ? elsewhere : before;
    CHECK(memcmp(memory, expected, sizeof memory) == 0, "%s: the buffer is not what it should be",
          bnorm_status_string(status));
    return status;
}

/* All places and widths: legal where the channels are disjoint, or the same. */
CASE(overlap, slices_of_channels)
{
    static const size_t pixels[] = {1, 2, 5, MOST_PIXELS};
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (size_t s = 0; s < LENGTH(pixels); s++)
            for (size_t features = 1; features <= CHANNELS; features++)
                for (size_t x = 0; x + features <= CHANNELS; x++)
                    for (size_t y = 0; y + features <= CHANNELS; y++)
                        for (int backward = 0; backward < 2; backward++) {
                            const bnorm_desc d = bnorm_image(all_types[kind % TYPES], all_layouts[kind / TYPES], IMAGES,
                                                             features, pixels[s]);
                            describe("%s, channels %s, %zu pixels, %zu channels from %zu to %zu", type_name(d.dtype),
                                     layout_name(d.layout), pixels[s], features, x, y);
                            const bool legal = x == y || x + features <= y || y + features <= x;
                            const bnorm_status status = image_slices(d, x, y, backward);
                            CHECK(status == (legal ? BNORM_OK : BNORM_OVERLAP), "%s", bnorm_status_string(status));
                        }
}

/* Channels first, an image is one piece of memory: y an element into x, at the last element of the last image, and
 * between images where there is room for it. */
CASE(overlap, elements_of_images)
{
    for (int t = 0; t < TYPES; t++) {
        const size_t size = type_size(all_types[t]);
        uint64_t memory[400];
        unsigned char *const bytes = (unsigned char *)memory;
        memset(memory, 0, sizeof memory);
        bnorm_desc d = bnorm_image(all_types[t], BNORM_CHANNELS_FIRST, 3, 2, 7);
        d.x_stride = d.y_stride = 28;
        describe("%s", type_name(d.dtype));
        static const struct {
            size_t y;
            bnorm_status status;
        } places[] = {{1, BNORM_OVERLAP},  {7, BNORM_OVERLAP},  {13, BNORM_OVERLAP}, {14, BNORM_OK},
                      {15, BNORM_OVERLAP}, {28, BNORM_OVERLAP}, {69, BNORM_OVERLAP}, {70, BNORM_OK},
                      {0, BNORM_OK},       {42, BNORM_OK},      {41, BNORM_OVERLAP}, {43, BNORM_OVERLAP}};
        for (size_t i = 0; i < LENGTH(places); i++) {
            const bnorm_buffers b = {.x = bytes, .y = bytes + places[i].y * size};
            const bnorm_status status = call(TRAINING, &d, &b);
            CHECK(status == places[i].status, "y at %zu: %s", places[i].y, bnorm_status_string(status));
        }
        d.y_stride = 29;
        const bnorm_buffers other = {.x = bytes, .y = bytes};
        CHECK(call(TRAINING, &d, &other) == BNORM_OVERLAP, "in place with other strides");
    }
}

/* Every array that a call writes, laid over every other that it uses: first on first, last on first, first on last. */
static void check_pairs(bnorm_desc d, enum operation operation, const enum array_name *written,
                        const enum array_name *used)
{
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    void **const pointers[ARRAYS] = {[X] = (void **)&p.buffers.x,
                                     [DY] = (void **)&p.buffers.dy,
                                     [GAMMA] = (void **)&p.buffers.gamma,
                                     [BETA] = (void **)&p.buffers.beta,
                                     [Y] = &p.buffers.y,
                                     [DX] = &p.buffers.dx,
                                     [DGAMMA] = &p.buffers.dgamma,
                                     [DBETA] = &p.buffers.dbeta,
                                     [RUNNING_MEAN] = &p.buffers.running_mean,
                                     [RUNNING_VAR] = &p.buffers.running_var,
                                     [MEAN] = (void **)&p.buffers.mean,
                                     [INVSTD] = (void **)&p.buffers.invstd};
    const bnorm_buffers sound = p.buffers;
    problem_save(&p);
    for (int i = 0; written[i] != ARRAYS; i++)
        for (int j = 0; used[j] != ARRAYS; j++) {
            if (written[i] == used[j]) continue;
            const size_t length = p.arrays[written[i]].rows * 4, other = p.arrays[used[j]].rows * 4;
            char *const there = *pointers[used[j]];
            const ptrdiff_t shifts[] = {0, (ptrdiff_t)other - 1, 1 - (ptrdiff_t)length};
            for (int s = 0; s < 3; s++) {
                const bool in_place =
                    shifts[s] == 0 && ((written[i] == Y && used[j] == X) || (written[i] == X && used[j] == Y) ||
                                       (written[i] == DX && used[j] == DY));
                if (in_place) continue;
                *pointers[written[i]] = there + shifts[s] * 8;
                describe("%s, channels %s, %zu pixels: array %d written, laid over array %d at %td",
                         operation_name(operation), layout_name(d.layout), d.spatial, written[i], used[j], shifts[s]);
                const bnorm_status status = call(operation, &d, &p.buffers);
                CHECK(status == BNORM_OVERLAP, "%s", bnorm_status_string(status));
                p.buffers = sound;
            }
        }
    problem_check_unchanged(&p);
    problem_free(&p);
}

CASE(overlap, every_pair)
{
    static const enum array_name training[] = {Y, MEAN, INVSTD, RUNNING_MEAN, RUNNING_VAR, ARRAYS};
    static const enum array_name training_used[] = {X, Y, GAMMA, BETA, MEAN, INVSTD, RUNNING_MEAN, RUNNING_VAR, ARRAYS};
    static const enum array_name inference[] = {Y, ARRAYS};
    static const enum array_name inference_used[] = {X, GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR, ARRAYS};
    static const enum array_name backward[] = {DX, DGAMMA, DBETA, ARRAYS};
    static const enum array_name backward_used[] = {X, DY, GAMMA, MEAN, INVSTD, DX, DGAMMA, DBETA, ARRAYS};
    const bnorm_desc all[] = {bnorm_matrix(BNORM_F64, 9, 4), bnorm_image(BNORM_F64, BNORM_CHANNELS_LAST, 3, 4, 5),
                              bnorm_image(BNORM_F64, BNORM_CHANNELS_FIRST, 3, 4, 5)};
    for (size_t i = 0; i < LENGTH(all); i++) {
        check_pairs(all[i], TRAINING, training, training_used);
        check_pairs(all[i], INFERENCE, inference, inference_used);
        check_pairs(all[i], BACKWARD, backward, backward_used);
    }
}

/* Arrays that are only read may be one array; and what a call does not use may lie anywhere. */
CASE(overlap, allowed)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F64, 4, 4);
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    const bnorm_buffers sound = p.buffers;
    p.buffers.beta = p.buffers.gamma;
    CHECK(call(TRAINING, &d, &p.buffers) == BNORM_OK, "beta is gamma");
    p.buffers = sound;
    p.buffers.dx = p.buffers.y;
    CHECK(call(TRAINING, &d, &p.buffers) == BNORM_OK, "training does not use dx");
    p.buffers = sound;
    p.buffers.dy = p.buffers.x;
    CHECK(call(BACKWARD, &d, &p.buffers) == BNORM_OK, "dy is x, both only read");
    p.buffers.dx = (void *)p.buffers.x;
    CHECK(call(BACKWARD, &d, &p.buffers) == BNORM_OVERLAP, "dx is dy, but x too");
    p.buffers = sound;
    p.buffers.dx = p.buffers.y;
    CHECK(call(BACKWARD, &d, &p.buffers) == BNORM_OK, "backward does not use y");
    p.buffers = sound;
    p.buffers.beta = p.buffers.dbeta;
    CHECK(call(BACKWARD, &d, &p.buffers) == BNORM_OK, "backward does not use beta");
    problem_free(&p);
}

/* Scratch is written too. */
static void check_workspace(bnorm_desc d)
{
    size_t bytes = 0;
    describe("channels %s, %zu pixels", layout_name(d.layout), d.spatial);
    CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OK && bytes > 0, "%zu bytes", bytes);
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    problem_save(&p);
    for (int o = 0; o < OPERATIONS; o += BACKWARD)
        for (int in = 0; in < 2; in++) {
            p.buffers.workspace = in              ? p.arrays[X].elements
                                  : o == TRAINING ? p.arrays[Y].elements
                                                  : p.arrays[DX].elements;
            p.buffers.workspace_size = bytes;
            const bnorm_status status = call(o, &d, &p.buffers);
            CHECK(status == BNORM_OVERLAP, "%s with a workspace inside another array: %s", operation_name(o),
                  bnorm_status_string(status));
        }
    problem_check_unchanged(&p);
    problem_free(&p);
}

CASE(overlap, workspace)
{
    check_workspace(bnorm_matrix(BNORM_F32, 50000, 4));
    check_workspace(bnorm_image(BNORM_F32, BNORM_CHANNELS_LAST, 1000, 4, 49));
    check_workspace(bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 1000, 4, 49));
}

/* An empty batch has no elements that could be shared, and so does an array of NULL. */
CASE(overlap, nothing_to_share)
{
    float x[4] = {1, 2, 3, 4};
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, 4);
    const bnorm_buffers b = {.x = x, .y = x + 1};
    CHECK(bnorm_forward_training(&d, &b) == BNORM_OK, "batch 0");
    CHECK(x[0] == 1 && x[1] == 2 && x[3] == 4, "x was written");
}

/* Rows of one array are met by the other's second row only, or by its first; nothing is there to be read. */
CASE(overlap, large_arrays_far_apart)
{
    const size_t features = PTRDIFF_MAX / 2 / sizeof(double);
    const bnorm_desc d = bnorm_matrix(BNORM_F64, 2, features);
    const uintptr_t start = 16, middle = start + (features + 1) * 9; /* in the second row */
    double y[2];

    CHECK(bnorm_check_training_part(&d, &(bnorm_buffers){.y = (void *)start, .x = (void *)middle}) == BNORM_OVERLAP,
          "y first");
    CHECK(bnorm_check_training_part(&d, &(bnorm_buffers){.y = (void *)middle, .x = (void *)start}) == BNORM_OVERLAP,
          "x first");
    CHECK(bnorm_check_training_part(&d, &(bnorm_buffers){.y = y, .x = y + 1}) == BNORM_OVERLAP, "side by side");
}

/* Row by row it would take hours. Nothing is there to be read. */
CASE(overlap, many_rows_of_unequal_strides)
{
    bnorm_desc d = bnorm_matrix(BNORM_F32, (size_t)1 << 40, 2);
    char *const x = (char *)(uintptr_t)(1 << 20);
    const bnorm_buffers b = {.x = x, .y = x + 8}, swapped = {.x = x + 8, .y = x};
    d.x_stride = 4;
    d.y_stride = 1000;
    CHECK(bnorm_check_training_part(&d, &b) == BNORM_OK, "y stands in gaps of x");
    d.x_stride = 1000;
    d.y_stride = 4;
    CHECK(bnorm_check_training_part(&d, &swapped) == BNORM_OK, "x stands in gaps of y");

    const size_t stride = (size_t)1 << 20; /* each row of y is 4 bytes further behind one of x, the first 8 */
    for (size_t rows = stride - 3; rows <= stride; rows++) {
        const bnorm_status expected = 8 + 4 * (rows - 2) + 8 > 4 * stride ? BNORM_OVERLAP : BNORM_OK;
        d.batch = rows;
        d.x_stride = stride;
        d.y_stride = stride + 1;
        CHECK(bnorm_check_training_part(&d, &b) == expected, "y behind, %zu rows", rows);
        d.x_stride = stride + 1;
        d.y_stride = stride;
        CHECK(bnorm_check_training_part(&d, &swapped) == expected, "x behind, %zu rows", rows);
    }
}

/* As large as may be: ends beyond INTPTR_MAX, rows of half of it. No such arrays exist, and a call that went on would
 * crash. */
CASE(overlap, the_largest_arrays)
{
    static char anything[512];
    for (int t = 0; t < TYPES; t++)
        for (int i = 0; i < 4 * LAYOUTS; i++) {
            const size_t size = type_size(all_types[t]), most = PTRDIFF_MAX / size / 8, batches[] = {1, 2, 3, most};
            const size_t batch = batches[i / LAYOUTS];
            const bnorm_desc d = bnorm_image(all_types[t], all_layouts[i % LAYOUTS], batch, 8, most / batch);
            char *const later = anything + 32 * size;
            describe("%s, channels %s, batch %zu", type_name(d.dtype), layout_name(d.layout), batch);
            CHECK(bnorm_forward_training(&d, &(bnorm_buffers){.x = anything, .y = later}) == BNORM_OVERLAP, "y later");
            CHECK(bnorm_forward_training(&d, &(bnorm_buffers){.x = later, .y = anything}) == BNORM_OVERLAP, "x later");
        }
}
