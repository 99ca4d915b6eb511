/* Every stride of the contract: values, and that padding is neither read (it holds NaN) nor written. */
#include "support/bounds.h"
#include "support/check.h"

static void check_strides(bnorm_desc d, size_t x, size_t y, size_t dx, size_t dy, struct worst *worst)
{
    d.x_stride = x ? dense_stride(&d) + x - 1 : 0;
    d.y_stride = y ? dense_stride(&d) + y - 1 : 0;
    d.dx_stride = dx ? dense_stride(&d) + dx - 1 : 0;
    d.dy_stride = dy ? dense_stride(&d) + dy - 1 : 0;
    check_all_calls(&d, &(struct input){.pattern = RANDOM}, worst);
}

/* 0 is the default, n + 1 is n elements of padding. */
CASE(strides, each_and_all)
{
    static const size_t strides[][4] = {{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 0, 0, 0},  {0, 2, 0, 0},   {0, 0, 2, 0},
                                        {0, 0, 0, 2}, {4, 0, 1, 0}, {0, 4, 0, 1},  {2, 3, 4, 5},   {9, 8, 17, 33},
                                        {5, 2, 0, 0}, {0, 0, 6, 7}, {65, 1, 3, 0}, {1001, 0, 0, 2}};
    static const size_t shapes[][2] = {{2, 1}, {3, 3}, {17, 15}, {65, 64}, {130, 67}, {1000, 3}};
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (size_t i = 0; i < LENGTH(shapes); i++)
            for (size_t s = 0; s < LENGTH(strides); s++)
                check_strides(bnorm_matrix(all_types[t], shapes[i][0], shapes[i][1]), strides[s][0], strides[s][1],
                              strides[s][2], strides[s][3], &worst);
}

/* A slice of the channels of a larger array is such an image: 14 of 63 elements beside it, or many. */
CASE(strides, images)
{
    static const size_t shapes[][3] = {{3, 19, 21}, {2, 3, 49}, {5, 16, 7}, {65, 2, 3}, {2, 5, 100}, {3, 2, 4097}};
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++)
            for (size_t s = 0; s < LENGTH(shapes); s++) {
                const bnorm_desc d =
                    bnorm_image(all_types[t], all_layouts[l], shapes[s][0], shapes[s][1], shapes[s][2]);
                check_strides(d, 2, 3, 4, 5, &worst);
                check_strides(d, 14, 0, 0, 0, &worst);
                check_strides(d, 0, 0, 14, 14, &worst);
                check_strides(d, 50, 99, 0, 3, &worst);
            }
}

/* Power-of-two strides crowd the same sets of a cache, and rows that end a page are followed by others. */
CASE(strides, powers_of_two)
{
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (size_t stride = 64; stride <= 4096; stride *= 4) {
            bnorm_desc d = bnorm_matrix(all_types[t], 100, 40);
            d.x_stride = d.y_stride = d.dx_stride = d.dy_stride = stride;
            check_all_calls(&d, &(struct input){.pattern = RANDOM}, &worst);
            d = bnorm_image(all_types[t], BNORM_CHANNELS_FIRST, 20, 4, 16);
            d.x_stride = d.y_stride = d.dx_stride = d.dy_stride = stride;
            check_all_calls(&d, &(struct input){.pattern = RANDOM}, &worst);
        }
}

/* Rows wider than a strip, so many that elements go by whole rows; their lines begin at several places. */
CASE(strides, wide_rows)
{
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++) check_strides(bnorm_matrix(all_types[t], 600, 1090), 18, 55, 6, 1, &worst);
}

/* With padding, a scale whose factors leave float's range; with half, one that reaches the ends of half's. */
static double extreme_scale(bnorm_dtype type, size_t number)
{
    if (type == BNORM_F16) return number % 2 ? 2 : 0x1p-12;
    return number % 2 ? 1e30 : 7e-31;
}

static void check_in_place(bnorm_desc d, size_t padding, size_t number, enum operation o, struct worst *worst)
{
    d.x_stride = d.y_stride = dense_stride(&d) + padding;
    d.dx_stride = d.dy_stride = dense_stride(&d) + 2 * padding;
    const struct input input = {.pattern = RANDOM, .scale = padding ? extreme_scale(d.dtype, number) : 0};
    if (padding) d.eps = 0;
    struct problem p = problem_make(&d, 0);
    problem_fill(&p, &input);
    problem_fill_saved_statistics(&p);
    describe_problem(&p, &input);
    if (o == BACKWARD)
        problem_dx_in_place(&p);
    else
        problem_y_in_place(&p);
    run_and_check(&p, o, worst);
    problem_free(&p);
}

/* y == x and dx == dy: the values of the call elsewhere, with and without padding. */
CASE(strides, in_place)
{
    static const size_t shapes[][3] = {{2, 1, 1},    {3, 3, 1},     {17, 15, 1}, {65, 64, 1}, {130, 67, 1},
                                       {5000, 3, 1}, {40, 1030, 1}, {5, 3, 49},  {9, 17, 16}, {2, 64, 100},
                                       {50, 2, 7},   {2, 3, 4097},  {3, 5, 196}};
    struct worst worst = {0};
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++)
            for (size_t s = 0; s < LENGTH(shapes); s++)
                for (size_t padding = 0; padding < 4; padding += 3)
                    for (int o = 0; o < OPERATIONS; o++) {
                        if (test_quick() && shapes[s][0] * shapes[s][1] * shapes[s][2] > QUICK_VALUES) continue;
                        const bnorm_desc d =
                            bnorm_image(all_types[t], all_layouts[l], shapes[s][0], shapes[s][1], shapes[s][2]);
                        check_in_place(d, padding, s, o, &worst);
                    }
}
