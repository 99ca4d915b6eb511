/* Every stride of the contract: values, and that padding is neither read (it holds NaN) nor written. */
#include "support/bounds.h"
#include "support/check.h"

static const bnorm_dtype types[] = {BNORM_F32, BNORM_F64};

static void check_strides(bnorm_desc d, size_t x, size_t y, size_t dx, size_t dy, struct worst *worst)
{
    d.x_stride = x ? d.features + x - 1 : 0;
    d.y_stride = y ? d.features + y - 1 : 0;
    d.dx_stride = dx ? d.features + dx - 1 : 0;
    d.dy_stride = dy ? d.features + dy - 1 : 0;
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
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (size_t s = 0; s < sizeof strides / sizeof *strides; s++)
                check_strides(bnorm_matrix(types[t], shapes[i][0], shapes[i][1]), strides[s][0], strides[s][1],
                              strides[s][2], strides[s][3], &worst);
}

CASE(strides, images)
{
    struct worst worst = {0};
    for (int t = 0; t < 2; t++) {
        const bnorm_desc d = bnorm_image(types[t], BNORM_CHANNELS_LAST, 3, 19, 21);
        check_strides(d, 2, 3, 4, 5, &worst);
        check_strides(d, 14, 0, 0, 0, &worst);
        check_strides(d, 0, 0, 14, 14, &worst);
    }
}

/* Power-of-two strides crowd the same sets of a cache, and rows that end a page are followed by others. */
CASE(strides, powers_of_two)
{
    struct worst worst = {0};
    for (int t = 0; t < 2; t++)
        for (size_t stride = 64; stride <= 4096; stride *= 4) {
            bnorm_desc d = bnorm_matrix(types[t], 100, 40);
            d.x_stride = d.y_stride = d.dx_stride = d.dy_stride = stride;
            check_all_calls(&d, &(struct input){.pattern = RANDOM}, &worst);
        }
}

/* y == x and dx == dy: the values of the call elsewhere, with and without padding. */
CASE(strides, in_place)
{
    static const size_t shapes[][2] = {{2, 1}, {3, 3}, {17, 15}, {65, 64}, {130, 67}, {5000, 3}, {40, 1030}};
    struct worst worst = {0};
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (size_t padding = 0; padding < 4; padding += 3)
                for (int o = 0; o < OPERATIONS; o++) {
                    bnorm_desc d = bnorm_matrix(types[t], shapes[i][0], shapes[i][1]);
                    d.x_stride = d.y_stride = d.features + padding;
                    d.dx_stride = d.dy_stride = d.features + 2 * padding;
                    /* with padding, scales whose factors leave float's range, in some columns or in all */
                    const struct input input = {.pattern = RANDOM, .scale = padding ? (i % 2 ? 1e30 : 7e-31) : 0};
                    if (padding) d.eps = 0;
                    struct problem p = problem_make(&d, 0);
                    problem_fill(&p, &input);
                    problem_fill_saved_statistics(&p);
                    describe_problem(&p, &input);
                    if (o == BACKWARD)
                        problem_dx_in_place(&p);
                    else
                        problem_y_in_place(&p);
                    run_and_check(&p, o, &worst);
                    problem_free(&p);
                }
}
