#include "work.h"

#include "arrays.h"

#include <stdio.h>
#include <stdlib.h>

const char *operation_name(operation op)
{
    static const char *const names[OPERATIONS] = {"forward", "inference", "backward"};
    return names[op];
}

bnorm_desc work_describe(bnorm_dtype dtype, const shape *s, int threads)
{
    const bnorm_layout layout = s->channels_first ? BNORM_CHANNELS_FIRST : BNORM_CHANNELS_LAST;
    bnorm_desc d = bnorm_image(dtype, layout, s->n, s->c, s->h * s->w);
    d.threads = threads;
    return d;
}

bnorm_dtype parameter_type(bnorm_dtype dtype) { return dtype == BNORM_F64 ? BNORM_F64 : BNORM_F32; }

static void *filled(const work *w, bnorm_dtype type, size_t count, double mean, double deviation, unsigned seed)
{
    void *a = array_create(count * type_size(type), w->threads);
    fill(type, a, count, mean, deviation, seed);
    return a;
}

void work_create(work *w, operation op, bnorm_dtype dtype, const shape *s, int threads)
{
    const size_t c = s->c, count = shape_elements(s);
    *w = (work){.op = op, .dtype = dtype, .shape = *s, .rows = shape_rows(s), .features = c, .threads = threads};
    const bnorm_dtype parameter = parameter_type(dtype);
    w->bytes = count * type_size(dtype);
    w->desc = work_describe(dtype, s, threads);
    bnorm_buffers *b = &w->buffers;
    b->x = filled(w, dtype, count, 3, 1, 1);
    b->gamma = filled(w, parameter, c, 1, 0.2, 2);
    b->beta = filled(w, parameter, c, 0, 1, 3);
    b->running_mean = filled(w, parameter, c, 3, 0.1, 4);
    b->running_var = filled(w, parameter, c, 1, 0.1, 5);
    b->mean = filled(w, BNORM_F64, c, 3, 0.1, 6);
    b->invstd = filled(w, BNORM_F64, c, 1, 0.1, 7);
    if (op == BACKWARD) {
        b->dy = filled(w, dtype, count, 0.1, 1, 8);
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
