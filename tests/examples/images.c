/* Trains a convolutional network on images of handwritten digits: 3 x 3 convolution into 16 channels, batch
 * normalisation, ReLU, the mean of each 2 x 2 pixels, a linear layer. Twice from the same weights: once the channels'
 * images lie in memory channel after channel (NCHW), once pixel after pixel (NHWC). The sums of the matrix products
 * then run in another order, so the two differ by rounding, and may tell at most one held-out image differently.
 *
 *     images [--check]
 *
 * The convolution is a matrix product: each pixel's 3 x 3 neighbourhood is a row of `patches`. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "network.h"
#include "random.h"

enum {
    SIDE = 8,
    TAPS = 9,
    CHANNELS = 16,
    POOLED = CHANNELS * PIXELS / 4,
    BATCH = 64,
    CAPACITY = BATCH + 1,
    EPOCHS = 15
};

static const float first_rate = 0.05f, momentum = 0.9f;

struct model {
    bnorm_layout layout;
    struct layer convolution; /* its rows are pixels */
    struct layer linear;
    float *patches;         /* images x PIXELS x TAPS */
    float *pooled;          /* images x CHANNELS x PIXELS / 4, in both layouts */
    float *pooled_gradient; /* the same */
};

static void model_create(struct model *m, bnorm_layout layout, uint64_t seed)
{
    *m = (struct model){.layout = layout};
    layer_create(&m->convolution, TAPS, CHANNELS, CAPACITY * PIXELS, &seed);
    layer_create(&m->linear, POOLED, CLASSES, CAPACITY, &seed);
    bnorm_desc desc = bnorm_image(BNORM_F32, layout, 0, CHANNELS, PIXELS); /* a layer takes any batch */
    desc.threads = 1;                                                      /* waking a second costs more here */
    layer_add_norm(&m->convolution, &desc);
    m->convolution.hidden = true;
    m->patches = floats(CAPACITY * PIXELS * TAPS);
    m->pooled = floats(CAPACITY * POOLED);
    m->pooled_gradient = floats(CAPACITY * POOLED);
}

static void model_destroy(struct model *m)
{
    layer_destroy(&m->convolution);
    layer_destroy(&m->linear);
    free(m->patches);
    free(m->pooled);
    free(m->pooled_gradient);
}

/* Where a pixel of a channel lies. */
static size_t place(const struct model *m, size_t image, size_t channel, size_t pixel)
{
    return m->layout == BNORM_CHANNELS_FIRST ? (image * CHANNELS + channel) * PIXELS + pixel
                                             : (image * PIXELS + pixel) * CHANNELS + channel;
}

/* Zeros around the image. */
static void fill_patches(struct model *m, const float *pixels, size_t images)
{
    float *to = m->patches;
    for (size_t i = 0; i < images; i++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                for (int tap = 0; tap < TAPS; tap++) {
                    const int v = y + tap / 3 - 1, u = x + tap % 3 - 1;
                    const int inside = v >= 0 && v < SIDE && u >= 0 && u < SIDE;
                    *to++ = inside ? pixels[i * PIXELS + (size_t)(v * SIDE + u)] : 0;
                }
}

/* Channels last, the pixels of all images are the rows of one product; channels first, each image has its own. */
static void convolve(struct model *m, size_t images)
{
    const float *const weights = m->convolution.weights.values;
    if (m->layout == BNORM_CHANNELS_LAST) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)images * PIXELS, CHANNELS, TAPS, 1, m->patches, TAPS,
                    weights, TAPS, 0, m->convolution.product, CHANNELS);
        return;
    }
    for (size_t i = 0; i < images; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, CHANNELS, PIXELS, TAPS, 1, weights, TAPS,
                    m->patches + i * PIXELS * TAPS, TAPS, 0, m->convolution.product + i * CHANNELS * PIXELS, PIXELS);
}

static void weight_gradient(struct model *m, size_t images)
{
    float *const to = m->convolution.weights.gradients;
    if (m->layout == BNORM_CHANNELS_LAST) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, CHANNELS, TAPS, (int)images * PIXELS, 1,
                    m->convolution.gradient, CHANNELS, m->patches, TAPS, 0, to, TAPS);
        return;
    }
    for (size_t i = 0; i < images; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, CHANNELS, TAPS, PIXELS, 1,
                    m->convolution.gradient + i * CHANNELS * PIXELS, PIXELS, m->patches + i * PIXELS * TAPS, TAPS,
                    i > 0, to, TAPS);
}

/* The upper left of the 2 x 2 pixels that the k-th mean is of. */
static size_t corner(size_t k) { return k / (SIDE / 2) * 2 * SIDE + k % (SIDE / 2) * 2; }

static void pool(struct model *m, size_t images)
{
    float *to = m->pooled;
    for (size_t i = 0; i < images; i++)
        for (size_t c = 0; c < CHANNELS; c++)
            for (size_t k = 0; k < PIXELS / 4; k++) {
                const float *const from = m->convolution.output;
                const size_t p = corner(k);
                *to++ = 0.25f * ((from[place(m, i, c, p)] + from[place(m, i, c, p + 1)]) +
                                 (from[place(m, i, c, p + SIDE)] + from[place(m, i, c, p + SIDE + 1)]));
            }
}

static void pool_gradient(struct model *m, size_t images)
{
    static const size_t corners[] = {0, 1, SIDE, SIDE + 1};
    const float *from = m->pooled_gradient;
    for (size_t i = 0; i < images; i++)
        for (size_t c = 0; c < CHANNELS; c++)
            for (size_t k = 0; k < PIXELS / 4; k++, from++)
                for (size_t q = 0; q < 4; q++)
                    m->convolution.gradient[place(m, i, c, corner(k) + corners[q])] = 0.25f * *from;
}

static const float *forward(struct model *m, const float *pixels, size_t images, bool training)
{
    fill_patches(m, pixels, images);
    convolve(m, images);
    layer_finish(&m->convolution, images, images * PIXELS, training);
    pool(m, images);
    layer_forward(&m->linear, m->pooled, images, training);
    return m->linear.output;
}

static void backward(struct model *m, size_t images)
{
    layer_backward(&m->linear, m->pooled, m->pooled_gradient, images);
    pool_gradient(m, images);
    layer_finish_backward(&m->convolution, images * PIXELS);
    weight_gradient(m, images);
}

static void train(struct model *m, const struct dataset *set, uint64_t seed)
{
    struct dataset batch = dataset_create(CAPACITY);
    size_t *const order = zeros(set->rows, sizeof *order);
    for (size_t i = 0; i < set->rows; i++) order[i] = i;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        const float rate = first_rate * (float)(EPOCHS - epoch) / EPOCHS;
        random_shuffle(order, set->rows, &seed);
        for (size_t first = 0; first < set->rows; first += batch.rows) {
            batch.rows = batch_rows(BATCH, set->rows - first);
            dataset_gather(&batch, set, order + first);
            score_loss(forward(m, batch.pixels, batch.rows, true), &batch, m->linear.gradient);
            backward(m, batch.rows);
            layer_step(&m->convolution, rate, momentum);
            layer_step(&m->linear, rate, momentum);
        }
    }
    free(order);
    dataset_destroy(&batch);
}

/* What a network trained in this layout makes of the held-out images. Returns how many it tells rightly. */
static size_t told(bnorm_layout layout, uint64_t seed, const struct dataset *training, const struct dataset *held_out,
                   int *digits)
{
    struct model m;
    size_t right = 0;
    model_create(&m, layout, seed);
    train(&m, training, seed);
    for (size_t first = 0; first < held_out->rows; first += CAPACITY) {
        const size_t left = held_out->rows - first, rows = left < CAPACITY ? left : CAPACITY;
        const float *const scores = forward(&m, held_out->pixels + first * PIXELS, rows, false);
        for (size_t i = 0; i < rows; i++) digits[first + i] = likeliest(scores + i * CLASSES);
    }
    for (size_t i = 0; i < held_out->rows; i++) right += digits[i] == held_out->digits[i];
    model_destroy(&m);
    return right;
}

/* Whether both layouts learn, and alike. */
static bool compare(uint64_t seed, const struct dataset *training, const struct dataset *held_out)
{
    int *const digits[] = {zeros(held_out->rows, sizeof(int)), zeros(held_out->rows, sizeof(int))};
    const double rows = (double)held_out->rows;
    const double first = (double)told(BNORM_CHANNELS_FIRST, seed, training, held_out, digits[0]) / rows;
    const double last = (double)told(BNORM_CHANNELS_LAST, seed, training, held_out, digits[1]) / rows;
    size_t differ = 0;
    for (size_t i = 0; i < held_out->rows; i++) differ += digits[0][i] != digits[1][i];
    printf("seed %d: held out NCHW %6.2f %%, NHWC %6.2f %%; told differently: %zu of %zu rows\n", (int)seed,
           100 * first, 100 * last, differ, held_out->rows);
    for (int k = 0; k < 2; k++) free(digits[k]);
    return first >= 0.95 && last >= 0.95 && differ <= 1;
}

int main(int argc, char **argv)
{
    const bool check = argc == 2 && !strcmp(argv[1], "--check");
    if (argc > 1 && !check) {
        fprintf(stderr, "usage: %s [--check]\n", argv[0]);
        return 2;
    }
    openblas_set_num_threads(1);
    struct dataset training, held_out;
    read_digits(DATA "/digits.csv", &training, &held_out);
    bool holds = true;
    for (uint64_t seed = 1; seed <= 3; seed++) holds = compare(seed, &training, &held_out) && holds;
    dataset_destroy(&training);
    dataset_destroy(&held_out);
    if (check) printf("%s\n", holds ? "Everything holds." : "Something is off.");
    return check && !holds ? EXIT_FAILURE : EXIT_SUCCESS;
}
