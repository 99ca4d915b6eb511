/* bnorm_layer: the same calls on arrays that it owns. */
#include "support/allocation.h"
#include "support/check.h"
#include "support/problem.h"

#include <math.h>

static void check_all_are(const char *what, bnorm_dtype type, const void *values, size_t count, double expected)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) wrong += type_get(type, values, i) != expected;
    CHECK(wrong == 0, "%zu of %zu of %s are not %g", wrong, count, what, expected);
}

static void check_start(bnorm_dtype of_elements, size_t features)
{
    const bnorm_dtype type = parameter_type(of_elements);
    const bnorm_desc d = bnorm_matrix(of_elements, 12345, features);
    describe("%s, %zu features", type_name(of_elements), features);
    bnorm_layer *layer = NULL;
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_OK && layer, "create");
    if (!layer) return;
    const struct {
        const char *name;
        const void *values;
        double all;
    } arrays[] = {
        {"gamma", bnorm_layer_gamma(layer), 1},
        {"beta", bnorm_layer_beta(layer), 0},
        {"running mean", bnorm_layer_running_mean(layer), 0},
        {"running variance", bnorm_layer_running_var(layer), 1},
        {"dgamma", bnorm_layer_dgamma(layer), 0},
        {"dbeta", bnorm_layer_dbeta(layer), 0},
    };
    for (size_t i = 0; i < LENGTH(arrays); i++) {
        check_all_are(arrays[i].name, type, arrays[i].values, features, arrays[i].all);
        CHECK((uintptr_t)arrays[i].values % 64 == 0, "%s does not begin with a cache line", arrays[i].name);
    }
    bnorm_layer_destroy(layer);
}

/* Of 64 features each array is whole cache lines: none has room to spare at its end. */
CASE(layer, starts_as_documented)
{
    for (int t = 0; t < TYPES; t++) {
        check_start(all_types[t], 21);
        check_start(all_types[t], 64);
    }
}

CASE(layer, null)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 4, 2);
    float x[8] = {0};
    bnorm_layer *layer = NULL;
    bnorm_layer_destroy(NULL);
    CHECK(bnorm_layer_create(NULL, &d) == BNORM_NULL, "no place for the layer");
    CHECK(bnorm_layer_create(&layer, NULL) == BNORM_NULL && !layer, "no description");
    CHECK(bnorm_layer_forward(NULL, 4, x, x, true) == BNORM_NULL, "forward");
    CHECK(bnorm_layer_backward(NULL, x, x, x) == BNORM_NULL, "backward");
    CHECK(!bnorm_layer_gamma(NULL) && !bnorm_layer_beta(NULL) && !bnorm_layer_running_mean(NULL) &&
              !bnorm_layer_running_var(NULL) && !bnorm_layer_dgamma(NULL) && !bnorm_layer_dbeta(NULL),
          "accessors");
}

static void same_elements(const char *what, const struct array *array, const void *own)
{
    CHECK(memcmp(array->elements, own, array->columns * array->size) == 0, "%s differs from the plain call's", what);
}

/* Several steps with batches of several sizes against the plain calls, to the bit. */
CASE(layer, equals_the_plain_calls)
{
    static const size_t batches[] = {64, 64, 17, 2, 300, 1000};
    for (int t = 0; t < TYPES; t++) {
        const size_t pixels = t % 2 ? 9 : 1;
        bnorm_desc d = bnorm_image(all_types[t], all_layouts[t % 2], 0, 37, pixels);
        d.update_rate = 0.3;
        bnorm_layer *layer = NULL;
        CHECK(bnorm_layer_create(&layer, &d) == BNORM_OK && layer, "create");
        if (!layer) continue;
        for (int step = 0; step < 6; step++) {
            describe("%s, step %d, batch %zu", type_name(all_types[t]), step, batches[step]);
            d.batch = batches[step];
            struct problem p = problem_make(&d, 0);
            struct array y = array_make(all_types[t], p.count, 37, pixels, 37 * pixels, 0),
                         dx = array_make(all_types[t], p.count, 37, pixels, 37 * pixels, 0);
            problem_fill(&p, &(struct input){.ratio = step, .pattern = RANDOM});
            const size_t bytes = 37 * p.arrays[GAMMA].size;
            memcpy(bnorm_layer_gamma(layer), p.arrays[GAMMA].elements, bytes);
            memcpy(bnorm_layer_beta(layer), p.arrays[BETA].elements, bytes);
            memcpy(p.arrays[RUNNING_MEAN].elements, bnorm_layer_running_mean(layer), bytes);
            memcpy(p.arrays[RUNNING_VAR].elements, bnorm_layer_running_var(layer), bytes);

            CHECK(bnorm_layer_forward(layer, d.batch, p.buffers.x, y.elements, true) == BNORM_OK, "training");
            CHECK(problem_run(&p, TRAINING) == BNORM_OK, "training");
            CHECK(array_digest(&y) == array_digest(&p.arrays[Y]), "y of training");
            same_elements("running_mean", &p.arrays[RUNNING_MEAN], bnorm_layer_running_mean(layer));
            same_elements("running_var", &p.arrays[RUNNING_VAR], bnorm_layer_running_var(layer));

            /* Inference with another batch in between must not disturb what backward needs. */
            CHECK(bnorm_layer_forward(layer, 1, p.buffers.x, y.elements, false) == BNORM_OK, "inference of one row");
            CHECK(bnorm_layer_forward(layer, d.batch, p.buffers.x, y.elements, false) == BNORM_OK, "inference");
            CHECK(problem_run(&p, INFERENCE) == BNORM_OK, "inference");
            CHECK(array_digest(&y) == array_digest(&p.arrays[Y]), "y of inference");

            CHECK(bnorm_layer_backward(layer, p.buffers.x, p.buffers.dy, dx.elements) == BNORM_OK, "backward");
            CHECK(problem_run(&p, BACKWARD) == BNORM_OK, "backward");
            CHECK(array_digest(&dx) == array_digest(&p.arrays[DX]), "dx");
            same_elements("dgamma", &p.arrays[DGAMMA], bnorm_layer_dgamma(layer));
            same_elements("dbeta", &p.arrays[DBETA], bnorm_layer_dbeta(layer));
            array_free(&y);
            array_free(&dx);
            problem_free(&p);
        }
        bnorm_layer_destroy(layer);
    }
}

static void check_image(bnorm_desc d)
{
    d.x_stride = dense_stride(&d) + 4;
    d.y_stride = dense_stride(&d) + 2;
    describe("%s, channels %s", type_name(d.dtype), layout_name(d.layout));
    bnorm_layer *layer = NULL;
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_OK && layer, "create");
    if (!layer) return;
    struct problem p = problem_make(&d, 0);
    const struct array *const made = &p.arrays[Y], *const made_dx = &p.arrays[DX];
    struct array y = array_make(d.dtype, p.count, made->columns, made->run, made->stride, 0);
    struct array dx = array_make(d.dtype, p.count, made_dx->columns, made_dx->run, made_dx->stride, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    p.buffers.gamma = p.buffers.beta = NULL;
    CHECK(problem_run(&p, TRAINING) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "the plain calls");
    CHECK(bnorm_layer_forward(layer, d.batch, p.buffers.x, y.elements, true) == BNORM_OK, "training");
    CHECK(bnorm_layer_backward(layer, p.buffers.x, p.buffers.dy, dx.elements) == BNORM_OK, "backward");
    CHECK(array_digest(&y) == array_digest(&p.arrays[Y]), "y");
    CHECK(array_digest(&dx) == array_digest(&p.arrays[DX]), "dx");
    CHECK(array_unchanged_outside(&y) && array_unchanged_outside(&dx), "padding was written");
    array_free(&y);
    array_free(&dx);
    problem_free(&p);
    bnorm_layer_destroy(layer);
}

CASE(layer, images_and_strides)
{
    for (int t = 0; t < TYPES; t++)
        for (int l = 0; l < LAYOUTS; l++) check_image(bnorm_image(all_types[t], all_layouts[l], 3, 5, 12));
}

/* The same statuses as of the plain calls. One image of one pixel is one value, of more pixels it is not. */
CASE(layer, statuses_of_images)
{
    for (int kind = 0; kind < LAYOUTS * 2; kind++) {
        const size_t pixels = kind / LAYOUTS ? 3 : 1;
        const bnorm_desc d = bnorm_image(BNORM_F32, all_layouts[kind % LAYOUTS], 0, 2, pixels);
        float x[] = {1, 2, 3, 5, 8, 13}, y[6], dx[6];
        const float dy[] = {1, 0, -1, 2, 1, 1};
        bnorm_layer *layer = NULL;
        describe("channels %s, %zu pixels", layout_name(d.layout), pixels);
        CHECK(bnorm_layer_create(&layer, &d) == BNORM_OK && layer, "create");
        if (!layer) return;
        CHECK(bnorm_layer_forward(layer, 1, x, y, true) == (pixels == 1 ? BNORM_ONE_VALUE : BNORM_OK), "one image");
        CHECK(bnorm_layer_backward(layer, x, dy, dx) == (pixels == 1 ? BNORM_NULL : BNORM_OK), "of one image");
        CHECK(bnorm_layer_forward(layer, SIZE_MAX / 4, x, y, true) == BNORM_OVERFLOW, "too many images");
        CHECK(bnorm_layer_forward(layer, 1, x, x + 1, false) == BNORM_OVERLAP, "y one beside x");
        CHECK(bnorm_layer_forward(layer, 3 / pixels, x, x, true) == BNORM_OK, "in place");
        CHECK(bnorm_layer_backward(layer, x, dy, dx) == BNORM_X_OVERWRITTEN, "x is gone");
        bnorm_layer_destroy(layer);
    }
}

CASE(layer, backward_belongs_to_the_last_training_forward)
{
    const float x[] = {1, 2, 3, 5, 8, 13}, dy[] = {1, 0, -1, 2, 1, 1};
    float y[6], dx[6] = {7, 7, 7, 7, 7, 7}, in_place[] = {1, 2, 3, 5, 8, 13};
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 1, 2);
    bnorm_layer *layer = NULL;
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_OK && layer, "create");
    if (!layer) return;
    CHECK(bnorm_layer_backward(layer, x, dy, dx) == BNORM_NULL, "before any forward");
    CHECK(bnorm_layer_forward(layer, 3, x, y, false) == BNORM_OK, "inference");
    CHECK(bnorm_layer_backward(layer, x, dy, dx) == BNORM_NULL, "after inference only");
    CHECK(bnorm_layer_forward(layer, 1, x, y, true) == BNORM_ONE_VALUE, "one row");
    CHECK(bnorm_layer_backward(layer, x, dy, dx) == BNORM_NULL, "after a training forward that failed");
    CHECK(bnorm_layer_forward(layer, 3, NULL, y, true) == BNORM_NULL, "no x");
    check_all_are("running mean", BNORM_F32, bnorm_layer_running_mean(layer), 2, 0);
    check_all_are("running variance", BNORM_F32, bnorm_layer_running_var(layer), 2, 1);
    CHECK(dx[0] == 7 && dx[5] == 7, "dx was written");

    CHECK(bnorm_layer_forward(layer, 3, in_place, in_place, true) == BNORM_OK, "in place");
    CHECK(bnorm_layer_backward(layer, in_place, dy, dx) == BNORM_X_OVERWRITTEN, "x is gone");
    CHECK(bnorm_layer_backward(layer, x, dy, dx) == BNORM_OK, "a copy of x is not");
    CHECK(bnorm_layer_forward(layer, 3, x, y, true) == BNORM_OK, "training");
    CHECK(bnorm_layer_forward(layer, 1, x, y, true) == BNORM_ONE_VALUE, "a failing one");
    CHECK(bnorm_layer_backward(layer, x, dy, dx) == BNORM_OK, "of the one before");
    CHECK(bnorm_layer_backward(layer, x, NULL, dx) == BNORM_NULL, "no dy");
    CHECK(bnorm_layer_backward(layer, x, dy, NULL) == BNORM_OK, "dx is optional");
    bnorm_layer_destroy(layer);
}

/* The workspace of a smaller batch does not serve a larger: inference does without, backward looks for its own. */
CASE(layer, room_for_larger_batches)
{
    enum { SMALL = 10, MIDDLE = 100, LARGE = 1000, FEATURES = 100 };
    const bnorm_desc d = bnorm_matrix(BNORM_F32, 0, FEATURES);
    static float x[LARGE * FEATURES], y[LARGE * FEATURES];
    bnorm_layer *layer = NULL;
    for (size_t i = 0; i < LENGTH(x); i++) x[i] = (float)(i % 17);
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_OK && layer, "create");
    if (!layer) return;
    CHECK(bnorm_layer_forward(layer, SMALL, x, y, true) == BNORM_OK, "training");
    CHECK(bnorm_layer_forward(layer, LARGE, x, y, false) == BNORM_OK, "inference of a larger batch");
    CHECK(bnorm_layer_forward(layer, MIDDLE, x, y, true) == BNORM_OK, "training");
    allocation_fail_from(1);
    const bnorm_status without = bnorm_layer_forward(layer, LARGE, x, y, true);
    allocation_fail_from(0);
    CHECK(without == BNORM_NO_MEMORY, "without memory: %s", bnorm_status_string(without));
    CHECK(bnorm_layer_forward(layer, SMALL, NULL, y, true) == BNORM_NULL, "no x");
    CHECK(bnorm_layer_backward(layer, x, x, y) == BNORM_OK, "of the middle one");
    bnorm_layer_destroy(layer);
}

CASE(layer, refuses_bad_descriptions)
{
    bnorm_layer *const untouched = (bnorm_layer *)(void *)&all_types;
    bnorm_layer *layer = untouched;
    bnorm_desc d = bnorm_matrix(BNORM_F32, 4, 0);
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_NO_FEATURES, "no features");
    d = bnorm_matrix(BNORM_F32, 4, 3);
    d.eps = NAN;
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_BAD_EPS, "eps");
    d.eps = 0;
    d.abi = 0;
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_UNKNOWN_ABI, "abi");
    CHECK(layer == untouched, "*layer was written");
    d = bnorm_matrix(BNORM_F32, SIZE_MAX, 3); /* the batch is ignored */
    CHECK(bnorm_layer_create(&layer, &d) == BNORM_OK, "any batch");
    bnorm_layer_destroy(layer);
}

CASE(layer, out_of_memory)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F64, 0, 1000);
    int n = 1;
    for (;; n++) {
        bnorm_layer *layer = NULL;
        allocation_fail_from(n);
        const bnorm_status status = bnorm_layer_create(&layer, &d);
        const int count = allocation_count();
        allocation_fail_from(0);
        bnorm_layer_destroy(layer);
        if (count < n) {
            CHECK(status == BNORM_OK, "%s", bnorm_status_string(status));
            break;
        }
        CHECK(status == BNORM_NO_MEMORY && !layer, "allocation %d failed: %s", n, bnorm_status_string(status));
    }
    CHECK(n > 1, "no allocation was seen");
}
