/* A network of linear layers with ReLU between them, with or without batch normalisation before each ReLU. */
#ifndef EXAMPLES_NETWORK_H
#define EXAMPLES_NETWORK_H

#include <bnorm/bnorm.h>

enum { PIXELS = 64, CLASSES = 10, LAYERS = 3 };

/* What training changes: a layer's own, or an array of its bnorm_layer. */
struct parameter {
    size_t count;
    float *values, *gradients, *velocities;
};

struct layer {
    size_t inputs, outputs;
    bool hidden;              /* has ReLU, and batch norm if the network has it */
    bnorm_layer *norm;        /* NULL: a bias instead */
    struct parameter weights; /* outputs x inputs */
    struct parameter shift;   /* the bias, or the norm's beta */
    struct parameter scale;   /* the norm's gamma; without a norm count is 0 */
    float *product;           /* rows x outputs: input times weights, which is the x of batch norm */
    float *output;            /* rows x outputs: what the next layer sees */
    float *gradient;          /* rows x outputs: the loss by output; going backward, in place, by product */
};

struct network {
    struct layer layers[LAYERS];
    size_t capacity;     /* rows at most */
    double norm_seconds; /* spent in bnorm so far */
};

/* 64-128-64-10. The weights come from *random; threads are bnorm's. */
void network_create(struct network *network, size_t capacity, bool norm, int threads, uint64_t *random);

void network_destroy(struct network *network);

/* Returns the scores, rows x CLASSES. */
const float *network_forward(struct network *network, const float *input, size_t rows, bool training);

/* Where the loss by the scores goes before network_backward. */
float *network_score_gradient(struct network *network);

/* Fills in the gradients of all parameters, for the last training forward. */
void network_backward(struct network *network, const float *input, size_t rows);

/* One step of gradient descent with momentum. */
void network_step(struct network *network, float rate, float momentum);

/* Of the bits of all that training has changed, running statistics included. */
uint64_t network_hash(const struct network *network);

double seconds_now(void);

/* Zeroed; ends the program where there is no memory. */
void *zeros(size_t count, size_t size);
float *floats(size_t count);

#endif
