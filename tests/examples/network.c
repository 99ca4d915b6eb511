#include "network.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataset.h"
#include "random.h"

static const size_t widths[LAYERS + 1] = {PIXELS, 128, 64, CLASSES};

static void require(bnorm_status status)
{
    if (status == BNORM_OK) return;
    fprintf(stderr, "bnorm: %s\n", bnorm_status_string(status));
    exit(EXIT_FAILURE);
}

void *zeros(size_t count, size_t size)
{
    void *const allocated = calloc(count, size);
    if (!allocated) abort();
    return allocated;
}

float *floats(size_t count) { return zeros(count, sizeof(float)); }

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- A layer: linear, then batch norm or a bias, then ReLU but in the last --------------------------------------- */

static struct parameter own_parameter(size_t count)
{
    return (struct parameter){count, floats(count), floats(count), floats(count)};
}

static struct parameter norm_parameter(size_t count, void *values, void *gradients)
{
    return (struct parameter){count, values, gradients, floats(count)};
}

/* He's initialisation: variance 2 / inputs, here uniform. */
static void initialise(struct layer *layer, uint64_t *random)
{
    const double limit = sqrt(6.0 / (double)layer->inputs);
    for (size_t i = 0; i < layer->weights.count; i++)
        layer->weights.values[i] = (float)(limit * (2 * random_unit(random) - 1));
}

void layer_create(struct layer *layer, size_t inputs, size_t outputs, size_t capacity, uint64_t *random)
{
    *layer = (struct layer){0};
    layer->inputs = inputs;
    layer->outputs = outputs;
    layer->weights = own_parameter(outputs * inputs);
    layer->shift = own_parameter(outputs);
    layer->product = floats(capacity * outputs);
    layer->output = floats(capacity * outputs);
    layer->gradient = floats(capacity * outputs);
    initialise(layer, random);
}

static void free_parameter(struct parameter *parameter)
{
    free(parameter->values);
    free(parameter->gradients);
    free(parameter->velocities);
}

void layer_add_norm(struct layer *layer, const bnorm_desc *desc)
{
    require(bnorm_layer_create(&layer->norm, desc));
    free_parameter(&layer->shift);
    layer->shift = norm_parameter(layer->outputs, bnorm_layer_beta(layer->norm), bnorm_layer_dbeta(layer->norm));
    layer->scale = norm_parameter(layer->outputs, bnorm_layer_gamma(layer->norm), bnorm_layer_dgamma(layer->norm));
}

void layer_destroy(struct layer *layer)
{
    free_parameter(&layer->weights);
    if (layer->norm) {
        free(layer->shift.velocities);
        free(layer->scale.velocities);
    } else {
        free_parameter(&layer->shift);
    }
    bnorm_layer_destroy(layer->norm);
    free(layer->product);
    free(layer->output);
    free(layer->gradient);
}

static void add_bias(const struct layer *layer, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < layer->outputs; j++)
            layer->output[i * layer->outputs + j] = layer->product[i * layer->outputs + j] + layer->shift.values[j];
}

static void bias_gradient(const struct layer *layer, size_t rows)
{
    memset(layer->shift.gradients, 0, layer->outputs * sizeof(float));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < layer->outputs; j++)
            layer->shift.gradients[j] += layer->gradient[i * layer->outputs + j];
}

static void relu(const struct layer *layer, size_t rows)
{
    for (size_t i = 0; i < rows * layer->outputs; i++)
        if (layer->output[i] < 0) layer->output[i] = 0;
}

static void relu_gradient(const struct layer *layer, size_t rows)
{
    for (size_t i = 0; i < rows * layer->outputs; i++)
        if (layer->output[i] <= 0) layer->gradient[i] = 0;
}

void layer_finish(struct layer *layer, size_t batch, size_t rows, bool training)
{
    if (layer->norm) {
        const double start = seconds_now();
        require(bnorm_layer_forward(layer->norm, batch, layer->product, layer->output, training));
        layer->norm_seconds += seconds_now() - start;
    } else {
        add_bias(layer, rows);
    }
    if (layer->hidden) relu(layer, rows);
}

void layer_forward(struct layer *layer, const float *input, size_t rows, bool training)
{
    const int in = (int)layer->inputs, out = (int)layer->outputs;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, out, in, 1, input, in, layer->weights.values, in, 0,
                layer->product, out);
    layer_finish(layer, rows, rows, training);
}

void layer_finish_backward(struct layer *layer, size_t rows)
{
    if (layer->hidden) relu_gradient(layer, rows);
    if (layer->norm) {
        const double start = seconds_now();
        require(bnorm_layer_backward(layer->norm, layer->product, layer->gradient, layer->gradient));
        layer->norm_seconds += seconds_now() - start;
    } else {
        bias_gradient(layer, rows);
    }
}

void layer_backward(struct layer *layer, const float *input, float *input_gradient, size_t rows)
{
    layer_finish_backward(layer, rows);
    const int in = (int)layer->inputs, out = (int)layer->outputs;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, (int)rows, 1, layer->gradient, out, input, in, 0,
                layer->weights.gradients, in);
    if (input_gradient)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, in, out, 1, layer->gradient, out,
                    layer->weights.values, in, 0, input_gradient, in);
}

static void step(const struct parameter *parameter, float rate, float momentum)
{
    for (size_t i = 0; i < parameter->count; i++) {
        parameter->velocities[i] = momentum * parameter->velocities[i] - rate * parameter->gradients[i];
        parameter->values[i] += parameter->velocities[i];
    }
}

void layer_step(struct layer *layer, float rate, float momentum)
{
    step(&layer->weights, rate, momentum);
    step(&layer->shift, rate, momentum);
    step(&layer->scale, rate, momentum);
}

/* ---- The network ------------------------------------------------------------------------------------------------- */

void network_create(struct network *network, size_t capacity, bool norm, int threads, uint64_t *random)
{
    *network = (struct network){.capacity = capacity};
    for (size_t k = 0; k < LAYERS; k++) {
        struct layer *const layer = &network->layers[k];
        layer_create(layer, widths[k], widths[k + 1], capacity, random);
        layer->hidden = k + 1 < LAYERS;
        if (!norm || !layer->hidden) continue;
        bnorm_desc desc = bnorm_matrix(BNORM_F32, 0, layer->outputs); /* a layer takes batches of any size */
        desc.threads = threads;
        layer_add_norm(layer, &desc);
    }
}

void network_destroy(struct network *network)
{
    for (size_t k = 0; k < LAYERS; k++) layer_destroy(&network->layers[k]);
}

const float *network_forward(struct network *network, const float *input, size_t rows, bool training)
{
    for (size_t k = 0; k < LAYERS; k++) {
        layer_forward(&network->layers[k], input, rows, training);
        input = network->layers[k].output;
    }
    return input;
}

float *network_score_gradient(struct network *network) { return network->layers[LAYERS - 1].gradient; }

void network_backward(struct network *network, const float *input, size_t rows)
{
    for (size_t k = LAYERS; k-- > 0;) {
        struct layer *const below = k ? &network->layers[k - 1] : NULL;
        layer_backward(&network->layers[k], below ? below->output : input, below ? below->gradient : NULL, rows);
    }
}

void network_step(struct network *network, float rate, float momentum)
{
    for (size_t k = 0; k < LAYERS; k++) layer_step(&network->layers[k], rate, momentum);
}

double network_norm_seconds(const struct network *network)
{
    double seconds = 0;
    for (size_t k = 0; k < LAYERS; k++) seconds += network->layers[k].norm_seconds;
    return seconds;
}

/* FNV-1a of 64 bits. */
static uint64_t hash_floats(uint64_t hash, const float *values, size_t count)
{
    const unsigned char *const bytes = (const unsigned char *)values;
    for (size_t i = 0; i < count * sizeof *values; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

uint64_t network_hash(const struct network *network)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t k = 0; k < LAYERS; k++) {
        const struct layer *const layer = &network->layers[k];
        hash = hash_floats(hash, layer->weights.values, layer->weights.count);
        hash = hash_floats(hash, layer->shift.values, layer->shift.count);
        hash = hash_floats(hash, layer->scale.values, layer->scale.count);
        if (!layer->norm) continue;
        hash = hash_floats(hash, bnorm_layer_running_mean(layer->norm), layer->outputs);
        hash = hash_floats(hash, bnorm_layer_running_var(layer->norm), layer->outputs);
    }
    return hash;
}
