/* Sums of doubles, and of products of two doubles, as integers: no bit is lost, so no order matters. Every element type
 * is a double, so this serves all of them. mean, variance and gradients are one quotient of such integers each. */
#ifndef TESTS_EXACT_H
#define TESTS_EXACT_H

#include "support/reference.h"

#include <stdint.h>

/* The sum of digit[i] 2^(32 i) in units of 2^-EXACT_LEAST. A product of two of the least doubles is 2^-2148, one of two
 * of the largest 2^2048; beyond that there is room for 2^40 of them and a sign. Digits are carried over only now and
 * then. */
enum { EXACT_LEAST = 2176, EXACT_DIGITS = 137 };

typedef struct exact {
    int64_t digit[EXACT_DIGITS]; /* the sign is that of the last */
    uint32_t pending;            /* additions since digits were carried over */
} exact;

/* Finite numbers only. */
void exact_add(exact *sum, double a);
void exact_add_product(exact *sum, double a, double b);

exact exact_difference(exact a, exact b);

/* Of sums of doubles, not of products. */
exact exact_product(exact a, exact b);

/* To binary128: two roundings, of what is there and of its last digits. */
wide exact_value(exact a);

/* The references of support/reference.h, from such sums. */
struct statistics exact_statistics(const double *x, size_t count, double eps);
struct gradients exact_gradients(const double *x, const double *dy, size_t count, double mean, double invstd);

#endif
