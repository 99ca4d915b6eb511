/* A network of linear layers with ReLU between them, with or without batch normalisation before each ReLU. */
#ifndef EXAMPLES_NETWORK_H
#define EXAMPLES_NETWORK_H

#include <bnorm/bnorm.h>

enum { LAYERS = 3 };

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
    double norm_seconds;      /* spent in bnorm so far */
};

/* With weights from *random, and a bias; for at most `capacity` rows. */
void layer_create(struct layer *layer, size_t inputs, size_t outputs, size_t capacity, uint64_t *random);

/* Batch norm instead of the bias. */
void layer_add_norm(struct layer *layer, const bnorm_desc *desc);
void layer_destroy(struct layer *layer);
void layer_forward(struct layer *layer, const float *input, size_t rows, bool training);

/* From layer->gradient to the gradients of the parameters and, unless NULL, of the input. */
void layer_backward(struct layer *layer, const float *input, float *input_gradient, size_t rows);

/* The two halves: what comes after the product, and before its gradient. `batch` is batch norm's. */
void layer_finish(struct layer *layer, size_t batch, size_t rows, bool training);
void layer_finish_backward(struct layer *layer, size_t rows);

/* One step of gradient descent with momentum. */
void layer_step(struct layer *layer, float rate, float momentum);

struct network {
    struct layer layers[LAYERS];
    size_t capacity; /* rows at most */
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

void network_step(struct network *network, float rate, float momentum);

/* Of the bits of all that training has changed, running statistics included. */
uint64_t network_hash(const struct network *network);

double network_norm_seconds(const struct network *network);

double seconds_now(void);

/* Zeroed; ends the program where there is no memory. */
void *zeros(size_t count, size_t size);
float *floats(size_t count);

#endif
