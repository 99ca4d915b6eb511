/* What the doors share: checks of a description, and what a call works with. */
#ifndef BN_CHECK_H
#define BN_CHECK_H

#include "bnorm/bnorm.h"
#include "overlap.h"
#include "passes/passes.h"

/* Without a value. */
static inline bool bn_is_empty(const bnorm_desc *desc) { return desc->batch == 0 || desc->spatial == 0; }

bool bn_same_shape(const bnorm_desc *a, const bnorm_desc *b);

/* v < 0, by its bits: a caller's denormals-are-zero would take the smallest numbers for 0. */
bool bn_below_0(double v);

/* Values of a row, side by side. */
size_t bn_row_values(const bnorm_desc *desc);

/* Checks the description, and makes what a call works with, but for its scratch. The statuses from BNORM_UNKNOWN_ABI to
 * BNORM_BAD_THREADS; with one after BNORM_OVERFLOW the work is made all the same. */
bnorm_status bn_work_make(const bnorm_desc *desc, bool unsupported_arrays, const bnorm_buffers *buffers, bn_work *work);

/* Scratch of any alignment, enough to align so many bytes in it. */
size_t bn_scratch_bytes(size_t room);
double *bn_scratch_aligned(void *scratch);

#endif
