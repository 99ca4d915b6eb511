/* Results of a call against the reference, under the bounds of the accuracy table. Each check looks at every element of
 * the problem's outputs; inputs are read from the copies that problem_run saved. See bounds.c for the bounds. */
#ifndef TESTS_BOUNDS_H
#define TESTS_BOUNDS_H

#include "problem.h"

/* The largest error seen, as a share of its bound. */
struct worst {
    double mean, invstd, running, y, dbeta, dgamma, dx;
};

void check_training(const struct problem *problem, struct worst *worst);
void check_inference(const struct problem *problem, struct worst *worst);
void check_backward(const struct problem *problem, struct worst *worst);
void check_column(const struct problem *problem, enum operation operation, size_t column, struct worst *worst);

/* problem_run, the status and the check in one. */
void run_and_check(struct problem *problem, enum operation operation, struct worst *worst);

/* Fills, then runs and checks all three calls; backward with the statistics that training saved. */
void check_all_calls(const bnorm_desc *desc, const struct input *input, struct worst *worst);

/* Training of which y is made by the saved mean and invstd, as they are: bnorm_normalise after bnorm_moments_finish. */
void check_parts_column(const struct problem *problem, size_t column, struct worst *worst);

/* From now on k, of what sums leave behind, is this: for a test that looks for the worst case, which may exceed 8. */
void bounds_of_sums(double k);

/* Of the arithmetic on elements: 2^-53 for f64, 2^-24 for all others. */
double unit_roundoff(bnorm_dtype type);
/* Of what is stored: 2^-53, 2^-24, bf16 2^-8, f16 2^-11; half the distance from 1 to the next number. */
double stored_roundoff(bnorm_dtype type);
double least_subnormal(bnorm_dtype type);
double largest_finite(bnorm_dtype type);

#endif
