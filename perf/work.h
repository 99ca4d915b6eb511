/* One operation on one shape: the description, the arrays, and the call of bnorm. */
#ifndef WORK_H
#define WORK_H

#include "shapes.h"

#include <bnorm/bnorm.h>

typedef enum operation { FORWARD, INFERENCE, BACKWARD, OPERATIONS } operation;

const char *operation_name(operation op);

/* Of gamma, beta, running statistics, dgamma and dbeta. */
bnorm_dtype parameter_type(bnorm_dtype dtype);

typedef struct work {
    operation op;
    bnorm_dtype dtype;
    shape shape;
    size_t rows, features, bytes; /* bytes of x */
    int threads;
    bnorm_desc desc;
    bnorm_buffers buffers;
} work;

/* A description with `threads` of a shape with these batch entries. */
bnorm_desc work_describe(bnorm_dtype dtype, const shape *s, int threads);

/* The arrays are filled, saved statistics included; y and dx are zero. */
void work_create(work *w, operation op, bnorm_dtype dtype, const shape *s, int threads);
void work_destroy(work *w);

bnorm_status work_call(operation op, const bnorm_desc *desc, const bnorm_buffers *buffers);

#endif
