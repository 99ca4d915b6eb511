/* What the doors share: checks of a description, and what a call works with. */
#ifndef BN_CHECK_H
#define BN_CHECK_H

#include "bnorm/bnorm.h"
#include "overlap.h"
#include "passes/passes.h"

/* The statuses from BNORM_UNKNOWN_ABI to BNORM_BAD_THREADS. On success *resolved has no stride of 0. */
bnorm_status bn_check_description(const bnorm_desc *desc, bool unsupported_arrays, bnorm_desc *resolved);

bool bn_same_shape(const bnorm_desc *a, const bnorm_desc *b);

/* Values of a row, side by side. */
size_t bn_row_values(const bnorm_desc *desc);

/* Of a resolved description. Scratch for nodes is for the caller to give. */
bn_work bn_work_make(const bnorm_desc *resolved, const bnorm_buffers *buffers);

/* Scratch of any alignment, enough to align so many bytes in it. */
size_t bn_scratch_bytes(size_t room);
double *bn_scratch_aligned(void *scratch);

#endif
