/* The experiment that bnorm grew from: exact statistics at the pace of memory, in a page of intrinsics. A floor for
 * forward training: each thread sums its own rows, so the bits depend on how many there are. */
#ifndef PROTOTYPE_H
#define PROTOTYPE_H

#include "work.h"

/* Forward, f32, channels last, features a multiple of 64, a block of rows for each thread; on AVX-512, with OpenMP. */
bool prototype_has(const work *w);

/* Doubles of scratch that it wants. */
size_t prototype_scratch(const work *w);

/* Writes y, past the cache or not. */
void prototype_run(const work *w, bool stream, double *scratch);

#endif
