/* One problem run in many ways that must not change a bit. */
#ifndef TESTS_VARIANT_H
#define TESTS_VARIANT_H

#include "problem.h"

/* What the calls of a problem are made in. */
typedef void surroundings(void (*body)(void *), void *argument);

struct variant {
    int threads;
    size_t x_padding, y_padding, dx_padding, dy_padding; /* elements between rows, channels first between images */
    size_t shift;                                        /* of every array, in elements */
    bool y_in_place, dx_in_place;
    bool workspace;        /* given, and misaligned by one byte */
    bool without_optional; /* of the outputs, only y and dx are asked for */
    surroundings *around;  /* NULL: none */
};

/* What the three calls wrote; 0 where not asked for. */
struct digests {
    uint64_t training_y, inference_y, mean, invstd, running_mean, running_var, dx, dgamma, dbeta;
};

struct digests variant_run(const bnorm_desc *desc, const struct input *input, const struct variant *variant);

/* The same in two steps: making the inputs takes longest, and variants that differ only in threads, optional arrays and
 * surroundings can share them. */
struct problem variant_prepare(const bnorm_desc *desc, const struct input *input, const struct variant *variant);
struct digests variant_call(const struct problem *prepared, const struct variant *variant);

/* The same in all that both were asked for. */
void check_same(const struct digests *a, const struct digests *b, const char *what);

enum { VARIANT_INPUTS = 3 };

/* Random values; an outlier and several |mean| / std; numbers near the smallest of the type. */
struct input variant_input(bnorm_dtype type, size_t number);

/* A number for the bits of a fixed set of problems, the same on every machine: every tail of a vector, shapes of one
 * and of many blocks; dense, padded and misaligned, in place. The large shapes take an emulator seconds. */
enum variant_set { FLOATS_CHANNELS_LAST, SIXTEEN_CHANNELS_LAST, ALL_CHANNELS_FIRST, VARIANT_SETS };
uint64_t variant_hash(enum variant_set set, bool large, surroundings *around);

#endif
