/* Results of a call against the reference, under the bounds of the accuracy table. Each check looks at every element of
 * the problem's outputs; inputs are read from the copies that problem_run saved. See bounds.c for the bounds. */
#ifndef TESTS_BOUNDS_H
#define TESTS_BOUNDS_H

#include "problem.h"
#include "reference.h"

/* The largest error of each output of each call, seen so far: as a share of its bound, and the least k that would have
 * been enough (0 where the other terms of the bound are). */
struct worst {
    struct used {
        double share, k;
    } of[OPERATIONS][ARRAYS];
};

void check_training(const struct problem *problem, struct worst *worst);
void check_inference(const struct problem *problem, struct worst *worst);
void check_backward(const struct problem *problem, struct worst *worst);
void check_column(const struct problem *problem, enum operation operation, size_t column, struct worst *worst);

/* The same for one column, x and dy its values before the call, against sums that another has taken. */
void check_training_column(const struct problem *problem, size_t column, const double *x,
                           const struct statistics *exact, struct worst *worst);
void check_backward_column(const struct problem *problem, size_t column, const double *x, const double *dy,
                           const struct gradients *exact, struct worst *worst);

/* Values of a column before the call, to be freed. */
double *column_before(const struct array *array, size_t column);

/* problem_run, the status and the check in one. */
void run_and_check(struct problem *problem, enum operation operation, struct worst *worst);

/* Fills, then runs and checks all three calls; backward with the statistics that training saved. */
void check_all_calls(const bnorm_desc *desc, const struct input *input, struct worst *worst);

/* Of the arithmetic on elements: 2^-53 for f64, 2^-24 for all others. */
double unit_roundoff(bnorm_dtype type);
/* Of what is stored: 2^-53, 2^-24, bf16 2^-8, f16 2^-11; half the distance from 1 to the next number. */
double stored_roundoff(bnorm_dtype type);
double least_subnormal(bnorm_dtype type);
double largest_finite(bnorm_dtype type);
double ulp(bnorm_dtype type, double value); /* the distance between numbers of the type there */

#endif
