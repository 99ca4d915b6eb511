#include "work.h"

#include "arrays.h"

#include <stdio.h>
#include <stdlib.h>

const char *operation_name(operation op)
{
    static const char *const names[OPERATIONS] = {"forward", "inference", "backward"};
    return names[op];
}

const char *dtype_name(bnorm_dtype dtype)
{
    static const char *const names[] = {"f32", "f64", "bf16", "f16"};
    return names[dtype];
}

bnorm_desc work_describe(bnorm_dtype dtype, const shape *s, int threads)
{
    const bnorm_layout layout = s->channels_first ? BNORM_CHANNELS_FIRST : BNORM_CHANNELS_LAST;
    bnorm_desc d = bnorm_image(dtype, layout, s->n, s->c, s->h * s->w);
    d.threads = threads;
    return d;
}

static void fill(bnorm_dtype dtype, void *a, size_t count, double mean, double deviation, unsigned seed)
{
    if (dtype == BNORM_F64)
        fill_f64(a, count, mean, deviation, seed);
    else
        fill_f32(a, count, mean, deviation, seed);
}

static void *filled(const work *w, size_t count, double mean, double deviation, unsigned seed)
{
    const size_t bytes = count * (w->dtype == BNORM_F64 ? sizeof(double) : sizeof(float));
    void *a = array_create(bytes, w->threads);
    fill(w->dtype, a, count, mean, deviation, seed);
    return a;
}

void work_create(work *w, operation op, bnorm_dtype dtype, const shape *s, int threads)
{
    const size_t c = s->c, count = shape_elements(s);
    *w = (work){.op = op, .dtype = dtype, .shape = *s, .rows = shape_rows(s), .features = c, .threads = threads};
    w->bytes = count * (dtype == BNORM_F64 ? sizeof(double) : sizeof(float));
    w->desc = work_describe(dtype, s, threads);
    bnorm_buffers *b = &w->buffers;
    b->x = filled(w, count, 3, 1, 1);
    b->gamma = filled(w, c, 1, 0.2, 2);
    b->beta = filled(w, c, 0, 1, 3);
    b->running_mean = filled(w, c, 3, 0.1, 4);
    b->running_var = filled(w, c, 1, 0.1, 5);
    b->mean = array_create(c * sizeof(double), threads);
    b->invstd = array_create(c * sizeof(double), threads);
    fill_f64(b->mean, c, 3, 0.1, 6);
    fill_f64(b->invstd, c, 1, 0.1, 7);
    if (op == BACKWARD) {
        b->dy = filled(w, count, 0.1, 1, 8);
        b->dx = array_create(w->bytes, threads);
        b->dgamma = array_create(c * sizeof(double), threads);
        b->dbeta = array_create(c * sizeof(double), threads);
    } else {
        b->y = array_create(w->bytes, threads);
    }
    const bnorm_status status = bnorm_workspace_size(&w->desc, &b->workspace_size);
    if (status != BNORM_OK) {
        fprintf(stderr, "bnorm-bench: bnorm_workspace_size: %s\n", bnorm_status_string(status));
        exit(1);
    }
    b->workspace = array_create(b->workspace_size, threads);
}

void work_destroy(work *w)
{
    bnorm_buffers *b = &w->buffers;
    void *const all[] = {(void *)b->x, (void *)b->dy, (void *)b->gamma, (void *)b->beta, b->y,
                         b->dx,        b->dgamma,     b->dbeta,         b->running_mean, b->running_var,
                         b->mean,      b->invstd,     b->workspace};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) array_destroy(all[i]);
    *b = (bnorm_buffers){0};
}

bnorm_status work_call(operation op, const bnorm_desc *desc, const bnorm_buffers *buffers)
{
    switch (op) {
    case FORWARD: return bnorm_forward_training(desc, buffers);
    case INFERENCE: return bnorm_forward_inference(desc, buffers);
    default: return bnorm_backward(desc, buffers);
    }
}
