/* The arrays of a contest: every contestant reads and writes the same ones, so all have the same pages and alignment.
 */
#ifndef ARRAYS_H
#define ARRAYS_H

#include "support/type.h"

/* 4096-aligned (2 MB and huge pages where large), a whole number of pages, zeroed by `threads` threads in the order in
 * which they will read it, so that each finds its part on its own memory node. Ends the program when there is none. */
void *array_create(size_t bytes, int threads);
void array_destroy(void *array);

/* Pseudo-random values: uniform, of this mean and standard deviation. */
void fill(bnorm_dtype type, void *a, size_t count, double mean, double deviation, unsigned seed);

#endif
