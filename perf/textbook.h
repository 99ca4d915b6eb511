/* The formulas of bnorm.h as plain loops on one thread: a rival in the tables, and the judge of every answer. */
#ifndef TEXTBOOK_H
#define TEXTBOOK_H

#include "work.h"

/* What a C programmer would write, channels last: whole rows at a time, statistics in double. Writes y (and mean,
 * invstd), or dx, dgamma and dbeta. `scratch` holds 2 * features doubles. */
bool textbook_has(const work *w); /* f32 and f64, channels last */
void textbook_run(const work *w, double *scratch);

/* Whether y, or dx, dgamma and dbeta, are the formulas' values for x (and dy, and mean and invstd, in a backward pass),
 * by sums in long double. `loose` is for rivals that work in plain float: an error of a thousandth passes; otherwise
 * the bounds are some times those of bnorm's accuracy table, which the tests check to the last unit. Complains on
 * stderr. */
bool textbook_agrees(const work *w, const char *who, bool loose);

#endif
