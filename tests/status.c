/* Every status, in its order, and that nothing has been written where it is not BNORM_OK. Faults are applied one at a
 * time and two at a time; of two, the one whose status comes first must be reported. */
#include "support/check.h"
#include "support/problem.h"

#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ON_TRAINING = 1, ON_INFERENCE = 2, ON_BACKWARD = 4, ON_FORWARD = 3, ON_ALL = 7 };

/* What a fault changes: of two on the same part, the second would undo the first. */
enum part {
    PART_X,
    PART_Y,
    PART_DY,
    PART_GAMMA,
    PART_PAIR,
    PART_ABI,
    PART_DTYPE,
    PART_LAYOUT,
    PART_ACTIVATION,
    PART_RESIDUAL,
    PART_FEATURES,
    PART_BATCH,
    PART_STRIDE,
    PART_EPS,
    PART_RATE,
    PART_THREADS,
    PART_WORKSPACE
};

static char too_small[1];

static void x_null(struct problem *p) { p->buffers.x = NULL; }
static void y_null(struct problem *p) { p->buffers.y = NULL; }
static void dy_null(struct problem *p) { p->buffers.dy = NULL; }
static void mean_null(struct problem *p) { p->buffers.mean = NULL; }
static void invstd_null(struct problem *p) { p->buffers.invstd = NULL; }
static void running_mean_null(struct problem *p) { p->buffers.running_mean = NULL; }
static void running_var_null(struct problem *p) { p->buffers.running_var = NULL; }
static void abi_zero(struct problem *p) { p->desc.abi = 0; }
static void abi_later(struct problem *p) { p->desc.abi = BNORM_ABI + 1; }
static void dtype_none(struct problem *p) { p->desc.dtype = (bnorm_dtype)77; }
static void dtype_negative(struct problem *p) { p->desc.dtype = (bnorm_dtype)-1; }
static void layout_none(struct problem *p) { p->desc.layout = (bnorm_layout)2; }
static void layout_negative(struct problem *p) { p->desc.layout = (bnorm_layout)-1; }
static void activation_none(struct problem *p) { p->desc.activation = (bnorm_activation)3; }
static void relu(struct problem *p) { p->desc.activation = BNORM_RELU; }
static void leaky_relu(struct problem *p) { p->desc.activation = BNORM_LEAKY_RELU; }
static void residual(struct problem *p) { p->buffers.residual = p->arrays[DY].elements; }
static void no_features(struct problem *p) { p->desc.features = 0; }
static void batch_largest(struct problem *p) { p->desc.batch = SIZE_MAX; }
static void batch_half(struct problem *p) { p->desc.batch = PTRDIFF_MAX / 4 / 5 + 1; }
static void batch_wraps(struct problem *p) { p->desc.batch = SIZE_MAX / 20 + 2; } /* batch * 5 * 4 is 20 modulo 2^64 */
static void x_stride_short(struct problem *p) { p->desc.x_stride = 4; }
static void y_stride_short(struct problem *p) { p->desc.y_stride = 1; }
static void dx_stride_short(struct problem *p) { p->desc.dx_stride = 4; }
static void dy_stride_short(struct problem *p) { p->desc.dy_stride = 4; }
static void residual_stride_short(struct problem *p) { p->desc.residual_stride = 4; }
static void dresidual_stride_short(struct problem *p) { p->desc.dresidual_stride = 4; }
static void residual_stride_long(struct problem *p) { p->desc.residual_stride = SIZE_MAX / 2; }
static void dresidual_stride_long(struct problem *p) { p->desc.dresidual_stride = SIZE_MAX / 2; }
static void eps_negative(struct problem *p) { p->desc.eps = -1e-300; }
static void eps_just_below_0(struct problem *p) { p->desc.eps = -0x1p-1074; }
static void eps_nan(struct problem *p) { p->desc.eps = NAN; }
static void eps_infinite(struct problem *p) { p->desc.eps = INFINITY; }
static void rate_negative(struct problem *p) { p->desc.update_rate = -0.001; }
static void rate_just_below_0(struct problem *p) { p->desc.update_rate = -0x1p-1074; }
static void rate_above_one(struct problem *p) { p->desc.update_rate = 1.0000001; }
static void rate_nan(struct problem *p) { p->desc.update_rate = NAN; }
static void threads_negative(struct problem *p) { p->desc.threads = -1; }
static void one_value(struct problem *p) { p->desc.batch = p->desc.spatial = 1; }
static void y_over_gamma(struct problem *p) { p->buffers.y = (void *)p->buffers.gamma; }
static void y_beside_x(struct problem *p) { p->buffers.y = (char *)p->arrays[X].elements + p->arrays[X].size; }
static void dx_beside_dy(struct problem *p) { p->buffers.dx = (char *)p->arrays[DY].elements + p->arrays[DY].size; }
static void dgamma_is_dbeta(struct problem *p) { p->buffers.dgamma = p->buffers.dbeta; }
static void y_is_x(struct problem *p) { p->buffers.y = (void *)p->buffers.x; }
static void workspace_small(struct problem *p)
{
    p->buffers.workspace = too_small;
    p->buffers.workspace_size = 0;
}

static const struct fault {
    const char *name;
    void (*apply)(struct problem *);
    bnorm_status status;
    int on;
    enum part part;
} faults[] = {
    {"x NULL", x_null, BNORM_NULL, ON_ALL, PART_X},
    {"y NULL", y_null, BNORM_NULL, ON_FORWARD, PART_Y},
    {"dy NULL", dy_null, BNORM_NULL, ON_BACKWARD, PART_DY},
    {"mean NULL", mean_null, BNORM_NULL, ON_TRAINING | ON_BACKWARD, PART_PAIR},
    {"invstd NULL", invstd_null, BNORM_NULL, ON_TRAINING | ON_BACKWARD, PART_PAIR},
    {"running_mean NULL", running_mean_null, BNORM_NULL, ON_FORWARD, PART_PAIR},
    {"running_var NULL", running_var_null, BNORM_NULL, ON_FORWARD, PART_PAIR},
    {"abi 0", abi_zero, BNORM_UNKNOWN_ABI, ON_ALL, PART_ABI},
    {"abi too new", abi_later, BNORM_UNKNOWN_ABI, ON_ALL, PART_ABI},
    {"dtype 77", dtype_none, BNORM_BAD_ENUM, ON_ALL, PART_DTYPE},
    {"dtype -1", dtype_negative, BNORM_BAD_ENUM, ON_ALL, PART_DTYPE},
    {"layout 2", layout_none, BNORM_BAD_ENUM, ON_ALL, PART_LAYOUT},
    {"layout -1", layout_negative, BNORM_BAD_ENUM, ON_ALL, PART_LAYOUT},
    {"activation 3", activation_none, BNORM_BAD_ENUM, ON_ALL, PART_ACTIVATION},
    /* What is not built yet: the lines go as it is. */
    {"relu", relu, BNORM_UNSUPPORTED, ON_ALL, PART_ACTIVATION},
    {"leaky relu", leaky_relu, BNORM_UNSUPPORTED, ON_ALL, PART_ACTIVATION},
    {"residual", residual, BNORM_UNSUPPORTED, ON_FORWARD, PART_RESIDUAL},
    {"no features", no_features, BNORM_NO_FEATURES, ON_ALL, PART_FEATURES},
    {"batch SIZE_MAX", batch_largest, BNORM_OVERFLOW, ON_ALL, PART_BATCH},
    {"just over PTRDIFF_MAX bytes", batch_half, BNORM_OVERFLOW, ON_ALL, PART_BATCH},
    {"a size that wraps", batch_wraps, BNORM_OVERFLOW, ON_ALL, PART_BATCH},
    {"residual_stride long", residual_stride_long, BNORM_OVERFLOW, ON_ALL, PART_STRIDE},
    {"dresidual_stride long", dresidual_stride_long, BNORM_OVERFLOW, ON_ALL, PART_STRIDE},
    {"x_stride short", x_stride_short, BNORM_BAD_STRIDE, ON_ALL, PART_STRIDE},
    {"y_stride short", y_stride_short, BNORM_BAD_STRIDE, ON_ALL, PART_STRIDE},
    {"dx_stride short", dx_stride_short, BNORM_BAD_STRIDE, ON_ALL, PART_STRIDE},
    {"dy_stride short", dy_stride_short, BNORM_BAD_STRIDE, ON_ALL, PART_STRIDE},
    {"residual_stride short", residual_stride_short, BNORM_BAD_STRIDE, ON_ALL, PART_STRIDE},
    {"dresidual_stride short", dresidual_stride_short, BNORM_BAD_STRIDE, ON_ALL, PART_STRIDE},
    {"eps negative", eps_negative, BNORM_BAD_EPS, ON_ALL, PART_EPS},
    {"eps just below 0", eps_just_below_0, BNORM_BAD_EPS, ON_ALL, PART_EPS},
    {"eps NaN", eps_nan, BNORM_BAD_EPS, ON_ALL, PART_EPS},
    {"eps infinite", eps_infinite, BNORM_BAD_EPS, ON_ALL, PART_EPS},
    {"rate negative", rate_negative, BNORM_BAD_UPDATE_RATE, ON_ALL, PART_RATE},
    {"rate just below 0", rate_just_below_0, BNORM_BAD_UPDATE_RATE, ON_ALL, PART_RATE},
    {"rate above 1", rate_above_one, BNORM_BAD_UPDATE_RATE, ON_ALL, PART_RATE},
    {"rate NaN", rate_nan, BNORM_BAD_UPDATE_RATE, ON_ALL, PART_RATE},
    {"threads -1", threads_negative, BNORM_BAD_THREADS, ON_ALL, PART_THREADS},
    {"one value", one_value, BNORM_ONE_VALUE, ON_TRAINING, PART_BATCH},
    {"y over gamma", y_over_gamma, BNORM_OVERLAP, ON_FORWARD, PART_Y},
    {"y one beside x", y_beside_x, BNORM_OVERLAP, ON_FORWARD, PART_Y},
    {"dx one beside dy", dx_beside_dy, BNORM_OVERLAP, ON_BACKWARD, PART_DY},
    {"dgamma is dbeta", dgamma_is_dbeta, BNORM_OVERLAP, ON_BACKWARD, PART_GAMMA},
    {"y is x in backward", y_is_x, BNORM_X_OVERWRITTEN, ON_BACKWARD, PART_Y},
    {"workspace too small", workspace_small, BNORM_WORKSPACE, ON_ALL, PART_WORKSPACE},
};

enum { FAULTS = LENGTH(faults) };

static struct problem sound_image(const bnorm_desc *d)
{
    struct problem p = problem_make(d, 0);
    problem_fill(&p, &(struct input){.pattern = RANDOM});
    problem_fill_saved_statistics(&p);
    return p;
}

static struct problem sound_problem(size_t rows)
{
    const bnorm_desc d = bnorm_matrix(BNORM_F32, rows, 5);
    return sound_image(&d);
}

/* What the faults are tried on. A workspace of no bytes is too small only where some are needed: many blocks. */
enum { SOUND = 4 };

static struct problem sound(int number)
{
    const bnorm_desc all[SOUND] = {bnorm_matrix(BNORM_F32, 100000, 5),
                                   bnorm_image(BNORM_F32, BNORM_CHANNELS_FIRST, 2000, 5, 49),
                                   bnorm_image(BNORM_BF16, BNORM_CHANNELS_FIRST, 9, 5, 12544),
                                   bnorm_image(BNORM_F16, BNORM_CHANNELS_LAST, 2000, 5, 49)};
    return sound_image(&all[number]);
}

/* Applies the faults to copies of the pointers and the description: the arrays stay as they are. */
static void check_faults(struct problem *p, enum operation operation, const struct fault *first,
                         const struct fault *second, bnorm_status expected)
{
    const bnorm_desc desc = p->desc;
    const bnorm_buffers buffers = p->buffers;
    first->apply(p);
    if (second) second->apply(p);
    describe("%s, %s, channels %s: %s; %s", operation_name(operation), type_name(desc.dtype), layout_name(desc.layout),
             first->name, second ? second->name : "nothing else");
    const bnorm_status got = call(operation, &p->desc, &p->buffers);
    CHECK(got == expected, "got %s, expected %s", bnorm_status_string(got), bnorm_status_string(expected));
    p->desc = desc;
    p->buffers = buffers;
}

CASE(status, each_fault)
{
    for (int n = 0; n < SOUND; n++) {
        struct problem p = sound(n);
        problem_save(&p);
        for (int o = 0; o < OPERATIONS; o++)
            for (int i = 0; i < FAULTS; i++)
                if (faults[i].on & (1 << o)) check_faults(&p, o, &faults[i], NULL, faults[i].status);
        problem_check_unchanged(&p);
        problem_free(&p);
    }
}

static void check_two_faults(struct problem *p, enum operation o, const struct fault *first, const struct fault *second)
{
    if (first->part == second->part || first->status > second->status) return;
    if (!(first->on & (1 << o)) || !(second->on & (1 << o))) return;
    check_faults(p, o, first, second, first->status);
    check_faults(p, o, second, first, first->status);
}

/* The order of the statuses is the order of their numbers. */
CASE(status, two_faults_the_first_is_reported)
{
    for (int n = 0; n < SOUND; n++) {
        struct problem p = sound(n);
        problem_save(&p);
        for (int o = 0; o < OPERATIONS; o++)
            for (int i = 0; i < FAULTS; i++)
                for (int j = 0; j < FAULTS; j++) check_two_faults(&p, o, &faults[i], &faults[j]);
        problem_check_unchanged(&p);
        problem_free(&p);
    }
}

/* A stride steps over a pixel's channels, or over an image's channels and pixels; not one element less. */
CASE(status, strides_of_images)
{
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (int which = 0; which < 4; which++) {
            bnorm_desc d = bnorm_image(all_types[kind % TYPES], all_layouts[kind / TYPES], 3, 5, 7);
            size_t *const strides[] = {&d.x_stride, &d.y_stride, &d.dx_stride, &d.dy_stride};
            const size_t dense = d.layout == BNORM_CHANNELS_FIRST ? 35 : 5;
            describe("%s, channels %s, stride %d", type_name(d.dtype), layout_name(d.layout), which);
            struct problem p = sound_image(&d); /* dense arrays: room for what is called below */
            for (size_t less = 0; less < 2; less++) {
                *strides[which] = dense - less;
                p.desc = d;
                for (int o = 0; o < OPERATIONS; o++) {
                    const bnorm_status status = call(o, &p.desc, &p.buffers);
                    CHECK(status == (less ? BNORM_BAD_STRIDE : BNORM_OK), "%s with %zu less: %s", operation_name(o),
                          less, bnorm_status_string(status));
                }
            }
            problem_free(&p);
        }
}

/* C * S, and N times the stride, in bytes. */
CASE(status, sizes_of_images)
{
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++) {
        const bnorm_dtype type = all_types[kind % TYPES];
        const bool first = all_layouts[kind / TYPES] == BNORM_CHANNELS_FIRST;
        const size_t most = PTRDIFF_MAX / type_size(type); /* elements */
        size_t bytes;
        describe("%s, channels %s", type_name(type), layout_name(all_layouts[kind / TYPES]));
        bnorm_desc d = bnorm_image(type, all_layouts[kind / TYPES], 1, 5, most / 5);
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OK, "just fits");
        d.spatial++;
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OVERFLOW, "C * S");
        d = bnorm_image(type, d.layout, SIZE_MAX / 2 + 1, 5, 2); /* N * S is 0 modulo 2^64 */
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OVERFLOW, "N * S wraps");
        d = bnorm_image(type, d.layout, 2, SIZE_MAX / 2 + 1, 2);
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OVERFLOW, "C * S wraps");
        d = bnorm_image(type, d.layout, 3, 5, 7);
        d.x_stride = most / (first ? 3 : 21);
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OK, "strides that just fit: %s",
              bnorm_status_string(bnorm_workspace_size(&d, &bytes)));
        d.x_stride++;
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OVERFLOW, "strides that do not");
        d.y_stride = 1;
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OVERFLOW, "before a bad stride");
    }
}

/* No pixels are as empty as no images: with any layout, arrays may be NULL, and only dgamma and dbeta are written. */
CASE(status, no_pixels)
{
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++) {
        const bnorm_desc d = bnorm_image(all_types[kind % TYPES], all_layouts[kind / TYPES], 3, 5, 0);
        describe("%s, channels %s", type_name(d.dtype), layout_name(d.layout));
        struct problem p = sound_image(&d);
        for (int o = 0; o < OPERATIONS; o++) {
            CHECK(problem_run(&p, o) == BNORM_OK, "%s", operation_name(o));
            CHECK(call(o, &d, &(bnorm_buffers){0}) == BNORM_OK, "%s without arrays", operation_name(o));
        }
        for (size_t c = 0; c < 5; c++)
            CHECK(array_get(&p.arrays[DGAMMA], 0, c) == 0 && array_get(&p.arrays[DBETA], 0, c) == 0, "column %zu", c);
        problem_free(&p);
    }
}

/* What a call does not use is not looked at. */
CASE(status, unused_arrays_may_be_null)
{
    struct problem p = sound_problem(20);
    p.buffers.dy = NULL;
    p.buffers.dx = p.buffers.dgamma = p.buffers.dbeta = NULL;
    CHECK(problem_run(&p, TRAINING) == BNORM_OK, "training");
    CHECK(problem_run(&p, INFERENCE) == BNORM_OK, "inference");
    p.buffers.mean = NULL;
    CHECK(problem_run(&p, INFERENCE) == BNORM_OK, "inference does not use mean");
    problem_free(&p);
    p = sound_problem(20);
    p.buffers.y = p.buffers.running_mean = NULL;
    p.buffers.beta = NULL;
    CHECK(problem_run(&p, BACKWARD) == BNORM_OK, "backward");
    problem_free(&p);
}

/* The largest description that does not overflow is refused for something else, or for nothing: never for its size. */
CASE(status, almost_too_large)
{
    struct problem p = sound_problem(20);
    p.desc.batch = PTRDIFF_MAX / 4 / 5;
    p.buffers.x = NULL;
    CHECK(call(TRAINING, &p.desc, &p.buffers) == BNORM_NULL, "NULL comes first");
    size_t bytes, rows;
    CHECK(bnorm_workspace_size(&p.desc, &bytes) == BNORM_OK, "%s",
          bnorm_status_string(bnorm_workspace_size(&p.desc, &bytes)));
    p.desc.batch += 1;
    CHECK(bnorm_workspace_size(&p.desc, &bytes) == BNORM_OVERFLOW, "one row more");
    p.desc.batch = 2;
    p.desc.spatial = SIZE_MAX / 2;
    CHECK(bnorm_workspace_size(&p.desc, &bytes) == BNORM_OVERFLOW, "spatial");
    p.desc.spatial = 1;
    p.desc.x_stride = SIZE_MAX / 4;
    CHECK(bnorm_workspace_size(&p.desc, &bytes) == BNORM_OVERFLOW, "x_stride");
    p.desc.x_stride = 0;
    p.desc.features = SIZE_MAX / 4;
    CHECK(bnorm_workspace_size(&p.desc, &bytes) == BNORM_OVERFLOW, "features");
    CHECK(bnorm_block_rows(&p.desc, &rows) != BNORM_OK, "features, block_rows");
    problem_free(&p);
}

CASE(status, null_arguments)
{
    struct problem p = sound_problem(20);
    size_t size = 77;
    for (int o = 0; o < OPERATIONS; o++) {
        CHECK(call(o, NULL, &p.buffers) == BNORM_NULL, "%s without a description", operation_name(o));
        CHECK(call(o, &p.desc, NULL) == BNORM_NULL, "%s without buffers", operation_name(o));
        CHECK(call(o, NULL, NULL) == BNORM_NULL, "%s without either", operation_name(o));
    }
    CHECK(bnorm_workspace_size(NULL, &size) == BNORM_NULL && bnorm_workspace_size(&p.desc, NULL) == BNORM_NULL, "size");
    CHECK(bnorm_block_rows(NULL, &size) == BNORM_NULL && bnorm_block_rows(&p.desc, NULL) == BNORM_NULL, "rows");
    CHECK(size == 77, "a result was written");
    problem_free(&p);
}

/* The two size calls refuse what the others would refuse of the same description, and write nothing. */
CASE(status, sizes_of_bad_descriptions)
{
    for (int i = 0; i < FAULTS; i++) {
        if (faults[i].status == BNORM_NULL || faults[i].part == PART_RESIDUAL) continue;
        if (faults[i].status >= BNORM_ONE_VALUE) continue;
        for (int l = 0; l < 2 * LAYOUTS; l++) {
            const bnorm_desc d = bnorm_image(BNORM_F32, all_layouts[l % LAYOUTS], 20, 5, l < LAYOUTS ? 1 : 7);
            struct problem p = sound_image(&d);
            faults[i].apply(&p);
            describe("%s, channels %s, %zu pixels", faults[i].name, layout_name(d.layout), d.spatial);
            size_t size = 77;
            CHECK(bnorm_workspace_size(&p.desc, &size) == faults[i].status, "workspace_size: %s",
                  bnorm_status_string(bnorm_workspace_size(&p.desc, &size)));
            if (faults[i].part != PART_BATCH)
                CHECK(bnorm_block_rows(&p.desc, &size) == faults[i].status, "block_rows: %s",
                      bnorm_status_string(bnorm_block_rows(&p.desc, &size)));
            CHECK(size == 77, "a result was written");
            problem_free(&p);
        }
    }
}

/* One value is no error but in training: 1 x C, one image of one pixel. Two pixels of one image are two values. */
CASE(status, one_value)
{
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (size_t values = 1; values <= 2; values++)
            for (int in_one_image = 0; in_one_image < 2; in_one_image++) {
                const bnorm_desc d = bnorm_image(all_types[kind % TYPES], all_layouts[kind / TYPES],
                                                 in_one_image ? 1 : values, 5, in_one_image ? values : 1);
                struct problem p = sound_image(&d);
                describe("%zu images of %zu pixels, %s, channels %s", d.batch, d.spatial, type_name(d.dtype),
                         layout_name(d.layout));
                const bnorm_status training = problem_run(&p, TRAINING);
                CHECK(training == (values == 1 ? BNORM_ONE_VALUE : BNORM_OK), "%s", bnorm_status_string(training));
                CHECK(problem_run(&p, INFERENCE) == BNORM_OK && problem_run(&p, BACKWARD) == BNORM_OK, "other calls");
                problem_free(&p);
            }
}

/* What only the sums of parts answer, of images: another layout or number of pixels is another shape, and one image is
 * as many values as it has pixels. */
static void check_parts(bnorm_desc d, const struct problem *p)
{
    bnorm_desc other_layout = d, other_pixels = d;
    other_layout.layout = d.layout == BNORM_CHANNELS_FIRST ? BNORM_CHANNELS_LAST : BNORM_CHANNELS_FIRST;
    other_pixels.spatial++;
    bnorm_moments *m = NULL, *later = NULL, *others[2] = {NULL, NULL};
    bnorm_gradient_sums *g = NULL, *h = NULL;
    double mean[5], invstd[5];
    unsigned char bytes[1024];
    size_t size = sizeof bytes;
    const void *const x = p->buffers.x, *const dy = p->buffers.dy;
    CHECK(bnorm_moments_create(&m, &d, 0) == BNORM_OK, "create");
    CHECK(bnorm_moments_create(&later, &d, 2) == BNORM_OK, "create, from block 2");
    CHECK(bnorm_moments_create(&others[0], &other_layout, 0) == BNORM_OK, "create, other layout");
    CHECK(bnorm_moments_create(&others[1], &other_pixels, 0) == BNORM_OK, "create, other pixels");
    CHECK(bnorm_gradient_sums_create(&g, &d, 0) == BNORM_OK, "create gradient sums");
    CHECK(bnorm_gradient_sums_create(&h, &other_layout, 0) == BNORM_OK, "create gradient sums, other layout");

    CHECK(bnorm_moments_accumulate(m, SIZE_MAX / 4, x) == BNORM_OVERFLOW, "too many images");
    CHECK(bnorm_moments_accumulate(m, 1, x) == BNORM_OK, "one image");
    const bnorm_status one_image = bnorm_moments_finish(m, mean, invstd);
    CHECK(one_image == (d.spatial == 1 ? BNORM_ONE_VALUE : BNORM_OK), "one image: %s", bnorm_status_string(one_image));
    CHECK(bnorm_moments_merge(m, later) == BNORM_NOT_ADJACENT, "a block is missing");
    CHECK(bnorm_moments_serialise(m, bytes, &size) == BNORM_OK, "serialise");
    for (int k = 0; k < 2; k++) {
        const char *const what = k ? "other pixels" : "other layout";
        CHECK(bnorm_moments_merge(others[k], m) == BNORM_MISMATCH, "merge, %s", what);
        CHECK(bnorm_moments_deserialise(others[k], bytes, size) == BNORM_MISMATCH, "deserialise, %s", what);
    }
    CHECK(bnorm_moments_deserialise(m, bytes, size - 1) == BNORM_CORRUPT, "a byte less");

    CHECK(bnorm_gradient_sums_merge(g, h) == BNORM_MISMATCH, "gradient sums of another layout");
    CHECK(bnorm_gradient_sums_accumulate(g, d.batch, x, dy, p->buffers.mean) == BNORM_OK, "accumulate");
    CHECK(bnorm_input_gradient(&d, &p->buffers, h) == BNORM_MISMATCH, "total of another layout");
    bnorm_desc more = d;
    more.batch++;
    CHECK(bnorm_input_gradient(&more, &p->buffers, g) == BNORM_MISMATCH, "a part larger than the whole");
    bnorm_buffers b = p->buffers;
    b.y = (void *)x;
    CHECK(bnorm_input_gradient(&d, &b, g) == BNORM_X_OVERWRITTEN, "x is gone");
    b.dx = (char *)(void *)b.dy + type_size(d.dtype);
    CHECK(bnorm_input_gradient(&d, &b, g) == BNORM_OVERLAP, "dx one beside dy");
    b.y = (char *)(void *)x + type_size(d.dtype);
    CHECK(bnorm_normalise(&d, &b) == BNORM_OVERLAP, "y one beside x");
    bnorm_moments_destroy(m);
    bnorm_moments_destroy(later);
    for (int k = 0; k < 2; k++) bnorm_moments_destroy(others[k]);
    bnorm_gradient_sums_destroy(g);
    bnorm_gradient_sums_destroy(h);
}

CASE(status, parts_of_images)
{
    for (int kind = 0; kind < TYPES * LAYOUTS; kind++)
        for (size_t pixels = 1; pixels <= 7; pixels += 6) {
            const bnorm_desc d = bnorm_image(all_types[kind % TYPES], all_layouts[kind / TYPES], 3, 5, pixels);
            describe("%s, channels %s, %zu pixels", type_name(d.dtype), layout_name(d.layout), pixels);
            struct problem p = sound_image(&d);
            problem_save(&p);
            check_parts(d, &p);
            problem_check_unchanged(&p);
            problem_free(&p);
        }
}

/* In a child, for the choice of instruction set is made once. Returns the number of failed checks. */
static int unknown_isa(const char *name)
{
    const pid_t child = fork();
    if (child == 0) {
        setenv("BNORM_ISA", name, 1);
        describe("BNORM_ISA=%s", name);
        struct problem p = sound_problem(20);
        bnorm_layer *layer = NULL;
        size_t size = 77;
        for (int o = 0; o < OPERATIONS; o++) CHECK(problem_run(&p, o) == BNORM_UNKNOWN_ISA, "%s", operation_name(o));
        for (int l = 0; l < LAYOUTS; l++) {
            const bnorm_desc d = bnorm_image(BNORM_F32, all_layouts[l], 4, 5, 7);
            struct problem image = sound_image(&d);
            for (int o = 0; o < OPERATIONS; o++)
                CHECK(problem_run(&image, o) == BNORM_UNKNOWN_ISA, "%s, channels %s", operation_name(o),
                      layout_name(d.layout));
            problem_free(&image);
        }
        CHECK(bnorm_layer_create(&layer, &p.desc) == BNORM_UNKNOWN_ISA && !layer, "layer");
        CHECK(bnorm_workspace_size(&p.desc, &size) == BNORM_UNKNOWN_ISA && size == 77, "workspace_size");
        CHECK(bnorm_block_rows(&p.desc, &size) == BNORM_UNKNOWN_ISA && size == 77, "block_rows");
        CHECK(strcmp(bnorm_isa(), "unknown") == 0, "\"%s\"", bnorm_isa());
        p.buffers.x = NULL;
        CHECK(problem_run(&p, TRAINING) == BNORM_NULL, "NULL comes before it");
        p.desc.abi = 0;
        CHECK(problem_run(&p, TRAINING) == BNORM_NULL, "NULL comes before all");
        CHECK(bnorm_workspace_size(&p.desc, &size) == BNORM_UNKNOWN_ABI, "the abi comes before it");
        p.desc = bnorm_matrix((bnorm_dtype)9, 3, 0);
        CHECK(bnorm_workspace_size(&p.desc, &size) == BNORM_UNKNOWN_ISA, "it comes before the dtype");
        _exit(check_failures() ? 1 : 0);
    }
    int state = 1;
    waitpid(child, &state, 0);
    return state != 0;
}

CASE_BEFORE_BNORM(status, unknown_instruction_set)
{
    static const char *const names[] = {"sse9", "AVX2", "avx2 ", "generic,avx2"};
    for (int i = 0; i < 4; i++) CHECK(unknown_isa(names[i]) == 0, "BNORM_ISA=\"%s\": see the lines above", names[i]);
}
