#include "variant.h"

#include "check.h"
#include "random.h"

#include <string.h>

struct work {
    enum operation operation;
    const bnorm_desc *desc;
    const bnorm_buffers *buffers;
    bnorm_status status;
};

static void do_work(void *argument)
{
    struct work *w = argument;
    w->status = call(w->operation, w->desc, w->buffers);
}

struct problem variant_prepare(const bnorm_desc *desc, const struct input *input, const struct variant *v)
{
    bnorm_desc d = *desc;
    d.threads = v->threads;
    d.x_stride = dense_stride(&d) + v->x_padding;
    d.y_stride = dense_stride(&d) + v->y_padding;
    d.dx_stride = dense_stride(&d) + v->dx_padding;
    d.dy_stride = dense_stride(&d) + v->dy_padding;
    struct problem p = problem_make(&d, v->shift);
    problem_fill(&p, input);
    problem_fill_saved_statistics(&p);
    if (v->workspace) {
        size_t bytes = 0;
        CHECK(bnorm_workspace_size(&d, &bytes) == BNORM_OK, "workspace size");
        problem_give_workspace(&p, bytes, 1);
    }
    problem_save(&p);
    return p;
}

static void run(struct problem *p, enum operation operation, const struct variant *v)
{
    struct work work = {operation, &p->desc, &p->buffers, BNORM_OK};
    if (v->around)
        v->around(do_work, &work);
    else
        do_work(&work);
    CHECK(work.status == BNORM_OK, "%s returned %s", operation_name(operation), bnorm_status_string(work.status));
}

/* Which training finds: nothing that it could leave. */
static void forget(struct array *a) { memset(a->elements, 0xff, a->columns * a->size); }

static void run_training(struct problem *p, const struct variant *v, struct digests *digests)
{
    forget(&p->arrays[MEAN]);
    forget(&p->arrays[INVSTD]);
    if (v->y_in_place) problem_y_in_place(p);
    if (v->without_optional) {
        p->buffers.mean = p->buffers.invstd = NULL;
        p->buffers.running_mean = p->buffers.running_var = NULL;
    }
    run(p, TRAINING, v);
    digests->training_y = array_digest(&p->arrays[p->y]);
    if (v->without_optional) return;
    digests->mean = array_digest(&p->arrays[MEAN]);
    digests->invstd = array_digest(&p->arrays[INVSTD]);
    digests->running_mean = array_digest(&p->arrays[RUNNING_MEAN]);
    digests->running_var = array_digest(&p->arrays[RUNNING_VAR]);
}

static void run_inference(struct problem *p, const struct variant *v, struct digests *digests)
{
    if (v->y_in_place) problem_y_in_place(p);
    run(p, INFERENCE, v);
    digests->inference_y = array_digest(&p->arrays[p->y]);
}

static void run_backward(struct problem *p, const struct variant *v, struct digests *digests)
{
    if (v->dx_in_place) problem_dx_in_place(p);
    if (v->without_optional) p->buffers.dgamma = p->buffers.dbeta = NULL;
    run(p, BACKWARD, v);
    digests->dx = array_digest(&p->arrays[p->dx]);
    if (v->without_optional) return;
    digests->dgamma = array_digest(&p->arrays[DGAMMA]);
    digests->dbeta = array_digest(&p->arrays[DBETA]);
}

struct digests variant_call(const struct problem *prepared, const struct variant *v)
{
    static void (*const runs[])(struct problem *, const struct variant *,
                                struct digests *) = {run_training, run_inference, run_backward};
    struct digests digests = {0};
    for (int i = 0; i < OPERATIONS; i++) {
        struct problem p = *prepared;
        problem_restore(&p);
        p.desc.threads = v->threads;
        runs[i](&p, v, &digests);
    }
    return digests;
}

struct digests variant_run(const bnorm_desc *desc, const struct input *input, const struct variant *v)
{
    struct problem p = variant_prepare(desc, input, v);
    const struct digests digests = variant_call(&p, v);
    problem_free(&p);
    return digests;
}

static void same(uint64_t a, uint64_t b, const char *what, const char *array)
{
    CHECK(a == 0 || b == 0 || a == b, "%s: other bits in %s", what, array);
}

void check_same(const struct digests *a, const struct digests *b, const char *what)
{
    same(a->training_y, b->training_y, what, "y of training");
    same(a->inference_y, b->inference_y, what, "y of inference");
    same(a->mean, b->mean, what, "mean");
    same(a->invstd, b->invstd, what, "invstd");
    same(a->running_mean, b->running_mean, what, "running_mean");
    same(a->running_var, b->running_var, what, "running_var");
    same(a->dx, b->dx, what, "dx");
    same(a->dgamma, b->dgamma, what, "dgamma");
    same(a->dbeta, b->dbeta, what, "dbeta");
}

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static uint64_t hash_of(const bnorm_desc *desc, const struct input *input, const struct variant *variant)
{
    const struct digests d = variant_run(desc, input, variant);
    const uint64_t parts[] = {d.training_y,  d.inference_y, d.mean,   d.invstd, d.running_mean,
                              d.running_var, d.dx,          d.dgamma, d.dbeta};
    uint64_t all = 0;
    for (size_t n = 0; n < LENGTH(parts); n++) all = random_bits(all, parts[n]);
    return all;
}

struct input variant_input(bnorm_dtype type, size_t number)
{
    const struct input inputs[VARIANT_INPUTS] = {{.pattern = RANDOM},
                                                 {.pattern = OUTLIER_FIRST, .ratio = 2},
                                                 {.pattern = RANDOM, .scale = type == BNORM_F16 ? 0x1p-20 : 1e-30}};
    return inputs[number % VARIANT_INPUTS];
}

typedef size_t shape[3];

/* Short runs, one of each length; runs longer than a vector, than the tables of a kernel, than a block. */
static const shape first_shapes[] = {{2, 1, 1},    {3, 5, 1},   {50, 3, 7},   {65, 17, 16}, {5, 64, 49},
                                     {3, 12, 100}, {9, 2, 63},  {9, 3, 64},   {9, 5, 65},   {130, 2, 64},
                                     {2, 5, 784},  {1, 31, 77}, {2, 3, 4095}, {2, 2, 4097}, {1, 3, 12544}};
static const shape last_shapes[] = {{2, 1, 1},    {3, 5, 1},    {200, 3, 1},   {64, 16, 1},
                                    {129, 67, 1}, {5000, 3, 1}, {30, 1029, 1}, {4096, 64, 1},
                                    {3, 12, 100}, {300, 17, 1}, {1, 31, 77}};

/* Channels last, a matrix of every width; channels first, images of a few channels with runs of every length. */
static bnorm_desc tail_desc(bnorm_dtype type, bnorm_layout layout, size_t tail)
{
    if (layout == BNORM_CHANNELS_LAST) return bnorm_matrix(type, 2 + tail % 11, tail);
    return bnorm_image(type, layout, 2 + tail % 11, 1 + tail % 5, tail);
}

static uint64_t hash_of_input(uint64_t all, bnorm_dtype type, bnorm_layout layout, const struct input *input,
                              const struct variant *variant, bool large)
{
    const bool first = layout == BNORM_CHANNELS_FIRST;
    const shape *const shapes = first ? first_shapes : last_shapes;
    for (size_t tail = 1; tail < 70; tail++) {
        const bnorm_desc d = tail_desc(type, layout, tail);
        all = random_bits(all, hash_of(&d, input, variant));
    }
    for (size_t s = 0; s < (first ? LENGTH(first_shapes) : LENGTH(last_shapes)); s++) {
        if (!large && shapes[s][0] * shapes[s][1] * (first ? shapes[s][2] : 1) > QUICK_VALUES) continue;
        const bnorm_desc d = bnorm_image(type, layout, shapes[s][0], shapes[s][1], shapes[s][2]);
        all = random_bits(all, hash_of(&d, input, variant));
    }
    return all;
}

uint64_t variant_hash(enum variant_set set, bool large, surroundings *around)
{
    static const struct {
        bnorm_layout layout;
        int from, to; /* of all_types */
    } sets[VARIANT_SETS] = {
        {BNORM_CHANNELS_LAST, 0, 2}, {BNORM_CHANNELS_LAST, 2, TYPES}, {BNORM_CHANNELS_FIRST, 0, TYPES}};
    static const struct variant variants[] = {
        {.threads = 1},
        {.threads = 0, .shift = 1, .x_padding = 3, .y_padding = 1, .dx_padding = 2, .dy_padding = 5},
        {.threads = 1, .y_in_place = true, .dx_in_place = true}};
    uint64_t all = 0;
    for (int t = sets[set].from; t < sets[set].to; t++)
        for (size_t i = 0; i < VARIANT_INPUTS; i++)
            for (size_t v = 0; v < LENGTH(variants); v++) {
                const struct input input = variant_input(all_types[t], i);
                struct variant variant = variants[v];
                variant.around = around;
                all = hash_of_input(all, all_types[t], sets[set].layout, &input, &variant, large);
            }
    return all;
}
